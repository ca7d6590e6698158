//! Who the node is and where its chain stands.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::target::Work;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::TipView;
use super::api::Api;
use super::call::{Answer, Call, Rest};
use super::error::ApiError;
use super::limits::TIP_WAIT_MAX_MS;
use super::params::{Nothing, at_most};
use crate::store::Scrubbed;

#[derive(Serialize, JsonSchema)]
pub(crate) struct StatusView {
    pub(crate) network: String,
    pub(crate) chain_id: Hash256,
    pub(crate) node: PublicKey,
    pub(crate) version: &'static str,
    pub(crate) tip: TipTold,
    pub(crate) peers: usize,
    pub(crate) mempool: usize,
    pub(crate) syncing: bool,
    /// Height of the heaviest headers known: how far syncing has to go.
    pub(crate) headers_height: u64,
    /// Included anchors whose batch body is not here.
    pub(crate) bodies_missing: usize,
    /// Chains that leave ours below the finality depth.
    pub(crate) rivals: usize,
    /// The admins activated a rule that this version does not know: it stops there.
    pub(crate) upgrade_needed: Option<UpgradeNeeded>,
    pub(crate) storage: Storage,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct UpgradeNeeded {
    pub(crate) rule: u32,
    pub(crate) height: u64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Storage {
    /// Nothing is taken in until there is room.
    pub(crate) low: bool,
    pub(crate) free_bytes: u64,
    pub(crate) scrub: Scrubbed,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct TipTold {
    pub(crate) hash: Hash256,
    pub(crate) height: u64,
    pub(crate) time_ms: u64,
    pub(crate) work: Work,
}

impl Answer for StatusView {}

impl Answer for TipTold {}

impl From<&TipView> for TipTold {
    fn from(tip: &TipView) -> Self {
        Self { hash: tip.hash, height: tip.height, time_ms: tip.time_ms, work: tip.work }
    }
}

/// `chain.status`
pub(crate) struct Status;

impl Call for Status {
    const NAME: &'static str = "chain.status";
    const REST: Rest = Rest::Get("/v1/status");
    const ABOUT: &'static str = "Who the node is, where its chain stands, and what an operator should know.";
    type Params = Nothing;
    type Answer = StatusView;

    async fn call(api: Arc<Api>, Nothing {}: Nothing) -> Result<StatusView, ApiError> {
        let tip = api.tip();
        let disk = api.rpc.store.disk();
        let storage = Storage { low: disk.is_low(), free_bytes: disk.free_bytes(), scrub: disk.scrubbed() };
        Ok(StatusView {
            storage,
            network: api.rpc.spec.name.clone(),
            chain_id: api.rpc.store.chain_id(),
            node: PublicKey::of(&api.rpc.key),
            version: env!("CARGO_PKG_VERSION"),
            tip: TipTold::from(&*tip),
            peers: api.rpc.peers.load(Ordering::Relaxed),
            mempool: tip.mempool,
            syncing: tip.syncing,
            headers_height: tip.headers_height,
            bodies_missing: tip.health.missing.0,
            rivals: tip.health.rivals.len(),
            upgrade_needed: tip.health.upgrade_needed.map(|(rule, height)| UpgradeNeeded { rule, height }),
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    /// The tip that the client has.
    after: Option<Hash256>,
    /// How long to wait for another, in ms.
    #[schemars(range(max = 30_000))]
    wait_ms: Option<u64>,
}

/// `chain.tip`
pub(super) struct Tip;

impl Call for Tip {
    const NAME: &'static str = "chain.tip";
    const REST: Rest = Rest::Get("/v1/tip");
    const ABOUT: &'static str =
        "The last block of the active chain; waits for another than `after`, if told so.";
    type Params = Wait;
    type Answer = TipTold;

    async fn call(api: Arc<Api>, Wait { after, wait_ms }: Wait) -> Result<TipTold, ApiError> {
        let wait_ms = at_most("wait_ms", wait_ms.unwrap_or(0), TIP_WAIT_MAX_MS)?;
        if let Some(after) = after {
            let mut tips = api.rpc.tip.clone();
            let moved = tips.wait_for(|tip| tip.hash != after);
            // Time out or a node that stops: the tip as it stands is the answer.
            drop(timeout(Duration::from_millis(wait_ms), moved).await);
        }
        Ok(TipTold::from(&*api.tip()))
    }
}

/// `chain.spec`
pub(super) struct Spec;

#[derive(Serialize, JsonSchema)]
pub(super) struct SpecView {
    chain_id: Hash256,
    /// The chain spec's canonical bytes in hex.
    spec: String,
}

impl Answer for SpecView {}

impl Call for Spec {
    const NAME: &'static str = "chain.spec";
    const REST: Rest = Rest::Get("/v1/spec");
    const ABOUT: &'static str = "The network's chain spec.";
    type Params = Nothing;
    type Answer = SpecView;

    async fn call(api: Arc<Api>, Nothing {}: Nothing) -> Result<SpecView, ApiError> {
        let spec = hex::encode(codec::encode(&*api.rpc.spec));
        Ok(SpecView { chain_id: api.rpc.store.chain_id(), spec })
    }
}

/// `GET /livez`
pub(super) async fn live() -> &'static str {
    "ok"
}
