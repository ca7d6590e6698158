//! What a running node knows of the disk below its store: room, and what the scrub found. For `/v1/status`
//! and refusals.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

use super::Fault;

/// Faulty rows that are remembered, so that each is counted once.
const FAULTS_MAX: usize = 1_000;

/// Room and soundness, as last seen.
#[derive(Debug, Default)]
pub struct Disk {
    low: AtomicBool,
    free_bytes: AtomicU64,
    passes: AtomicU64,
    rows: AtomicU64,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    seen: BTreeSet<(&'static str, String)>,
    count: u64,
    last: Option<Fault>,
}

/// What the scrub did since the start.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Scrubbed {
    /// Times that it came to the end.
    pub passes: u64,
    /// Rows read.
    pub rows: u64,
    /// Faults found; the same row counts once.
    pub faults: u64,
    /// The last of them.
    pub last_fault: Option<Fault>,
}

impl Disk {
    /// Whether there is too little room to write.
    pub fn is_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }

    /// Bytes free when last looked; 0 before.
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// Notes the room; gives whether that is news.
    pub fn set_room(&self, free_bytes: u64, low: bool) -> bool {
        self.free_bytes.store(free_bytes, Ordering::Relaxed);
        self.low.swap(low, Ordering::Relaxed) != low
    }

    /// What the scrub did.
    pub fn scrubbed(&self) -> Scrubbed {
        let faults = self.faults();
        Scrubbed {
            passes: self.passes.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            faults: faults.count,
            last_fault: faults.last.clone(),
        }
    }

    pub(super) fn passed(&self) -> u64 {
        self.passes.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn read(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Notes a fault; gives whether it is new.
    pub(super) fn faulty(&self, fault: &Fault) -> bool {
        let mut faults = self.faults();
        let row = (fault.column, fault.key.clone());
        if faults.seen.len() >= FAULTS_MAX || !faults.seen.insert(row) {
            return false;
        }
        faults.count += 1;
        faults.last = Some(fault.clone());
        true
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        // A panic in between leaves a count that is off by one at worst.
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of the files in the folder `path`, without folders below.
///
/// # Errors
/// When the folder cannot be read. A file that goes meanwhile is no error.
pub fn size_bytes(path: &Path) -> io::Result<u64> {
    let sizes = std::fs::read_dir(path)?.filter_map(|file| file.ok()?.metadata().ok());
    Ok(sizes.filter(|file| file.is_file()).map(|file| file.len()).sum())
}

/// Bytes that may still be written where `path` is.
///
/// # Errors
/// When the file system does not tell.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let room = rustix::fs::statvfs(path)?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}
