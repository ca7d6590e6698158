//! What was handed over and is not delivered, on disk.
//!
//! A log-structured store (fjall) written by one thread. Records are kept in the groups in which they were synced:
//! one row a sync, whatever the number of callers, so that the store's work is that of a log. Batches name a run of
//! records and their signed transaction; after a restart the same bytes are handed over again.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `records-` and a number | number of the first record, 8 bytes | number of records (4), then their rows |
//! | `batches` | sequence, 8 bytes | number of the first record (8), records (4), transaction |
//! | `promises` | sequence, 8 bytes, node, 32 | signed promise |
//! | `broken` | node, 32 bytes, sequence, 8 | evidence of a broken promise |
//! | `state` | `identity` | format (4), public key (32), chain id (32) |
//! | `state` | `marks` | commit number, first record in no batch, next sequence (all ones if unknown), first record that is kept, number of the next record; 8 each |
//!
//! Numbers are big-endian in keys, so that they sort, and little-endian in values.
//!
//! A start checks every row against the others, and the number of commits against a count beside the store: the store
//! itself takes a broken journal for its end.

mod check;
mod counter;
mod journal;
mod segments;
mod spaces;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::promise::{BrokenPromise, SignedPromise};
use dronechain_chain_spec::transaction::Transaction;
use fjall::Keyspace;

use super::error::{OpenError, OutboxError};
use super::record::Leaf;
use counter::Counter;
use spaces::Spaces;

const FORMAT: u32 = 2;
/// Segments begun after which the store is closed and opened again.
const REOPENED_AFTER: u32 = 64;

/// How far the outbox has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    /// Commits so far.
    commit: u64,
    /// First record that is in no batch.
    pub(super) batched: u64,
    /// Sequence of the next batch; none before the first one.
    pub(super) sequence: Option<u64>,
    /// First record of the first group that is kept.
    kept: u64,
    /// Number of the next record.
    pub(super) next: u64,
}

/// One signed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batched {
    pub(super) sequence: u64,
    pub(super) first: u64,
    pub(super) count: u32,
    pub(super) transaction: Transaction,
}

/// What one commit changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Number of the first new record, how many, and their rows.
    pub(super) records: Option<(u64, u32, Vec<u8>)>,
    pub(super) batches: Vec<Batched>,
    /// Sequences of batches that were delivered, or signed anew.
    pub(super) gone: Vec<u64>,
    pub(super) promises: Vec<SignedPromise>,
    /// Sequence and node of promises that were kept, or judged.
    pub(super) settled: Vec<(u64, PublicKey)>,
    pub(super) broken: Vec<BrokenPromise>,
    /// Groups before that record are not kept: all in them was delivered.
    pub(super) left: u64,
    /// Records before that one are in a batch, or were put elsewhere.
    pub(super) passed: u64,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        let Self { records, batches, gone, promises, settled, broken, left, passed } = self;
        records.is_none()
            && [*passed, *left] == [0; 2]
            && [batches.len(), gone.len(), promises.len(), settled.len(), broken.len()] == [0; 5]
    }

    /// Takes a promise away, also one of this commit: what a store makes of both in one is its own affair.
    pub(super) fn settle(&mut self, sequence: u64, node: PublicKey) {
        self.promises.retain(|signed| (signed.promise.sequence, signed.promise.node) != (sequence, node));
        self.settled.push((sequence, node));
    }

    /// Number of the record behind the new ones.
    fn end(&self) -> Option<u64> {
        self.records.as_ref().map(|(first, count, _)| first + u64::from(*count))
    }
}

/// What a start finds.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) marks: Marks,
    /// Batches by sequence, with their records.
    pub(super) batches: Vec<(Batched, Vec<Leaf>)>,
    /// Records in no batch.
    pub(super) loose: Vec<Leaf>,
    pub(super) promises: Vec<SignedPromise>,
    pub(super) broken: Vec<BrokenPromise>,
    /// Number of the first record and number of records of each group.
    pub(super) groups: Vec<(u64, u32)>,
    /// Bytes of groups in the last segment.
    last_bytes: u64,
}

pub(super) struct Outbox {
    path: PathBuf,
    free_bytes: u64,
    marks: Marks,
    counter: Counter,
    /// None after a failure, until it could be opened again.
    spaces: Option<Spaces>,
    /// Bytes of groups in the last segment.
    last_bytes: u64,
    /// Takes segments away beside the writing; gives those that are still there.
    removing: Option<JoinHandle<Vec<Keyspace>>>,
    /// Segments that could not be taken away.
    left: Vec<Keyspace>,
}

/// Whose outbox is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) key: PublicKey,
    pub(super) chain_id: Hash256,
}

impl Outbox {
    /// Opens the folder at `path`, or makes it, for `owner`. One that lost commits is refused, unless `accept_loss`.
    pub(super) fn open(
        path: &Path,
        free_bytes: u64,
        owner: Owner,
        accept_loss: bool,
    ) -> Result<(Self, Contents), OpenError> {
        let broken = |error: std::io::Error| OpenError::Outbox(fault(path, &error));
        std::fs::create_dir_all(path).map_err(broken)?;
        let (spaces, cut) = Spaces::open_mended(path)?;
        let taken = Self::take_up(path, spaces, free_bytes, owner, accept_loss);
        if let Some(cut) = cut {
            if taken.is_ok() { cut.settle() } else { cut.undo() }.map_err(broken)?;
        }
        taken
    }

    /// Takes up what the store has.
    fn take_up(
        path: &Path,
        mut spaces: Spaces,
        free_bytes: u64,
        owner: Owner,
        accept_loss: bool,
    ) -> Result<(Self, Contents), OpenError> {
        let failed = |error: fjall::Error| OpenError::Outbox(fault(path, &error));
        let broken = |error: std::io::Error| OpenError::Outbox(fault(path, &error));
        // Only once the store is locked: the other process writes it.
        let counter = Counter::open(path).map_err(broken)?;
        // Before anything else: of another format, the rest may be other than it looks.
        let is_owned = spaces.is_owned(path, owner)?;
        let kept = spaces.marks(path)?.commit;
        let acknowledged = match counter.found() {
            Some(acknowledged) => acknowledged,
            None if accept_loss => kept,
            None => {
                return Err(OpenError::Outbox(damaged(path, "its count of commits (accept_loss opens it)")));
            }
        };
        if kept < acknowledged && !accept_loss {
            return Err(OpenError::Shortened { path: path.to_owned(), found: kept, acknowledged });
        }
        if !is_owned {
            if kept > 0 {
                return Err(OpenError::Outbox(damaged(path, "its identity")));
            }
            spaces.own(owner).map_err(failed)?;
        }
        let found = spaces.find(path)?;
        check::check(&found, owner.key, owner.chain_id)
            .map_err(|what| OpenError::Outbox(damaged(path, &what)))?;
        let marks = found.marks;
        spaces.segments.fill(found.last_bytes);
        counter.set(marks.commit).map_err(broken)?;
        let outbox = Self {
            path: path.to_owned(),
            free_bytes,
            marks,
            counter,
            spaces: Some(spaces),
            last_bytes: found.last_bytes,
            removing: None,
            left: Vec::new(),
        };
        Ok((outbox, found))
    }

    /// `count` records from number `first` on, which are there: each with its row.
    pub(super) fn rows(&self, first: u64, count: usize) -> Result<Vec<(Leaf, Vec<u8>)>, OutboxError> {
        let wanted = first..first.saturating_add(count as u64);
        let missing = || damaged(&self.path, "a group of records");
        let spaces = self.spaces.as_ref().ok_or_else(missing)?;
        let mut rows = Vec::with_capacity(count);
        let groups = spaces.segments.range(wanted.start, wanted.end);
        for row in groups.map_err(|error| fault(&self.path, &error))? {
            let (key, value) = row.into_inner().map_err(|error| fault(&self.path, &error))?;
            let (first, leaves) = group(&key, &value).ok_or_else(missing)?;
            let mut rest = &value[GROUP_HEAD..];
            for (number, leaf) in (first..).zip(leaves) {
                let (row, behind) = rest.split_at(leaf.size);
                rest = behind;
                if wanted.contains(&number) {
                    rows.push((leaf, row.to_vec()));
                }
            }
        }
        if rows.len() == count { Ok(rows) } else { Err(missing()) }
    }

    /// Commits `changes` in one synced write. After an error they are not there, or will be found to be there by
    /// the next try: it is to be repeated with the same changes.
    pub(super) fn commit(&mut self, changes: &Changes) -> Result<(), OutboxError> {
        let path = self.path.clone();
        if self.spaces.as_ref().is_some_and(|spaces| spaces.segments.begun() >= REOPENED_AFTER) {
            // The store keeps all that it ever knew of its keyspaces until it is closed.
            (self.spaces, self.left) = (None, Vec::new());
        }
        let spaces = match &mut self.spaces {
            Some(spaces) => spaces,
            None => {
                // Their segments are of the store that failed, which is in use as long as they are held.
                self.removing.take().map(JoinHandle::join);
                let broken = |error: std::io::Error| fault(&path, &error);
                let (mut spaces, mut found) = self.reopened()?;
                if found.commit > self.marks.commit {
                    // Seen in memory: on the disk it may not be, where a sync of it failed.
                    drop(spaces);
                    journal::renew(&path).map_err(broken)?;
                    (spaces, found) = self.reopened()?;
                }
                spaces.segments.fill(self.last_bytes);
                let spaces = self.spaces.insert(spaces);
                if found.commit > self.marks.commit {
                    // The commit that failed was on disk nevertheless.
                    self.marks = found;
                    self.count();
                    return Ok(());
                }
                spaces
            }
        };
        let marks = self.marks.after(changes);
        let written = spaces.write(changes, marks);
        self.last_bytes = spaces.segments.bytes();
        match written {
            Ok(()) => {
                self.marks = marks;
                self.count();
                Ok(())
            }
            Err(error) => {
                // What a failed sync leaves is only known after a new start of the store.
                self.spaces = None;
                self.left.clear();
                Err(fault(&path, &error))
            }
        }
    }

    /// The store, opened again, and its marks: it has all that was acknowledged.
    fn reopened(&self) -> Result<(Spaces, Marks), OutboxError> {
        let path = &self.path;
        let (spaces, cut) = Spaces::open_mended(path).map_err(|error| fault(path, &error))?;
        let found = spaces.marks(path).and_then(|found| {
            let is_whole = found.commit >= self.marks.commit;
            if is_whole { Ok((spaces, found)) } else { Err(damaged(path, "what was acknowledged")) }
        });
        if let Some(cut) = cut {
            if found.is_ok() { cut.settle() } else { cut.undo() }.map_err(|error| fault(path, &error))?;
        }
        found
    }

    fn count(&self) {
        // An earlier count only shows less of a later loss.
        if let Err(error) = self.counter.set(self.marks.commit) {
            tracing::warn!(%error, path = %self.path.display(), "the outbox's commits are not counted");
        }
    }

    /// Bytes of the file system that records may take; 0 if that cannot be told.
    pub(super) fn spare_bytes(&self) -> u64 {
        let free = rustix::fs::statvfs(&self.path).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
        free.unwrap_or(0).saturating_sub(self.free_bytes)
    }

    /// Gives the disk back what delivered records took, segment by segment. `is_full` says that others wait for the
    /// disk.
    pub(super) fn reclaim(&mut self, is_full: bool) {
        if let Some(removing) = self.removing.take_if(|removing| removing.is_finished()) {
            self.left = removing.join().unwrap_or_default();
        }
        let Some(spaces) = self.spaces.as_mut().filter(|_| self.removing.is_none()) else { return };
        let mut gone = spaces.segments.take_gone(self.marks.kept, self.marks.next, is_full);
        if gone.is_empty() && (self.left.is_empty() || !is_full) {
            return;
        }
        gone.append(&mut self.left);
        let database = spaces.database.clone();
        let others = [&spaces.batches, &spaces.promises, &spaces.broken, &spaces.state].map(Keyspace::clone);
        let others: Vec<_> = others.into_iter().chain(spaces.segments.last()).collect();
        let remove = move || {
            let mut left = Vec::new();
            for segment in gone {
                if let Err(error) = database.delete_keyspace(segment.clone()) {
                    tracing::warn!(%error, "the outbox's disk is not given back");
                    left.push(segment);
                }
            }
            // A segment's files are there as long as a journal has rows of it, and a journal as long as rows of it are
            // in memory only. This is not waited for: a store that has failed never does it.
            for space in others {
                if let Err(error) = space.rotate_memtable() {
                    tracing::warn!(%error, "the outbox's journals are not given back");
                }
            }
            left
        };
        // Without a thread the next start takes them away.
        self.removing = std::thread::Builder::new().name("outbox-segments".into()).spawn(remove).ok();
    }
}

impl Owner {
    fn identity(&self) -> Vec<u8> {
        [&FORMAT.to_le_bytes()[..], &self.key.0, &self.chain_id.0].concat()
    }
}

impl Drop for Outbox {
    /// The folder is free for others when everything that holds the store is gone.
    fn drop(&mut self) {
        if let Some(removing) = self.removing.take() {
            drop(removing.join());
        }
    }
}

impl Marks {
    fn after(self, changes: &Changes) -> Self {
        let (batched, kept) = (self.batched.max(changes.passed), self.kept.max(changes.left));
        let next = self.next.max(changes.end().unwrap_or(0));
        let mut marks = Self { commit: self.commit + 1, batched, kept, next, ..self };
        for batch in &changes.batches {
            marks.batched = marks.batched.max(batch.first + u64::from(batch.count));
            marks.sequence = marks.sequence.max(Some(batch.sequence + 1));
        }
        marks
    }

    fn encode(self) -> Vec<u8> {
        [self.commit, self.batched, self.sequence.unwrap_or(u64::MAX), self.kept, self.next]
            .map(u64::to_le_bytes)
            .concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let [commit, batched, sequence, kept, next] = numbers(bytes)?;
        Some(Self { commit, batched, sequence: (sequence != u64::MAX).then_some(sequence), kept, next })
    }
}

impl Batched {
    /// Number of the first record behind it.
    fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }
}

/// Bytes of a group before its rows.
const GROUP_HEAD: usize = 4;

fn group(key: &[u8], value: &[u8]) -> Option<(u64, Vec<Leaf>)> {
    let first = u64::from_be_bytes(key.try_into().ok()?);
    let (count, mut rows) = value.split_first_chunk::<GROUP_HEAD>()?;
    let count = u32::from_le_bytes(*count);
    let records = (0..count).map(|_| Leaf::decode(&mut rows)).collect::<Option<Vec<_>>>()?;
    rows.is_empty().then_some((first, records))
}

fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let numbers: Vec<_> = chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect();
    if rest.is_empty() { numbers.try_into().ok() } else { None }
}

fn fault(path: &Path, error: &dyn std::error::Error) -> OutboxError {
    OutboxError { path: path.to_owned(), reason: error.to_string() }
}

fn damaged(path: &Path, what: &str) -> OutboxError {
    OutboxError { path: path.to_owned(), reason: format!("{what} is damaged") }
}
