//! How many records the chain anchors: counted block by block beside the pages, and kept from one to the next.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::{Action, Transaction};

use super::limits::{TALLY_KEPT, TALLY_STEP};
use crate::core::view::{View as _, ViewError};
use crate::rpc::api::Api;
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
    /// Whether a thread counts.
    is_counting: AtomicBool,
    /// How far it has come.
    reached: Mutex<Option<Count>>,
}

impl Tally {
    /// Where the count stands. A few blocks are counted now; more by a thread, whose end nobody waits for. Blocks.
    /// Ends when the server stops.
    pub(super) fn at(self: &Arc<Self>, api: &Api) -> Result<Count, ViewError> {
        let store = &api.rpc.store;
        if self.is_counting.load(Ordering::Acquire)
            && let Some(reached) = *self.reached.lock().unwrap_or_else(PoisonError::into_inner)
        {
            return Ok(reached);
        }
        let last = self.advance(store, TALLY_STEP)?;
        if store.active(last.height + 1)?.is_some() && !self.is_counting.swap(true, Ordering::AcqRel) {
            let (tally, store, stopped) = (Arc::clone(self), Arc::clone(store), api.stopped.clone());
            tokio::task::spawn_blocking(move || {
                let mut height = last.height;
                // An error shows on the next page.
                while let Ok(count) = tally.advance(&store, TALLY_STEP)
                    && count.height > height
                    && !*stopped.borrow()
                {
                    height = count.height;
                }
                tally.is_counting.store(false, Ordering::Release);
            });
        }
        Ok(last)
    }

    /// Counts on towards the tip, `step` blocks at most. Blocks.
    fn advance(&self, store: &Store, step: u64) -> Result<Count, ViewError> {
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
        for height in last.height + 1..=last.height + step {
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
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        Ok(last)
    }
}

fn leaves(transaction: &Transaction) -> u64 {
    match &transaction.body.action {
        Action::Anchor(anchor) => anchor.leaf_count.into(),
        _ => 0,
    }
}
