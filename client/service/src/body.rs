//! The body of a request with records: framed, bounded, and read only when there is room for it.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use dronechain_client::frames::{self, FrameError};

use crate::limits::{RECORDS_BODY_MAX, RECORDS_PER_REQUEST_MAX};

/// Why a body holds no records.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body says that it is something else.
    #[error("content type {found:?}, {wanted} is wanted")]
    ContentType {
        /// What it says.
        found: String,
        /// What records are sent as.
        wanted: &'static str,
    },
    /// Longer than is read.
    #[error("more than {RECORDS_BODY_MAX} bytes")]
    TooLong,
    /// It could not be read to its end.
    #[error("the body broke off: {0}")]
    Broken(String),
    /// The frames in it are none.
    #[error("{0}")]
    Frames(#[from] FrameError),
}

impl BodyError {
    /// Status and name under which it is answered.
    pub fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::ContentType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type"),
            Self::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "too-long"),
            Self::Broken(_) => (StatusCode::BAD_REQUEST, "body"),
            Self::Frames(_) => (StatusCode::BAD_REQUEST, "frames-malformed"),
        }
    }
}

/// Refuses by its head what [`records`] would refuse, before a byte of the body is read.
///
/// # Errors
/// [`BodyError::ContentType`], [`BodyError::TooLong`].
pub fn check_head(headers: &HeaderMap) -> Result<(), BodyError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (found, wanted) = (text(CONTENT_TYPE), frames::CONTENT_TYPE);
    if found != wanted {
        return Err(BodyError::ContentType { found: found.to_owned(), wanted });
    }
    let length = text(CONTENT_LENGTH).parse().unwrap_or(0);
    if length > RECORDS_BODY_MAX { Err(BodyError::TooLong) } else { Ok(()) }
}

/// The bytes of each record in the body.
///
/// # Errors
/// [`BodyError::Broken`], [`BodyError::Frames`].
pub async fn records(request: Request) -> Result<Vec<Vec<u8>>, BodyError> {
    let body = to_bytes(request.into_body(), RECORDS_BODY_MAX)
        .await
        .map_err(|error| BodyError::Broken(error.to_string()))?;
    Ok(frames::split(&body, RECORDS_PER_REQUEST_MAX)?.into_iter().map(<[u8]>::to_vec).collect())
}
