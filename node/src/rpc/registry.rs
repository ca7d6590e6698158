//! Who is registered, and the sequences of senders.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dronechain_chain_spec::governance::Governance;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::receipt::Authority;
use dronechain_chain_spec::registry::{Entry, Place, Roll};
use dronechain_chain_spec::state::Admins;
use dronechain_chain_spec::transaction::Sender;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::error::ApiError;
use super::limits::ENTRIES_MAX;
use super::params::{NoQuery, Params, Segments, SenderName, at_most};
use crate::store::Sequences;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    roll: Roll,
    from: Option<u32>,
    limit: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Entries {
    count: u32,
    root: Hash256,
    entries: Vec<Entry>,
}

/// `GET /v1/registry`
pub(super) async fn entries(
    State(api): State<Arc<Api>>,
    Params(Range { roll, from, limit }): Params<Range>,
) -> Result<Json<Entries>, ApiError> {
    let limit = limit.unwrap_or(ENTRIES_MAX);
    at_most("limit", limit.into(), ENTRIES_MAX.into())?;
    let from = from.unwrap_or(0);
    let tip = api.tip();
    let registry = &tip.registry;
    let places = (from..from.saturating_add(limit)).map(|index| Place { roll, index });
    let entries = places.map_while(|place| registry.at(place)).map(|account| account.entry.clone());
    Ok(Json(Entries { count: registry.len(roll), root: registry.root(roll), entries: entries.collect() }))
}

#[derive(Serialize)]
pub(super) struct AccountView {
    roll: Roll,
    index: u32,
    entry: Entry,
    next_sequence: u64,
}

/// `GET /v1/registry/{key}`
pub(super) async fn account(
    State(api): State<Arc<Api>>,
    Segments(key): Segments<PublicKey>,
    _: Params<NoQuery>,
) -> Result<Json<AccountView>, ApiError> {
    let tip = api.tip();
    let Place { roll, index } = tip.registry.place(&key).ok_or(ApiError::Unknown("key"))?;
    let account = tip.registry.account(&key).ok_or(ApiError::Unknown("key"))?;
    let (entry, next_sequence) = (account.entry.clone(), account.next_sequence);
    Ok(Json(AccountView { roll, index, entry, next_sequence }))
}

/// `GET /v1/registry/{key}/proof`
pub(super) async fn proof(
    State(api): State<Arc<Api>>,
    Segments(key): Segments<PublicKey>,
    _: Params<NoQuery>,
) -> Result<Json<Authority>, ApiError> {
    api.run(move |api| api.account_proof(key)).await.map(Json)
}

#[derive(Serialize)]
pub(super) struct GovernanceView {
    #[serde(flatten)]
    governance: Governance,
    /// Of the admins' next transaction.
    next_sequence: u64,
}

/// `GET /v1/governance`
pub(super) async fn governance(
    State(api): State<Arc<Api>>,
    _: Params<NoQuery>,
) -> Result<Json<GovernanceView>, ApiError> {
    let Admins { governance, next_sequence } = api.run(|api| Ok(api.rpc.store.admins()?)).await?;
    Ok(Json(GovernanceView { governance, next_sequence }))
}

#[derive(Serialize)]
pub(super) struct SequencesView {
    next_sequence: u64,
    pending_sequence: u64,
}

/// `GET /v1/senders/{key or "admins"}`
pub(super) async fn sender(
    State(api): State<Arc<Api>>,
    Segments(SenderName(sender)): Segments<SenderName>,
    _: Params<NoQuery>,
) -> Result<Json<SequencesView>, ApiError> {
    let sequences = api.run(move |api| sequences(api, sender)).await?;
    Ok(Json(SequencesView { next_sequence: sequences.next, pending_sequence: sequences.pending }))
}

fn sequences(api: &Api, sender: Sender) -> Result<Sequences, ApiError> {
    let place = match sender {
        Sender::Admins => None,
        Sender::Key(key) => api.tip().registry.place(&key),
    };
    api.rpc.store.sequences(sender, place)?.ok_or(ApiError::Unknown("sender"))
}
