//! `POST /v1/records`: records from devices.

use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use dronechain_client::frames;
use serde::Serialize;

use crate::intake::{Refusal, Verdict};
use crate::limits::{RECORDS_BODY_MAX, RECORDS_PER_REQUEST_MAX};

use super::Api;
use super::answer::{ApiError, Refused};

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    accepted: usize,
    next_sequence: Option<u64>,
    refused: Option<At>,
    /// The same refusal in the form of all errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refused>,
}

#[derive(Debug, Serialize)]
struct At {
    index: usize,
    name: &'static str,
    message: String,
}

pub(super) async fn post(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<(StatusCode, Json<Answer>), ApiError> {
    check_head(request.headers())?;
    // Bodies are large: those beyond the bound wait unread.
    let _slot = api.slots.acquire().await.expect("the semaphore is never closed");
    let body = to_bytes(request.into_body(), RECORDS_BODY_MAX)
        .await
        .map_err(|error| ApiError::Body(error.to_string()))?;
    let records = frames::split(&body, RECORDS_PER_REQUEST_MAX)?;
    let verdict = api.intake.take(records.into_iter().map(<[u8]>::to_vec).collect()).await?;
    if verdict.accepted > 0 {
        api.batching.notify_one();
        api.forwarding.notify_one();
    }
    Ok(answer(verdict))
}

fn check_head(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (found, wanted) = (text(CONTENT_TYPE), frames::CONTENT_TYPE);
    if found != wanted {
        return Err(ApiError::ContentType { found: found.to_owned(), wanted });
    }
    let length = text(CONTENT_LENGTH).parse().unwrap_or(0);
    if length > RECORDS_BODY_MAX { Err(ApiError::TooLong) } else { Ok(()) }
}

fn answer(verdict: Verdict) -> (StatusCode, Json<Answer>) {
    let Verdict { accepted, next_sequence, refused } = verdict;
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let told = |refusal: &Refusal| (refusal.name(), refusal.to_string());
    let at = refused.as_ref().map(told).map(|(name, message)| At { index: accepted, name, message });
    let error = refused.as_ref().map(told).map(|(name, message)| Refused { rule: None, name, message });
    (status, Json(Answer { accepted, next_sequence, refused: at, error }))
}
