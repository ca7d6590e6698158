//! Receipts of the records of a batch, a page at a time, in every format.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::receipt::{ExistenceProof, Receipt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::anchors::{batch_tree, candidates_of_batch, receipt_in};
use super::api::Api;
use super::call::{Answer, Call, JsonText, Octets, Rest};
use super::error::ApiError;
use super::leaves::next_page;
use super::limits::RECEIPTS_PAGE_MAX;
use super::params::at_most;
use super::receipts::existence;
use crate::core::view::BatchId;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageOfReceipts {
    root: Hash256,
    leaf_count: u32,
    /// Index of the first record; 0 unless it is said.
    from: Option<u32>,
    /// At most 100, which it is unless it is said.
    #[schemars(range(max = 100))]
    limit: Option<u64>,
    /// Only an anchor of this key.
    sender: Option<PublicKey>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageOfProofs {
    root: Hash256,
    leaf_count: u32,
    /// Index of the first record; 0 unless it is said.
    from: Option<u32>,
    /// At most 100, which it is unless it is said.
    #[schemars(range(max = 100))]
    limit: Option<u64>,
    /// Only an anchor of this key.
    sender: Option<PublicKey>,
    /// Host, and port, at which public clients reach this node: they ask it for `/calendar/HEIGHT/data`.
    host: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ReceiptsPage {
    /// By index of the records, from `from` on.
    receipts: Vec<JsonText>,
    /// Where the next page begins; null at the end.
    next: Option<u32>,
}

impl Answer for ReceiptsPage {}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ProofsPage {
    /// By index of the records, from `from` on.
    proofs: Vec<JsonText>,
    /// Where the next page begins; null at the end.
    next: Option<u32>,
}

impl Answer for ProofsPage {}

#[derive(Serialize, JsonSchema)]
pub(crate) struct BinaryProofsPage {
    /// By index of the records, from `from` on.
    proofs: Vec<Octets>,
    /// Where the next page begins; null at the end.
    next: Option<u32>,
}

impl Answer for BinaryProofsPage {}

/// `batch.receipts`
pub(crate) struct Receipts;

impl Call for Receipts {
    const NAME: &'static str = "batch.receipts";
    const REST: Rest = Rest::Get("/v1/bodies/{root}/{leaf_count}/receipts");
    const ABOUT: &'static str = "The Chainpoint v2 receipts of the records of an included batch; a page has them of one \
        anchor, the lowest.";
    type Params = PageOfReceipts;
    type Answer = ReceiptsPage;

    async fn call(api: Arc<Api>, wanted: PageOfReceipts) -> Result<ReceiptsPage, ApiError> {
        let give = |receipt: &Receipt| Ok(JsonText::of(receipt.to_json()));
        let (receipts, next) = api.run(move |api| page(api, &wanted, give)).await?;
        Ok(ReceiptsPage { receipts, next })
    }
}

/// `batch.receipts_v4`
pub(crate) struct Proofs;

impl Call for Proofs {
    const NAME: &'static str = "batch.receipts_v4";
    const REST: Rest = Rest::Get("/v1/bodies/{root}/{leaf_count}/receipts/v4");
    const ABOUT: &'static str = "The same as Chainpoint v4 proofs: that the records existed, not who was entitled to \
        anchor them.";
    type Params = PageOfProofs;
    type Answer = ProofsPage;

    async fn call(api: Arc<Api>, wanted: PageOfProofs) -> Result<ProofsPage, ApiError> {
        let (proofs, next) = proofs(api, wanted, |proof| JsonText::of(proof.to_json())).await?;
        Ok(ProofsPage { proofs, next })
    }
}

/// `batch.receipts_v4_binary`
pub(crate) struct BinaryProofs;

impl Call for BinaryProofs {
    const NAME: &'static str = "batch.receipts_v4_binary";
    const REST: Rest = Rest::Get("/v1/bodies/{root}/{leaf_count}/receipts/v4-binary");
    const ABOUT: &'static str = "The same in Chainpoint's binary form, zlib around MessagePack, each as hex.";
    type Params = PageOfProofs;
    type Answer = BinaryProofsPage;

    async fn call(api: Arc<Api>, wanted: PageOfProofs) -> Result<BinaryProofsPage, ApiError> {
        let (proofs, next) = proofs(api, wanted, |proof| Octets(proof.to_binary())).await?;
        Ok(BinaryProofsPage { proofs, next })
    }
}

/// A page of proofs, each as `write` writes it, and where the next one begins.
async fn proofs<T: Send + 'static>(
    api: Arc<Api>,
    wanted: PageOfProofs,
    write: fn(&ExistenceProof) -> T,
) -> Result<(Vec<T>, Option<u32>), ApiError> {
    let PageOfProofs { root, leaf_count, from, limit, sender, host } = wanted;
    let wanted = PageOfReceipts { root, leaf_count, from, limit, sender };
    api.run(move |api| page(api, &wanted, |receipt| Ok(write(&existence(receipt, &host)?)))).await
}

/// A page of receipts, each as `give` makes it, and where the next one begins. Blocks.
fn page<T>(
    api: &Api,
    wanted: &PageOfReceipts,
    give: impl Fn(&Receipt) -> Result<T, ApiError>,
) -> Result<(Vec<T>, Option<u32>), ApiError> {
    let PageOfReceipts { root, leaf_count, from, limit, sender } = *wanted;
    let limit = at_most("limit", limit.unwrap_or(RECEIPTS_PAGE_MAX), RECEIPTS_PAGE_MAX)?;
    let batch = BatchId { root, leaf_count };
    let tree = batch_tree(api, &batch)?.ok_or(ApiError::Unknown("batch body"))?;
    // One anchor for all, so that a reorganisation meanwhile does not mix two.
    let mut receipt = lowest(api, batch, &tree, sender)?;
    let from = from.unwrap_or(0);
    let mut found = Vec::new();
    for index in (from..leaf_count).take(usize::try_from(limit).unwrap_or(usize::MAX)) {
        let Some((target, path)) = tree.leaf(index.into()).zip(tree.path(index.into())) else { break };
        // The anchor is of this very tree, so every path of it fits.
        receipt = Receipt { target, index, path, ..receipt };
        found.push(give(&receipt)?);
    }
    let next = next_page(from, found.len(), leaf_count);
    Ok((found, next))
}

/// The receipt of the batch's first leaf in its lowest anchor, of `sender` if one is named.
fn lowest(api: &Api, batch: BatchId, tree: &Tree, sender: Option<PublicKey>) -> Result<Receipt, ApiError> {
    for candidate in candidates_of_batch(api, batch, 0, sender)? {
        if let Some(receipt) = receipt_in(api, &candidate, tree, None, None)? {
            return Ok(receipt);
        }
    }
    Err(ApiError::Unknown("anchor"))
}
