//! Where a transaction stands.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::state::Outcome;
use serde::Serialize;

use super::api::Api;
use super::error::ApiError;
use super::params::{NoQuery, Params, Segments};

/// How far a transaction or anchor has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Progress {
    Unknown,
    Pending,
    Included,
}

#[derive(Serialize)]
pub(super) struct TransactionState {
    txid: Hash256,
    state: Progress,
    height: Option<u64>,
    block: Option<Hash256>,
    confirmations: Option<u64>,
    outcome: Option<Outcome>,
}

/// `GET /v1/transactions/{txid}`
pub(super) async fn transaction(
    State(api): State<Arc<Api>>,
    Segments(txid): Segments<Hash256>,
    _: Params<NoQuery>,
) -> Result<Json<TransactionState>, ApiError> {
    api.run(move |api| state(api, txid)).await.map(Json)
}

fn state(api: &Api, txid: Hash256) -> Result<TransactionState, ApiError> {
    let store = &api.rpc.store;
    // The mempool first: what a commit moves to the chain in between is found there.
    let pooled = store.pool_place(&txid)?.is_some();
    let Some(place) = store.transaction_place(&txid)? else {
        let state = if pooled { Progress::Pending } else { Progress::Unknown };
        return Ok(TransactionState {
            txid,
            state,
            height: None,
            block: None,
            confirmations: None,
            outcome: None,
        });
    };
    let outcomes = store.outcomes(&place.block)?.unwrap_or_default();
    Ok(TransactionState {
        txid,
        state: Progress::Included,
        height: Some(place.height),
        block: Some(place.block),
        confirmations: Some(api.confirmations(place.height)?),
        outcome: outcomes.get(place.position as usize).copied(),
    })
}
