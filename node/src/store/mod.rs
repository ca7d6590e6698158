//! The store: RocksDB behind one writer and any number of readers.
//!
//! Promises: [`Store::commit`] writes one set of changes in one atomic, synced batch, indexes
//! included, and what it acknowledged is there after a crash or the store refuses to open by name;
//! it never comes up empty or shorter than it was. A failed commit is fatal: the caller ends the
//! node. Leaves out: deciding anything about blocks, pruning, and repair.

mod backup;
mod care;
mod check;
mod commit;
mod digest;
mod disk;
mod error;
mod folder;
mod keys;
mod open;
mod read;
mod rebuild;
mod recover;
mod reindex;
mod rows;
mod scrub;
mod serve;
mod settings;
mod snapshot;
mod transfer;
mod upgrade;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::state::State;
use dronechain_chain_spec::transaction::Transaction;
use rocksdb::DB;

use crate::core::view::Rival;

pub use self::backup::{BACKUP_FORMAT, Manifest, backup, restore};
pub use self::care::{CareError, Standing};
pub use self::check::{Counts, Fault, Report, check};
pub use self::digest::state_digest;
pub use self::disk::{Disk, Scrubbed, free_bytes, size_bytes};
pub use self::error::StoreError;
pub use self::keys::FORMAT;
pub use self::open::genesis;
pub use self::read::{LEAF_PLACES_MAX, ROOT_ANCHORS_MAX, Sequences};
pub use self::recover::{Recovery, recover};
pub use self::reindex::{Left, reindex};
pub use self::rows::{SequencePlace, TxPlace};
pub use self::scrub::scrub;
pub use self::settings::Options;
pub use self::snapshot::discard;
pub use self::transfer::{export, import};
pub use self::upgrade::upgrade;

/// An open store. Reads may come from any thread; one task commits.
pub struct Store {
    /// Declared before the lock: closed before another process may open the folder.
    db: DB,
    path: PathBuf,
    chain_id: Hash256,
    counter: Mutex<folder::Counter>,
    disk: Disk,
    _lock: File,
}

/// What the core starts from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The state at the tip.
    pub state: State,
    /// Hash of the tip.
    pub tip: Hash256,
    /// The durable mempool, each sender's transactions by rising sequence.
    pub pool: Vec<Transaction>,
    /// Chains beyond the finality depth, by their first block that is not ours.
    pub rivals: BTreeMap<Hash256, Rival>,
}

impl Store {
    /// The folder it lives in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Room on its disk, and what the scrub found.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Hash of the network's genesis block.
    pub fn chain_id(&self) -> Hash256 {
        self.chain_id
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).field("chain_id", &self.chain_id).finish()
    }
}
