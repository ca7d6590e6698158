//! Errors as clients see them: `{"error": {"rule"?, "name", "message"}}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dronechain_chain_spec::hash::HexError;
use dronechain_client::ClientError;
use dronechain_service::body::BodyError;
use serde::Serialize;

use crate::desk::DeskError;
use crate::intake::IntakeError;
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
    #[error("{0:?} is no key: {1}")]
    Key(String, HexError),
    #[error("the cookie in the data folder is wanted as a bearer token")]
    Unauthorized,
    #[error("{0}")]
    Node(ClientError),
    #[error("{0}")]
    Rule(dronechain_chain_spec::rules::TxError),
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// A refusal as it is answered.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<&'static str>,
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
            Self::Key(..) => (StatusCode::BAD_REQUEST, "key-malformed"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Node(_) => (StatusCode::SERVICE_UNAVAILABLE, "node-unreachable"),
            Self::Rule(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.rule().1),
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
        let rule = if let Self::Rule(error) = &self { Some(error.rule().0) } else { None };
        (status, Json(Envelope { error: Refused { rule, name, message: self.to_string() } })).into_response()
    }
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Node(error) => Self::Node(error),
            IntakeError::Store(error) => Self::Store(error),
        }
    }
}

impl From<DeskError> for ApiError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Node(error) => Self::Node(error),
            DeskError::Rule(error) => Self::Rule(error),
            DeskError::Store(error) => Self::Store(error),
        }
    }
}
