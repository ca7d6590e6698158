//! Errors as clients see them: `{"error": {"name", "message"}}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dronechain_chain_spec::hash::HexError;
use dronechain_service::body::BodyError;
use serde::Serialize;

use crate::limits::WANTED_MAX;
use crate::store::StoreError;

/// Why a call was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("no such call")]
    NoRoute,
    #[error("this call has another method")]
    Method,
    #[error("{0}")]
    Body(#[from] BodyError),
    #[error("{0}")]
    Json(String),
    #[error("{0}")]
    Query(String),
    #[error("{0:?} is no hash: {1}")]
    Hash(String, HexError),
    #[error("no such record")]
    Unknown,
    #[error("no sweep is finished yet")]
    NoReport,
    #[error("{WANTED_MAX} anchors are waiting to be fetched")]
    QueueFull,
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// A refusal as it is answered.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    pub(super) name: &'static str,
    pub(super) message: String,
}

#[derive(Serialize)]
struct Envelope {
    error: Refused,
}

impl ApiError {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoRoute => (StatusCode::NOT_FOUND, "no-route"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Body(error) => error.answer(),
            Self::Json(_) => (StatusCode::BAD_REQUEST, "json-malformed"),
            Self::Query(_) => (StatusCode::BAD_REQUEST, "query-malformed"),
            Self::Hash(..) => (StatusCode::BAD_REQUEST, "hash-malformed"),
            Self::Unknown => (StatusCode::NOT_FOUND, "unknown"),
            Self::NoReport => (StatusCode::NOT_FOUND, "no-report"),
            Self::QueueFull => (StatusCode::SERVICE_UNAVAILABLE, "queue-full"),
            Self::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, name) = self.status();
        if let Self::Store(error) = &self {
            tracing::error!(%error, "a call failed");
        }
        (status, Json(Envelope { error: Refused { name, message: self.to_string() } })).into_response()
    }
}
