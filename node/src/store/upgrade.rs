//! `upgrade`: a ledger of the format before this one, made anew in this one beside its place, checked, and put there
//! in one step. The old one is whole until then, and needs as much room again.
//!
//! Format 2 kept batch bodies under root ++ leaf count, and a row per leaf that named the batch in full; format 3
//! calls a batch by its number. Headers are found by height, and transactions by sender and by kind, since format 3.
//! All other rows are the same.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use dronechain_chain_spec::codec::{self, Canonical};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_chain_spec::wire::BatchBody;
use rocksdb::{DB, IteratorMode, ReadOptions};

use super::care::{self, CareError, Standing};
use super::commit::Batch;
use super::folder::{self, Counter, Marker, Progress};
use super::keys::{self, Column, FORMAT, meta};
use super::open::{database_at, same_network, whole};
use super::rows::{OutcomeList, TransactionList};
use super::{Options, Store, StoreError, backup, check, settings, state_digest};
use crate::core::event::CheckedBody;
use crate::core::view::{Moved, StoredHeader};
use crate::failpoint::{self, Failpoint};

/// The one format that is converted.
const BEFORE: u32 = 2;
/// What is made of other rows. In the old one it is not there, or another.
const MADE: [Column; 7] = [
    Column::Batches,
    Column::Leaves,
    Column::Heights,
    Column::Sequences,
    Column::Kinds,
    Column::Transactions,
    Column::Roots,
];
/// Bytes of rows that are written together.
const GROUP_BYTES: usize = 4 << 20;

/// Converts the store in the folder `path`, which no process may have open. Gives where it stands, and the format
/// that it had: one of this format is left as it is.
///
/// # Errors
/// When it is of another format, damaged, another network's or in use; it is left as it was then.
pub fn upgrade(path: &Path, spec: &ChainSpec, options: &Options) -> Result<(Standing, u32), CareError> {
    let absent = || StoreError::Absent { path: path.to_owned() };
    if !folder::holds_store(path)? {
        return Err(absent().into());
    }
    let lock = folder::lock(path)?;
    let (format, marker) = Marker::of_format(path)?.ok_or_else(absent)?;
    // Goes without having been placed: clears what an attempt left that was killed.
    let staged = care::staging(path)?;
    match format {
        FORMAT => {
            drop(lock);
            let store = Store::inspect(path, spec, options)?;
            return Ok((standing(&store)?, FORMAT));
        }
        BEFORE if marker.progress == Progress::Ready => {}
        BEFORE => return Err(absent().into()),
        found => return Err(StoreError::Format { path: path.to_owned(), found, expected: FORMAT }.into()),
    }
    same_network(path, marker.genesis, spec.genesis().hash())?;
    let counter = whole(path, spec, &marker)?;
    let old = Old::open(path, options)?;
    let new = Store::filled_from(&old, &staged, &marker, counter.count(), options)?;
    drop(new);
    let standing = backup::sound(path, check(&staged, spec, options)?)?;
    failpoint::hit(Failpoint::UpgradeBuilt);
    let replaced = staged.exchange(path)?;
    failpoint::hit(Failpoint::UpgradePlaced);
    drop((old, lock));
    fs::remove_dir_all(&replaced).map_err(CareError::io(&replaced))?;
    Ok((standing, BEFORE))
}

fn standing(store: &Store) -> Result<Standing, CareError> {
    let loaded = store.load()?;
    let (tip, height) = store.tip()?;
    Ok(Standing { tip, height, digest: state_digest(&loaded.state, &tip, height) })
}

/// A database of the format before.
struct Old<'a> {
    db: DB,
    path: &'a Path,
}

impl<'a> Old<'a> {
    fn open(path: &'a Path, options: &Options) -> Result<Self, StoreError> {
        let all = settings::columns(options).into_iter();
        let there = all.filter(|column| MADE.iter().all(|made| made.name() != column.name()));
        let settings = settings::database(options, false);
        let db = DB::open_cf_descriptors_read_only(&settings, folder::database(path), there, false);
        db.map(|db| Self { db, path }).map_err(|error| StoreError::database(path, &error))
    }

    fn each(
        &self,
        column: Column,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let family = self.db.cf_handle(column.name()).expect("opened above");
        let mut once = ReadOptions::default();
        once.fill_cache(false);
        for row in self.db.iterator_cf_opt(family, once, IteratorMode::Start) {
            let (key, value) = row.map_err(|error| StoreError::database(self.path, &error))?;
            take(&key, &value)?;
        }
        Ok(())
    }
}

impl Old<'_> {
    /// A block of the active chain by its row there; none for genesis, which has no outcomes.
    fn moved(&self, height: &[u8], hash: &[u8]) -> Result<Option<Moved>, StoreError> {
        let height = height.try_into().map(u64::from_be_bytes).map_err(|error| self.corrupt(error))?;
        let missing = || self.corrupt(format!("block {height} is not whole"));
        let TransactionList(transactions) =
            self.decoded(&self.row(Column::Blocks, hash)?.ok_or_else(missing)?)?;
        let Some(outcomes) = self.row(Column::Outcomes, hash)? else {
            return if transactions.is_empty() { Ok(None) } else { Err(missing()) };
        };
        let OutcomeList(outcomes) = self.decoded(&outcomes)?;
        let hash = Hash256(hash.try_into().map_err(|error| self.corrupt(error))?);
        Ok(Some(Moved { hash, height, transactions, outcomes }))
    }

    fn row(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let family = self.db.cf_handle(column.name()).expect("opened above");
        self.db.get_cf(family, key).map_err(|error| StoreError::database(self.path, &error))
    }

    fn decoded<T: Canonical>(&self, value: &[u8]) -> Result<T, StoreError> {
        codec::decode(value).map_err(|error| self.corrupt(error))
    }

    fn corrupt(&self, reason: impl Display) -> StoreError {
        StoreError::corrupt(self.path, format!("{reason}"))
    }
}

impl Store {
    /// A store of this format in the folder `staged`, with all that the old one holds.
    fn filled_from(
        old: &Old<'_>,
        staged: &Path,
        marker: &Marker,
        commits: u64,
        options: &Options,
    ) -> Result<Self, StoreError> {
        let io = |error| StoreError::io(staged, error);
        let lock = folder::lock(staged)?;
        let (genesis, counter) = (marker.genesis, Counter::create(staged, commits).map_err(io)?);
        let store = Self::over(database_at(staged, options, true)?, staged, genesis, counter, lock);
        let mut group = Group { store: &store, rows: store.batch(), bytes: 0 };
        for column in Column::ALL {
            match column {
                column if MADE.contains(&column) => {}
                Column::Bodies => {
                    let mut number = 0;
                    old.each(column, |_, value| {
                        let BatchBody(leaves) = old.decoded(value)?;
                        let body = CheckedBody::of(leaves).map_err(|error| old.corrupt(error))?;
                        group.rows.body(number, &body.id(), body.leaves());
                        number += 1;
                        group.grown(2 * value.len())
                    })?;
                    group.rows.put(Column::Meta, meta::NEXT_BATCH, number.to_be_bytes());
                }
                Column::Headers => old.each(column, |key, value| {
                    let stored: StoredHeader = old.decoded(value)?;
                    let header = &stored.signed.header;
                    group.rows.put(Column::Heights, keys::height(header.height, &header.hash()), []);
                    group.rows.put(column, key, value);
                    group.grown(key.len() + value.len())
                })?,
                Column::Active => old.each(column, |key, value| {
                    group.rows.put(column, key, value);
                    if let Some(block) = old.moved(key, value)? {
                        group.rows.connect(&block);
                    }
                    group.grown(1024)
                })?,
                _ => old.each(column, |key, value| {
                    group.rows.put(column, key, value);
                    group.grown(key.len() + value.len())
                })?,
            }
        }
        group.rows.put(Column::Meta, meta::FORMAT, FORMAT.to_be_bytes());
        group.write()?;
        store.flush()?;
        Marker { genesis, progress: Progress::Ready }.write(staged)?;
        Ok(store)
    }
}

/// Rows of the new store that are written together.
struct Group<'a> {
    store: &'a Store,
    rows: Batch<'a>,
    bytes: usize,
}

impl Group<'_> {
    fn grown(&mut self, bytes: usize) -> Result<(), StoreError> {
        self.bytes += bytes;
        if self.bytes >= GROUP_BYTES { self.write() } else { Ok(()) }
    }

    /// Not synced: nothing of it counts before the whole is flushed.
    fn write(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let rows = std::mem::replace(&mut self.rows, self.store.batch());
        rows.write_unsynced()
    }
}
