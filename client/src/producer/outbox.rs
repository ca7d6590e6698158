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

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use dronechain_chain_spec::codec::{self, Canonical};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::promise::{BrokenPromise, SignedPromise};
use dronechain_chain_spec::transaction::Transaction;
use fjall::{Database, JournalRecoveryError as RecoveryError, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::error::{OpenError, OutboxError};
use super::record::Leaf;
use counter::Counter;
use journal::Cut;
use segments::Segments;

const FORMAT: u32 = 2;
const IDENTITY: &str = "identity";
const MARKS: &str = "marks";
/// Bytes of the block cache: nothing is read but at a start.
const CACHE_BYTES: u64 = 1 << 20;
/// Bytes that wait in memory for their place in the sorted files; they are in the journal meanwhile.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// Segments begun after which the store is closed and opened again.
const REOPENED_AFTER: u32 = 64;
/// Bytes of journals, at most.
const JOURNAL_BYTES_MAX: u64 = 128 << 20;

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

struct Spaces {
    database: Database,
    segments: Segments,
    batches: Keyspace,
    promises: Keyspace,
    broken: Keyspace,
    state: Keyspace,
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

impl Spaces {
    fn open(path: &Path) -> fjall::Result<Self> {
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            // One alone may wait for room in a queue that only it empties.
            .worker_threads(2)
            .manual_journal_persist(true)
            .open()?;
        let space = |name| {
            database.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))
        };
        let (batches, state) = (space("batches")?, space("state")?);
        let (promises, broken) = (space("promises")?, space("broken")?);
        Ok(Self { segments: Segments::find(&database, path)?, database, batches, promises, broken, state })
    }

    /// The same, also where its last write is damaged: power that failed amid a sync leaves parts of it, which nobody was told
    /// of. Whether somebody was is to be looked at before that is settled.
    fn open_mended(path: &Path) -> Result<(Self, Option<Cut>), OpenError> {
        let failed = |error: fjall::Error| match error {
            fjall::Error::Locked => OpenError::InUse { path: path.to_owned() },
            error => OpenError::Outbox(fault(path, &error)),
        };
        let broken = |error: std::io::Error| OpenError::Outbox(fault(path, &error));
        journal::undo_cuts(path).map_err(broken)?;
        let refused = match Self::open(path) {
            Ok(spaces) => return Ok((spaces, None)),
            Err(error @ fjall::Error::JournalRecovery(damage))
                if damage != RecoveryError::InvalidFileName =>
            {
                error
            }
            Err(error) => return Err(failed(error)),
        };
        let Some(cut) = journal::cut(path).map_err(broken)? else { return Err(failed(refused)) };
        tracing::warn!(%refused, path = %path.display(), "the outbox is opened without its last write");
        match Self::open(path) {
            Ok(spaces) => Ok((spaces, Some(cut))),
            Err(error) => {
                cut.undo().map_err(broken)?;
                Err(failed(error))
            }
        }
    }

    /// Whether the outbox is `owner`'s; false for a new one, an error for another's.
    fn is_owned(&self, path: &Path, owner: Owner) -> Result<bool, OpenError> {
        let found = self.state.get(IDENTITY).map_err(|error| OpenError::Outbox(fault(path, &error)))?;
        match found {
            Some(found) if *found == owner.identity()[..] => Ok(true),
            Some(found) => Err(other(path, &found)),
            None => Ok(false),
        }
    }

    /// Makes it `owner`'s.
    fn own(&self, owner: Owner) -> fjall::Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.state, IDENTITY, owner.identity());
        batch.commit()
    }

    fn write(&mut self, changes: &Changes, marks: Marks) -> fjall::Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        if let Some((first, count, rows)) = &changes.records {
            let value = [&count.to_le_bytes()[..], rows].concat();
            self.segments.insert(&mut batch, *first, value)?;
        }
        for Batched { sequence, first, count, transaction } in &changes.batches {
            let head = [&first.to_le_bytes()[..], &count.to_le_bytes()].concat();
            batch.insert(&self.batches, sequence.to_be_bytes(), [head, codec::encode(transaction)].concat());
        }
        for sequence in &changes.gone {
            batch.remove(&self.batches, sequence.to_be_bytes());
        }
        for signed in &changes.promises {
            let key = promise_key(signed.promise.sequence, &signed.promise.node);
            batch.insert(&self.promises, key, codec::encode(signed));
        }
        for (sequence, node) in &changes.settled {
            batch.remove(&self.promises, promise_key(*sequence, node));
        }
        for broken in &changes.broken {
            let promise = &broken.promise.promise;
            let key = [&promise.node.0[..], &promise.sequence.to_be_bytes()].concat();
            batch.insert(&self.broken, key, codec::encode(broken));
        }
        batch.insert(&self.state, MARKS, marks.encode());
        batch.commit()
    }

    fn marks(&self, path: &Path) -> Result<Marks, OutboxError> {
        let found = self.state.get(MARKS).map_err(|error| fault(path, &error))?;
        let Some(bytes) = found else {
            return Ok(Marks { commit: 0, batched: 0, sequence: None, kept: 0, next: 0 });
        };
        Marks::decode(&bytes).ok_or_else(|| damaged(path, "its marks"))
    }

    fn find(&self, path: &Path) -> Result<Contents, OutboxError> {
        let marks = self.marks(path)?;
        let mut batches = Vec::new();
        for row in self.batches.iter() {
            let (key, value) = row.into_inner().map_err(|error| fault(path, &error))?;
            let batch = batched(&key, &value).ok_or_else(|| damaged(path, "a batch"))?;
            batches.push((batch, Vec::new()));
        }
        // By records: each belongs to one batch, or to none.
        batches.sort_by_key(|(batch, _): &(Batched, _)| batch.first);
        let (mut loose, mut groups) = (Vec::new(), Vec::new());
        let mut batch = 0;
        let (mut last, mut last_bytes) = (None, 0);
        for (segment, row) in self.segments.iter() {
            let (key, value) = row.into_inner().map_err(|error| fault(path, &error))?;
            if last.replace(segment) != Some(segment) {
                last_bytes = 0;
            }
            last_bytes += value.len() as u64;
            if key[..] < marks.kept.to_be_bytes()[..] {
                continue;
            }
            let (first, records) = group(&key, &value).ok_or_else(|| damaged(path, "a group of records"))?;
            groups.push((first, u32::try_from(records.len()).unwrap_or(u32::MAX)));
            for (number, record) in (first..).zip(records) {
                while batches.get(batch).is_some_and(|(batch, _)| batch.end() <= number) {
                    batch += 1;
                }
                match batches.get_mut(batch) {
                    Some((batch, records)) if batch.first <= number => records.push(record),
                    _ if number >= marks.batched => loose.push(record),
                    // Of a batch that was delivered, in a group that is not yet.
                    _ => {}
                }
            }
        }
        batches.sort_by_key(|(batch, _)| batch.sequence);
        let promises = values(&self.promises, path, "a promise")?;
        let broken = self.evidence(path)?;
        Ok(Contents { marks, batches, loose, promises, broken, groups, last_bytes })
    }
}

impl Spaces {
    /// Evidence that cannot be read is left where it is: no record waits for it.
    fn evidence(&self, path: &Path) -> Result<Vec<BrokenPromise>, OutboxError> {
        let mut evidence = Vec::new();
        for row in self.broken.iter() {
            let bytes = row.value().map_err(|error| fault(path, &error))?;
            match codec::decode(&bytes) {
                Ok(broken) => evidence.push(broken),
                Err(error) => tracing::warn!(%error, path = %path.display(), "evidence that cannot be read"),
            }
        }
        Ok(evidence)
    }
}

impl Batched {
    /// Number of the first record behind it.
    fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count))
    }
}

fn batched(key: &[u8], value: &[u8]) -> Option<Batched> {
    let sequence = u64::from_be_bytes(key.try_into().ok()?);
    let (first, rest) = value.split_first_chunk()?;
    let (count, transaction) = rest.split_first_chunk()?;
    let (first, count) = (u64::from_le_bytes(*first), u32::from_le_bytes(*count));
    Some(Batched { sequence, first, count, transaction: codec::decode(transaction).ok()? })
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

fn promise_key(sequence: u64, node: &PublicKey) -> Vec<u8> {
    [&sequence.to_be_bytes()[..], &node.0].concat()
}

/// Every value of a keyspace, in the order of its keys.
fn values<T: Canonical>(space: &Keyspace, path: &Path, what: &str) -> Result<Vec<T>, OutboxError> {
    let value = |row: fjall::Guard| {
        let bytes = row.value().map_err(|error| fault(path, &error))?;
        codec::decode(&bytes).map_err(|_| damaged(path, what))
    };
    space.iter().map(value).collect()
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

fn other(path: &Path, identity: &[u8]) -> OpenError {
    let parts = identity.split_first_chunk::<4>().and_then(|(format, rest)| {
        let (key, chain_id) = rest.split_first_chunk::<32>()?;
        Some((u32::from_le_bytes(*format), PublicKey(*key), Hash256(chain_id.try_into().ok()?)))
    });
    match parts {
        Some((FORMAT, key, chain_id)) => OpenError::Other { path: path.to_owned(), key, chain_id },
        Some((format, _, _)) => OpenError::Outbox(OutboxError {
            path: path.to_owned(),
            reason: format!("format {format} is of another version"),
        }),
        None => OpenError::Outbox(damaged(path, "its identity")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::super::record::Record;
    use super::*;
    use crate::limits::SEGMENT_BYTES;

    /// Bytes of a folder's files, of which some may leave meanwhile.
    fn size(path: &Path) -> u64 {
        let Ok(entries) = std::fs::read_dir(path) else {
            return path.metadata().map_or(0, |file| file.len());
        };
        entries.flatten().map(|entry| size(&entry.path())).sum()
    }

    fn owner() -> Owner {
        Owner { key: PublicKey([7; 32]), chain_id: Hash256([8; 32]) }
    }

    /// One record of so many bytes.
    fn group(first: u64, bytes: usize) -> Changes {
        let record = Record::new(vec![0x55; bytes]);
        let mut row = Vec::new();
        record.encode(&mut row);
        Changes { records: Some((first, 1, row)), ..Changes::default() }
    }

    fn newest(folder: &Path) -> PathBuf {
        let paths = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        paths.max_by_key(|path| path.extension().is_some_and(|it| it == "jnl")).expect("a journal")
    }

    /// An outbox of three records, each in a commit of its own, with a hole in the last one.
    fn with_hole(folder: &Path) -> Vec<u8> {
        let (mut outbox, _) = Outbox::open(folder, 0, owner(), false).expect("a new one");
        for number in 0..3 {
            outbox.commit(&group(number, 30_000)).expect("a commit");
        }
        drop(outbox);
        let path = newest(folder);
        let mut bytes = std::fs::read(&path).expect("a journal");
        let end = bytes.iter().rposition(|byte| *byte != 0).expect("something");
        let page = (end - 12_000) / 4_096 * 4_096;
        bytes[page..page + 4_096].fill(0);
        std::fs::write(&path, &bytes).expect("a journal");
        bytes
    }

    /// Acknowledged as a power failure may leave the count: earlier than it was.
    fn counted(folder: &Path, commits: u64) {
        Counter::open(folder).and_then(|counter| counter.set(commits)).expect("a counter");
    }

    #[test]
    fn write_of_which_a_power_failure_left_parts_is_taken_for_none() {
        let folder = tempfile::tempdir().expect("a folder");
        with_hole(folder.path());
        counted(folder.path(), 2);
        let (mut outbox, found) = Outbox::open(folder.path(), 0, owner(), false).expect("it opens");
        assert_eq!((found.marks.next, found.loose.len()), (2, 2));
        outbox.commit(&group(2, 30_000)).expect("it goes on");
        drop(outbox);
        let (_, found) = Outbox::open(folder.path(), 0, owner(), false).expect("it opens");
        assert_eq!(found.loose.len(), 3);
    }

    #[test]
    fn damage_of_what_was_acknowledged_is_told_and_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let before = with_hole(folder.path());
        let refused = Outbox::open(folder.path(), 0, owner(), false).err();
        assert!(
            matches!(refused, Some(OpenError::Shortened { found: 2, acknowledged: 3, .. })),
            "{refused:?}"
        );
        assert_eq!(std::fs::read(newest(folder.path())).expect("a journal"), before);
        let (_, found) = Outbox::open(folder.path(), 0, owner(), true).expect("accepted");
        assert_eq!(found.loose.len(), 2);
    }

    #[test]
    fn cut_that_a_kill_left_unsettled_is_undone() {
        let folder = tempfile::tempdir().expect("a folder");
        let before = with_hole(folder.path());
        let cut = journal::cut(folder.path()).expect("a closed store").expect("a write");
        assert_ne!(std::fs::read(newest(folder.path())).expect("a journal"), before);
        drop(cut);
        journal::undo_cuts(folder.path()).expect("a closed store");
        assert_eq!(std::fs::read(newest(folder.path())).expect("a journal"), before);
    }

    #[test]
    fn commit_that_failed_and_is_seen_is_written_anew_before_it_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut outbox, _) = Outbox::open(folder.path(), 0, owner(), false).expect("a new one");
        let file = |path: &Path| std::fs::metadata(path).expect("a file").ino();
        let before = file(&newest(folder.path()));
        let marks = outbox.marks;
        outbox.commit(&group(0, 100)).expect("a commit");
        // As after a sync that failed: what the next start finds was never acknowledged.
        (outbox.marks, outbox.spaces) = (marks, None);
        outbox.commit(&group(0, 100)).expect("it is there");
        assert_ne!(file(&newest(folder.path())), before);
        drop(outbox);
        let (_, found) = Outbox::open(folder.path(), 0, owner(), false).expect("it opens");
        assert_eq!((found.marks.commit, found.loose.len()), (1, 1));
    }

    #[test]
    fn outbox_does_not_keep_what_it_knew_of_segments_that_are_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut outbox, _) = Outbox::open(folder.path(), 0, owner(), false).expect("a new one");
        for number in 0..300 {
            outbox.spaces.as_mut().expect("no failure").segments.fill(SEGMENT_BYTES);
            let changes = Changes { left: number, passed: number, ..group(number, 40) };
            outbox.commit(&changes).expect("a commit");
            outbox.reclaim(false);
        }
        // 160 MB without being closed in between.
        let size = size(folder.path());
        assert!(size < 110_000_000, "{size} bytes, 67 million of which are a journal's");
    }
}
