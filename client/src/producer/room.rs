//! What may still be handed over: callers wait for it, delivered records give it back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::config::ProducerConfig;

/// What may still be handed over.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) records: Semaphore,
    pub(super) bytes: Semaphore,
    /// Both when nothing is there.
    pub(super) records_max: usize,
    pub(super) bytes_max: usize,
    /// What a start found beyond the room that there is: it is owed.
    owed: Mutex<(usize, usize)>,
    disk_full: AtomicBool,
}

impl Room {
    pub(super) fn new(config: &ProducerConfig) -> Self {
        let (records_max, bytes_max) = (config.buffer_records, config.buffer_bytes);
        let (records, bytes) = (Semaphore::new(records_max), Semaphore::new(bytes_max));
        let (owed, disk_full) = (Mutex::default(), AtomicBool::new(false));
        Self { records, bytes, records_max, bytes_max, owed, disk_full }
    }

    /// Whether records wait for room on the disk.
    pub(super) fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }

    /// Notes whether records wait for the disk; true if that is news.
    pub(super) fn set_disk_full(&self, is_full: bool) -> bool {
        self.disk_full.swap(is_full, Ordering::Relaxed) != is_full
    }

    pub(super) fn give_back(&self, records: usize, bytes: usize) {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let paid = (owed.0.min(records), owed.1.min(bytes));
        *owed = (owed.0 - paid.0, owed.1 - paid.1);
        self.records.add_permits(records - paid.0);
        self.bytes.add_permits(bytes - paid.1);
    }

    /// Takes what a start found: there may be more than a smaller buffer now holds.
    pub(super) fn take(&self, records: usize, bytes: usize) {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        owed.0 += records - self.records.forget_permits(records);
        owed.1 += bytes - self.bytes.forget_permits(bytes);
    }
}
