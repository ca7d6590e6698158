//! Who the node is and where its chain stands.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::target::Work;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::TipView;
use super::api::Api;
use super::error::ApiError;
use super::limits::TIP_WAIT_MAX_MS;
use super::params::{NoQuery, Params, at_most};
use crate::store::Scrubbed;

#[derive(Serialize)]
pub(super) struct Status {
    network: String,
    chain_id: Hash256,
    node: PublicKey,
    version: &'static str,
    tip: Tip,
    peers: usize,
    mempool: usize,
    syncing: bool,
    /// Height of the heaviest headers known: how far syncing has to go.
    headers_height: u64,
    /// Included anchors whose batch body is not here.
    bodies_missing: usize,
    /// Chains that leave ours below the finality depth.
    rivals: usize,
    /// The admins activated a rule that this version does not know: it stops there.
    upgrade_needed: Option<UpgradeNeeded>,
    storage: Storage,
}

#[derive(Serialize)]
struct UpgradeNeeded {
    rule: u32,
    height: u64,
}

#[derive(Serialize)]
pub(super) struct Storage {
    /// Nothing is taken in until there is room.
    low: bool,
    free_bytes: u64,
    scrub: Scrubbed,
}

#[derive(Serialize)]
pub(super) struct Tip {
    hash: Hash256,
    height: u64,
    time_ms: u64,
    work: Work,
}

impl From<&TipView> for Tip {
    fn from(tip: &TipView) -> Self {
        Self { hash: tip.hash, height: tip.height, time_ms: tip.time_ms, work: tip.work }
    }
}

/// `GET /v1/status`
pub(super) async fn status(State(api): State<Arc<Api>>, _: Params<NoQuery>) -> Json<Status> {
    let tip = api.tip();
    let disk = api.rpc.store.disk();
    let storage = Storage { low: disk.is_low(), free_bytes: disk.free_bytes(), scrub: disk.scrubbed() };
    Json(Status {
        storage,
        network: api.rpc.spec.name.clone(),
        chain_id: api.rpc.store.chain_id(),
        node: PublicKey::of(&api.rpc.key),
        version: env!("CARGO_PKG_VERSION"),
        tip: Tip::from(&*tip),
        peers: api.rpc.peers.load(Ordering::Relaxed),
        mempool: tip.mempool,
        syncing: tip.syncing,
        headers_height: tip.headers_height,
        bodies_missing: tip.health.missing.0,
        rivals: tip.health.rivals.len(),
        upgrade_needed: tip.health.upgrade_needed.map(|(rule, height)| UpgradeNeeded { rule, height }),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    /// The tip that the client has.
    after: Option<Hash256>,
    /// How long to wait for another, in ms.
    wait_ms: Option<u64>,
}

/// `GET /v1/tip`
pub(super) async fn tip(
    State(api): State<Arc<Api>>,
    Params(Wait { after, wait_ms }): Params<Wait>,
) -> Result<Json<Tip>, ApiError> {
    let wait_ms = at_most("wait_ms", wait_ms.unwrap_or(0), TIP_WAIT_MAX_MS)?;
    if let Some(after) = after {
        let mut tips = api.rpc.tip.clone();
        let moved = tips.wait_for(|tip| tip.hash != after);
        // Time out or a node that stops: the tip as it stands is the answer.
        drop(timeout(Duration::from_millis(wait_ms), moved).await);
    }
    Ok(Json(Tip::from(&*api.tip())))
}

#[derive(Serialize)]
pub(super) struct Spec {
    chain_id: Hash256,
    spec: String,
}

/// `GET /v1/spec`
pub(super) async fn spec(State(api): State<Arc<Api>>, _: Params<NoQuery>) -> Json<Spec> {
    let spec = hex::encode(codec::encode(&*api.rpc.spec));
    Json(Spec { chain_id: api.rpc.store.chain_id(), spec })
}

/// `GET /livez`
pub(super) async fn live() -> &'static str {
    "ok"
}

/// `GET /readyz`
pub(super) async fn ready(State(api): State<Arc<Api>>) -> Result<&'static str, ApiError> {
    if api.tip().syncing { Err(ApiError::Syncing) } else { Ok("ok") }
}
