//! The ledger of a running node as it stands, in a folder of its own beside it, for `backup` to read.
//!
//! RocksDB's checkpoint: what was written before it is in it, nothing of what comes after, and files are links to the
//! same bytes, so it takes little time and room. Only the backup made of it is a copy.

use std::path::{Path, PathBuf};

use rocksdb::checkpoint::Checkpoint;

use super::care::{self, CareError};
use super::folder::{self, Counter, Marker, Progress};
use super::{Store, StoreError};

/// Where the snapshot of the store in the folder `ledger` is, while there is one.
fn place(ledger: &Path) -> PathBuf {
    let mut name = ledger.file_name().unwrap_or_default().to_owned();
    name.push(".snapshot");
    ledger.with_file_name(name)
}

impl Store {
    /// Makes a snapshot; gives its folder, which is a store's. Whoever asked is to [`discard`] it.
    ///
    /// # Errors
    /// When it cannot be written, or an earlier one is being read.
    pub fn snapshot(&self) -> Result<PathBuf, CareError> {
        let path = place(&self.path);
        discard(&path)?;
        let staged = care::staging(&path)?;
        // Before the checkpoint: that has as many commits at least.
        let commits = self.counter().count();
        std::fs::create_dir_all(&*staged).map_err(CareError::io(&staged))?;
        Checkpoint::new(&self.db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(folder::database(&staged)))
            .map_err(|error| StoreError::database(&self.path, &error))?;
        Counter::create(&staged, commits).map_err(CareError::io(&staged))?;
        Marker { genesis: self.chain_id, progress: Progress::Ready }.write(&staged)?;
        staged.place(&path)?;
        Ok(path)
    }

    /// Removes a snapshot that somebody left who was killed. One that is being read stays.
    pub fn forget_snapshot(&self) {
        if let Err(error) = discard(&place(&self.path)) {
            tracing::warn!(%error, "an earlier snapshot of the ledger stays");
        }
    }
}

/// Removes the snapshot in the folder `path`, if it is there.
///
/// # Errors
/// When another process reads it.
pub fn discard(path: &Path) -> Result<(), CareError> {
    if folder::is_store(path) {
        folder::lock(path)?;
    }
    care::clear(path)
}
