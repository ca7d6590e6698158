//! Why a receipt does not verify, one variant a reason, and the part of it that each is about.

use serde::Serialize;

use super::Headers;
use super::chainpoint4::FormatError;
use crate::codec::CodecError;
use crate::hash::Hash256;
use crate::key::PublicKey;
use crate::merkle::PathError;
use crate::rules::TxError;

/// The part of a receipt, or of what it is checked against, that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The JSON itself.
    Format,
    /// The record: its hash is not the receipt's target.
    Record,
    /// The path from record to batch root.
    Proof,
    /// The anchor transaction.
    Transaction,
    /// The path from transaction to header.
    BlockPath,
    /// The header, or its place in the chain.
    Header,
    /// The sender's or device's registration.
    Registry,
}

/// Why a receipt does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not the JSON of a receipt; the message says where.
    #[error("malformed receipt: {0}")]
    Malformed(String),
    /// No Chainpoint v4 proof of this chain.
    #[error("malformed proof: {0}")]
    Chainpoint4(FormatError),
    /// The record's hash is another.
    #[error("record altered: it hashes to {found}, the receipt is for {expected}")]
    RecordAltered {
        /// Hash of the record at hand.
        found: Hash256,
        /// The receipt's target.
        expected: Hash256,
    },
    /// The batch path has another shape than index and leaf count imply.
    #[error("proof broken: {0}")]
    ProofShape(PathError),
    /// The batch path arrives elsewhere.
    #[error("proof broken: it arrives at {found}, the receipt names root {expected}")]
    ProofRoot {
        /// Root arrived at.
        found: Hash256,
        /// Root named.
        expected: Hash256,
    },
    /// The transaction's bytes hash to another name.
    #[error("transaction altered: it hashes to {found}, the receipt names {expected}")]
    TransactionId {
        /// Hash found.
        found: Hash256,
        /// `sourceId`.
        expected: Hash256,
    },
    /// The transaction's bytes are no transaction.
    #[error("transaction malformed: {0}")]
    TransactionCodec(CodecError),
    /// The transaction breaks a rule.
    #[error("transaction invalid: {0}")]
    TransactionRule(TxError),
    /// The transaction is no anchor of this root and leaf count.
    #[error("transaction does not anchor root {root} of {leaf_count} leaves")]
    NotThisAnchor {
        /// The receipt's root.
        root: Hash256,
        /// The receipt's leaf count.
        leaf_count: u32,
    },
    /// The receipt is for another network.
    #[error("unknown network: the receipt is for {found}, the headers are of {expected}")]
    OtherNetwork {
        /// The receipt's.
        found: Hash256,
        /// The headers'.
        expected: Hash256,
    },
    /// The header chain ends below the block.
    #[error("unknown block: height {height}, the headers end at {tip}")]
    BeyondTip {
        /// The block's height.
        height: u64,
        /// Height of the last header.
        tip: u64,
    },
    /// The header chain begins above the block.
    #[error("unknown block: height {height}, the headers begin at the checkpoint {base}")]
    BelowBase {
        /// The block's height.
        height: u64,
        /// Height at which the headers begin.
        base: u64,
    },
    /// Another block stands at that height.
    #[error("unknown block: the header hashes to {found}, the chain has {expected} at height {height}")]
    UnknownBlock {
        /// Hash of the receipt's header.
        found: Hash256,
        /// Hash on the chain.
        expected: Hash256,
        /// The height.
        height: u64,
    },
    /// The miner's signature in the receipt is not the one that the chain verified.
    #[error("header signature altered at height {height}")]
    HeaderSignature {
        /// The height.
        height: u64,
    },
    /// The block path has another shape than index and transaction count imply.
    #[error("block path broken: {0}")]
    BlockPathShape(PathError),
    /// The block path arrives elsewhere.
    #[error("block path broken: it arrives at {found}, the header has {expected}")]
    BlockPathRoot {
        /// Root arrived at.
        found: Hash256,
        /// The header's.
        expected: Hash256,
    },
    /// Too few blocks on top.
    #[error("too few confirmations: {found}, {wanted} are wanted")]
    TooFewConfirmations {
        /// Confirmations by the header chain.
        found: u64,
        /// Confirmations wanted.
        wanted: u64,
    },
    /// The opened commitments are not the block's.
    #[error("registry: the commitments hash to {found}, the block at height {height} has {expected}")]
    Commitments {
        /// Hash of the opened commitments.
        found: Hash256,
        /// The header's.
        expected: Hash256,
        /// Height of the block.
        height: u64,
    },
    /// The registry is shown as it was before the anchor.
    #[error("registry: shown at height {authority}, the anchor is at {anchor}")]
    AuthorityTooEarly {
        /// Height of the authority's block.
        authority: u64,
        /// Height of the anchor's block.
        anchor: u64,
    },
    /// An entry's path does not lead to the accounts' root.
    #[error("registry: the path of {key} is broken")]
    EntryPath {
        /// The entry's key.
        key: PublicKey,
    },
    /// The entry is another key's, or of another role than the anchor needs.
    #[error("registry: {key} is not entitled to this")]
    NotEntitled {
        /// The entry's key.
        key: PublicKey,
    },
}

impl ReceiptError {
    /// Of a block that `chain` does not reach.
    pub(super) fn beyond(chain: &impl Headers, height: u64) -> Self {
        let (tip, base) = (chain.height(), chain.base());
        if height < base { Self::BelowBase { height, base } } else { Self::BeyondTip { height, tip } }
    }

    /// The part that failed.
    pub fn part(&self) -> Part {
        match self {
            Self::Malformed(_) => Part::Format,
            Self::Chainpoint4(error) => error.part(),
            Self::RecordAltered { .. } => Part::Record,
            Self::ProofShape(_) | Self::ProofRoot { .. } => Part::Proof,
            Self::TransactionId { .. }
            | Self::TransactionCodec(_)
            | Self::TransactionRule(_)
            | Self::NotThisAnchor { .. } => Part::Transaction,
            Self::BlockPathShape(_) | Self::BlockPathRoot { .. } => Part::BlockPath,
            Self::OtherNetwork { .. }
            | Self::BeyondTip { .. }
            | Self::BelowBase { .. }
            | Self::UnknownBlock { .. }
            | Self::HeaderSignature { .. }
            | Self::TooFewConfirmations { .. } => Part::Header,
            Self::Commitments { .. }
            | Self::AuthorityTooEarly { .. }
            | Self::EntryPath { .. }
            | Self::NotEntitled { .. } => Part::Registry,
        }
    }
}
