//! Transactions that wait for a block, by sender and sequence.
//!
//! A sender may run ahead of the chain by [`AHEAD_MAX`] sequences and hold no more places than that,
//! so that none crowds out the others. Anchors are here only with their batch body.

use std::collections::BTreeMap;

use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::limits::{BLOCK_BYTES_MAX, BLOCK_TXS_MAX};
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::state::{Draft, State};
use dronechain_chain_spec::transaction::{Action, CheckedTransaction, Sender};

use super::event::SubmitError;

/// Sequences that a sender may be ahead of the chain.
pub(super) const AHEAD_MAX: u64 = 256;
/// Transactions in the mempool, those apart that blocks gave back.
pub(super) const POOL_MAX: usize = 20_000;
/// Transactions of one sender that a template takes at most: the rest waits for the next.
const QUOTA: usize = 64;

/// How a transaction stands to the mempool.
pub(super) enum Admission {
    /// It may enter.
    New,
    /// It is there.
    Here,
    /// Its sequence is behind the chain's: it is included, or another is.
    Past(TxError),
}

/// Where a transaction comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A client, or a peer.
    Outside,
    /// A block that left the active chain, or the durable mempool at a start.
    Returned,
}

/// Whether what a transaction that was taken in once is refused for may change by blocks before its own: after
/// a reorganisation its sender may be about to be admitted again, or the admins who approved it elected.
pub(super) fn may_hold_later(state: &State, transaction: &CheckedTransaction, error: &TxError) -> bool {
    match error {
        TxError::SenderUnknown { .. } => true,
        TxError::AdminApprovals { .. } => transaction.body().sequence > state.admins.next_sequence,
        _ => false,
    }
}

struct Waiting {
    transaction: CheckedTransaction,
    gossiped_ms: u64,
}

#[derive(Default)]
pub(super) struct Mempool {
    waiting: BTreeMap<(Sender, u64), Waiting>,
}

impl Mempool {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The transaction that waits at a place.
    pub(super) fn get(&self, sender: Sender, sequence: u64) -> Option<&CheckedTransaction> {
        self.waiting.get(&(sender, sequence)).map(|waiting| &waiting.transaction)
    }

    /// Whether `transaction` may enter, by the state at the tip. One that leaves with its block may come back
    /// however many of its sender's come back with it.
    pub(super) fn admission(
        &self,
        state: &State,
        transaction: &CheckedTransaction,
        origin: Origin,
    ) -> Result<Admission, SubmitError> {
        let (sender, found) = (transaction.body().sender, transaction.body().sequence);
        let expected = state.check_sender(transaction)?;
        let out_of_sequence = TxError::Sequence { sender, found, expected };
        if found < expected {
            return Ok(Admission::Past(out_of_sequence));
        }
        if let Some(holder) = self.waiting.get(&(sender, found)) {
            let holder = holder.transaction.txid();
            let same = holder == transaction.txid();
            return if same { Ok(Admission::Here) } else { Err(SubmitError::SequenceTaken { holder }) };
        }
        match origin {
            Origin::Returned => Ok(Admission::New),
            Origin::Outside if found - expected >= AHEAD_MAX => Err(out_of_sequence.into()),
            Origin::Outside if self.waiting.len() >= POOL_MAX => Err(SubmitError::MempoolFull),
            Origin::Outside => Ok(Admission::New),
        }
    }

    pub(super) fn insert(&mut self, transaction: CheckedTransaction, now_ms: u64) {
        let body = transaction.body();
        let key = (body.sender, body.sequence);
        self.waiting.insert(key, Waiting { transaction, gossiped_ms: now_ms });
    }

    /// Removes what the state at the tip no longer wants; gives the places that became free.
    pub(super) fn prune(&mut self, state: &State) -> Vec<(Sender, u64)> {
        let stale = |waiting: &Waiting| match state.check_sender(&waiting.transaction) {
            Ok(expected) => waiting.transaction.body().sequence < expected,
            Err(error) => !may_hold_later(state, &waiting.transaction, &error),
        };
        let gone: Vec<_> =
            self.waiting.iter().filter(|(_, waiting)| stale(waiting)).map(|(key, _)| *key).collect();
        for key in &gone {
            self.waiting.remove(key);
        }
        gone
    }

    /// Transactions last gossiped before `before_ms`; they count as gossiped at `now_ms`.
    pub(super) fn due(&mut self, before_ms: u64, now_ms: u64, count: usize) -> Vec<CheckedTransaction> {
        let due = self.waiting.values_mut().filter(|waiting| waiting.gossiped_ms < before_ms).take(count);
        due.map(|waiting| {
            waiting.gossiped_ms = now_ms;
            waiting.transaction.clone()
        })
        .collect()
    }

    /// Applies to `draft` what fits into a block: the admins' first, then one of each sender in turn,
    /// so that a flood by one does not hold up the rest.
    ///
    /// A succession of `miner` itself is left to others: it could not make the block that revokes it, and
    /// would wait for ever.
    pub(super) fn select(&self, draft: &mut Draft<'_>, miner: &PublicKey) -> Vec<CheckedTransaction> {
        let mut selection = Selection { draft, chosen: Vec::new(), bytes: 0 };
        let mut queues: BTreeMap<Sender, Vec<&CheckedTransaction>> = BTreeMap::new();
        for ((sender, _), waiting) in self.waiting.iter().rev() {
            queues.entry(*sender).or_default().push(&waiting.transaction);
        }
        for transaction in queues.remove(&Sender::Admins).unwrap_or_default().into_iter().rev() {
            if !selection.take(transaction) {
                break;
            }
        }
        let own = queues.entry(Sender::Key(*miner)).or_default();
        if let Some(at) = own.iter().rposition(|own| matches!(own.body().action, Action::Succeed { .. })) {
            own.drain(..=at);
        }
        for _ in 0..QUOTA {
            queues.retain(|_, queue| queue.pop().is_some_and(|transaction| selection.take(transaction)));
        }
        selection.chosen
    }
}

struct Selection<'a, 'b> {
    draft: &'a mut Draft<'b>,
    chosen: Vec<CheckedTransaction>,
    bytes: usize,
}

impl Selection<'_, '_> {
    /// Whether the transaction fits and may follow; a gap in a sender's sequence ends its turn.
    fn take(&mut self, transaction: &CheckedTransaction) -> bool {
        let fits = self.chosen.len() < BLOCK_TXS_MAX && self.bytes + transaction.size() <= BLOCK_BYTES_MAX;
        let taken = fits && self.draft.apply(transaction).is_ok();
        if taken {
            self.bytes += transaction.size();
            self.chosen.push(transaction.clone());
        }
        taken
    }
}
