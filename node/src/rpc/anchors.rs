//! Anchors, receipts and batch bodies.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::receipt::{AnchorProof, Receipt};
use dronechain_chain_spec::transaction::{Action, AnchorKind, Sender};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::call::{Answer, Call, JsonText, Octets, Rest};
use super::error::ApiError;
use super::limits::RECEIPT_TRIES_MAX;
use super::transactions::Progress;
use crate::core::view::{BatchId, ViewError};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ByPlace {
    /// The sender.
    key: PublicKey,
    sequence: u64,
    /// Adds the device's registry path.
    device: Option<PublicKey>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct AnchorState {
    state: Progress,
    height: Option<u64>,
    block: Option<Hash256>,
    confirmations: Option<u64>,
    proof: Option<AnchorProof>,
}

impl Answer for AnchorState {}

/// `anchor.get`
pub(super) struct GetAnchor;

impl Call for GetAnchor {
    const NAME: &'static str = "anchor.get";
    const REST: Rest = Rest::Get("/v1/anchors/{key}/{sequence}");
    const ABOUT: &'static str = "Where an anchor stands, and once it is included its proof: what every receipt of its batch \
        ends with.";
    type Params = ByPlace;
    type Answer = AnchorState;

    async fn call(
        api: Arc<Api>,
        ByPlace { key, sequence, device }: ByPlace,
    ) -> Result<AnchorState, ApiError> {
        api.run(move |api| anchor_state(api, key, sequence, device)).await
    }
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByRecord {
    /// SHA-256 of the record.
    hash: Hash256,
    /// Adds the device's registry path.
    device: Option<PublicKey>,
    /// Only anchors of this key.
    sender: Option<PublicKey>,
    /// Only anchors of this kind.
    kind: Option<AnchorKind>,
}

impl ByRecord {
    /// Any anchor of the record.
    pub(super) fn of(hash: Hash256) -> Self {
        Self { hash, device: None, sender: None, kind: None }
    }
}

/// `receipt.get`
pub(crate) struct GetReceipt;

impl Call for GetReceipt {
    const NAME: &'static str = "receipt.get";
    const REST: Rest = Rest::Get("/v1/receipts/{hash}");
    const ABOUT: &'static str = "The Chainpoint v2 receipt of a leaf in an included batch.";
    type Params = ByRecord;
    type Answer = JsonText;

    async fn call(api: Arc<Api>, wanted: ByRecord) -> Result<JsonText, ApiError> {
        api.run(move |api| Ok(JsonText::of(found_receipt(api, &wanted)?.to_json()))).await
    }
}

/// One place where a leaf is anchored.
pub(super) struct Candidate {
    pub(super) height: u64,
    pub(super) sender: PublicKey,
    pub(super) sequence: u64,
    pub(super) batch: BatchId,
    pub(super) index: u32,
}

/// The receipt of the lowest anchor that is wanted. Blocks.
pub(super) fn found_receipt(api: &Api, wanted: &ByRecord) -> Result<Receipt, ApiError> {
    let ByRecord { hash: target, device, sender, kind } = *wanted;
    for candidate in candidates(api, &target, sender)? {
        let Some(tree) = batch_tree(api, &candidate.batch)? else { continue };
        if let Some(receipt) = receipt_in(api, &candidate, &tree, device, kind)? {
            return Ok(receipt);
        }
    }
    Err(ApiError::Unknown("receipt"))
}

/// The receipt of a leaf in one anchor; none if that is of another kind or batch, or is gone. Blocks.
pub(super) fn receipt_in(
    api: &Api,
    candidate: &Candidate,
    tree: &Tree,
    device: Option<PublicKey>,
    kind: Option<AnchorKind>,
) -> Result<Option<Receipt>, ApiError> {
    let Candidate { sender, sequence, batch, index, .. } = *candidate;
    let (Some(target), Some(path)) = (tree.leaf(index.into()), tree.path(index.into())) else {
        return Ok(None);
    };
    let Some(anchored) = api.anchored(sender, sequence, device)? else { return Ok(None) };
    let receipt = Receipt::new(api.rpc.store.chain_id(), target, index, path, anchored.proof);
    // An anchor may name this root with another number of leaves. Some leaves' paths fit that too.
    let receipt = receipt.ok().filter(|receipt| receipt.leaf_count == batch.leaf_count);
    Ok(receipt.filter(|receipt| kind.is_none_or(|kind| receipt.kind() == Some(kind))))
}

/// The lowest anchors of batches that hold `target`, of one sender if one is named: the earlier, the more it proves.
pub(super) fn candidates(
    api: &Api,
    target: &Hash256,
    of: Option<PublicKey>,
) -> Result<Vec<Candidate>, ViewError> {
    let mut candidates = Vec::new();
    for (batch, index) in api.rpc.store.anchors_of_leaf(target)? {
        candidates.extend(candidates_of_batch(api, batch, index, of)?);
        candidates.sort_by_key(|candidate| candidate.height);
        candidates.truncate(RECEIPT_TRIES_MAX);
    }
    Ok(candidates)
}

/// The lowest anchors of the root of `batch`, of one sender if one is named, for its leaf with that `index`.
pub(super) fn candidates_of_batch(
    api: &Api,
    batch: BatchId,
    index: u32,
    of: Option<PublicKey>,
) -> Result<Vec<Candidate>, ViewError> {
    let mut candidates = Vec::new();
    for (sender, sequence, height) in api.rpc.store.anchors_of_root(&batch.root)? {
        if let Sender::Key(sender) = sender
            && of.is_none_or(|of| of == sender)
        {
            candidates.push(Candidate { height, sender, sequence, batch, index });
        }
    }
    candidates.sort_by_key(|candidate| candidate.height);
    candidates.truncate(RECEIPT_TRIES_MAX);
    Ok(candidates)
}

pub(super) fn batch_tree(api: &Api, batch: &BatchId) -> Result<Option<Arc<Tree>>, ViewError> {
    api.batches.get(batch, || Ok(api.rpc.store.body(batch)?.map(Tree::new)))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ByBatch {
    root: Hash256,
    leaf_count: u32,
}

/// `batch.body`
pub(super) struct GetBody;

impl Call for GetBody {
    const NAME: &'static str = "batch.body";
    const REST: Rest = Rest::Get("/v1/bodies/{root}/{leaf_count}");
    const ABOUT: &'static str = "The leaves of a batch: canonical bytes of a BatchBody.";
    type Params = ByBatch;
    type Answer = Octets;

    async fn call(api: Arc<Api>, ByBatch { root, leaf_count }: ByBatch) -> Result<Octets, ApiError> {
        let batch = BatchId { root, leaf_count };
        let read = move |api: &Api| api.rpc.store.body_bytes(&batch)?.ok_or(ApiError::Unknown("batch body"));
        api.run(read).await.map(Octets)
    }
}

/// `batch.anchors`
pub(crate) struct AnchorsOfRoot;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByRoot {
    root: Hash256,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct RootView {
    /// By sender and sequence, at most 64.
    pub(crate) anchors: Vec<RootAnchor>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct RootAnchor {
    pub(crate) sender: Sender,
    pub(crate) sequence: u64,
    pub(crate) height: u64,
}

impl Answer for RootView {}

impl Call for AnchorsOfRoot {
    const NAME: &'static str = "batch.anchors";
    const REST: Rest = Rest::Get("/v1/roots/{root}");
    const ABOUT: &'static str = "The anchors of a batch's root on the active chain.";
    type Params = ByRoot;
    type Answer = RootView;

    async fn call(api: Arc<Api>, ByRoot { root }: ByRoot) -> Result<RootView, ApiError> {
        let found = api.run(move |api| Ok(api.rpc.store.anchors_of_root(&root)?)).await?;
        let view = |(sender, sequence, height)| RootAnchor { sender, sequence, height };
        Ok(RootView { anchors: found.into_iter().map(view).collect() })
    }
}
