//! Receipts in the formats of public tools, and their verification against the node's own chain.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::receipt::{Document, Existence, ExistenceProof, Part, Receipt, ReceiptError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::active::ActiveChain;
use super::anchors::{ByRecord, found_receipt};
use super::api::Api;
use super::call::{Answer, Call, JsonText, Octets, Rest};
use super::error::ApiError;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByRecordAndHost {
    /// SHA-256 of the record.
    hash: Hash256,
    /// Host, and port, at which public clients reach this node: they ask it for `/calendar/HEIGHT/data`.
    host: String,
}

/// `receipt.v4`
pub(crate) struct GetProof;

impl Call for GetProof {
    const NAME: &'static str = "receipt.v4";
    const REST: Rest = Rest::Get("/v1/receipts/{hash}/v4");
    const ABOUT: &'static str = "The Chainpoint v4 proof of a leaf in an included batch: that it existed, not who was \
        entitled to anchor it.";
    type Params = ByRecordAndHost;
    type Answer = JsonText;

    async fn call(api: Arc<Api>, params: ByRecordAndHost) -> Result<JsonText, ApiError> {
        api.run(move |api| Ok(JsonText::of(proof(api, &params)?.to_json()))).await
    }
}

/// `receipt.v4_binary`
pub(crate) struct GetBinaryProof;

impl Call for GetBinaryProof {
    const NAME: &'static str = "receipt.v4_binary";
    const REST: Rest = Rest::Get("/v1/receipts/{hash}/v4.bin");
    const ABOUT: &'static str = "The same in Chainpoint's binary form: zlib around MessagePack.";
    type Params = ByRecordAndHost;
    type Answer = Octets;

    async fn call(api: Arc<Api>, params: ByRecordAndHost) -> Result<Octets, ApiError> {
        api.run(move |api| Ok(Octets(proof(api, &params)?.to_binary()))).await
    }
}

fn proof(api: &Api, ByRecordAndHost { hash, host }: &ByRecordAndHost) -> Result<ExistenceProof, ApiError> {
    existence(&found_receipt(api, &ByRecord::of(*hash))?, host)
}

/// A receipt in Chainpoint v4, with the host that clients ask for its block.
pub(super) fn existence(receipt: &Receipt, host: &str) -> Result<ExistenceProof, ApiError> {
    ExistenceProof::of(receipt, host).map_err(|error| match error {
        ReceiptError::Chainpoint4(error) => ApiError::Query(format!("host: {error}")),
        _ => ApiError::Internal,
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToVerify {
    /// A Chainpoint v2 receipt, or a v4 proof, of this network.
    receipt: Map<String, Value>,
    /// SHA-256 of the record at hand; without it, the one that the receipt names.
    record: Option<Hash256>,
    /// Blocks that the anchor must have, its own included; 1 unless it is said.
    confirmations: Option<u64>,
}

/// `receipt.verify`
pub(crate) struct Verify;

#[derive(Serialize, JsonSchema)]
pub(crate) struct Verdict {
    /// Whether every step holds by this node's chain.
    holds: bool,
    /// What failed: format, record, proof, transaction, block-path, header or registry.
    #[schemars(with = "Option<String>")]
    failed: Option<Part>,
    /// Why, in words.
    reason: Option<String>,
    /// What a receipt that holds shows.
    shows: Option<Shown>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Shown {
    /// SHA-256 of the record.
    record: Hash256,
    txid: Hash256,
    /// Who anchored, and at which sequence.
    sender: PublicKey,
    sequence: u64,
    height: u64,
    block: Hash256,
    confirmations: u64,
    /// The record existed by then, in ms since 1970 UTC; null while the block that tells is not there.
    not_later_than_ms: Option<u64>,
    /// Whether it shows that the sender was entitled, too: v4 proofs do not.
    shows_entitlement: bool,
}

impl Answer for Verdict {}

impl Call for Verify {
    const NAME: &'static str = "receipt.verify";
    const REST: Rest = Rest::Post("/v1/receipts/verify");
    const ABOUT: &'static str = "Whether a receipt holds by this node's chain. Whoever does not want to take the node's word \
        verifies offline.";
    type Params = ToVerify;
    type Answer = Verdict;

    async fn call(api: Arc<Api>, asked: ToVerify) -> Result<Verdict, ApiError> {
        api.run(move |api| verdict(api, &asked)).await
    }
}

fn verdict(api: &Api, asked: &ToVerify) -> Result<Verdict, ApiError> {
    let bytes = serde_json::to_vec(&asked.receipt).map_err(|error| ApiError::Params(error.to_string()))?;
    let chain = ActiveChain::of(&api.rpc.store)?;
    let wanted = asked.confirmations.unwrap_or(1).max(1);
    let shown = Document::parse(&bytes).and_then(|document| match document {
        Document::Receipt(receipt) => {
            let proven = receipt.verify(&asked.record.unwrap_or(receipt.target), &chain, wanted);
            proven.map(|proven| Shown::of(&proven.existence(), true))
        }
        Document::Existence(proof) => {
            let proven = proof.verify(&asked.record.unwrap_or(proof.target()), &chain, wanted);
            proven.map(|existence| Shown::of(&existence, false))
        }
    });
    Ok(chain.found(shown)?.map_or_else(|error| Verdict::no(&error), Verdict::yes))
}

impl Verdict {
    fn yes(shown: Shown) -> Self {
        Self { holds: true, failed: None, reason: None, shows: Some(shown) }
    }

    fn no(error: &ReceiptError) -> Self {
        Self { holds: false, failed: Some(error.part()), reason: Some(error.to_string()), shows: None }
    }
}

impl Shown {
    fn of(existence: &Existence, shows_entitlement: bool) -> Self {
        let Existence {
            target, txid, sender, sequence, height, block, confirmations, not_later_than_ms, ..
        } = *existence;
        Self {
            record: target,
            txid,
            sender,
            sequence,
            height,
            block,
            confirmations,
            not_later_than_ms,
            shows_entitlement,
        }
    }
}
