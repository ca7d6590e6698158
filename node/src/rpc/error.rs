//! Refusals: one variant per cause, and one match that gives each its status and name.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dronechain_chain_spec::rules::TxError;
use serde::Serialize;

use crate::core::event::{BodyError, SubmitError};
use crate::core::view::ViewError;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("there is nothing at this path")]
    NoRoute,
    #[error("this path does not take this method")]
    Method,
    #[error("path: {0}")]
    Path(String),
    #[error("query: {0}")]
    Query(String),
    #[error("query: {name} is {found}, at most {max} is allowed")]
    TooMuch { name: &'static str, found: u64, max: u64 },
    #[error("no {0} of this name is here")]
    Unknown(&'static str),
    #[error("a Content-Length is wanted")]
    LengthRequired,
    #[error("{found} bytes, at most {max} are allowed")]
    TooLarge { found: u64, max: usize },
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body could not be read: {0}")]
    BodyRead(String),
    #[error("{0}")]
    Rule(#[from] TxError),
    #[error("{0}")]
    Body(#[from] BodyError),
    #[error("only an anchor has a body")]
    BodyUnexpected,
    #[error("{0}")]
    Submit(#[from] SubmitError),
    #[error("too many submissions at once, try again later")]
    Busy,
    #[error("too many streams of events at once, try again later or at another node")]
    StreamsFull,
    #[error("the node is low on disk space and takes nothing in; try another node")]
    NoSpace,
    #[error("no answer in time; ask for the transaction, or submit the same bytes again")]
    NoAnswer,
    #[error("the node is stopping")]
    Stopping,
    #[error("the tip moves too fast, try again")]
    TipMoved,
    #[error("the node knows of a heavier chain than its own")]
    Syncing,
    #[error("the store could not be read")]
    Store(#[from] ViewError),
    #[error("a handler failed")]
    Internal,
}

#[derive(Serialize)]
struct Envelope {
    error: Refusal,
}

#[derive(Serialize)]
struct Refusal {
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    name: &'static str,
    message: String,
}

impl ApiError {
    /// Status, the ledger's rule if one refused, and the name.
    fn parts(&self) -> (StatusCode, Option<&'static str>, &'static str) {
        let plain = |status, name| (status, None, name);
        let ruled = |error: &TxError| {
            let (number, name) = error.rule();
            (StatusCode::UNPROCESSABLE_ENTITY, Some(number), name)
        };
        match self {
            Self::NoRoute => plain(StatusCode::NOT_FOUND, "no-route"),
            Self::Method => plain(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Self::Path(_) => plain(StatusCode::BAD_REQUEST, "bad-path"),
            Self::Query(_) => plain(StatusCode::BAD_REQUEST, "bad-query"),
            Self::TooMuch { .. } => plain(StatusCode::BAD_REQUEST, "too-much"),
            Self::Unknown(_) => plain(StatusCode::NOT_FOUND, "unknown"),
            Self::LengthRequired => plain(StatusCode::LENGTH_REQUIRED, "length-required"),
            Self::TooLarge { .. } => plain(StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::TooSlow => plain(StatusCode::REQUEST_TIMEOUT, "too-slow"),
            Self::BodyRead(_) => plain(StatusCode::BAD_REQUEST, "body-unreadable"),
            Self::Rule(error) => ruled(error),
            Self::Body(error) => match error {
                BodyError::Size { .. } => plain(StatusCode::UNPROCESSABLE_ENTITY, "body-size"),
                BodyError::Duplicate(_) => plain(StatusCode::UNPROCESSABLE_ENTITY, "body-duplicate"),
                BodyError::Root { .. } => plain(StatusCode::UNPROCESSABLE_ENTITY, "body-root"),
            },
            Self::BodyUnexpected => plain(StatusCode::UNPROCESSABLE_ENTITY, "body-unexpected"),
            Self::Submit(error) => match error {
                SubmitError::Rule(error) => ruled(error),
                SubmitError::SequenceTaken { .. } => plain(StatusCode::CONFLICT, "sequence-taken"),
                SubmitError::BodyMissing { .. } => plain(StatusCode::UNPROCESSABLE_ENTITY, "body-missing"),
                SubmitError::MempoolFull => plain(StatusCode::SERVICE_UNAVAILABLE, "mempool-full"),
            },
            Self::Busy => plain(StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::StreamsFull => plain(StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::NoSpace => plain(StatusCode::SERVICE_UNAVAILABLE, "no-space"),
            Self::NoAnswer => plain(StatusCode::SERVICE_UNAVAILABLE, "no-answer"),
            Self::Stopping => plain(StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Self::TipMoved => plain(StatusCode::SERVICE_UNAVAILABLE, "tip-moved"),
            Self::Syncing => plain(StatusCode::SERVICE_UNAVAILABLE, "syncing"),
            Self::Store(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "store"),
            Self::Internal => plain(StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, rule, name) = self.parts();
        if let Self::Store(error) = &self {
            tracing::error!(%error, "a request could not be answered");
        }
        let refusal = Refusal { rule, name, message: self.to_string() };
        let mut response = (status, Json(Envelope { error: refusal })).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
