//! Receipts: Chainpoint v2 with an extension that makes them verifiable offline, and Chainpoint v4 for
//! public tools.
//!
//! A receipt runs from a target hash through the batch tree, the anchor transaction and the block
//! tree to a header, and shows that the anchor's sender (and, if asked for, the record's device) was
//! registered. [`Receipt::verify`] rebuilds every step against a header chain and applies every
//! rule; it never takes a claim of the receipt on trust.
//!
//! Registry entries only ever gain heights (admitted, suspect since, revoked), so a proof against
//! any later block shows how things stood when the anchor was included.
//!
//! An [`ExistenceProof`], which is what Chainpoint v4 has room for, is the receipt's hash path alone.
//! [`Document::parse`] tells by content which of the two a document is.

mod chainpoint2;
pub mod chainpoint4;
mod document;
mod error;
mod headers;
mod inclusion;
mod json;
mod verify;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::hash::{Hash256, sha256};
use crate::header::SignedHeader;
use crate::limits::RECEIPT_BYTES_MAX;
use crate::merkle::Path;
use crate::registry::{Commitments, Entry};
use crate::transaction::{Action, Anchor, AnchorKind, Transaction};

use json::{Object, header_hex, hex_bytes, object, path_json};

pub use chainpoint4::ExistenceProof;
pub use document::Document;
pub use error::{Part, ReceiptError};
pub use headers::Headers;
pub use verify::{Existence, Proven, ProvenAnchor};

/// The `@context` of every receipt.
pub const CONTEXT: &str = "https://w3id.org/chainpoint/v2";
/// The only hash type.
pub const TYPE: &str = "ChainpointSHA256v2";
/// The anchor type of this chain.
pub const ANCHOR_TYPE: &str = "DroneChain";
/// Version of the extension.
pub const EXTENSION_VERSION: u32 = 1;

/// A registry entry with its path to the accounts' root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EntryProof {
    /// The entry.
    #[serde(deserialize_with = "object::deserialize")]
    pub entry: Entry,
    /// Its path.
    #[serde(with = "path_json")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<path_json::Item>"))]
    pub path: Path,
}

/// Who was entitled, against the commitments of a block at or above the anchor's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authority {
    /// Height of that block.
    pub height: u64,
    /// Its opened commitments.
    #[serde(deserialize_with = "object::deserialize")]
    pub commitments: Commitments,
    /// The anchor's sender.
    #[serde(deserialize_with = "object::deserialize")]
    pub sender: EntryProof,
    /// The record's device; left out if it was not asked for.
    #[serde(default, deserialize_with = "object::some", skip_serializing_if = "Option::is_none")]
    pub device: Option<EntryProof>,
}

/// Everything between a batch's root and the header chain; the same for all records of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnchorProof {
    /// Canonical bytes of the anchor transaction.
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub transaction: Vec<u8>,
    /// Its index in the block.
    pub tx_index: u32,
    /// Its path in the block's tree.
    #[serde(with = "path_json")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<path_json::Item>"))]
    pub block_path: Path,
    /// Height of the block.
    pub height: u64,
    /// The block's header and miner's signature.
    #[serde(with = "header_hex")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub header: SignedHeader,
    /// Who was entitled.
    #[serde(deserialize_with = "object::deserialize")]
    pub authority: Authority,
}

/// A receipt for one target hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// SHA-256 of the record.
    pub target: Hash256,
    /// Root of the batch tree.
    pub root: Hash256,
    /// Path from target to root.
    pub path: Path,
    /// SHA-256 of the anchor transaction.
    pub source_id: Hash256,
    /// Genesis hash of the network.
    pub chain_id: Hash256,
    /// The target's index in the batch.
    pub index: u32,
    /// Leaves of the batch.
    pub leaf_count: u32,
    /// The rest of the way.
    pub anchor: AnchorProof,
}

impl Receipt {
    /// A receipt for leaf `index` of the batch that `anchor` anchors.
    ///
    /// # Errors
    /// When `anchor` holds no anchor transaction or the path does not fit it.
    pub fn new(
        chain_id: Hash256,
        target: Hash256,
        index: u32,
        path: Path,
        anchor: AnchorProof,
    ) -> Result<Self, ReceiptError> {
        let transaction: Transaction =
            codec::decode(&anchor.transaction).map_err(ReceiptError::TransactionCodec)?;
        let Action::Anchor(Anchor { root, leaf_count, .. }) = transaction.body.action else {
            return Err(ReceiptError::NotThisAnchor { root: Hash256::ZERO, leaf_count: 0 });
        };
        let source_id = sha256(&[&anchor.transaction]);
        let receipt = Self { target, root, path, source_id, chain_id, index, leaf_count, anchor };
        receipt.verify_path()?;
        Ok(receipt)
    }

    /// What the batch holds, by the anchor transaction; none if it is no anchor.
    pub fn kind(&self) -> Option<AnchorKind> {
        let transaction: Transaction = codec::decode(&self.anchor.transaction).ok()?;
        match transaction.body.action {
            Action::Anchor(anchor) => Some(anchor.kind),
            _ => None,
        }
    }

    /// The receipt as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&chainpoint2::Document::from(self))
            .expect("strings, numbers and lists are JSON")
    }

    /// Reads a receipt; unknown fields, lists in place of objects, upper-case hex and paths that are too
    /// long are refused.
    pub fn parse(json: &[u8]) -> Result<Self, ReceiptError> {
        if json.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::Malformed(format!("{} bytes are too many", json.len())));
        }
        let Object(document) = serde_json::from_slice::<Object<chainpoint2::Document>>(json)
            .map_err(|error| ReceiptError::Malformed(error.to_string()))?;
        document.into_receipt()
    }
}
