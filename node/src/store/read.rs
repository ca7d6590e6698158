//! Reading: the core's [`View`], and what HTTP and peers ask for besides.
//!
//! Single reads see the last commit. What is read in several steps may straddle a commit; callers
//! that need one moment hold what they read against a header's commitments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dronechain_chain_spec::codec::{self, Canonical};
use dronechain_chain_spec::evidence::Evidence;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::registry::{Account, Place};
use dronechain_chain_spec::roster::Roster;
use dronechain_chain_spec::state::{Admins, Outcome, Undo};
use dronechain_chain_spec::transaction::{ActionKind, Sender, Transaction};
use dronechain_chain_spec::wire::BatchBody;
use rocksdb::{DBPinnableSlice, IteratorMode, PrefixRange, ReadOptions};

use super::keys::{self, Column, meta};
use super::rows::{BodyRow, OutcomeList, ShownList, TransactionList};
use super::{SequencePlace, Store, TxPlace};
use crate::core::view::{BatchId, Conflict, Rival, StoredHeader, View, ViewError};

/// Batches that [`Store::anchors_of_leaf`] tells of.
pub const LEAF_PLACES_MAX: usize = 256;
/// Anchors that [`Store::anchors_of_root`] tells of.
pub const ROOT_ANCHORS_MAX: usize = 256;

/// A sender's sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequences {
    /// The next one by the chain.
    pub next: u64,
    /// The next one behind the mempool's gap-free run.
    pub pending: u64,
}

impl View for Store {
    fn header(&self, hash: &Hash256) -> Result<Option<StoredHeader>, ViewError> {
        self.row(Column::Headers, &hash.0)
    }

    fn active(&self, height: u64) -> Result<Option<Hash256>, ViewError> {
        self.fixed(Column::Active, &keys::active(height), Hash256)
    }

    fn transactions(&self, hash: &Hash256) -> Result<Option<Vec<Transaction>>, ViewError> {
        Ok(self.row(Column::Blocks, &hash.0)?.map(|TransactionList(list)| list))
    }

    fn undo(&self, hash: &Hash256) -> Result<Option<Undo>, ViewError> {
        self.row(Column::Undos, &hash.0)
    }

    fn has_body(&self, batch: &BatchId) -> Result<bool, ViewError> {
        self.with_body(batch, |_| ()).map(|body| body.is_some())
    }

    fn roster(&self, hash: &Hash256) -> Result<Option<Roster>, ViewError> {
        self.row(Column::Rosters, &hash.0)
    }

    fn has_evidence(&self, conflict: &Conflict) -> Result<bool, ViewError> {
        Ok(self.pinned(Column::Evidence, &keys::conflict(conflict))?.is_some())
    }

    fn transaction_height(&self, txid: &Hash256) -> Result<Option<u64>, ViewError> {
        Ok(self.transaction_place(txid)?.map(|place| place.height))
    }
}

impl View for Arc<Store> {
    fn header(&self, hash: &Hash256) -> Result<Option<StoredHeader>, ViewError> {
        (**self).header(hash)
    }

    fn active(&self, height: u64) -> Result<Option<Hash256>, ViewError> {
        (**self).active(height)
    }

    fn transactions(&self, hash: &Hash256) -> Result<Option<Vec<Transaction>>, ViewError> {
        (**self).transactions(hash)
    }

    fn undo(&self, hash: &Hash256) -> Result<Option<Undo>, ViewError> {
        (**self).undo(hash)
    }

    fn has_body(&self, batch: &BatchId) -> Result<bool, ViewError> {
        (**self).has_body(batch)
    }

    fn roster(&self, hash: &Hash256) -> Result<Option<Roster>, ViewError> {
        (**self).roster(hash)
    }

    fn has_evidence(&self, conflict: &Conflict) -> Result<bool, ViewError> {
        (**self).has_evidence(conflict)
    }

    fn transaction_height(&self, txid: &Hash256) -> Result<Option<u64>, ViewError> {
        (**self).transaction_height(txid)
    }
}

impl Store {
    /// Hash and height of the tip.
    pub fn tip(&self) -> Result<(Hash256, u64), ViewError> {
        let row = self.bytes(Column::Meta, meta::TIP)?;
        row.as_deref().and_then(keys::parse_tip).ok_or_else(|| self.bad(Column::Meta, "no tip"))
    }

    /// The leaves of a batch.
    pub fn body(&self, batch: &BatchId) -> Result<Option<Vec<Hash256>>, ViewError> {
        self.with_body(batch, |body| body.leaves())
    }

    /// The canonical bytes of a batch's body.
    pub fn body_bytes(&self, batch: &BatchId) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.body(batch)?.map(|leaves| codec::encode(&BatchBody(leaves))))
    }

    /// What each transaction of a block did when it was connected last; none if it never was.
    pub fn outcomes(&self, hash: &Hash256) -> Result<Option<Vec<Outcome>>, ViewError> {
        Ok(self.row(Column::Outcomes, &hash.0)?.map(|OutcomeList(list)| list))
    }

    /// A header with what it shows of its block.
    pub fn link(&self, hash: &Hash256, stored: StoredHeader) -> Result<Link, ViewError> {
        let changes = if stored.roster == *hash { self.row(Column::Shown, &hash.0)? } else { None };
        let changes = changes.map_or_else(Vec::new, |ShownList(shown)| shown);
        Ok(Link { header: stored.signed, commitments: stored.commitments, changes })
    }

    /// Evidence of misbehaviour, at most `limit` pieces behind the first `skip`.
    pub fn evidence(&self, skip: usize, limit: usize) -> Result<Vec<Evidence>, ViewError> {
        let (mut at, mut found) = (0, Vec::new());
        self.each(Column::Evidence, &[], |_, value| {
            at += 1;
            if at > skip {
                found.push(codec::decode(value).map_err(|_| "value")?);
            }
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    /// Pieces of evidence that are kept.
    pub fn evidence_count(&self) -> Result<u64, ViewError> {
        let mut count = 0;
        self.each(Column::Evidence, &[], |_, _| {
            count += 1;
            Ok(true)
        })?;
        Ok(count)
    }

    /// Chains beyond the finality depth, by their first block that is not ours.
    pub fn rivals(&self) -> Result<BTreeMap<Hash256, Rival>, ViewError> {
        let mut rivals = BTreeMap::new();
        self.each(Column::Rivals, &[], |key, value| {
            let first = Hash256(key.try_into().map_err(|_| "key")?);
            rivals.insert(first, codec::decode(value).map_err(|_| "value")?);
            Ok(true)
        })?;
        Ok(rivals)
    }

    /// A completed node of the history's mountain range; leaves are at level 0.
    pub fn history_node(&self, level: u8, position: u64) -> Result<Option<Hash256>, ViewError> {
        self.fixed(Column::History, &keys::history(level, position), Hash256)
    }

    /// Where a transaction stands on the active chain.
    pub fn transaction_place(&self, txid: &Hash256) -> Result<Option<TxPlace>, ViewError> {
        self.row(Column::Transactions, &txid.0)
    }

    /// Where a sender's transaction stands on the active chain.
    pub fn sequence_place(&self, sender: Sender, sequence: u64) -> Result<Option<SequencePlace>, ViewError> {
        self.row(Column::Sequences, &keys::sequence(sender, sequence))
    }

    /// Headers of a height and above, from the highest down and of each height by hash, at most `limit`.
    pub fn headers_down(&self, lowest: u64, limit: usize) -> Result<Vec<(u64, Hash256)>, ViewError> {
        let (first, end) = (keys::active(lowest), [u8::MAX; 8]);
        let mut found = Vec::new();
        self.each_in(Column::Heights, (&first, &end), IteratorMode::End, |key, _| {
            found.push(keys::parse_height(key).ok_or("key")?);
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    /// The sequences of a sender on the active chain from `from` on, and their places, at most `limit`.
    pub fn sequences_from(
        &self,
        sender: Sender,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, SequencePlace)>, ViewError> {
        let mut found = Vec::new();
        let (first, end) = (keys::sequence(sender, from), keys::sequence(sender, u64::MAX));
        self.each_in(Column::Sequences, (&first, &end), IteratorMode::Start, |key, value| {
            let (_, sequence) = keys::parse_sequence(key).ok_or("key")?;
            found.push((sequence, codec::decode(value).map_err(|_| "value")?));
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    /// The places of an action's kind on the active chain below `before`, the latest first, at most `limit`.
    pub fn kind_down(
        &self,
        kind: ActionKind,
        before: SequencePlace,
        limit: usize,
    ) -> Result<Vec<SequencePlace>, ViewError> {
        let mut found = Vec::new();
        let (first, end) = (keys::kind(kind, 0, 0), keys::kind(kind, before.height, before.position));
        self.each_in(Column::Kinds, (&first, &end), IteratorMode::End, |key, _| {
            let (height, position) = keys::parse_kind(key).ok_or("key")?;
            found.push(SequencePlace { height, position });
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    /// The stored batches that hold a leaf, and the index of the leaf; at most [`LEAF_PLACES_MAX`], those
    /// that came first.
    pub fn anchors_of_leaf(&self, leaf: &Hash256) -> Result<Vec<(BatchId, u32)>, ViewError> {
        let mut places = Vec::new();
        self.each(Column::Leaves, keys::leaf_prefix(leaf), |key, _| {
            let (number, index) = keys::parse_leaf(key).ok_or("key")?;
            let place = |body: BodyRow<'_>| body.holds(leaf, index).then(|| (body.id(), index));
            // Another leaf may begin alike; and of a batch that is gone there is nothing to prove.
            places.extend(self.numbered(number, place).map_err(|error| error.0)?.flatten());
            Ok(places.len() < LEAF_PLACES_MAX)
        })?;
        Ok(places)
    }

    /// The anchors of a root on the active chain: sender, sequence and height; at most
    /// [`ROOT_ANCHORS_MAX`], in order of sender and sequence.
    pub fn anchors_of_root(&self, root: &Hash256) -> Result<Vec<(Sender, u64, u64)>, ViewError> {
        let mut anchors = Vec::new();
        self.each(Column::Roots, &root.0, |key, value| {
            let (sender, sequence) = key.get(32..).and_then(keys::parse_sequence).ok_or("key")?;
            let height = value.try_into().map_err(|_| "value")?;
            anchors.push((sender, sequence, u64::from_be_bytes(height)));
            Ok(anchors.len() < ROOT_ANCHORS_MAX)
        })?;
        Ok(anchors)
    }

    /// The durable mempool's transaction at a sequence.
    pub fn pool_entry(&self, sender: Sender, sequence: u64) -> Result<Option<Transaction>, ViewError> {
        self.row(Column::Pool, &keys::sequence(sender, sequence))
    }

    /// The sender and sequence under which the durable mempool has a transaction.
    pub fn pool_place(&self, txid: &Hash256) -> Result<Option<(Sender, u64)>, ViewError> {
        let row = self.bytes(Column::PoolIds, &txid.0)?;
        let parse =
            |row: Vec<u8>| keys::parse_sequence(&row).ok_or_else(|| self.bad(Column::PoolIds, "value"));
        row.map(parse).transpose()
    }

    /// The first of the durable mempool, by sender and sequence.
    pub fn pool_first(&self, limit: usize) -> Result<Vec<Transaction>, ViewError> {
        let mut found = Vec::new();
        if limit > 0 {
            self.each(Column::Pool, &[], |_, value| {
                found.push(codec::decode(value).map_err(|_| "value")?);
                Ok(found.len() < limit)
            })?;
        }
        Ok(found)
    }

    /// Transactions in the durable mempool; walks all of them.
    pub fn pool_len(&self) -> Result<usize, ViewError> {
        let mut len = 0;
        self.each(Column::Pool, &[], |_, _| {
            len += 1;
            Ok(true)
        })?;
        Ok(len)
    }

    /// The admins at the tip.
    pub fn admins(&self) -> Result<Admins, ViewError> {
        self.row(Column::Meta, meta::ADMINS)?.ok_or_else(|| self.bad(Column::Meta, "no admins"))
    }

    /// The sequences of the admins, or of the key that stands at a place; none if there is no such
    /// account.
    pub fn sequences(&self, sender: Sender, place: Option<Place>) -> Result<Option<Sequences>, ViewError> {
        // Before the chain: what a commit moves from mempool to chain in between is then seen in
        // both, never in neither.
        let mut pooled = BTreeSet::new();
        self.each(Column::Pool, &keys::sender(sender), |key, _| {
            pooled.insert(keys::parse_sequence(key).ok_or("key")?.1);
            Ok(true)
        })?;
        let next = match (sender, place) {
            (Sender::Admins, _) => Some(self.admins()?.next_sequence),
            (Sender::Key(_), None) => None,
            (Sender::Key(key), Some(place)) => {
                let account: Option<Account> = self.row(Column::Accounts, &keys::account(place))?;
                account.filter(|account| account.entry.key == key).map(|account| account.next_sequence)
            }
        };
        Ok(next.map(|next| {
            let pending = (next..).find(|sequence| !pooled.contains(sequence)).unwrap_or(next);
            Sequences { next, pending }
        }))
    }

    /// The number by which the store calls a batch.
    pub(super) fn batch_number(&self, batch: &BatchId) -> Result<Option<u64>, ViewError> {
        self.fixed(Column::Batches, &keys::batch(batch), u64::from_be_bytes)
    }

    fn with_body<T>(
        &self,
        batch: &BatchId,
        of: impl FnOnce(BodyRow<'_>) -> T,
    ) -> Result<Option<T>, ViewError> {
        match self.batch_number(batch)? {
            Some(number) => self.numbered(number, of),
            None => Ok(None),
        }
    }

    /// What `of` makes of the body with that number.
    pub(super) fn numbered<T>(
        &self,
        number: u64,
        of: impl FnOnce(BodyRow<'_>) -> T,
    ) -> Result<Option<T>, ViewError> {
        let row = self.pinned(Column::Bodies, &keys::body(number))?;
        let body =
            row.as_deref().map(|row| BodyRow::parse(row).ok_or_else(|| self.bad(Column::Bodies, "value")));
        Ok(body.transpose()?.map(of))
    }

    /// A decoded row.
    pub(super) fn row<T: Canonical>(&self, column: Column, key: &[u8]) -> Result<Option<T>, ViewError> {
        let row = self.pinned(column, key)?;
        row.map(|bytes| codec::decode(&bytes).map_err(|error| self.bad(column, error))).transpose()
    }

    /// A row as its bytes.
    pub(super) fn bytes(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.pinned(column, key)?.map(|bytes| bytes.to_vec()))
    }

    fn fixed<const N: usize, T>(
        &self,
        column: Column,
        key: &[u8],
        of: impl FnOnce([u8; N]) -> T,
    ) -> Result<Option<T>, ViewError> {
        let row = self.pinned(column, key)?;
        let value = row.map(|bytes| <[u8; N]>::try_from(&*bytes).map_err(|error| self.bad(column, error)));
        Ok(value.transpose()?.map(of))
    }

    fn pinned(&self, column: Column, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, ViewError> {
        self.db.get_pinned_cf(self.family(column), key).map_err(|error| self.bad(column, error))
    }

    /// Calls `take` with key and value of each row whose key begins with `prefix`, in order of
    /// key, until it gives `false`.
    pub(super) fn each(
        &self,
        column: Column,
        prefix: &[u8],
        take: impl FnMut(&[u8], &[u8]) -> Result<bool, String>,
    ) -> Result<(), ViewError> {
        let mut range = ReadOptions::default();
        range.set_iterate_range(PrefixRange(prefix));
        // Filters by prefix may be used where there are some.
        range.set_prefix_same_as_start(!prefix.is_empty());
        range.set_total_order_seek(prefix.is_empty());
        self.scan(column, range, IteratorMode::Start, take)
    }

    /// The same for keys from `first` on and below `end`, upwards or downwards.
    fn each_in(
        &self,
        column: Column,
        (first, end): (&[u8], &[u8]),
        mode: IteratorMode<'_>,
        take: impl FnMut(&[u8], &[u8]) -> Result<bool, String>,
    ) -> Result<(), ViewError> {
        let mut range = ReadOptions::default();
        range.set_iterate_range(first..end);
        self.scan(column, range, mode, take)
    }

    fn scan(
        &self,
        column: Column,
        range: ReadOptions,
        mode: IteratorMode<'_>,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<bool, String>,
    ) -> Result<(), ViewError> {
        for row in self.db.iterator_cf_opt(self.family(column), range, mode) {
            let (key, value) = row.map_err(|error| self.bad(column, error))?;
            if !take(&key, &value).map_err(|reason| self.bad(column, reason))? {
                break;
            }
        }
        Ok(())
    }

    /// Rows of a column, key and value, from its first or its last on; behind damage there is an error.
    pub(super) fn rows(&self, column: Column, back: bool) -> rocksdb::DBIterator<'_> {
        let mode = if back { IteratorMode::End } else { IteratorMode::Start };
        let mut whole = ReadOptions::default();
        whole.set_total_order_seek(true);
        self.db.iterator_cf_opt(self.family(column), whole, mode)
    }

    fn bad(&self, column: Column, reason: impl std::fmt::Display) -> ViewError {
        ViewError(format!("{}: {}: {reason}", self.path.display(), column.name()))
    }
}
