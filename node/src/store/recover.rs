//! Recovery, only when asked for: a damaged store is brought back as far as it goes, and what was lost is
//! told. Peers have the rest.
//!
//! First RocksDB's point-in-time recovery: the log up to the damage, an earlier but whole state. If the
//! store is not sound then, its readable blocks go through every rule into a new store, and the damaged
//! folder is kept beside it. What was acknowledged and cannot be brought back is gone from this node; that
//! is why a node never does this by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use dronechain_chain_spec::spec::ChainSpec;
use rocksdb::DB;
use serde::Serialize;

use super::care::{self, CareError};
use super::folder::{self, Counter, Marker};
use super::open::same_network;
use super::rebuild::Rebuild;
use super::reindex::{Left, salvage};
use super::{Disk, Options, Report, Store, StoreError, check, settings};
use crate::failpoint::{self, Failpoint};

/// What recovery came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "recovery", rename_all = "kebab-case")]
pub enum Recovery {
    /// Nothing was wrong, or nothing is there.
    NotNeeded,
    /// The log was damaged: what came before is here, whole.
    Shortened {
        /// Commits that were acknowledged; none if the count is damaged too.
        acknowledged: Option<u64>,
        /// Commits that are left.
        kept: u64,
        /// Height of the tip.
        height: u64,
    },
    /// Files were damaged: readable blocks are in a new store.
    Salvaged {
        /// Height of the tip before; none if it cannot be read.
        height_before: Option<u64>,
        /// Height of the tip.
        height: u64,
        /// What was left behind.
        left: Left,
        /// Where the damaged folder is.
        aside: PathBuf,
    },
}

/// Recovers the store in the folder `path`, which no process may have open. `now_ms` is the clock.
///
/// # Errors
/// When the folder is another's or in use, or nothing can be written.
pub fn recover(path: &Path, spec: &ChainSpec, options: &Options, now_ms: u64) -> Result<Recovery, CareError> {
    if !folder::holds_store(path)? || is_unfilled(path)? {
        // Opening fills it.
        return Ok(Recovery::NotNeeded);
    }
    if check(path, spec, options)?.is_fine() {
        return Ok(Recovery::NotNeeded);
    }
    let acknowledged = Counter::open(path).ok().flatten().map(|counter| counter.count());
    if let Some(kept) = rewind(path, spec, options)? {
        failpoint::hit(Failpoint::RecoverRewound);
        Counter::create(path, kept).map_err(CareError::io(path))?;
        failpoint::hit(Failpoint::RecoverCounted);
        let report: Report = check(path, spec, options)?;
        if report.is_fine() {
            return Ok(Recovery::Shortened { acknowledged, kept, height: report.height });
        }
        if let Some(acknowledged) = acknowledged {
            // Until the new store is in place the damaged one stays refused.
            Counter::create(path, acknowledged).map_err(CareError::io(path))?;
        }
    }
    let staged = care::staging(path)?;
    let mut rebuild = Rebuild::start(&staged, spec, options, now_ms)?;
    let (height_before, left) = match readable(path, spec, options)? {
        Some(old) => (old.tip().ok().map(|(_, height)| height), salvage(&old, &mut rebuild)?),
        None => (None, Left::default()),
    };
    let height = rebuild.finish()?.height;
    failpoint::hit(Failpoint::RecoverBuilt);
    let damaged = staged.exchange(path)?;
    failpoint::hit(Failpoint::RecoverPlaced);
    let aside = aside(path, now_ms);
    fs::rename(&damaged, &aside).map_err(CareError::io(&aside))?;
    care::clear(&repair_place(path))?;
    Ok(Recovery::Salvaged { height_before, height, left, aside })
}

/// Whether filling the folder was cut short; no marker of another network or format passes.
fn is_unfilled(path: &Path) -> Result<bool, StoreError> {
    Ok(Marker::read(path)?.is_none_or(|marker| marker.progress == folder::Progress::New))
}

/// Where the damaged folder goes: a name that is free.
fn aside(path: &Path, now_ms: u64) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let free = (now_ms..).map(|number| path.with_file_name(format!("{name}.damaged-{number}")));
    free.into_iter().find(|path| !path.exists()).expect("names do not run out")
}

/// Opens the database by point-in-time recovery, which drops what is behind damage in the log, and closes
/// it; gives the commits that it holds. None if it does not open so.
fn rewind(path: &Path, spec: &ChainSpec, options: &Options) -> Result<Option<u64>, StoreError> {
    let _lock = marked(path, spec)?;
    let settings = settings::rewinding(options);
    let opened = DB::open_cf_descriptors(&settings, folder::database(path), settings::columns(options));
    let db = match opened {
        Ok(db) => db,
        Err(error) => match StoreError::database(path, &error) {
            StoreError::Corrupt { .. } | StoreError::Lost { .. } => return Ok(None),
            error => return Err(error),
        },
    };
    // Numbered from the row: the counter is what is in doubt.
    let row = db.cf_handle(super::keys::Column::Meta.name());
    let commits = row.and_then(|meta| db.get_cf(meta, super::keys::meta::COMMITS).ok().flatten());
    Ok(commits.and_then(|row| row.try_into().ok()).map(u64::from_be_bytes))
}

/// The damaged store as far as it can be read; none if it does not open at all.
fn readable(path: &Path, spec: &ChainSpec, options: &Options) -> Result<Option<Store>, StoreError> {
    let lock = marked(path, spec)?;
    let opened = DB::open_cf_descriptors_read_only(
        &settings::reading(options),
        folder::database(path),
        settings::columns(options),
        false,
    );
    let Some(db) = opened.ok().or_else(|| repaired(path, options)) else { return Ok(None) };
    let counter = Counter::unkept().map_err(|error| StoreError::io(path, error))?;
    let chain_id = spec.genesis().hash();
    let (counter, disk) = (Mutex::new(counter), Disk::default());
    Ok(Some(Store { db, path: path.to_owned(), chain_id, counter, disk, _lock: lock }))
}

/// Where the copy is that RocksDB repairs.
fn repair_place(path: &Path) -> PathBuf {
    path.with_file_name("ledger.repair")
}

/// A copy of the database with a manifest made anew from its tables and logs; none if that does not help.
/// Deleted rows may be back in it: all that is taken from it goes through every rule.
fn repaired(path: &Path, options: &Options) -> Option<DB> {
    let place = repair_place(path);
    care::clear(&place).ok()?;
    fs::create_dir_all(&place).ok()?;
    for entry in fs::read_dir(folder::database(path)).ok()? {
        let from = entry.ok()?.path();
        fs::copy(&from, place.join(from.file_name()?)).ok()?;
    }
    let mut settings = settings::rewinding(options);
    DB::repair(&settings, &place).ok()?;
    settings.create_missing_column_families(true);
    DB::open_cf_descriptors(&settings, &place, settings::columns(options)).ok()
}

fn marked(path: &Path, spec: &ChainSpec) -> Result<fs::File, StoreError> {
    let lock = folder::lock(path)?;
    if let Some(marker) = Marker::read(path)? {
        same_network(path, marker.genesis, spec.genesis().hash())?;
    }
    Ok(lock)
}
