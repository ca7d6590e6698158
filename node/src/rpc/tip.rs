//! The tip as the node publishes it.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::registry::Registry;
use dronechain_chain_spec::target::Work;

use crate::core::view::Opening;

/// What clients are told of the tip; all of it is durable.
#[derive(Debug, Clone)]
pub struct TipView {
    /// Hash of the tip.
    pub hash: Hash256,
    /// Its height.
    pub height: u64,
    /// Its time, ms since 1970 UTC.
    pub time_ms: u64,
    /// Work of the chain up to it.
    pub work: Work,
    /// Its opened commitments.
    pub opening: Opening,
    /// The registry after it.
    pub registry: Arc<Registry>,
    /// Transactions in the mempool.
    pub mempool: usize,
    /// Whether the node knows of a heavier chain than its own.
    pub syncing: bool,
}
