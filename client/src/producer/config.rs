//! The settings of a producer.

use std::time::Duration;

use dronechain_chain_spec::limits::LEAVES_MAX;

use super::error::OpenError;
use crate::limits::LINGER_MAX;

/// How records become anchors. The defaults suit a controller that hands over up to some thousand records a second.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerConfig {
    /// How long a batch waits for more records.
    pub linger: Duration,
    /// Records of a batch, at most 65,536.
    pub batch_records: u32,
    /// Bytes of a batch's records.
    pub batch_bytes: usize,
    /// Records in the outbox, from their hand-over until they are delivered; more wait. Each takes about 100 bytes
    /// of memory.
    pub buffer_records: usize,
    /// Bytes of those records. On disk they take up to three times that, and 512 MiB: what was delivered is given back in
    /// parts.
    pub buffer_bytes: usize,
    /// Batches that are handed to a node at the same time.
    pub in_flight: usize,
    /// Blocks, the batch's own among them, after which a record counts as delivered and leaves the outbox.
    pub confirmations: u64,
    /// How long after its hand-over, or after the start for one that was in the outbox, the waits of a record's handle
    /// end with [`PendingError::TimedOut`](super::PendingError::TimedOut); the record goes on. Without end, if none.
    pub delivery_timeout: Option<Duration>,
    /// An empty batch is anchored when there was nothing to anchor for so long; never, if none.
    pub heartbeat: Option<Duration>,
    /// Bytes that stay free on the outbox's file system: below, records wait.
    pub free_bytes: u64,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(500),
            batch_records: 16_384,
            batch_bytes: 16 << 20,
            buffer_records: 2_000_000,
            buffer_bytes: 1 << 30,
            in_flight: 8,
            confirmations: 6,
            delivery_timeout: Some(Duration::from_secs(600)),
            heartbeat: Some(Duration::from_secs(300)),
            free_bytes: 64 << 20,
        }
    }
}

impl ProducerConfig {
    pub(super) fn check(&self) -> Result<(), OpenError> {
        let fail = |setting, reason: &str| Err(OpenError::Config { setting, reason: reason.to_owned() });
        if self.batch_records == 0 || self.batch_records > LEAVES_MAX {
            return fail("batch_records", "from 1 to 65,536");
        }
        if self.batch_bytes == 0 {
            return fail("batch_bytes", "at least 1");
        }
        if self.buffer_records < self.batch_records as usize {
            return fail("buffer_records", "at least one batch");
        }
        if self.buffer_bytes < self.batch_bytes || u32::try_from(self.buffer_bytes).is_err() {
            return fail("buffer_bytes", "at least one batch, below 4 GiB");
        }
        if self.free_bytes > u64::MAX / 2 {
            return fail("free_bytes", "below 2^63");
        }
        if self.linger > LINGER_MAX {
            return fail("linger", "at most a day");
        }
        if self.in_flight == 0 {
            return fail("in_flight", "at least 1");
        }
        if self.confirmations == 0 {
            return fail("confirmations", "at least 1, the batch's own block");
        }
        if self.heartbeat.is_some_and(|heartbeat| heartbeat < self.linger) {
            return fail("heartbeat", "not below linger");
        }
        Ok(())
    }
}
