//! Anchors, receipts and batch bodies.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::receipt::{AnchorProof, Receipt};
use dronechain_chain_spec::transaction::{Action, Sender};
use serde::Serialize;

use super::api::{Api, json_text, octets};
use super::error::ApiError;
use super::limits::RECEIPT_TRIES_MAX;
use super::params::{NoQuery, Params, Segments, WithDevice};
use super::transactions::Progress;
use crate::core::view::{BatchId, ViewError};

#[derive(Serialize)]
pub(super) struct AnchorState {
    state: Progress,
    height: Option<u64>,
    block: Option<Hash256>,
    confirmations: Option<u64>,
    proof: Option<AnchorProof>,
}

/// `GET /v1/anchors/{key}/{sequence}`
pub(super) async fn anchor(
    State(api): State<Arc<Api>>,
    Segments((sender, sequence)): Segments<(PublicKey, u64)>,
    Params(WithDevice { device }): Params<WithDevice>,
) -> Result<Json<AnchorState>, ApiError> {
    api.run(move |api| anchor_state(api, sender, sequence, device)).await.map(Json)
}

fn anchor_state(
    api: &Api,
    sender: PublicKey,
    sequence: u64,
    device: Option<PublicKey>,
) -> Result<AnchorState, ApiError> {
    // The mempool first: what a commit moves to the chain in between is found there.
    let pooled = api.rpc.store.pool_entry(Sender::Key(sender), sequence)?;
    let Some(anchored) = api.anchored(sender, sequence, device)? else {
        let pending = pooled.is_some_and(|pooled| matches!(pooled.body.action, Action::Anchor(_)));
        let state = if pending { Progress::Pending } else { Progress::Unknown };
        return Ok(AnchorState { state, height: None, block: None, confirmations: None, proof: None });
    };
    let height = anchored.proof.height;
    Ok(AnchorState {
        state: Progress::Included,
        height: Some(height),
        block: Some(anchored.block),
        confirmations: Some(api.confirmations(height)?),
        proof: Some(anchored.proof),
    })
}

/// `GET /v1/receipts/{hash}`
pub(super) async fn receipt(
    State(api): State<Arc<Api>>,
    Segments(target): Segments<Hash256>,
    Params(WithDevice { device }): Params<WithDevice>,
) -> Result<Response, ApiError> {
    let json = api.run(move |api| receipt_json(api, target, device)).await?;
    Ok(json_text(json))
}

/// One place where a leaf is anchored.
pub(super) struct Candidate {
    pub(super) height: u64,
    pub(super) sender: PublicKey,
    pub(super) sequence: u64,
    pub(super) batch: BatchId,
    pub(super) index: u32,
}

fn receipt_json(api: &Api, target: Hash256, device: Option<PublicKey>) -> Result<String, ApiError> {
    for candidate in candidates(api, &target)? {
        let Candidate { sender, sequence, batch, index, .. } = candidate;
        let Some(tree) = batch_tree(api, &batch)? else { continue };
        let Some(path) = tree.path(index.into()) else { continue };
        let Some(anchored) = api.anchored(sender, sequence, device)? else { continue };
        // An anchor may name this root with another number of leaves: that one proves nothing.
        if let Ok(receipt) = Receipt::new(api.rpc.store.chain_id(), target, index, path, anchored.proof) {
            return Ok(receipt.to_json());
        }
    }
    Err(ApiError::Unknown("receipt"))
}

/// The lowest anchors of batches that hold `target`: the earlier, the more it proves.
pub(super) fn candidates(api: &Api, target: &Hash256) -> Result<Vec<Candidate>, ViewError> {
    let store = &api.rpc.store;
    let mut candidates = Vec::new();
    for (batch, index) in store.anchors_of_leaf(target)? {
        for (sender, sequence, height) in store.anchors_of_root(&batch.root)? {
            if let Sender::Key(sender) = sender {
                candidates.push(Candidate { height, sender, sequence, batch, index });
            }
        }
        candidates.sort_by_key(|candidate| candidate.height);
        candidates.truncate(RECEIPT_TRIES_MAX);
    }
    Ok(candidates)
}

fn batch_tree(api: &Api, batch: &BatchId) -> Result<Option<Arc<Tree>>, ViewError> {
    api.batches.get(batch, || Ok(api.rpc.store.body(batch)?.map(Tree::new)))
}

/// `GET /v1/bodies/{root}/{leaf_count}`
pub(super) async fn body(
    State(api): State<Arc<Api>>,
    Segments((root, leaf_count)): Segments<(Hash256, u32)>,
    _: Params<NoQuery>,
) -> Result<Response, ApiError> {
    let batch = BatchId { root, leaf_count };
    let read = move |api: &Api| api.rpc.store.body_bytes(&batch)?.ok_or(ApiError::Unknown("batch body"));
    api.run(read).await.map(octets)
}
