//! Reads through the changes that are not committed yet.

use std::sync::Arc;

use dronechain_chain_spec::block::{Block, CheckedBlock};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Header, Parent};
use dronechain_chain_spec::spec::Network;
use dronechain_chain_spec::state::Undo;
use dronechain_chain_spec::transaction::Transaction;

use super::view::{Changes, Stage, StoredHeader, View, ViewError};

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

    pub(super) fn has_body(&self, root: &Hash256) -> Result<bool, ViewError> {
        Ok(self.layers().any(|layer| layer.bodies.contains_key(root)) || self.view.has_body(root)?)
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

    /// A stored block, checked again: its checked form is only kept while it is fresh.
    pub(super) fn block(&self, hash: &Hash256, network: &Network) -> Result<CheckedBlock, ViewError> {
        let block = Block { header: self.known(hash)?.signed, transactions: self.transactions(hash)? };
        block.check(network).map_err(|error| ViewError(format!("stored block {hash}: {error}")))
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

    /// Up to `count` headers from `hash` backwards, newest first, genesis left out.
    pub(super) fn ancestors(&self, hash: Hash256, count: u64) -> Result<Vec<Header>, ViewError> {
        let mut headers = Vec::new();
        let mut at = hash;
        for _ in 0..count {
            let header = self.known(&at)?.signed.header;
            if header.height == 0 {
                break;
            }
            at = header.parent;
            headers.push(header);
        }
        Ok(headers)
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
