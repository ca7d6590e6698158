//! The tip as the node publishes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::registry::Registry;
use dronechain_chain_spec::target::Work;

use crate::core::MissingBody;
use crate::core::view::{BatchId, Opening, Rival};

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
    /// Height of the heaviest headers known.
    pub headers_height: u64,
    /// What an operator should know.
    pub health: Health,
}

/// What an operator should know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Included anchors whose body is not here: how many, and the first [`MISSING_SHOWN_MAX`].
    pub missing: (usize, Arc<Vec<(BatchId, MissingBody)>>),
    /// Chains beyond the finality depth, by their first block that is not ours.
    pub rivals: Arc<BTreeMap<Hash256, Rival>>,
    /// A rule that only a newer version knows, and the height from which on it holds.
    pub upgrade_needed: Option<(u32, u64)>,
}

/// Missing bodies that are told one by one.
pub const MISSING_SHOWN_MAX: usize = 1_000;
