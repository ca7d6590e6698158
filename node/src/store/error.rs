//! Why a store does not open, or does not write.

use std::io;
use std::path::{Path, PathBuf};

use dronechain_chain_spec::hash::Hash256;
use rocksdb::ErrorKind;

/// Every cause names the folder.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another store of this one, has the folder open.
    #[error("{}: in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// There is no store in the folder, or its filling was cut short.
    #[error("{}: there is no ledger here", path.display())]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds something else: it has files but not our marker.
    #[error("{}: not empty and not a DroneChain store; name another folder", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// The marker file is not one that this program writes.
    #[error("{}: the marker file CHAIN is unreadable: {reason}", path.display())]
    Marker {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The marker file is gone, other files of a store are there.
    #[error("{}: the marker file CHAIN is gone", path.display())]
    MarkerGone {
        /// The folder.
        path: PathBuf,
    },
    /// Written by a version with another layout.
    #[error("{}: format {found}, this program reads format {expected}", path.display())]
    Format {
        /// The folder.
        path: PathBuf,
        /// Format of the folder.
        found: u32,
        /// The one format this version reads.
        expected: u32,
    },
    /// The folder belongs to another network.
    #[error("{}: belongs to the network with genesis {found}, not {expected}", path.display())]
    OtherNetwork {
        /// The folder.
        path: PathBuf,
        /// Genesis hash of the folder.
        found: Hash256,
        /// Genesis hash of the chain spec given.
        expected: Hash256,
    },
    /// Files are damaged or missing, or rows contradict each other. Restore a backup, or start in a
    /// new folder and let the node sync.
    #[error("{}: corrupt: {reason}", path.display())]
    Corrupt {
        /// The folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// What was acknowledged is gone: the database is missing, empty, or older than it was.
    #[error("{}: data is lost: {reason}", path.display())]
    Lost {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A file or folder could not be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The database could not be read or written for another reason, such as a full disk.
    #[error("{}: database: {reason}", path.display())]
    Database {
        /// The folder.
        path: PathBuf,
        /// What RocksDB says.
        reason: String,
    },
}

impl StoreError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "stop the node that has it open",
            Self::Absent { .. } => "name the node's data folder with --data",
            Self::Foreign { .. } => "name another folder",
            Self::Format { found, expected, .. } if found < expected => {
                "`dronechain-node db upgrade` converts the format before this one; from an older one go by the \
                 versions between"
            }
            Self::Format { .. } => "take the program that wrote it, or a newer one",
            Self::Marker { .. } | Self::MarkerGone { .. } => {
                "restore a backup, or start in a new folder and let the node sync"
            }
            Self::OtherNetwork { .. } => "name this network's chain spec with --spec, or another folder",
            Self::Corrupt { .. } | Self::Lost { .. } => {
                "`dronechain-node db check` says more; restore a backup, or `dronechain-node run --recover` \
                 keeps what is sound and syncs the rest from peers"
            }
            Self::Io { .. } | Self::Database { .. } => "check permissions, the disk and its free space",
        }
    }

    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }

    pub(super) fn corrupt(path: &Path, reason: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), reason: reason.into() }
    }

    pub(super) fn lost(path: &Path, reason: impl Into<String>) -> Self {
        Self::Lost { path: path.to_owned(), reason: reason.into() }
    }

    /// What RocksDB's error means for the folder `path`.
    pub(super) fn database(path: &Path, error: &rocksdb::Error) -> Self {
        let reason = error.as_ref().to_owned();
        match error.kind() {
            ErrorKind::IOError | ErrorKind::Busy if reason.contains("lock") => {
                Self::InUse { path: path.to_owned() }
            }
            // A file that the manifest names is gone, or no database is there at all.
            ErrorKind::IOError if reason.contains("No such file") => Self::corrupt(path, reason),
            ErrorKind::Corruption | ErrorKind::NotFound | ErrorKind::InvalidArgument => {
                Self::corrupt(path, reason)
            }
            ErrorKind::IOError
            | ErrorKind::NotSupported
            | ErrorKind::MergeInProgress
            | ErrorKind::Incomplete
            | ErrorKind::ShutdownInProgress
            | ErrorKind::TimedOut
            | ErrorKind::Aborted
            | ErrorKind::Busy
            | ErrorKind::Expired
            | ErrorKind::TryAgain
            | ErrorKind::CompactionTooLarge
            | ErrorKind::ColumnFamilyDropped
            | ErrorKind::Unknown => Self::Database { path: path.to_owned(), reason },
        }
    }
}
