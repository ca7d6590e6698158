//! The store and its keyspaces: opened, written in one commit, and read whole at a start.

use std::path::Path;

use dronechain_chain_spec::codec::{self, Canonical};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::promise::BrokenPromise;
use fjall::{Database, JournalRecoveryError as RecoveryError, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::super::error::{OpenError, OutboxError};
use super::journal::{self, Cut};
use super::segments::Segments;
use super::{Batched, Changes, Contents, FORMAT, Marks, Owner, damaged, fault, group};

const IDENTITY: &str = "identity";
const MARKS: &str = "marks";
/// Bytes of the block cache: nothing is read but at a start.
const CACHE_BYTES: u64 = 1 << 20;
/// Bytes that wait in memory for their place in the sorted files; they are in the journal meanwhile.
pub(super) const MEMTABLE_BYTES: u64 = 16 << 20;
/// Bytes of journals, at most.
const JOURNAL_BYTES_MAX: u64 = 128 << 20;

/// The store and its keyspaces.
pub(super) struct Spaces {
    pub(super) database: Database,
    pub(super) segments: Segments,
    pub(super) batches: Keyspace,
    pub(super) promises: Keyspace,
    pub(super) broken: Keyspace,
    pub(super) state: Keyspace,
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
    pub(super) fn open_mended(path: &Path) -> Result<(Self, Option<Cut>), OpenError> {
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
    pub(super) fn is_owned(&self, path: &Path, owner: Owner) -> Result<bool, OpenError> {
        let found = self.state.get(IDENTITY).map_err(|error| OpenError::Outbox(fault(path, &error)))?;
        match found {
            Some(found) if *found == owner.identity()[..] => Ok(true),
            Some(found) => Err(other(path, &found)),
            None => Ok(false),
        }
    }

    /// Makes it `owner`'s.
    pub(super) fn own(&self, owner: Owner) -> fjall::Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.state, IDENTITY, owner.identity());
        batch.commit()
    }

    pub(super) fn write(&mut self, changes: &Changes, marks: Marks) -> fjall::Result<()> {
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

    pub(super) fn marks(&self, path: &Path) -> Result<Marks, OutboxError> {
        let found = self.state.get(MARKS).map_err(|error| fault(path, &error))?;
        let Some(bytes) = found else {
            return Ok(Marks { commit: 0, batched: 0, sequence: None, kept: 0, next: 0 });
        };
        Marks::decode(&bytes).ok_or_else(|| damaged(path, "its marks"))
    }

    pub(super) fn find(&self, path: &Path) -> Result<Contents, OutboxError> {
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

fn batched(key: &[u8], value: &[u8]) -> Option<Batched> {
    let sequence = u64::from_be_bytes(key.try_into().ok()?);
    let (first, rest) = value.split_first_chunk()?;
    let (count, transaction) = rest.split_first_chunk()?;
    let (first, count) = (u64::from_le_bytes(*first), u32::from_le_bytes(*count));
    Some(Batched { sequence, first, count, transaction: codec::decode(transaction).ok()? })
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
