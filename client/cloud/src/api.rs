//! The cloud server's HTTP interface; the calls are listed in `docs/http.md` beside this crate.

mod answer;
mod records;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use dronechain_chain_spec::chain::HeaderChain;
use dronechain_service::clock::now_ms;
use serde::Serialize;
use tokio::sync::{Notify, RwLock, Semaphore};

use crate::intake::Intake;
use crate::limits::JSON_BODY_MAX;
use crate::store::{AnchorName, Store};

use answer::ApiError;

/// What the calls work with.
#[derive(Debug)]
pub struct Api {
    /// The database.
    pub store: Arc<Store>,
    /// Takes records.
    pub intake: Intake,
    /// The own chain.
    pub chain: Arc<RwLock<HeaderChain>>,
    /// Notified when an anchor was queued.
    pub asked: Arc<Notify>,
    /// Finished sweeps.
    pub sweeps: Arc<AtomicU64>,
    /// Requests with records that are held at the same time.
    pub slots: Semaphore,
}

/// The routes.
pub fn router(api: Api) -> Router {
    Router::new()
        // The POST reads its body itself, within bounds of its own.
        .route("/v1/records", post(records::post).get(records::list))
        .route("/v1/records/{hash}", get(records::show))
        .route("/v1/placements", get(records::placements))
        .route("/v1/anchors", post(anchors))
        .route("/v1/report", get(report))
        .route("/v1/status", get(status))
        .route("/livez", get(async || "ok"))
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::Method)
        .layer(DefaultBodyLimit::max(JSON_BODY_MAX))
        .with_state(Arc::new(api))
}

#[derive(Serialize)]
struct Queued {
    state: &'static str,
}

async fn anchors(
    State(api): State<Arc<Api>>,
    body: Result<Json<AnchorName>, JsonRejection>,
) -> Result<(StatusCode, Json<Queued>), ApiError> {
    let Json(name) = body.map_err(|error| ApiError::Json(error.body_text()))?;
    if !api.store.want(name, now_ms()).await? {
        return Err(ApiError::QueueFull);
    }
    api.asked.notify_one();
    Ok((StatusCode::ACCEPTED, Json(Queued { state: "queued" })))
}

async fn report(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let (_, report) = api.store.last_report().await?.ok_or(ApiError::NoReport)?;
    Ok(([(CONTENT_TYPE, "application/json")], report).into_response())
}

#[derive(Serialize)]
struct Status {
    records: u64,
    anchors: u64,
    headers_height: u64,
    sweeps: u64,
}

async fn status(State(api): State<Arc<Api>>) -> Result<Json<Status>, ApiError> {
    let (records, anchors) = api.store.totals().await?;
    let headers_height = api.chain.read().await.height();
    let sweeps = api.sweeps.load(Ordering::Relaxed);
    Ok(Json(Status { records, anchors, headers_height, sweeps }))
}
