//! Enrolment and revocation of devices, by whoever can read the cookie in the data folder.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, Signature};
use dronechain_record::Position;
use serde::{Deserialize, Serialize};

use crate::registry::Standing;

use super::Api;
use super::answer::ApiError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Enrolment {
    device: PublicKey,
    kind: String,
    area: String,
    possession: Signature,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    suspect_since: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Sent {
    txid: Hash256,
}

#[derive(Debug, Serialize)]
pub(super) struct Device {
    state: &'static str,
    next_sequence: u64,
    previous: Hash256,
    /// Records since the last closing record.
    in_flight: u64,
}

pub(super) async fn enrol(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Result<Json<Enrolment>, JsonRejection>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    authorize(&api, &headers)?;
    let Json(Enrolment { device, kind, area, possession }) =
        body.map_err(|error| ApiError::Json(error.body_text()))?;
    let txid = api.desk.enrol(device, kind, area, possession).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { txid })))
}

pub(super) async fn revoke(
    State(api): State<Arc<Api>>,
    Path(device): Path<String>,
    headers: HeaderMap,
    body: Result<Json<Revocation>, JsonRejection>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    authorize(&api, &headers)?;
    let device = parse(device)?;
    let Json(Revocation { suspect_since }) = body.map_err(|error| ApiError::Json(error.body_text()))?;
    let txid = api.desk.revoke(device, suspect_since).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { txid })))
}

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(device): Path<String>,
) -> Result<Json<Device>, ApiError> {
    let device = parse(device)?;
    let standing = api.registry.standing(&device).await.map_err(ApiError::Node)?;
    let state = match standing {
        Standing::Enrolled => "enrolled",
        Standing::Revoked { .. } => "revoked",
        Standing::Unknown if api.store.pending_for(&device).await?.is_some() => "pending",
        Standing::Unknown | Standing::Foreign { .. } => "unknown",
    };
    let Position { next_sequence, previous, in_flight } = api.store.position(&device).await?;
    Ok(Json(Device { state, next_sequence, previous, in_flight }))
}

fn parse(key: String) -> Result<PublicKey, ApiError> {
    key.parse().map_err(|error| ApiError::Key(key, error))
}

fn authorize(api: &Api, headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Hashes are compared, so the time tells nothing about the cookie.
    if sha256(&[given.as_bytes()]) == sha256(&[api.cookie.as_bytes()]) {
        Ok(())
    } else {
        Err(ApiError::Unauthorized)
    }
}
