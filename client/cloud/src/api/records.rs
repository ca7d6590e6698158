//! Records in and out, and where they are anchored.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_client::frames;
use dronechain_service::body;
use dronechain_service::limits::{RECORDS_BODY_MAX, RECORDS_PER_REQUEST_MAX};
use serde::{Deserialize, Serialize};

use crate::limits::PLACEMENTS_MAX;
use crate::store::Placement;

use super::Api;
use super::answer::{ApiError, Refused};

const COSE: &str = "application/cose";

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    accepted: usize,
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

/// A part of a device's records.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    device: PublicKey,
    #[serde(default)]
    from: u64,
    limit: Option<usize>,
}

pub(super) async fn post(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<(StatusCode, Json<Answer>), ApiError> {
    body::check_head(request.headers())?;
    // Bodies are large: those beyond the bound wait unread.
    let _slot = api.slots.acquire().await.expect("the semaphore is never closed");
    let (accepted, refused) = api.intake.take(body::records(request).await?).await?;
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let at = refused.as_ref().map(|refusal| At {
        index: accepted,
        name: refusal.name(),
        message: refusal.to_string(),
    });
    let error = refused.map(|refusal| Refused { name: refusal.name(), message: refusal.to_string() });
    Ok((status, Json(Answer { accepted, refused: at, error })))
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(hash): Path<String>,
) -> Result<Response, ApiError> {
    let hash: Hash256 = hash.parse().map_err(|error| ApiError::Hash(hash, error))?;
    let bytes = api.store.record(&hash).await?.ok_or(ApiError::Unknown)?;
    Ok(([(CONTENT_TYPE, COSE)], bytes).into_response())
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(Part { device, from, limit }) = part.map_err(|error| ApiError::Query(error.body_text()))?;
    let limit = limit.unwrap_or(RECORDS_PER_REQUEST_MAX).min(RECORDS_PER_REQUEST_MAX);
    let records = api.store.records_of(&device, from, limit, RECORDS_BODY_MAX).await?;
    let mut body = Vec::new();
    for record in &records {
        frames::push(&record.bytes, &mut body);
    }
    Ok(([(CONTENT_TYPE, frames::CONTENT_TYPE)], body).into_response())
}

pub(super) async fn placements(
    State(api): State<Arc<Api>>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Vec<Placement>>, ApiError> {
    let Query(Part { device, from, limit }) = part.map_err(|error| ApiError::Query(error.body_text()))?;
    let limit = limit.unwrap_or(PLACEMENTS_MAX).min(PLACEMENTS_MAX);
    Ok(Json(api.store.placements(&device, from, limit).await?))
}
