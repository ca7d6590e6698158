//! Reads through the changes that are not committed yet.

use std::sync::Arc;

use dronechain_chain_spec::block::{Block, CheckedBlock};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Parent;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::roster::Roster;
use dronechain_chain_spec::state::Undo;
use dronechain_chain_spec::transaction::Transaction;

use super::view::{BatchId, Changes, Conflict, Stage, StoredHeader, View, ViewError};

/// The committed view under the changes being committed and those being collected.
pub(super) struct Ledger<V> {
    view: V,
    committing: Option<Arc<Changes>>,
    pub(super) pending: Changes,
}

impl<V: View> Ledger<V> {
    pub(super) fn new(view: V) -> Self {
        Self { view, committing: None, pending: Changes::default() }
    }

    /// Hands the collected changes out for commit; none while a commit is under way.
    pub(super) fn take(&mut self) -> Option<Arc<Changes>> {
        if self.committing.is_some() || self.pending.is_empty() {
            return None;
        }
        let changes = Arc::new(std::mem::take(&mut self.pending));
        self.committing = Some(Arc::clone(&changes));
        Some(changes)
    }

    /// The changes taken last are in the view now.
    pub(super) fn committed(&mut self) {
        self.committing = None;
    }

    /// Whether everything is in the view.
    pub(super) fn is_settled(&self) -> bool {
        self.committing.is_none() && self.pending.is_empty()
    }

    /// The layers above the view, newest first.
    fn layers(&self) -> impl Iterator<Item = &Changes> {
        std::iter::once(&self.pending).chain(self.committing.as_deref())
    }

    pub(super) fn header(&self, hash: &Hash256) -> Result<Option<StoredHeader>, ViewError> {
        match self.layers().find_map(|layer| layer.headers.get(hash)) {
            Some(header) => Ok(Some(header.clone())),
            None => self.view.header(hash),
        }
    }

    /// A header that must be there.
    pub(super) fn known(&self, hash: &Hash256) -> Result<StoredHeader, ViewError> {
        self.header(hash)?.ok_or_else(|| ViewError(format!("header {hash} is missing")))
    }

    pub(super) fn active(&self, height: u64) -> Result<Option<Hash256>, ViewError> {
        match self.layers().find_map(|layer| layer.active.get(&height)) {
            Some(hash) => Ok(*hash),
            None => self.view.active(height),
        }
    }

    pub(super) fn is_active(&self, hash: &Hash256, height: u64) -> Result<bool, ViewError> {
        Ok(self.active(height)? == Some(*hash))
    }

    pub(super) fn undo(&self, hash: &Hash256) -> Result<Undo, ViewError> {
        let undo = match self.layers().find_map(|layer| layer.undos.get(hash)) {
            Some(undo) => Some(undo.clone()),
            None => self.view.undo(hash)?,
        };
        undo.ok_or_else(|| ViewError(format!("undo of block {hash} is missing")))
    }

    pub(super) fn transactions(&self, hash: &Hash256) -> Result<Vec<Transaction>, ViewError> {
        let transactions = match self.layers().find_map(|layer| layer.blocks.get(hash)) {
            Some(transactions) => Some(transactions.clone()),
            None => self.view.transactions(hash)?,
        };
        transactions.ok_or_else(|| ViewError(format!("transactions of block {hash} are missing")))
    }

    pub(super) fn has_body(&self, batch: &BatchId) -> Result<bool, ViewError> {
        Ok(self.layers().any(|layer| layer.bodies.contains_key(batch)) || self.view.has_body(batch)?)
    }

    /// The roster that the block `at` left.
    pub(super) fn roster(&self, at: &Hash256) -> Result<Roster, ViewError> {
        let roster = match self.layers().find_map(|layer| layer.rosters.get(at)) {
            Some(roster) => Some(roster.clone()),
            None => self.view.roster(at)?,
        };
        roster.ok_or_else(|| ViewError(format!("roster of block {at} is missing")))
    }

    pub(super) fn has_evidence(&self, conflict: &Conflict) -> Result<bool, ViewError> {
        let pending = self.layers().any(|layer| layer.evidence.contains_key(conflict));
        Ok(pending || self.view.has_evidence(conflict)?)
    }

    /// Height at which the active chain holds a transaction.
    pub(super) fn transaction_height(&self, txid: &Hash256) -> Result<Option<u64>, ViewError> {
        let holds = |moved: &super::view::Moved| moved.transactions.iter().any(|tx| tx.txid() == *txid);
        for layer in self.layers() {
            if let Some(moved) = layer.connected.iter().rev().find(|moved| holds(moved)) {
                return Ok(Some(moved.height));
            }
            if layer.disconnected.iter().any(holds) {
                return Ok(None);
            }
        }
        self.view.transaction_height(txid)
    }

    /// A stored block. It was checked before it was stored, so its signatures are not checked again.
    pub(super) fn block(&self, hash: &Hash256) -> Result<CheckedBlock, ViewError> {
        let block = Block { header: self.known(hash)?.signed, transactions: self.transactions(hash)? };
        block.check_stored(hash).map_err(|error| ViewError(format!("stored block {hash}: {error}")))
    }

    /// A block as the parent of the next.
    pub(super) fn parent(&self, hash: Hash256) -> Result<Parent, ViewError> {
        let stored = self.known(&hash)?;
        let before = match stored.signed.header.height {
            0 => None,
            _ => Some(self.known(&stored.signed.header.parent)?),
        };
        Ok(stored.as_parent(hash, before.as_ref()))
    }

    /// The miners from block `at` backwards, newest first, genesis left out.
    pub(super) const fn miners(&self, at: Hash256) -> Miners<'_, V> {
        Miners { ledger: self, at, fault: None }
    }

    /// Moves a block on to `stage`; never back from `Valid`.
    pub(super) fn set_stage(&mut self, hash: &Hash256, stage: Stage) -> Result<(), ViewError> {
        let mut stored = self.known(hash)?;
        if stored.stage != Stage::Valid && stored.stage != stage {
            stored.stage = stage;
            self.pending.headers.insert(*hash, stored);
        }
        Ok(())
    }
}

/// Miners along a chain, read one by one. A read that fails ends them; see `fault` then.
pub(super) struct Miners<'a, V> {
    ledger: &'a Ledger<V>,
    at: Hash256,
    pub(super) fault: Option<ViewError>,
}

impl<V: View> Iterator for Miners<'_, V> {
    type Item = PublicKey;

    fn next(&mut self) -> Option<PublicKey> {
        match self.ledger.known(&self.at) {
            Ok(stored) if stored.height() == 0 => None,
            Ok(stored) => {
                self.at = stored.signed.header.parent;
                Some(stored.signed.header.miner)
            }
            Err(error) => {
                self.fault = Some(error);
                None
            }
        }
    }
}
