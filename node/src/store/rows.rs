//! Values that only the store has.

use bincode::{Decode, Encode};
use dronechain_chain_spec::codec::Canonical;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::limits::{BLOCK_BYTES_MAX, BLOCK_TXS_MAX};
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::state::Outcome;
use dronechain_chain_spec::transaction::Transaction;

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

/// Where an anchor stands on the active chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct AnchorPlace {
    /// Height of its block.
    pub height: u64,
    /// Its index in the block, from 0.
    pub position: u32,
}

impl Canonical for AnchorPlace {
    const MAX: usize = 8 + 4;
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
