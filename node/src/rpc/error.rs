//! Refusals: one variant per cause, and one match that gives each its status and name.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dronechain_chain_spec::rules::{HeaderError, TxError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::core::event::{BodyError, MiningError, SubmitError};
use crate::core::view::ViewError;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("there is nothing at this path")]
    NoRoute,
    #[error("this path does not take this method")]
    Method,
    #[error("path: {0}")]
    Path(String),
    #[error("query: {0}")]
    Query(String),
    #[error("parameters: {0}")]
    Params(String),
    #[error("{name} is {found}, at most {max} is allowed")]
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
    #[error("{0}")]
    Header(#[from] HeaderError),
    #[error("{0}")]
    Mining(MiningError),
    #[error("too many submissions at once, try again later")]
    Busy,
    #[error("asked too often, try again in {} s", seconds(*wait))]
    TooOften { wait: Duration },
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

/// What a refusal is over REST.
#[derive(Serialize, JsonSchema)]
pub(super) struct Envelope {
    error: Refusal,
}

/// Why something was refused; in JSON-RPC the error's data.
#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct Refusal {
    /// The ledger's rule, where one refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    /// What programs go by.
    name: &'static str,
    /// For people.
    pub(super) message: String,
    /// Seconds to wait before the next try, where it was asked too often.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

/// Whole seconds, at least one.
fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u64::MAX)
}

/// Codes of JSON-RPC errors, with what they mean.
pub(super) const CODES: [(i32, &str); 8] = [
    (INVALID_PARAMS, "the parameters are not those of the method"),
    (INTERNAL, "the node failed"),
    (UNKNOWN, "nothing of this name is here"),
    (REFUSED, "a rule refuses it"),
    (CONFLICT, "another transaction has the sequence, or the template is an old one"),
    (UNAVAILABLE, "not now: try again, or another node"),
    (TOO_LARGE, "too large"),
    (TOO_OFTEN, "asked too often: try again after the time that `data` names"),
];
const INVALID_PARAMS: i32 = -32_602;
const INTERNAL: i32 = -32_603;
const UNKNOWN: i32 = -32_001;
const REFUSED: i32 = -32_002;
const CONFLICT: i32 = -32_003;
const UNAVAILABLE: i32 = -32_004;
const TOO_LARGE: i32 = -32_005;
const TOO_OFTEN: i32 = -32_006;

impl ApiError {
    /// Status, the ledger's rule if one refused, and the name.
    fn parts(&self) -> (StatusCode, Option<&'static str>, &'static str) {
        let plain = |status, name| (status, None, name);
        let ruled = |error: &TxError| {
            let (number, name) = error.rule();
            (StatusCode::UNPROCESSABLE_ENTITY, Some(number), name)
        };
        let header = |error: &HeaderError| {
            let (number, name) = error.rule();
            (StatusCode::UNPROCESSABLE_ENTITY, Some(number), name)
        };
        match self {
            Self::NoRoute => plain(StatusCode::NOT_FOUND, "no-route"),
            Self::Method => plain(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Self::Path(_) => plain(StatusCode::BAD_REQUEST, "bad-path"),
            Self::Query(_) => plain(StatusCode::BAD_REQUEST, "bad-query"),
            Self::Params(_) => plain(StatusCode::BAD_REQUEST, "bad-params"),
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
            Self::Header(error) => header(error),
            Self::Mining(error) => match error {
                MiningError::Rule(error) => header(error),
                MiningError::Behind => plain(StatusCode::SERVICE_UNAVAILABLE, "syncing"),
                MiningError::OwnKey { .. } => plain(StatusCode::CONFLICT, "own-key"),
                MiningError::Stale => plain(StatusCode::CONFLICT, "stale-template"),
            },
            Self::Busy => plain(StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::TooOften { .. } => plain(StatusCode::TOO_MANY_REQUESTS, "too-often"),
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

impl ApiError {
    /// Its status over HTTP.
    pub(crate) fn status(&self) -> StatusCode {
        self.parts().0
    }

    /// Tells the operator of what the asker cannot help.
    pub(crate) fn log(&self) {
        if let Self::Store(error) = self {
            tracing::error!(%error, "a request could not be answered");
        }
    }

    /// Seconds after which it may be asked again.
    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        let is_passing = self.status() == StatusCode::SERVICE_UNAVAILABLE;
        self.wait_s().or(is_passing.then_some(1))
    }

    fn wait_s(&self) -> Option<u64> {
        match self {
            Self::TooOften { wait } => Some(seconds(*wait)),
            _ => None,
        }
    }

    pub(super) fn refusal(&self) -> Refusal {
        let (_, rule, name) = self.parts();
        Refusal { rule, name, message: self.to_string(), retry_after_s: self.wait_s() }
    }

    /// Its code in JSON-RPC.
    pub(super) fn code(&self) -> i32 {
        match self.parts().0 {
            StatusCode::BAD_REQUEST => INVALID_PARAMS,
            StatusCode::NOT_FOUND => UNKNOWN,
            StatusCode::UNPROCESSABLE_ENTITY => REFUSED,
            StatusCode::CONFLICT => CONFLICT,
            StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
            StatusCode::PAYLOAD_TOO_LARGE => TOO_LARGE,
            StatusCode::TOO_MANY_REQUESTS => TOO_OFTEN,
            _ => INTERNAL,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let mut response = (self.status(), Json(Envelope { error: self.refusal() })).into_response();
        if let Some(wait) = self.retry_after_s() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}
