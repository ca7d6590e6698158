//! How far syncing is, for the log.

use std::time::{Duration, Instant};

use tracing::info;

/// Blocks behind the headers known from which on it is told.
const FAR: u64 = 16;
/// How often.
const PERIOD: Duration = Duration::from_secs(5);

/// What was told last, while the node is behind.
#[derive(Debug, Default)]
pub(super) struct Progress(Option<Instant>);

impl Progress {
    /// Tells that a node far behind is syncing, how far it is from time to time, and that it is done.
    pub(super) fn tell(&mut self, is_behind: bool, height: u64, headers_height: u64) {
        let due = self.0.map_or(headers_height.saturating_sub(height) > FAR, |told| told.elapsed() >= PERIOD);
        match (is_behind, self.0) {
            (true, _) if due => {
                info!(height, headers_height, "syncing");
                self.0 = Some(Instant::now());
            }
            (true, _) | (false, None) => {}
            (false, Some(_)) => {
                info!(height, "in sync");
                self.0 = None;
            }
        }
    }
}
