//! How fast a sweep goes.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Keeps a sweep to so many rows a second.
pub(super) struct Pace {
    per_second: u32,
    started: Instant,
    rows: u64,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, started: Instant::now(), rows: 0 }
    }

    /// Waits until `rows` more are due.
    pub(super) async fn took(&mut self, rows: usize) {
        self.rows += rows as u64;
        if self.per_second == 0 {
            tokio::task::yield_now().await;
            return;
        }
        let due_ms = self.rows.saturating_mul(1_000) / u64::from(self.per_second);
        sleep(Duration::from_millis(due_ms).saturating_sub(self.started.elapsed())).await;
    }
}
