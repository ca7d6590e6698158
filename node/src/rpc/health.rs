//! What an operator should know: misbehaviour, missing bodies, chains beyond the finality depth.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::evidence::{Evidence, Misbehaviour};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::target::Work;
use dronechain_chain_spec::transaction::Sender;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::error::ApiError;
use super::limits::ENTRIES_MAX;
use super::params::{NoQuery, Params, at_most};

#[derive(Serialize)]
pub(super) struct Missing {
    /// All of them; the list has the first.
    count: usize,
    bodies: Vec<MissingView>,
}

#[derive(Serialize)]
struct MissingView {
    root: Hash256,
    leaf_count: u32,
    sender: Sender,
    sequence: u64,
    since_ms: u64,
}

/// `GET /v1/bodies/missing`
pub(super) async fn missing(State(api): State<Arc<Api>>, _: Params<NoQuery>) -> Json<Missing> {
    let (count, list) = &api.tip().health.missing;
    let bodies = list.iter().map(|(batch, missing)| MissingView {
        root: batch.root,
        leaf_count: batch.leaf_count,
        sender: missing.sender,
        sequence: missing.sequence,
        since_ms: missing.since_ms,
    });
    Json(Missing { count: *count, bodies: bodies.collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    from: Option<u32>,
    limit: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct EvidenceView {
    id: Hash256,
    misbehaviour: Misbehaviour,
    offenders: Vec<PublicKey>,
    /// Canonical bytes, as hex: anyone can check them.
    evidence: String,
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

/// `GET /v1/evidence`
pub(super) async fn evidence(
    State(api): State<Arc<Api>>,
    Params(Range { from, limit }): Params<Range>,
) -> Result<Json<Vec<EvidenceView>>, ApiError> {
    let (limit, max) = (limit.unwrap_or(ENTRIES_MAX), ENTRIES_MAX);
    let limit = usize::try_from(at_most("limit", limit.into(), max.into())?).unwrap_or(usize::MAX);
    let skip = from.unwrap_or(0) as usize;
    let list = api.run(move |api| Ok(api.rpc.store.evidence(skip, limit)?)).await?;
    Ok(Json(list.into_iter().map(EvidenceView::from).collect()))
}

#[derive(Serialize)]
pub(super) struct RivalView {
    /// The other chain's first block that is not ours: what `--follow` wants.
    first: Hash256,
    fork_height: u64,
    head: Hash256,
    height: u64,
    work: Work,
    first_seen_ms: u64,
    last_seen_ms: u64,
}

/// `GET /v1/rivals`
pub(super) async fn rivals(State(api): State<Arc<Api>>, _: Params<NoQuery>) -> Json<Vec<RivalView>> {
    let rivals = &api.tip().health.rivals;
    let view = rivals.iter().map(|(first, rival)| RivalView {
        first: *first,
        fork_height: rival.fork_height,
        head: rival.head,
        height: rival.height,
        work: rival.work,
        first_seen_ms: rival.first_seen_ms,
        last_seen_ms: rival.last_seen_ms,
    });
    Json(view.collect())
}
