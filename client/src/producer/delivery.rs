//! What is told when a batch has enough blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::receipt::Receipt;

use super::lot::{Found, Inclusion, Lot};
use super::pending::receipt;

/// A batch that was delivered: its records leave the outbox when the callback returns. If the process ends in
/// between, the callback comes again.
#[derive(Debug, Clone)]
pub struct Delivery {
    records: Records,
    chain_id: Hash256,
    inclusion: Arc<Inclusion>,
}

#[derive(Debug, Clone)]
enum Records {
    /// All of a batch's.
    Lot(Arc<Lot>),
    /// Those of this outbox in a batch that a later day of it anchored: with their hashes.
    Found(Vec<Hash256>, Vec<Found>),
}

impl Delivery {
    pub(super) fn new(lot: Arc<Lot>, chain_id: Hash256, inclusion: Arc<Inclusion>) -> Self {
        Self { records: Records::Lot(lot), chain_id, inclusion }
    }

    /// What is told of records that were found on the ledger: one delivery for each of its batches.
    pub(super) fn of_found<'a>(found: impl IntoIterator<Item = &'a Found>, chain_id: Hash256) -> Vec<Self> {
        let mut batches: BTreeMap<u64, Vec<&Found>> = BTreeMap::new();
        for one in found {
            batches.entry(one.inclusion.sequence).or_default().push(one);
        }
        let delivery = |found: Vec<&Found>| {
            let hashes = found.iter().map(|one| one.target).collect();
            let inclusion = Arc::clone(&found[0].inclusion);
            Self {
                records: Records::Found(hashes, found.into_iter().cloned().collect()),
                chain_id,
                inclusion,
            }
        };
        batches.into_values().map(delivery).collect()
    }

    /// The records' hashes, in the order of their hand-over; none of a heartbeat.
    pub fn hashes(&self) -> &[Hash256] {
        match &self.records {
            Records::Lot(lot) => lot.leaves(),
            Records::Found(hashes, _) => hashes,
        }
    }

    /// Where the batch is included.
    pub fn inclusion(&self) -> &Inclusion {
        &self.inclusion
    }

    /// The receipts, in the same order.
    pub fn receipts(&self) -> impl Iterator<Item = Receipt> {
        let count = u32::try_from(self.hashes().len()).expect("65,536 at most");
        (0..count).map(|index| match &self.records {
            Records::Lot(lot) => receipt(lot, index, self.chain_id, &self.inclusion),
            Records::Found(_, found) => found[index as usize].receipt(self.chain_id),
        })
    }
}
