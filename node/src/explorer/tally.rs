//! How many records the chain anchors: counted block by block, and kept from one page to the next.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::{Action, Transaction};

use super::limits::{TALLY_KEPT, TALLY_STEP};
use crate::core::view::{View as _, ViewError};
use crate::store::Store;

/// Where the count stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) height: u64,
    block: Hash256,
    /// Leaves of all anchors up to that block.
    pub(super) records: u64,
}

/// The counts of the last blocks, so that a reorganisation does not begin from nothing.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: Mutex<VecDeque<Count>>,
}

impl Tally {
    /// Counts on towards the tip, [`TALLY_STEP`] blocks at most. Blocks.
    pub(super) fn advance(&self, store: &Store) -> Result<Count, ViewError> {
        // Whoever panicked left whole counts.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(last) = counts.back() {
            if store.active(last.height)? == Some(last.block) {
                break;
            }
            counts.pop_back();
        }
        let mut last =
            counts.back().copied().unwrap_or(Count { height: 0, block: store.chain_id(), records: 0 });
        for height in last.height + 1..=last.height + TALLY_STEP {
            let Some(block) = store.active(height)? else { break };
            let Some(stored) = store.header(&block)? else { break };
            // A reorganisation came in between: the next time begins below it.
            if stored.signed.header.parent != last.block {
                break;
            }
            let found = if stored.signed.header.tx_count > 0 { store.transactions(&block)? } else { None };
            let records = last.records + found.iter().flatten().map(leaves).sum::<u64>();
            last = Count { height, block, records };
            counts.push_back(last);
            if counts.len() > TALLY_KEPT {
                counts.pop_front();
            }
        }
        Ok(last)
    }
}

fn leaves(transaction: &Transaction) -> u64 {
    match &transaction.body.action {
        Action::Anchor(anchor) => anchor.leaf_count.into(),
        _ => 0,
    }
}
