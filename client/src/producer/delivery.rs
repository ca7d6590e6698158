//! What is told when a batch has enough blocks.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::receipt::Receipt;

use super::lot::{Inclusion, Lot};
use super::pending::receipt;

/// A batch that was delivered: its records leave the outbox when the callback returns. If the process ends in
/// between, the callback comes again.
#[derive(Debug, Clone)]
pub struct Delivery {
    lot: Arc<Lot>,
    chain_id: Hash256,
    inclusion: Arc<Inclusion>,
}

impl Delivery {
    pub(super) fn new(lot: Arc<Lot>, chain_id: Hash256, inclusion: Arc<Inclusion>) -> Self {
        Self { lot, chain_id, inclusion }
    }

    /// The records' hashes, in the order of their hand-over; none of a heartbeat.
    pub fn hashes(&self) -> &[Hash256] {
        self.lot.leaves()
    }

    /// Where the batch is included.
    pub fn inclusion(&self) -> &Inclusion {
        &self.inclusion
    }

    /// The receipts, in the same order.
    pub fn receipts(&self) -> impl Iterator<Item = Receipt> {
        let count = u32::try_from(self.lot.leaves().len()).expect("65,536 at most");
        (0..count).map(|index| receipt(&self.lot, index, self.chain_id, &self.inclusion))
    }
}
