//! `POST /v1/records`: records from devices.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use dronechain_service::body;
use serde::Serialize;

use crate::intake::{Refusal, Verdict};

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
    body::check_head(request.headers())?;
    // Bodies are large: those beyond the bound wait unread.
    let _slot = api.slots.acquire().await.expect("the semaphore is never closed");
    let verdict = api.intake.take(body::records(request).await?).await?;
    if verdict.accepted > 0 {
        api.batching.notify_one();
        api.forwarding.notify_one();
    }
    Ok(answer(verdict))
}

fn answer(verdict: Verdict) -> (StatusCode, Json<Answer>) {
    let Verdict { accepted, next_sequence, refused } = verdict;
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let told = |refusal: &Refusal| (refusal.name(), refusal.to_string());
    let at = refused.as_ref().map(told).map(|(name, message)| At { index: accepted, name, message });
    let error = refused.as_ref().map(told).map(|(name, message)| Refused { rule: None, name, message });
    (status, Json(Answer { accepted, next_sequence, refused: at, error }))
}
