//! Values that only the store has.

use bincode::{Decode, Encode};
use dronechain_chain_spec::codec::Canonical;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::limits::{BLOCK_BYTES_MAX, BLOCK_TXS_MAX, LEAVES_MAX};
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::state::Outcome;
use dronechain_chain_spec::transaction::Transaction;

use crate::core::view::BatchId;

/// Where a transaction stands on the active chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct TxPlace {
    /// Height of its block.
    pub height: u64,
    /// Hash of its block.
    pub block: Hash256,
    /// Its index in the block, from 0.
    pub position: u32,
}

impl Canonical for TxPlace {
    const MAX: usize = 8 + 32 + 4;
}

/// Where a sender's transaction stands on the active chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SequencePlace {
    /// Height of its block.
    pub height: u64,
    /// Its index in the block, from 0.
    pub position: u32,
}

impl Canonical for SequencePlace {
    const MAX: usize = 8 + 4;
}

/// A batch body as it is stored: its root, then its leaves, 32 bytes each. What the root is costs no hashing so, and
/// one leaf no copy of them all.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyRow<'a> {
    root: &'a Hash256Bytes,
    leaves: &'a [Hash256Bytes],
}

type Hash256Bytes = [u8; 32];

impl<'a> BodyRow<'a> {
    /// The row of a body.
    pub(super) fn bytes(root: &Hash256, leaves: &[Hash256]) -> Vec<u8> {
        let mut row = Vec::with_capacity(32 * (1 + leaves.len()));
        row.extend_from_slice(&root.0);
        leaves.iter().for_each(|leaf| row.extend_from_slice(&leaf.0));
        row
    }

    /// Reads what [`BodyRow::bytes`] gave; none of another length.
    pub(super) fn parse(row: &'a [u8]) -> Option<Self> {
        let (hashes, []) = row.as_chunks() else { return None };
        let (root, leaves) = hashes.split_first()?;
        (leaves.len() <= LEAVES_MAX as usize).then_some(Self { root, leaves })
    }

    /// The name of the batch; whether the leaves have that root is not looked at.
    pub(super) fn id(self) -> BatchId {
        let leaf_count = u32::try_from(self.leaves.len()).expect("parse counted them");
        BatchId { root: Hash256(*self.root), leaf_count }
    }

    /// Whether it has `leaf` at `index`.
    pub(super) fn holds(self, leaf: &Hash256, index: u32) -> bool {
        self.leaves.get(index as usize) == Some(&leaf.0)
    }

    /// All of them, in order of collection.
    pub(super) fn leaves(self) -> Vec<Hash256> {
        self.leaves.iter().copied().map(Hash256).collect()
    }
}

/// A block's transactions.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct TransactionList(pub(super) Vec<Transaction>);

impl Canonical for TransactionList {
    const MAX: usize = 8 + BLOCK_BYTES_MAX;
}

/// What a header shows of its block.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct ShownList(pub(super) Vec<Shown>);

impl Canonical for ShownList {
    const MAX: usize = Link::MAX;
}

/// What each of a block's transactions did.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct OutcomeList(pub(super) Vec<Outcome>);

impl Canonical for OutcomeList {
    const MAX: usize = 8 + 4 * BLOCK_TXS_MAX;
}
