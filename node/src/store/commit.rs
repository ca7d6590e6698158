//! Writing: one set of changes, one atomic and synced batch, indexes included.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::Action;
use rocksdb::{ColumnFamily, WriteBatch, WriteOptions};

use super::folder::Counter;
use super::keys::{self, Column, meta};
use super::rows::BodyRow;
use super::{SequencePlace, Store, StoreError, TxPlace};
use crate::core::view::{BatchId, Changes, Moved, StateChanges};
use crate::failpoint::{self, Failpoint};

impl Store {
    /// Writes `changes` durably: all of them, or none. Returns once they are on disk.
    ///
    /// # Errors
    /// Fatal: what is durable is unknown then, so the caller ends the node.
    pub fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.write(changes, |_| {})
    }

    /// [`Store::commit`] with further rows in the same batch.
    pub(super) fn write(&self, changes: &Changes, more: impl FnOnce(&mut Batch)) -> Result<(), StoreError> {
        // Held to the end: batches are numbered in the order in which they are written.
        let mut counter = self.counter();
        let number = counter.count() + 1;
        let mut batch = self.batch();
        batch.chain(changes);
        batch.bodies(&changes.bodies)?;
        batch.state(&changes.state);
        batch.pool(changes)?;
        // A transaction may leave with one block and join with another: later rows win.
        changes.disconnected.iter().for_each(|block| batch.disconnect(block));
        changes.connected.iter().for_each(|block| batch.connect(block));
        batch.put(Column::Meta, meta::COMMITS, number.to_be_bytes());
        more(&mut batch);
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        failpoint::hit(Failpoint::CommitUnwritten);
        self.db.write_opt(batch.rows, &synced).map_err(|error| StoreError::database(&self.path, &error))?;
        failpoint::hit(Failpoint::CommitWritten);
        counter.acknowledge(number).map_err(|error| StoreError::io(&self.path, error))?;
        failpoint::hit(Failpoint::CommitCounted);
        Ok(())
    }

    /// No rows yet.
    pub(super) fn batch(&self) -> Batch<'_> {
        Batch { store: self, rows: WriteBatch::default() }
    }

    pub(super) fn counter(&self) -> MutexGuard<'_, Counter> {
        // The count changes in one assignment, so a panic elsewhere leaves it whole.
        self.counter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn family(&self, column: Column) -> &ColumnFamily {
        self.db.cf_handle(column.name()).expect("open opened every column family")
    }
}

/// Rows that are written together.
pub(super) struct Batch<'a> {
    store: &'a Store,
    rows: WriteBatch,
}

impl Batch<'_> {
    /// Writes the rows; a power failure may take them back.
    pub(super) fn write_unsynced(self) -> Result<(), StoreError> {
        self.store.db.write(self.rows).map_err(|error| StoreError::database(&self.store.path, &error))
    }

    pub(super) fn put(&mut self, column: Column, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.rows.put_cf(self.store.family(column), key, value);
    }

    fn delete(&mut self, column: Column, key: impl AsRef<[u8]>) {
        self.rows.delete_cf(self.store.family(column), key);
    }

    /// Headers, blocks, and which of them are active.
    fn chain(&mut self, changes: &Changes) {
        for (hash, header) in &changes.headers {
            self.put(Column::Headers, hash.0, codec::encode(header));
            self.put(Column::Heights, keys::height(header.signed.header.height, hash), []);
        }
        for (hash, transactions) in &changes.blocks {
            self.put(Column::Blocks, hash.0, codec::encode(transactions));
        }
        for (hash, undo) in &changes.undos {
            self.put(Column::Undos, hash.0, codec::encode(undo));
        }
        for (hash, shown) in &changes.shown {
            self.put(Column::Shown, hash.0, codec::encode(shown));
        }
        for (hash, roster) in &changes.rosters {
            self.put(Column::Rosters, hash.0, codec::encode(roster));
        }
        for (conflict, evidence) in &changes.evidence {
            self.put(Column::Evidence, keys::conflict(conflict), codec::encode(evidence));
        }
        for (first, rival) in &changes.rivals {
            self.put(Column::Rivals, first.0, codec::encode(rival));
        }
        for ((level, position), hash) in &changes.history_nodes {
            self.put(Column::History, keys::history(*level, *position), hash.0);
        }
        for (height, hash) in &changes.active {
            match hash {
                Some(hash) => self.put(Column::Active, keys::active(*height), hash.0),
                None => self.delete(Column::Active, keys::active(*height)),
            }
        }
    }

    /// Bodies under their numbers, and their leaves in the index.
    fn bodies(&mut self, bodies: &BTreeMap<BatchId, Vec<Hash256>>) -> Result<(), StoreError> {
        if bodies.is_empty() {
            return Ok(());
        }
        let mut next = self.store.next_batch()?;
        for (batch, leaves) in bodies {
            let known = self.store.batch_number(batch);
            // One that is stored again keeps its number: its leaves have it in their keys.
            let number = known.map_err(|error| StoreError::corrupt(&self.store.path, error.0))?;
            let number = number.unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            self.body(number, batch, leaves);
        }
        self.put(Column::Meta, meta::NEXT_BATCH, next.to_be_bytes());
        Ok(())
    }

    /// The rows of one body.
    pub(super) fn body(&mut self, number: u64, batch: &BatchId, leaves: &[Hash256]) {
        self.put(Column::Batches, keys::batch(batch), number.to_be_bytes());
        self.put(Column::Bodies, keys::body(number), BodyRow::bytes(&batch.root, leaves));
        let places = (0_u32..).zip(leaves);
        let mut places: Vec<_> = places.map(|(index, leaf)| keys::leaf(leaf, number, index)).collect();
        // Each is looked for from where the last one went.
        places.sort_unstable();
        places.iter().for_each(|place| self.put(Column::Leaves, place, []));
    }

    fn state(&mut self, state: &StateChanges) {
        for (place, account) in &state.accounts {
            match account {
                Some(account) => {
                    self.put(Column::Accounts, keys::account(*place), codec::encode(account));
                }
                None => self.delete(Column::Accounts, keys::account(*place)),
            }
        }
        if let Some(admins) = &state.admins {
            self.put(Column::Meta, meta::ADMINS, codec::encode(admins));
        }
        if let Some(history) = &state.history {
            self.put(Column::Meta, meta::HISTORY, codec::encode(history));
        }
        if let Some((hash, height)) = &state.tip {
            self.put(Column::Meta, meta::TIP, keys::tip(hash, *height));
        }
    }

    fn pool(&mut self, changes: &Changes) -> Result<(), StoreError> {
        // Names that go before names that come: one transaction's may be both.
        for (sender, sequence) in changes.pool.keys() {
            let old = self.store.pool_entry(*sender, *sequence);
            let old = old.map_err(|error| StoreError::corrupt(&self.store.path, error.0))?;
            if let Some(old) = old {
                self.delete(Column::PoolIds, old.txid().0);
            }
        }
        for ((sender, sequence), transaction) in &changes.pool {
            let key = keys::sequence(*sender, *sequence);
            match transaction {
                Some(transaction) => {
                    self.put(Column::Pool, key, codec::encode(transaction));
                    self.put(Column::PoolIds, transaction.txid().0, key);
                }
                None => self.delete(Column::Pool, key),
            }
        }
        Ok(())
    }

    fn disconnect(&mut self, block: &Moved) {
        for (position, transaction) in (0_u32..).zip(&block.transactions) {
            let body = &transaction.body;
            self.delete(Column::Transactions, transaction.txid().0);
            self.delete(Column::Sequences, keys::sequence(body.sender, body.sequence));
            self.delete(Column::Kinds, keys::kind(body.action.kind(), block.height, position));
            if let Action::Anchor(anchor) = &body.action {
                self.delete(Column::Roots, keys::root(&anchor.root, body.sender, body.sequence));
            }
        }
    }

    /// What is found by a block's transactions, and what they did.
    pub(super) fn connect(&mut self, block: &Moved) {
        let Moved { hash, height, transactions, outcomes } = block;
        for (position, transaction) in (0_u32..).zip(transactions) {
            let body = &transaction.body;
            let place = TxPlace { height: *height, block: *hash, position };
            self.put(Column::Transactions, transaction.txid().0, codec::encode(&place));
            let place = SequencePlace { height: *height, position };
            self.put(Column::Sequences, keys::sequence(body.sender, body.sequence), codec::encode(&place));
            self.put(Column::Kinds, keys::kind(body.action.kind(), *height, position), []);
            match &body.action {
                // The zero root of a heartbeat leads nowhere.
                Action::Anchor(anchor) if anchor.root != Hash256::ZERO => {
                    let key = keys::root(&anchor.root, body.sender, body.sequence);
                    self.put(Column::Roots, key, height.to_be_bytes());
                }
                _ => {}
            }
        }
        self.put(Column::Outcomes, hash.0, codec::encode(outcomes));
    }
}
