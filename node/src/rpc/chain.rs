//! Headers and blocks.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use dronechain_chain_spec::chain::encode_link;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::state::Outcome;
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::transaction::Transaction;
use serde::{Deserialize, Serialize};

use super::api::{Api, octets};
use super::error::ApiError;
use super::limits::{HEADERS_BYTES_MAX, HEADERS_MAX};
use super::params::{BlockName, NoQuery, Params, Segments, at_most};
use crate::core::view::{StoredHeader, View as _};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    from: u64,
    limit: Option<u64>,
}

/// `GET /v1/headers`
pub(super) async fn headers(
    State(api): State<Arc<Api>>,
    Params(Range { from, limit }): Params<Range>,
) -> Result<Response, ApiError> {
    let limit = at_most("limit", limit.unwrap_or(HEADERS_MAX), HEADERS_MAX)?;
    if from == 0 {
        return Err(ApiError::Query("from is at least 1: the genesis block has no link".to_owned()));
    }
    api.run(move |api| links(api, from, limit)).await.map(octets)
}

fn links(api: &Api, from: u64, limit: u64) -> Result<Vec<u8>, ApiError> {
    let store = &api.rpc.store;
    let mut bytes = Vec::new();
    let mut parent = None;
    for height in from..from.saturating_add(limit) {
        let Some(hash) = store.active(height)? else { break };
        let Some(stored) = store.header(&hash)? else { break };
        // A reorganisation came in between: what follows belongs to another chain.
        if parent.is_some_and(|parent| parent != stored.signed.header.parent) {
            break;
        }
        encode_link(&store.link(&hash, stored)?, &mut bytes);
        if bytes.len() >= HEADERS_BYTES_MAX {
            break;
        }
        parent = Some(hash);
    }
    Ok(bytes)
}

#[derive(Serialize)]
pub(super) struct HeaderView {
    hash: Hash256,
    header: String,
    height: u64,
    time_ms: u64,
    parent: Hash256,
    miner: PublicKey,
    bits: Bits,
    tx_count: u32,
    tx_root: Hash256,
    commitments: Hash256,
    active: bool,
    /// 0 off the active chain.
    confirmations: u64,
}

/// `GET /v1/header/{hash or height}`
pub(super) async fn header(
    State(api): State<Arc<Api>>,
    Segments(name): Segments<BlockName>,
    _: Params<NoQuery>,
) -> Result<Json<HeaderView>, ApiError> {
    api.run(move |api| header_view(api, name)).await.map(Json)
}

fn header_view(api: &Api, name: BlockName) -> Result<HeaderView, ApiError> {
    let store = &api.rpc.store;
    let hash = match name {
        BlockName::Hash(hash) => hash,
        BlockName::Height(height) => store.active(height)?.ok_or(ApiError::Unknown("block"))?,
    };
    let StoredHeader { signed, .. } = store.header(&hash)?.ok_or(ApiError::Unknown("block"))?;
    let bytes = hex::encode(signed.to_bytes());
    let Header { height, parent, tx_root, commitments, tx_count, time_ms, bits, miner, .. } = signed.header;
    let active = store.active(height)? == Some(hash);
    let confirmations = if active { api.confirmations(height)? } else { 0 };
    Ok(HeaderView {
        hash,
        header: bytes,
        height,
        time_ms,
        parent,
        miner,
        bits,
        tx_count,
        tx_root,
        commitments,
        active,
        confirmations,
    })
}

#[derive(Serialize)]
pub(super) struct BlockView {
    #[serde(flatten)]
    header: HeaderView,
    transactions: Vec<TransactionView>,
}

#[derive(Serialize)]
struct TransactionView {
    txid: Hash256,
    /// None while the block was never connected.
    outcome: Option<Outcome>,
    transaction: Transaction,
}

/// `GET /v1/block/{hash or height}`
pub(super) async fn block(
    State(api): State<Arc<Api>>,
    Segments(name): Segments<BlockName>,
    _: Params<NoQuery>,
) -> Result<Json<BlockView>, ApiError> {
    api.run(move |api| block_view(api, name)).await.map(Json)
}

fn block_view(api: &Api, name: BlockName) -> Result<BlockView, ApiError> {
    let header = header_view(api, name)?;
    let store = &api.rpc.store;
    let transactions =
        store.transactions(&header.hash)?.ok_or(ApiError::Unknown("block with transactions"))?;
    let outcomes = store.outcomes(&header.hash)?.unwrap_or_default();
    let view = |(index, transaction): (usize, Transaction)| TransactionView {
        txid: transaction.txid(),
        outcome: outcomes.get(index).copied(),
        transaction,
    };
    Ok(BlockView { transactions: transactions.into_iter().enumerate().map(view).collect(), header })
}
