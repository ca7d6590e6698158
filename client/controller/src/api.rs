//! The controller's HTTP interface; the calls are listed in `docs/http.md` beside this crate.

mod answer;
mod devices;
mod records;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use serde::Serialize;
use tokio::sync::{Notify, Semaphore, watch};

use crate::desk::Desk;
use crate::intake::Intake;
use crate::limits::JSON_BODY_MAX;
use crate::registry::Registry;
use crate::store::{Counts, Store};
use crate::tracker::{Blocked, Tracker};

use answer::ApiError;

/// What the calls work with.
#[derive(Debug)]
pub struct Api {
    /// The database.
    pub store: Arc<Store>,
    /// Takes records.
    pub intake: Intake,
    /// How devices stand.
    pub registry: Arc<Registry>,
    /// Signs transactions.
    pub desk: Arc<Desk>,
    /// Watches them.
    pub tracker: Arc<Tracker>,
    /// The latest tip known.
    pub tip: watch::Receiver<Hash256>,
    /// What whoever enrols devices must present.
    pub cookie: String,
    /// Requests with records that are held at the same time.
    pub slots: Semaphore,
    /// Notified of accepted records: the batcher.
    pub batching: Arc<Notify>,
    /// Notified of accepted records: the forwarder.
    pub forwarding: Arc<Notify>,
}

/// The routes.
pub fn router(api: Api) -> Router {
    Router::new()
        // Reads its body itself, within bounds of its own.
        .route("/v1/records", post(records::post))
        .route("/v1/devices", post(devices::enrol))
        .route("/v1/devices/{key}", get(devices::show))
        .route("/v1/devices/{key}/revoke", post(devices::revoke))
        .route("/v1/status", get(status))
        .route("/livez", get(async || "ok"))
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::Method)
        .layer(DefaultBodyLimit::max(JSON_BODY_MAX))
        .with_state(Arc::new(api))
}

#[derive(Serialize)]
struct Status {
    controller: PublicKey,
    chain_id: Hash256,
    tip: Hash256,
    records: u64,
    batches: Counts,
    forwarded: u64,
    blocked: Option<Blocked>,
}

async fn status(State(api): State<Arc<Api>>) -> Result<Json<Status>, ApiError> {
    let tip = *api.tip.borrow();
    Ok(Json(Status {
        controller: api.desk.controller(),
        chain_id: api.desk.chain_id(),
        tip,
        records: api.store.record_count().await?,
        batches: api.store.counts().await?,
        forwarded: api.store.forwarded().await?,
        blocked: api.tracker.blocked(),
    }))
}
