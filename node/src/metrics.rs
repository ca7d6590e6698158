//! What the node counts while it runs: written by the shell and by HTTP, read by whoever asks for figures.
//!
//! Counts begin with the process. What others know already (the tip, the store, the peers) is not kept twice.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Figures of one process.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Blocks that joined the active chain.
    pub blocks_connected: Count,
    /// Blocks of this node's miner that it took in.
    pub blocks_mined: Count,
    /// Times that blocks left the active chain.
    pub reorganisations: Count,
    /// Blocks that left it.
    pub blocks_disconnected: Count,
    /// The most that left it at once.
    pub reorganisation_depth_max: Count,
    /// Bytes of the transactions that wait.
    pub mempool_bytes: Count,
    /// When a peer's clock was last found to differ, ms since 1970 UTC; 0: never.
    clock_warned_ms: AtomicU64,
    /// By how much, in ms; its minus ours.
    clock_difference_ms: AtomicI64,
}

/// A number that goes up, or is set.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Sets it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Raises it to `n`, if it is less.
    pub fn raise(&self, n: u64) {
        self.0.fetch_max(n, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// The tip went from `from` to `height`, after `disconnected` blocks had left.
    pub fn moved(&self, from: u64, height: u64, disconnected: u64) {
        self.blocks_connected.add((height + disconnected).saturating_sub(from));
        if disconnected > 0 {
            self.reorganisations.add(1);
            self.blocks_disconnected.add(disconnected);
            self.reorganisation_depth_max.raise(disconnected);
        }
    }

    /// A peer's clock differs by more than a block may be ahead.
    pub fn clock_differs(&self, now_ms: u64, difference_ms: i64) {
        self.clock_difference_ms.store(difference_ms, Ordering::Relaxed);
        self.clock_warned_ms.store(now_ms, Ordering::Relaxed);
    }

    /// The last such difference in ms, if it was found at `since_ms` or later.
    pub fn clock_difference(&self, since_ms: u64) -> Option<i64> {
        let warned = self.clock_warned_ms.load(Ordering::Relaxed);
        (warned > 0 && warned >= since_ms).then(|| self.clock_difference_ms.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_of_the_tip_are_counted() {
        let metrics = Metrics::default();
        metrics.moved(4, 5, 0);
        metrics.moved(5, 7, 2);
        metrics.moved(7, 8, 1);
        assert_eq!(metrics.blocks_connected.get(), 1 + 4 + 2);
        assert_eq!((metrics.reorganisations.get(), metrics.blocks_disconnected.get()), (2, 3));
        assert_eq!(metrics.reorganisation_depth_max.get(), 2);
    }

    #[test]
    fn clock_differences_are_told_for_a_while() {
        let metrics = Metrics::default();
        assert_eq!(metrics.clock_difference(0), None);
        metrics.clock_differs(100, -7);
        assert_eq!((metrics.clock_difference(100), metrics.clock_difference(101)), (Some(-7), None));
    }
}
