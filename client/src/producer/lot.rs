//! The records that are anchored together, and where they stand.

use std::sync::{Arc, OnceLock};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::receipt::AnchorProof;
use tokio::sync::watch;

use super::error::Rejection;

/// Where a lot stands.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// It is in the outbox, and no node has it.
    Stored,
    /// A node has it durably.
    Promised,
    /// It is in a block of the own header chain.
    Included(Arc<Inclusion>),
    /// The ledger refuses it.
    Rejected(Arc<Rejection>),
}

/// Where a lot is included: held against the own header chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The anchor's sequence; with the producer's key its identity.
    pub sequence: u64,
    /// The anchor transaction.
    pub txid: Hash256,
    /// Height of its block.
    pub height: u64,
    /// Hash of its block.
    pub block: Hash256,
    /// Everything between the batch's root and the header chain.
    pub proof: AnchorProof,
}

/// The records of one batch, shared by the handles of all of them.
#[derive(Debug)]
pub(super) struct Lot {
    /// Number of the first record, counted over the outbox's life.
    pub(super) first: u64,
    /// Set when it takes no more records.
    leaves: OnceLock<Arc<[Hash256]>>,
    tree: OnceLock<Tree>,
    standing: watch::Sender<Standing>,
}

impl Lot {
    pub(super) fn new(first: u64) -> Self {
        let standing = watch::Sender::new(Standing::Stored);
        Self { first, leaves: OnceLock::new(), tree: OnceLock::new(), standing }
    }

    /// It takes no more records.
    pub(super) fn cut(&self, leaves: Arc<[Hash256]>) {
        let is_first = self.leaves.set(leaves).is_ok();
        debug_assert!(is_first, "a lot is cut once");
    }

    /// The records' hashes in order; none while it takes more.
    pub(super) fn leaves(&self) -> &[Hash256] {
        self.leaves.get().map_or(&[], |leaves| leaves)
    }

    /// The tree over the leaves: built when the first receipt is asked for.
    pub(super) fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| Tree::new(self.leaves().to_vec()))
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    pub(super) fn stands(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }
}
