//! The folder around the database: lock, marker, and the count of acknowledged commits.
//!
//! RocksDB alone would open a folder whose log was deleted as an older or empty chain. So the
//! folder says by itself which network it holds (`CHAIN`) and how many commits were acknowledged
//! (`commits`); a database that knows of fewer is refused.
//!
//! | file | content |
//! |---|---|
//! | `lock` | empty, locked while open |
//! | `CHAIN` | three lines: `dronechain store FORMAT`, `genesis HEX`, `state new` or `state ready` |
//! | `commits` | 8 bytes count, big-endian, and the first 8 of their SHA-256 |
//! | `db/` | RocksDB |

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use dronechain_chain_spec::hash::{Hash256, sha256};

use super::error::StoreError;
use super::keys::FORMAT;

const LOCK: &str = "lock";
const MARKER: &str = "CHAIN";
/// The marker while it is being written.
const MARKER_NEW: &str = "CHAIN.new";
const COUNTER: &str = "commits";
const DATABASE: &str = "db";
/// A marker is far shorter.
const MARKER_BYTES_MAX: u64 = 4096;
const COUNTER_LEN: usize = 16;

/// Whether the folder was filled completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The genesis block may be missing; nothing was acknowledged yet.
    New,
    /// The database is complete.
    Ready,
}

/// What `CHAIN` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) genesis: Hash256,
    pub(super) progress: Progress,
}

/// The folder of the database.
pub(super) fn database(path: &Path) -> PathBuf {
    path.join(DATABASE)
}

/// Whether the folder has a store's marker.
pub(super) fn is_store(path: &Path) -> bool {
    path.join(MARKER).exists()
}

/// Whether the folder is a store; one that has lost its marker is neither a store nor another's folder.
pub(super) fn holds_store(path: &Path) -> Result<bool, StoreError> {
    let has = |name: &str| path.join(name).exists();
    match has(MARKER) {
        false if has(DATABASE) || has(COUNTER) => Err(StoreError::MarkerGone { path: path.to_owned() }),
        is_there => Ok(is_there),
    }
}

/// Creates the folder unless it is there, and holds it against other processes as long as the file
/// lives. Refuses a folder of something else before anything is written into it.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let io = |error| StoreError::io(path, error);
    fs::create_dir_all(path).map_err(io)?;
    if !holds_store(path)? {
        for entry in fs::read_dir(path).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            if name != LOCK && name != MARKER_NEW {
                return Err(StoreError::Foreign { path: path.to_owned() });
            }
        }
    }
    let file = path.join(LOCK);
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&file)
        .map_err(|error| StoreError::io(&file, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::io(&file, error)),
    }
}

impl Marker {
    /// Reads the marker of a folder; none if the folder is empty. Another format is refused.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        match Self::of_format(path)? {
            Some((found, _)) if found != FORMAT => {
                Err(StoreError::Format { path: path.to_owned(), found, expected: FORMAT })
            }
            found => Ok(found.map(|(_, marker)| marker)),
        }
    }

    /// The marker of a folder with the format of the store in it.
    pub(super) fn of_format(path: &Path) -> Result<Option<(u32, Self)>, StoreError> {
        let file = path.join(MARKER);
        let mut text = String::new();
        match File::open(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&file, error)),
            Ok(opened) => opened.take(MARKER_BYTES_MAX).read_to_string(&mut text),
        }
        .map_err(|error| StoreError::io(&file, error))?;
        let bad = |reason: &str| StoreError::Marker { path: path.to_owned(), reason: reason.to_owned() };
        let mut lines = text.lines();
        let format = lines.next().and_then(|line| line.strip_prefix("dronechain store "));
        let found = format.and_then(|text| text.parse().ok()).ok_or_else(|| bad("no format in line 1"))?;
        let genesis = lines.next().and_then(|line| line.strip_prefix("genesis "));
        let genesis = genesis.and_then(|text| text.parse().ok()).ok_or_else(|| bad("no hash in line 2"))?;
        let progress = match lines.next() {
            Some("state new") => Progress::New,
            Some("state ready") => Progress::Ready,
            Some(_) | None => return Err(bad("no state in line 3")),
        };
        Ok(Some((found, Self { genesis, progress })))
    }

    /// Puts the marker in place of the old one, durably and at once.
    pub(super) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let state = match self.progress {
            Progress::New => "new",
            Progress::Ready => "ready",
        };
        let text = format!("dronechain store {FORMAT}\ngenesis {}\nstate {state}\n", self.genesis);
        let replace = || {
            let (new, old) = (path.join(MARKER_NEW), path.join(MARKER));
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &old)?;
            sync(path)
        };
        replace().map_err(|error| StoreError::io(path, error))
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The count of commits that were acknowledged, kept outside the database.
///
/// Overwritten in place after each synced commit and not synced itself: a killed process loses
/// nothing, and after a power failure it may be behind the database, never ahead.
#[derive(Debug)]
pub(super) struct Counter {
    file: File,
    count: u64,
}

impl Counter {
    /// A new counter file, durable.
    pub(super) fn create(path: &Path, count: u64) -> io::Result<Self> {
        let file = File::create(path.join(COUNTER))?;
        file.write_all_at(&Self::bytes(count), 0)?;
        file.sync_all()?;
        sync(path)?;
        Ok(Self { file, count })
    }

    /// The counter of a complete folder; none if the file is damaged.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).open(path.join(COUNTER))?;
        let mut bytes = Vec::with_capacity(COUNTER_LEN);
        (&file).take(COUNTER_LEN as u64 + 1).read_to_end(&mut bytes)?;
        let count = bytes.first_chunk().map(|count| u64::from_be_bytes(*count));
        Ok(count.filter(|count| bytes == Self::bytes(*count)).map(|count| Self { file, count }))
    }

    /// A counter that is not kept: for a store that is only read.
    pub(super) fn unkept() -> io::Result<Self> {
        Ok(Self { file: File::open("/dev/null")?, count: 0 })
    }

    /// Commits acknowledged.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Notes that commit number `count` is durable.
    pub(super) fn acknowledge(&mut self, count: u64) -> io::Result<()> {
        self.file.write_all_at(&Self::bytes(count), 0)?;
        self.count = count;
        Ok(())
    }

    fn bytes(count: u64) -> [u8; COUNTER_LEN] {
        let count = count.to_be_bytes();
        let check = sha256(&[&count]);
        let mut bytes = [0; COUNTER_LEN];
        bytes[..8].copy_from_slice(&count);
        bytes[8..].copy_from_slice(&check.0[..8]);
        bytes
    }
}
