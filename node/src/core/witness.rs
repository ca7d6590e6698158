//! Whoever contradicts itself is noticed, and the evidence kept.

use std::collections::BTreeMap;

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::evidence::Evidence;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{CheckedHeader, Header};
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::{CheckedTransaction, Sender, Transaction};

use super::Core;
use super::event::Action;
use super::view::{Conflict, View, ViewError};

/// Heights below the tip at which a second block by one miner on one parent is noticed.
const WITNESS_DEPTH: u64 = 1_024;
/// Pieces of evidence taken in from one start to the next.
const EVIDENCE_MAX: usize = 10_000;

/// Who made which block lately: by height, miner and parent.
#[derive(Default)]
pub(super) struct Witness {
    made: BTreeMap<(u64, PublicKey, Hash256), Hash256>,
    found: usize,
}

impl Witness {
    /// A header that is not kept is not compared with.
    pub(super) fn forget(&mut self, header: &Header) {
        let place = (header.height, header.miner, header.parent);
        if self.made.get(&place) == Some(&header.hash()) {
            self.made.remove(&place);
        }
    }
}

impl<V: View> Core<V> {
    /// After a start: the makers of the last active blocks.
    pub(super) fn recall_miners(&mut self) -> Result<(), ViewError> {
        for height in self.tip.height.saturating_sub(WITNESS_DEPTH).max(1)..=self.tip.height {
            let Some(hash) = self.ledger.active(height)? else {
                return Err(ViewError(format!("no active block at height {height}")));
            };
            let Header { miner, parent, .. } = self.ledger.known(&hash)?.signed.header;
            self.witness.made.insert((height, miner, parent), hash);
        }
        Ok(())
    }

    pub(super) fn witness_header(&mut self, header: &CheckedHeader) -> Result<(), ViewError> {
        let Header { height, miner, parent, .. } = *header.header();
        let lowest = self.tip.height.saturating_sub(WITNESS_DEPTH);
        if height < lowest {
            return Ok(());
        }
        while self.witness.made.first_key_value().is_some_and(|((made, ..), _)| *made < lowest) {
            self.witness.made.pop_first();
        }
        let earlier = *self.witness.made.entry((height, miner, parent)).or_insert(header.hash());
        if earlier != header.hash() {
            let earlier = self.ledger.known(&earlier)?.signed;
            self.keep_evidence(Evidence::of_headers(&earlier, header.signed()))?;
        }
        Ok(())
    }

    /// Transactions of blocks that join, against those that wait or leave with other blocks.
    pub(super) fn witness_transactions(
        &mut self,
        connected: &[CheckedBlock],
        returned: &[Transaction],
    ) -> Result<(), ViewError> {
        let place = |transaction: &Transaction| (transaction.body.sender, transaction.body.sequence);
        let left: BTreeMap<(Sender, u64), _> = returned.iter().map(|left| (place(left), left)).collect();
        for joined in connected.iter().flat_map(CheckedBlock::transactions).map(CheckedTransaction::get) {
            let (sender, sequence) = place(joined);
            if let Some(waiting) = self.pool.get(sender, sequence) {
                self.keep_evidence(Evidence::of_transactions(waiting.get(), joined))?;
            }
            if let Some(left) = left.get(&(sender, sequence)) {
                self.keep_evidence(Evidence::of_transactions(left, joined))?;
            }
        }
        Ok(())
    }

    /// A transaction whose place is taken by another that waits.
    pub(super) fn witness_rival(&mut self, transaction: &CheckedTransaction) -> Result<(), ViewError> {
        match self.pool.get(transaction.body().sender, transaction.body().sequence) {
            Some(holder) => self.keep_evidence(Evidence::of_transactions(holder.get(), transaction.get())),
            None => Ok(()),
        }
    }

    /// Whether a key is registered, or an admin's.
    fn is_known(&self, key: &PublicKey) -> bool {
        let is_admin = self.state.admins.governance.admins.keys.contains(key);
        is_admin || self.state.registry.place(key).is_some()
    }

    fn keep_evidence(&mut self, evidence: Option<Evidence>) -> Result<(), ViewError> {
        let Some(evidence) = evidence else {
            return Ok(());
        };
        let conflict = match &evidence {
            Evidence::Blocks { first, .. } => Conflict::Blocks(first.header.miner, first.header.height),
            Evidence::Transactions { first, .. } => {
                Conflict::Transactions(first.body.sender, first.body.sequence)
            }
        };
        // Anybody may contradict itself under a key that nobody knows.
        let offenders = evidence.offenders();
        if !offenders.iter().any(|offender| self.is_known(offender)) {
            return Ok(());
        }
        if self.witness.found >= EVIDENCE_MAX || self.ledger.has_evidence(&conflict)? {
            return Ok(());
        }
        self.witness.found += 1;
        let (id, misbehaviour) = (evidence.id(), evidence.misbehaviour());
        self.ledger.pending.evidence.insert(conflict, evidence);
        self.hold(Action::Evidence { id, offenders, misbehaviour });
        Ok(())
    }
}
