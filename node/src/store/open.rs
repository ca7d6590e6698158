//! Opening: a fresh folder gets the genesis block, any other is checked before it is trusted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Mutex;

use dronechain_chain_spec::codec::{self, Canonical};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::SignedHeader;
use dronechain_chain_spec::key::Signature;
use dronechain_chain_spec::mountain::Peaks;
use dronechain_chain_spec::registry::{Account, Commitments, Place, Registry, Roll};
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_chain_spec::state::{Admins, State};
use dronechain_chain_spec::target::Work;
use dronechain_chain_spec::transaction::Transaction;
use rocksdb::{DB, FlushOptions};

use super::folder::{self, Counter, Marker, Progress};
use super::keys::{self, Column, FORMAT, meta};
use super::{Disk, Loaded, Options, Store, StoreError, settings};
use crate::core::view::{Changes, Connected, Stage, StateChanges, StoredHeader, View as _, ViewError};
use crate::failpoint::{self, Failpoint};

impl Store {
    /// Opens the store in the folder `path`, which holds nothing else, for the network of `spec`.
    /// A missing or empty folder is filled with the genesis block.
    ///
    /// # Errors
    /// One variant of [`StoreError`] per cause. A folder that is another's, of another network or in use is
    /// left untouched; a damaged one is refused again next time.
    pub fn open(path: &Path, spec: &ChainSpec, options: &Options) -> Result<(Self, Loaded), StoreError> {
        let lock = folder::lock(path)?;
        failpoint::hit(Failpoint::OpenLocked);
        let complete = Marker::read(path)?.filter(|marker| marker.progress == Progress::Ready);
        let store = match complete {
            None => Self::create(path, spec, options, lock)?,
            Some(marker) => Self::reopen(path, spec, options, lock, &marker)?,
        };
        let loaded = store.load()?;
        failpoint::hit(Failpoint::OpenLoaded);
        Ok((store, loaded))
    }

    /// Opens the complete store in the folder `path` to look at it: nothing in it is changed. Rows are not
    /// held against each other yet.
    pub(super) fn inspect(path: &Path, spec: &ChainSpec, options: &Options) -> Result<Self, StoreError> {
        if !folder::holds_store(path)? {
            return Err(StoreError::Absent { path: path.to_owned() });
        }
        let lock = folder::lock(path)?;
        let complete = Marker::read(path)?.filter(|marker| marker.progress == Progress::Ready);
        let marker = complete.ok_or_else(|| StoreError::Absent { path: path.to_owned() })?;
        let counter = whole(path, spec, &marker)?;
        let db = DB::open_cf_descriptors_read_only(
            &settings::database(options, false),
            folder::database(path),
            settings::columns(options),
            false,
        )
        .map_err(|error| StoreError::database(path, &error))?;
        let store = Self::over(db, path, spec.genesis().hash(), counter, lock);
        store.check_meta(spec)?;
        Ok(store)
    }

    pub(super) fn over(db: DB, path: &Path, chain_id: Hash256, counter: Counter, lock: File) -> Self {
        let (path, counter, disk) = (path.to_owned(), Mutex::new(counter), Disk::default());
        Self { db, path, chain_id, counter, disk, _lock: lock }
    }

    /// Fills an empty folder, or one whose filling was cut short: nothing was acknowledged there.
    fn create(path: &Path, spec: &ChainSpec, options: &Options, lock: File) -> Result<Self, StoreError> {
        let io = |error| StoreError::io(path, error);
        let chain_id = spec.genesis().hash();
        Marker { genesis: chain_id, progress: Progress::New }.write(path)?;
        failpoint::hit(Failpoint::CreateMarked);
        let database = folder::database(path);
        match fs::remove_dir_all(&database) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            Err(_) | Ok(()) => {}
        }
        let db = database_at(path, options, true)?;
        failpoint::hit(Failpoint::CreateDatabase);
        let counter = Counter::create(path, 0).map_err(io)?;
        let store = Self::over(db, path, chain_id, counter, lock);
        store.write(&genesis(spec), |batch| {
            batch.put(Column::Meta, meta::FORMAT, FORMAT.to_be_bytes());
            batch.put(Column::Meta, meta::GENESIS, chain_id.0);
            batch.put(Column::Meta, meta::SPEC, codec::encode(spec));
            batch.put(Column::Meta, meta::NEXT_BATCH, 0_u64.to_be_bytes());
        })?;
        failpoint::hit(Failpoint::CreateWritten);
        // In table files from the start: a lost log then cannot look like an empty database.
        store.flush()?;
        failpoint::hit(Failpoint::CreateFlushed);
        Marker { genesis: chain_id, progress: Progress::Ready }.write(path)?;
        Ok(store)
    }

    /// Moves every row into table files.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let columns: Vec<_> = Column::ALL.into_iter().map(|column| self.family(column)).collect();
        let mut wait = FlushOptions::default();
        wait.set_wait(true);
        self.db.flush_cfs_opt(&columns, &wait).map_err(|error| StoreError::database(&self.path, &error))?;
        folder::sync(&self.path).map_err(|error| StoreError::io(&self.path, error))
    }

    fn reopen(
        path: &Path,
        spec: &ChainSpec,
        options: &Options,
        lock: File,
        marker: &Marker,
    ) -> Result<Self, StoreError> {
        let counter = whole(path, spec, marker)?;
        failpoint::hit(Failpoint::OpenUnread);
        let db = database_at(path, options, false)?;
        failpoint::hit(Failpoint::OpenReplayed);
        let store = Self::over(db, path, spec.genesis().hash(), counter, lock);
        store.check_meta(spec)?;
        store.count_on()?;
        failpoint::hit(Failpoint::OpenCounted);
        Ok(store)
    }

    /// Counts what a crash kept from being acknowledged: the next commit's number must be a new one, or
    /// its loss would go unseen.
    fn count_on(&self) -> Result<(), StoreError> {
        let commits = self.commits()?;
        let mut counter = self.counter();
        if commits > counter.count() {
            counter.acknowledge(commits).map_err(|error| StoreError::io(&self.path, error))?;
        }
        Ok(())
    }

    /// The meta rows against the folder's marker, the chain spec, and what was acknowledged.
    pub(super) fn check_meta(&self, spec: &ChainSpec) -> Result<(), StoreError> {
        let path = &self.path;
        let row = |key: &'static [u8]| self.meta_row(key);
        let format = row(meta::FORMAT)?;
        let found = format.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        if found != Some(FORMAT) {
            let found = found.unwrap_or(0);
            return Err(StoreError::Format { path: path.clone(), found, expected: FORMAT });
        }
        let genesis = row(meta::GENESIS)?;
        let found = genesis.first_chunk().copied().map(Hash256);
        same_network(path, found.unwrap_or(Hash256::ZERO), self.chain_id)?;
        if row(meta::SPEC)? != codec::encode(spec) {
            return Err(StoreError::corrupt(path, "the stored chain spec is another"));
        }
        let commits = self.commits()?;
        let acknowledged = self.counter().count();
        if commits < acknowledged {
            let reason = format!("{acknowledged} commits were acknowledged, {commits} are here");
            return Err(StoreError::lost(path, reason));
        }
        Ok(())
    }

    /// Batches written according to the database.
    pub(super) fn commits(&self) -> Result<u64, StoreError> {
        self.meta_number(meta::COMMITS)
    }

    /// The number that the next batch body gets.
    pub(super) fn next_batch(&self) -> Result<u64, StoreError> {
        self.meta_number(meta::NEXT_BATCH)
    }

    fn meta_number(&self, key: &[u8]) -> Result<u64, StoreError> {
        let number = self.meta_row(key)?.as_slice().try_into().map(u64::from_be_bytes);
        let name = String::from_utf8_lossy(key);
        number.map_err(|_| StoreError::corrupt(&self.path, format!("the row {name} is malformed")))
    }

    fn meta_row(&self, key: &[u8]) -> Result<Vec<u8>, StoreError> {
        let row = self.bytes(Column::Meta, key).map_err(|error| self.unreadable(error))?;
        let name = String::from_utf8_lossy(key);
        row.ok_or_else(|| StoreError::lost(&self.path, format!("the row {name} is gone")))
    }

    fn unreadable(&self, ViewError(reason): ViewError) -> StoreError {
        StoreError::corrupt(&self.path, reason)
    }

    /// Reads what the core starts from, and holds state, tip and headers against each other.
    pub(super) fn load(&self) -> Result<Loaded, StoreError> {
        let corrupt = |reason: &str| StoreError::corrupt(&self.path, reason);
        let (tip, height) = self.tip().map_err(|error| self.unreadable(error))?;
        let active = self.active(height).map_err(|error| self.unreadable(error))?;
        let above = self.active(height + 1).map_err(|error| self.unreadable(error))?;
        if active != Some(tip) || above.is_some() {
            return Err(corrupt("the active chain does not end at the tip"));
        }
        let header = self.header(&tip).map_err(|error| self.unreadable(error))?;
        let opening =
            header.and_then(|header| header.opening()).ok_or_else(|| corrupt("the tip's header is gone"))?;
        let admins: Admins = self.decoded_meta(meta::ADMINS)?;
        let history: Peaks = self.decoded_meta(meta::HISTORY)?;
        if !history.is_consistent() || history.count() != height + 1 {
            return Err(corrupt("the history does not end at the tip"));
        }
        let registry = Registry::new(self.roll(Roll::Nodes)?, self.roll(Roll::Accounts)?);
        let state = State { admins, registry, history };
        let Commitments { nodes, accounts, .. } = opening.commitments;
        if state.nodes_root() != nodes || state.registry.root(Roll::Accounts) != accounts {
            return Err(corrupt("governance or registry are not those that the tip commits to"));
        }
        let rivals = self.rivals().map_err(|error| self.unreadable(error))?;
        Ok(Loaded { state, tip, pool: self.pool()?, rivals })
    }

    fn decoded_meta<T: Canonical>(&self, key: &[u8]) -> Result<T, StoreError> {
        let bytes = self.meta_row(key)?;
        codec::decode(&bytes).map_err(|error| {
            StoreError::corrupt(&self.path, format!("row {}: {error}", String::from_utf8_lossy(key)))
        })
    }

    fn roll(&self, roll: Roll) -> Result<Vec<Account>, StoreError> {
        let mut accounts = Vec::new();
        self.each(Column::Accounts, &keys::roll(roll), |key, value| {
            let index = u32::try_from(accounts.len()).map_err(|_| "too many accounts".to_owned())?;
            if key != keys::account(Place { roll, index }) {
                return Err(format!("account {index} is gone"));
            }
            accounts.push(codec::decode(value).map_err(|error| error.to_string())?);
            Ok(true)
        })
        .map_err(|error| self.unreadable(error))?;
        Ok(accounts)
    }

    fn pool(&self) -> Result<Vec<Transaction>, StoreError> {
        let mut pool = Vec::new();
        self.each(Column::Pool, &[], |_, value| {
            pool.push(codec::decode(value).map_err(|error| error.to_string())?);
            Ok(true)
        })
        .map_err(|error| self.unreadable(error))?;
        Ok(pool)
    }
}

/// Holds the folder's files against the network and against each other; gives the counter.
pub(super) fn whole(path: &Path, spec: &ChainSpec, marker: &Marker) -> Result<Counter, StoreError> {
    same_network(path, marker.genesis, spec.genesis().hash())?;
    check_files(path)?;
    match Counter::open(path) {
        Ok(Some(counter)) => Ok(counter),
        Ok(None) => Err(StoreError::corrupt(path, "the file commits is damaged")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(StoreError::lost(path, "the file commits is gone"))
        }
        Err(error) => Err(StoreError::io(path, error)),
    }
}

pub(super) fn same_network(path: &Path, found: Hash256, expected: Hash256) -> Result<(), StoreError> {
    if found == expected {
        Ok(())
    } else {
        Err(StoreError::OtherNetwork { path: path.to_owned(), found, expected })
    }
}

/// A complete database has a file that names its manifest, and always a log: RocksDB takes their
/// absence for an empty database, or for one without unwritten rows.
fn check_files(path: &Path) -> Result<(), StoreError> {
    let database = folder::database(path);
    if !database.join("CURRENT").exists() {
        return Err(StoreError::lost(path, "there is no database in db"));
    }
    let io = |error| StoreError::io(&database, error);
    for entry in fs::read_dir(&database).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "log") {
            return Ok(());
        }
    }
    Err(StoreError::lost(path, "the write-ahead log in db is gone"))
}

pub(super) fn database_at(path: &Path, options: &Options, is_new: bool) -> Result<DB, StoreError> {
    let (database, columns) = (settings::database(options, is_new), settings::columns(options));
    DB::open_cf_descriptors(&database, folder::database(path), columns)
        .map_err(|error| StoreError::database(path, &error))
}

/// What a fresh store holds.
pub fn genesis(spec: &ChainSpec) -> Changes {
    let header = spec.genesis();
    let hash = header.hash();
    let mut state = spec.genesis_state();
    let commitments = Commitments {
        history: state.history.root(),
        nodes: state.nodes_root(),
        accounts: state.registry.root(Roll::Accounts),
    };
    let roster = state.roster();
    let completed = state.history.push(hash);
    let stored = StoredHeader {
        signed: SignedHeader { header, signature: Signature([0; 64]) },
        work: Work::ZERO,
        stage: Stage::Valid,
        commitments,
        roster: hash,
        connected: Some(Connected { accounts_since: 0, live: 0 }),
    };
    let rows = [Roll::Nodes, Roll::Accounts].into_iter().flat_map(|roll| {
        let places = (0..state.registry.len(roll)).map(move |index| Place { roll, index });
        places.map(|place| (place, state.registry.at(place).cloned()))
    });
    let accounts = rows.collect();
    Changes {
        headers: BTreeMap::from([(hash, stored)]),
        blocks: BTreeMap::from([(hash, Vec::new())]),
        active: BTreeMap::from([(0, Some(hash))]),
        rosters: BTreeMap::from([(hash, roster)]),
        history_nodes: completed.iter().map(|node| ((node.level, node.position), node.hash)).collect(),
        state: StateChanges {
            accounts,
            admins: Some(state.admins),
            history: Some(state.history),
            tip: Some((hash, 0)),
        },
        ..Changes::default()
    }
}
