//! The records that are anchored together, and where they stand.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::merkle::{Path, Tree};
use dronechain_chain_spec::promise::SignedPromise;
use dronechain_chain_spec::receipt::{AnchorProof, Receipt};
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
    /// The ledger has records of it already, which a later day of this outbox anchored: each record has a place of its
    /// own.
    Dissolved(Arc<[Place]>),
    /// The key may not anchor such records.
    Unfit,
}

/// Where a record of a dissolved lot is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// On the ledger.
    Found(Arc<Found>),
    /// In another lot, at that index.
    Moved(Arc<Lot>, u32),
}

/// A record on the ledger, under as many blocks as count as delivered.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) target: Hash256,
    pub(super) root: Hash256,
    pub(super) path: Path,
    pub(super) index: u32,
    pub(super) leaf_count: u32,
    /// Shared by the records of its batch.
    pub(super) inclusion: Arc<Inclusion>,
}

impl Found {
    pub(super) fn receipt(&self, chain_id: Hash256) -> Receipt {
        Receipt {
            target: self.target,
            root: self.root,
            path: self.path.clone(),
            source_id: self.inclusion.txid,
            chain_id,
            index: self.index,
            leaf_count: self.leaf_count,
            anchor: self.inclusion.proof.clone(),
        }
    }
}

impl Standing {
    /// Whether a node has it, or had it until it was included.
    pub(super) fn is_promised(&self) -> bool {
        matches!(self, Self::Promised | Self::Included(_))
    }
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
    /// The first that a node gave for the transaction that it has now.
    promise: RwLock<Option<Arc<SignedPromise>>>,
    standing: watch::Sender<Standing>,
}

impl Lot {
    pub(super) fn new(first: u64) -> Self {
        let standing = watch::Sender::new(Standing::Stored);
        let (leaves, tree, promise) = (OnceLock::new(), OnceLock::new(), RwLock::new(None));
        Self { first, leaves, tree, promise, standing }
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

    /// A node's promise, which is in the outbox.
    pub(super) fn promise(&self) -> Option<Arc<SignedPromise>> {
        self.promise.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A node has it, and promised so; it may be in a block already.
    pub(super) fn promised(&self, promise: Arc<SignedPromise>) {
        self.promise.write().unwrap_or_else(PoisonError::into_inner).get_or_insert(promise);
        self.standing.send_if_modified(|standing| {
            let is_new = matches!(standing, Standing::Stored);
            if is_new {
                *standing = Standing::Promised;
            }
            is_new
        });
    }

    /// It was signed anew: what was promised is void.
    pub(super) fn starts_anew(&self) {
        *self.promise.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.stands(Standing::Stored);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    pub(super) fn stands(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }
}
