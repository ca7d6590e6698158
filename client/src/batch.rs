//! Record hashes in the order in which they were collected, until they are anchored together.

use std::collections::HashSet;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::limits::LEAVES_MAX;
use dronechain_chain_spec::merkle::{self, Tree};
use dronechain_chain_spec::receipt::{AnchorProof, Receipt, ReceiptError};
use dronechain_chain_spec::transaction::{Action, Anchor, AnchorKind, Transaction};
use dronechain_chain_spec::wire::BatchBody;

/// A batch. Empty, it is a heartbeat: an anchor that says there was nothing to anchor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    leaves: Vec<Hash256>,
    seen: HashSet<Hash256>,
    times_ms: Option<(u64, u64)>,
}

/// Why a hash is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The batch has it already.
    #[error("{0} is in the batch already")]
    Duplicate(Hash256),
    /// The batch holds [`LEAVES_MAX`] hashes.
    #[error("the batch holds {LEAVES_MAX} hashes, the most there can be")]
    Full,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// The batch of leaves that were anchored before, e.g. as a node keeps them; times unknown.
    ///
    /// # Errors
    /// As [`Batch::push`].
    pub fn from_leaves(leaves: impl IntoIterator<Item = Hash256>) -> Result<Self, BatchError> {
        let mut batch = Self::new();
        leaves.into_iter().try_for_each(|leaf| batch.insert(leaf))?;
        Ok(batch)
    }

    /// Takes the next record's hash, with the time that it claims in ms since 1970 UTC.
    ///
    /// # Errors
    /// [`BatchError`]; the batch stays as it was.
    pub fn push(&mut self, leaf: Hash256, time_ms: u64) -> Result<(), BatchError> {
        self.insert(leaf)?;
        let (first, last) = self.times_ms.unwrap_or((time_ms, time_ms));
        self.times_ms = Some((first.min(time_ms), last.max(time_ms)));
        Ok(())
    }

    fn insert(&mut self, leaf: Hash256) -> Result<(), BatchError> {
        if self.is_full() {
            return Err(BatchError::Full);
        }
        if !self.seen.insert(leaf) {
            return Err(BatchError::Duplicate(leaf));
        }
        self.leaves.push(leaf);
        Ok(())
    }

    /// The hashes in order of collection.
    pub fn leaves(&self) -> &[Hash256] {
        &self.leaves
    }

    /// Number of hashes.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Whether no more fit.
    pub fn is_full(&self) -> bool {
        self.leaves.len() == LEAVES_MAX as usize
    }

    /// Whether `leaf` is in it.
    pub fn contains(&self, leaf: &Hash256) -> bool {
        self.seen.contains(leaf)
    }

    /// Root of the batch tree; zero for an empty batch.
    pub fn root(&self) -> Hash256 {
        merkle::root(&self.leaves)
    }

    /// What anchors the batch. Claimed times are the earliest and latest, 0 when unknown.
    pub fn anchor(&self, kind: AnchorKind) -> Anchor {
        let (first_time, last_time) = self.times_ms.unwrap_or_default();
        let leaf_count = u32::try_from(self.leaves.len()).expect("insert holds it to LEAVES_MAX");
        Anchor { kind, root: self.root(), leaf_count, first_time, last_time }
    }

    /// What goes to a node beside the anchor; none for a heartbeat.
    pub fn body(&self) -> Option<BatchBody> {
        (!self.is_empty()).then(|| BatchBody(self.leaves.clone()))
    }

    /// The receipts of all leaves, in order, from the one proof that they share. They are as good as
    /// the proof: verify one of them, or let the reader.
    ///
    /// # Errors
    /// When `proof` is no anchor of this batch.
    pub fn receipts(
        &self,
        chain_id: Hash256,
        proof: &AnchorProof,
    ) -> Result<impl Iterator<Item = Receipt>, ReceiptError> {
        let tree = Tree::new(self.leaves.clone());
        let (root, leaf_count) = (tree.root(), self.anchor(AnchorKind::Data).leaf_count);
        let transaction: Transaction =
            codec::decode(&proof.transaction).map_err(ReceiptError::TransactionCodec)?;
        match transaction.body.action {
            Action::Anchor(anchor) if anchor.root == root && anchor.leaf_count == leaf_count => {}
            _ => return Err(ReceiptError::NotThisAnchor { root, leaf_count }),
        }
        let source_id = dronechain_chain_spec::hash::sha256(&[&proof.transaction]);
        Ok((0..leaf_count).map(move |index| {
            let path = tree.path(index.into()).expect("the index is below the leaf count");
            let target = self.leaves[index as usize];
            Receipt { target, root, path, source_id, chain_id, index, leaf_count, anchor: proof.clone() }
        }))
    }
}

#[cfg(test)]
mod tests {
    use dronechain_chain_spec::hash::sha256;

    use super::*;

    #[test]
    fn duplicates_are_refused_and_order_is_kept() {
        let hashes: Vec<_> = (0..5u8).map(|n| sha256(&[&[n]])).collect();
        let mut batch = Batch::new();
        for (hash, time_ms) in hashes.iter().zip([30, 10, 20, 50, 40]) {
            batch.push(*hash, time_ms).expect("new");
        }
        assert_eq!(batch.push(hashes[2], 5), Err(BatchError::Duplicate(hashes[2])));
        assert_eq!(batch.leaves(), hashes);
        let anchor = batch.anchor(AnchorKind::Data);
        assert_eq!((anchor.leaf_count, anchor.first_time, anchor.last_time), (5, 10, 50));
        assert_eq!(anchor.root, merkle::root(&hashes));
    }

    #[test]
    fn a_heartbeat_has_neither_root_nor_body() {
        let batch = Batch::new();
        assert_eq!(batch.anchor(AnchorKind::Data).root, Hash256::ZERO);
        assert_eq!(batch.body(), None);
    }

    #[test]
    fn a_full_batch_takes_no_more() {
        let leaf = |n: u32| sha256(&[&n.to_le_bytes()]);
        let mut batch = Batch::from_leaves((0..LEAVES_MAX).map(leaf)).expect("all fit");
        assert_eq!(batch.push(leaf(LEAVES_MAX), 0), Err(BatchError::Full));
        assert_eq!(batch.anchor(AnchorKind::Data).leaf_count, LEAVES_MAX);
    }
}
