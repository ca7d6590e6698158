//! What an operator should know: misbehaviour, missing bodies, chains beyond the finality depth.

use std::sync::Arc;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::evidence::{Evidence, Misbehaviour};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::target::Work;
use dronechain_chain_spec::transaction::Sender;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::call::{Answer, Call, Rest};
use super::error::ApiError;
use super::limits::ENTRIES_MAX;
use super::params::{Nothing, at_most};
use crate::core::view::Rival;

#[derive(Serialize, JsonSchema)]
pub(crate) struct MissingList {
    /// All of them; the list has the first.
    pub(crate) count: usize,
    pub(crate) bodies: Vec<MissingView>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct MissingView {
    pub(crate) root: Hash256,
    pub(crate) leaf_count: u32,
    pub(crate) sender: Sender,
    pub(crate) sequence: u64,
    pub(crate) since_ms: u64,
}

impl Answer for MissingList {}

/// `batch.missing`
pub(crate) struct Missing;

impl Call for Missing {
    const NAME: &'static str = "batch.missing";
    const REST: Rest = Rest::Get("/v1/bodies/missing");
    const ABOUT: &'static str =
        "Included anchors whose batch body is not here, against their senders; the first 1,000.";
    type Params = Nothing;
    type Answer = MissingList;

    async fn call(api: Arc<Api>, Nothing {}: Nothing) -> Result<MissingList, ApiError> {
        let (count, list) = &api.tip().health.missing;
        let bodies = list.iter().map(|(batch, missing)| MissingView {
            root: batch.root,
            leaf_count: batch.leaf_count,
            sender: missing.sender,
            sequence: missing.sequence,
            since_ms: missing.since_ms,
        });
        Ok(MissingList { count: *count, bodies: bodies.collect() })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    /// How many to leave out.
    from: Option<u32>,
    /// How many at most.
    #[schemars(range(max = 1_000))]
    limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct EvidenceView {
    pub(crate) id: Hash256,
    pub(crate) misbehaviour: Misbehaviour,
    pub(crate) offenders: Vec<PublicKey>,
    /// Canonical bytes, as hex: anyone can check them.
    pub(crate) evidence: String,
}

impl From<Evidence> for EvidenceView {
    fn from(evidence: Evidence) -> Self {
        Self {
            id: evidence.id(),
            misbehaviour: evidence.misbehaviour(),
            offenders: evidence.offenders(),
            evidence: hex::encode(codec::encode(&evidence)),
        }
    }
}

impl Answer for Vec<EvidenceView> {}

/// `evidence.list`
pub(crate) struct GetEvidence;

impl Call for GetEvidence {
    const NAME: &'static str = "evidence.list";
    const REST: Rest = Rest::Get("/v1/evidence");
    const ABOUT: &'static str = "Evidence of misbehaviour that this node has, which anyone can check.";
    type Params = Range;
    type Answer = Vec<EvidenceView>;

    async fn call(api: Arc<Api>, Range { from, limit }: Range) -> Result<Vec<EvidenceView>, ApiError> {
        let (limit, max) = (limit.unwrap_or(ENTRIES_MAX), ENTRIES_MAX);
        let limit = usize::try_from(at_most("limit", limit.into(), max.into())?).unwrap_or(usize::MAX);
        let skip = from.unwrap_or(0) as usize;
        let list = api.run(move |api| Ok(api.rpc.store.evidence(skip, limit)?)).await?;
        Ok(list.into_iter().map(EvidenceView::from).collect())
    }
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct RivalView {
    /// The other chain's first block that is not ours: what `--follow` wants.
    pub(crate) first: Hash256,
    pub(crate) fork_height: u64,
    pub(crate) head: Hash256,
    pub(crate) height: u64,
    pub(crate) work: Work,
    pub(crate) first_seen_ms: u64,
    pub(crate) last_seen_ms: u64,
}

impl Answer for Vec<RivalView> {}

/// `chain.rivals`
pub(crate) struct Rivals;

impl Call for Rivals {
    const NAME: &'static str = "chain.rivals";
    const REST: Rest = Rest::Get("/v1/rivals");
    const ABOUT: &'static str = "Chains that leave this node's below the finality depth: operators decide.";
    type Params = Nothing;
    type Answer = Vec<RivalView>;

    async fn call(api: Arc<Api>, Nothing {}: Nothing) -> Result<Vec<RivalView>, ApiError> {
        let view = |(first, rival): (&Hash256, &Rival)| RivalView {
            first: *first,
            fork_height: rival.fork_height,
            head: rival.head,
            height: rival.height,
            work: rival.work,
            first_seen_ms: rival.first_seen_ms,
            last_seen_ms: rival.last_seen_ms,
        };
        Ok(api.tip().health.rivals.iter().map(view).collect())
    }
}
