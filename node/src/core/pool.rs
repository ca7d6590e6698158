//! Taking transactions in: from clients, from gossip, back from disconnected blocks; and the batch
//! bodies that anchors need.
//!
//! An anchor without its body is not taken in, relayed or mined, but a block may hold one: then the
//! body is asked for until some peer brings it.

use std::collections::BTreeMap;

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::transaction::{Action as Act, CheckedTransaction, Sender, Transaction};
use dronechain_chain_spec::wire::Request;

use super::Core;
use super::event::{Action, CheckedBody, GossipId, Peer, SubmitError, Submitted, Ticket, Verdict};
use super::mempool::{Admission, Origin};
use super::peers::Wanted;
use super::view::{BatchId, View, ViewError};

/// Gossiped anchors that wait for their body, and how many of them one peer brought or one sender sent.
const GOSSIP_WAITS_MAX: usize = 1_024;
const GOSSIP_WAITS_PER_PEER: usize = 128;
const GOSSIP_WAITS_PER_SENDER: usize = 16;
/// Bodies of included anchors that are missed at once; more are found again at the next start.
const MISSING_MAX: usize = 100_000;
/// Body requests under way at once.
const BODY_REQUESTS_MAX: usize = 16;
/// Blocks below the tip that a start searches for anchors without body.
const SEARCH_DEPTH: u64 = 10_000;
/// A waiting transaction is gossiped again after this long, in ms; gossip drops repeats within 60 s.
const GOSSIP_AGAIN_MS: u64 = 65_000;
/// Transactions gossiped again in one tick.
const GOSSIP_AGAIN_MAX: usize = 64;
/// Body requests to one peer at once.
const BODIES_PER_PEER: usize = 2;
/// A body that did not come is asked for again after this long, in ms.
const RETRY_MS: u64 = 2_000;

/// A gossiped anchor whose body its peer is asked for.
struct GossipWait {
    peer: Peer,
    gossip: GossipId,
    transaction: CheckedTransaction,
}

/// An included anchor whose body is not here: reported against its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingBody {
    /// Who anchored it.
    pub sender: Sender,
    /// The anchor's sequence.
    pub sequence: u64,
    /// When it was noticed, ms since 1970 UTC.
    pub since_ms: u64,
    /// When to ask again.
    retry_ms: u64,
}

impl MissingBody {
    /// One that is asked for at once.
    pub const fn new(sender: Sender, sequence: u64, since_ms: u64) -> Self {
        Self { sender, sequence, since_ms, retry_ms: 0 }
    }
}

/// Bodies that are waited for.
#[derive(Default)]
pub(super) struct BodyWaits {
    gossip: BTreeMap<BatchId, GossipWait>,
    /// Bodies of anchors in blocks.
    missing: BTreeMap<BatchId, MissingBody>,
}

impl BodyWaits {
    /// Forgets what only a closed peer would bring.
    pub(super) fn forget(&mut self, peer: Peer) {
        self.gossip.retain(|_, wait| wait.peer != peer);
    }

    pub(super) const fn missing(&self) -> &BTreeMap<BatchId, MissingBody> {
        &self.missing
    }

    fn has_room(&self, peer: Peer, sender: Sender) -> bool {
        let of_peer = self.gossip.values().filter(|wait| wait.peer == peer).count();
        let by_sender = self.gossip.values().filter(|wait| wait.transaction.body().sender == sender).count();
        self.gossip.len() < GOSSIP_WAITS_MAX
            && of_peer < GOSSIP_WAITS_PER_PEER
            && by_sender < GOSSIP_WAITS_PER_SENDER
    }
}

/// The batch whose body a transaction needs.
fn batch_of(transaction: &CheckedTransaction) -> Option<BatchId> {
    transaction.anchor().and_then(BatchId::of)
}

impl<V: View> Core<V> {
    pub(super) fn submitted(
        &mut self,
        ticket: Ticket,
        transaction: CheckedTransaction,
        body: Option<CheckedBody>,
    ) -> Result<(), ViewError> {
        match self.take_submission(transaction, body)? {
            Ok(submitted) => self.hold(Action::Answer { ticket, result: Ok(submitted) }),
            Err(error) => self.out.push(Action::Answer { ticket, result: Err(error) }),
        }
        Ok(())
    }

    fn take_submission(
        &mut self,
        transaction: CheckedTransaction,
        body: Option<CheckedBody>,
    ) -> Result<Result<Submitted, SubmitError>, ViewError> {
        let txid = transaction.txid();
        match self.pool.admission(&self.state, &transaction, Origin::Outside) {
            Err(error) => {
                if let SubmitError::SequenceTaken { .. } = error {
                    self.witness_rival(&transaction)?;
                }
                return self.included_or(txid, error);
            }
            Ok(Admission::Past(error)) => return self.included_or(txid, error.into()),
            Ok(Admission::Here) => return Ok(Ok(self.pending(txid)?)),
            Ok(Admission::New) => {}
        }
        if let Some(batch) = batch_of(&transaction) {
            match body {
                Some(body) => self.keep_body(body)?,
                None if self.ledger.has_body(&batch)? => {}
                None => return Ok(Err(SubmitError::BodyMissing { root: batch.root })),
            }
        }
        self.enter_pool(transaction);
        Ok(Ok(self.pending(txid)?))
    }

    /// A node that lags behind would promise what others cannot keep: the deadline follows from its tip.
    fn pending(&self, txid: Hash256) -> Result<Submitted, ViewError> {
        let is_recent = self.is_live()(self.ledger.known(&self.tip.hash)?.signed.header.time_ms);
        let tip = is_recent.then_some((self.tip.hash, self.tip.height));
        Ok(Submitted::Pending { txid, tip })
    }

    /// The same bytes in the active chain are no error: the client may not have heard the answer.
    fn included_or(
        &self,
        txid: Hash256,
        error: SubmitError,
    ) -> Result<Result<Submitted, SubmitError>, ViewError> {
        let height = self.ledger.transaction_height(&txid)?;
        Ok(height.map(|height| Submitted::Included { txid, height }).ok_or(error))
    }

    fn enter_pool(&mut self, transaction: CheckedTransaction) {
        let body = transaction.body();
        let key = (body.sender, body.sequence);
        self.ledger.pending.pool.insert(key, Some(transaction.get().clone()));
        self.hold(Action::GossipTransaction(transaction.get().clone()));
        self.pool.insert(&self.state, transaction, self.steady_ms);
        self.mining.pool_changed();
    }

    pub(super) fn keep_body(&mut self, body: CheckedBody) -> Result<(), ViewError> {
        let batch = body.id();
        self.body_waits.missing.remove(&batch);
        if !self.ledger.has_body(&batch)? {
            self.ledger.pending.bodies.insert(batch, body.into_leaves());
        }
        if let Some(wait) = self.body_waits.gossip.remove(&batch) {
            self.take_gossiped(wait.gossip, wait.transaction);
        }
        Ok(())
    }

    pub(super) fn transaction_gossiped(
        &mut self,
        peer: Peer,
        gossip: GossipId,
        transaction: CheckedTransaction,
    ) -> Result<(), ViewError> {
        let ignored = Action::Judge { gossip, verdict: Verdict::Ignore };
        match self.pool.admission(&self.state, &transaction, Origin::Outside) {
            Ok(Admission::New) => {}
            Err(SubmitError::SequenceTaken { .. }) => {
                self.out.push(ignored);
                return self.witness_rival(&transaction);
            }
            Ok(Admission::Here | Admission::Past(_)) | Err(_) => {
                self.out.push(ignored);
                return Ok(());
            }
        }
        match batch_of(&transaction) {
            Some(batch) if !self.ledger.has_body(&batch)? => {
                let waits = &mut self.body_waits;
                if waits.gossip.contains_key(&batch) || !waits.has_room(peer, transaction.body().sender) {
                    self.out.push(ignored);
                    return Ok(());
                }
                waits.gossip.insert(batch, GossipWait { peer, gossip, transaction });
                self.request_bodies();
            }
            Some(_) | None => self.take_gossiped(gossip, transaction),
        }
        Ok(())
    }

    /// The body is here now; the state may have moved on meanwhile.
    fn take_gossiped(&mut self, gossip: GossipId, transaction: CheckedTransaction) {
        let admitted =
            matches!(self.pool.admission(&self.state, &transaction, Origin::Outside), Ok(Admission::New));
        if !admitted {
            self.out.push(Action::Judge { gossip, verdict: Verdict::Ignore });
            return;
        }
        let body = transaction.body();
        let key = (body.sender, body.sequence);
        self.ledger.pending.pool.insert(key, Some(transaction.get().clone()));
        self.pool.insert(&self.state, transaction, self.steady_ms);
        self.mining.pool_changed();
        self.hold(Action::Judge { gossip, verdict: Verdict::Accept });
    }

    /// A body did not come: its gossiped anchor is dropped, an included one is asked for again.
    pub(super) fn body_failed(&mut self, batch: BatchId) {
        if let Some(wait) = self.body_waits.gossip.remove(&batch) {
            self.out.push(Action::Judge { gossip: wait.gossip, verdict: Verdict::Ignore });
        }
        self.retry_body(batch, self.steady_ms + RETRY_MS);
    }

    /// Notes the bodies that a connected block's anchors need and that are not here.
    pub(super) fn want_bodies(&mut self, block: &CheckedBlock) -> Result<(), ViewError> {
        block.transactions().iter().try_for_each(|transaction| self.want_body(transaction.get()))
    }

    fn want_body(&mut self, transaction: &Transaction) -> Result<(), ViewError> {
        let Act::Anchor(anchor) = &transaction.body.action else {
            return Ok(());
        };
        let Some(batch) = BatchId::of(anchor) else {
            return Ok(());
        };
        if self.body_waits.missing.len() < MISSING_MAX && !self.ledger.has_body(&batch)? {
            let (sender, sequence) = (transaction.body.sender, transaction.body.sequence);
            let missing = MissingBody::new(sender, sequence, self.now_ms);
            self.body_waits.missing.entry(batch).or_insert(missing);
        }
        Ok(())
    }

    /// Asks for bodies: of gossiped anchors whoever brought them, of included ones peers in turn.
    pub(super) fn request_bodies(&mut self) {
        let waits = self.body_waits.gossip.iter();
        let mut asked: Vec<_> = waits.map(|(batch, wait)| (wait.peer, *batch)).collect();
        asked.retain(|(_, batch)| !self.peers.body_under_way(batch));
        for (peer, batch) in asked {
            if self
                .peers
                .each()
                .any(|(other, known)| other == peer && known.body_requests() < BODIES_PER_PEER)
            {
                self.ask_body(peer, batch);
            }
        }
        let now_ms = self.steady_ms;
        let missing = self.body_waits.missing.iter();
        let mut due: Vec<_> = missing
            .filter(|(batch, missing)| missing.retry_ms <= now_ms && !self.peers.body_under_way(batch))
            .map(|(batch, missing)| (missing.retry_ms, *batch))
            .collect();
        // Those that waited longest first: what nobody has must not hold up the rest.
        due.sort_unstable();
        for (turn, (_, batch)) in due.into_iter().take(BODY_REQUESTS_MAX).enumerate() {
            let able = self.peers.each().filter(|(_, known)| known.body_requests() < BODIES_PER_PEER);
            let able: Vec<_> = able.map(|(peer, _)| peer).collect();
            if able.is_empty() {
                return;
            }
            // The time shifts the turn, so that a body is asked of one peer after the other.
            let shift = usize::try_from(now_ms / RETRY_MS % 1_024).expect("below 1,024");
            let peer = able[(turn + shift) % able.len()];
            self.retry_body(batch, now_ms + RETRY_MS);
            self.ask_body(peer, batch);
        }
    }

    fn ask_body(&mut self, peer: Peer, batch: BatchId) {
        let BatchId { root, leaf_count } = batch;
        self.peers.ask(peer, Wanted::Body(batch), Request::Body { root, leaf_count }, &mut self.out);
    }

    fn retry_body(&mut self, batch: BatchId, retry_ms: u64) {
        if let Some(missing) = self.body_waits.missing.get_mut(&batch) {
            missing.retry_ms = retry_ms;
        }
    }

    /// After a start: anchors in the last blocks whose body is not here.
    pub(super) fn find_missing_bodies(&mut self) -> Result<(), ViewError> {
        for height in self.tip.height.saturating_sub(SEARCH_DEPTH).max(1)..=self.tip.height {
            let Some(hash) = self.ledger.active(height)? else {
                return Err(ViewError(format!("no active block at height {height}")));
            };
            if self.ledger.known(&hash)?.signed.header.tx_count == 0 {
                continue;
            }
            for transaction in self.ledger.transactions(&hash)? {
                self.want_body(&transaction)?;
            }
        }
        Ok(())
    }

    /// Takes the durable mempool in again after a start.
    pub(super) fn restore_pool(&mut self, transactions: Vec<Transaction>) -> Result<(), ViewError> {
        for transaction in transactions {
            let key = (transaction.body.sender, transaction.body.sequence);
            let checked = transaction
                .check(&self.network.chain_id)
                .map_err(|error| ViewError(format!("stored transaction {key:?}: {error}")))?;
            match self.pool.admission(&self.state, &checked, Origin::Returned) {
                Ok(Admission::New) => self.pool.insert(&self.state, checked, self.steady_ms),
                // It was kept for a sender that a later block admits, and still is.
                Err(SubmitError::Rule(error)) if self.may_hold_later(&checked, &error) => {
                    self.pool.insert(&self.state, checked, self.steady_ms);
                }
                Ok(Admission::Here | Admission::Past(_)) | Err(_) => {
                    self.ledger.pending.pool.insert(key, None);
                }
            }
        }
        Ok(())
    }

    /// After the tip moved: transactions of blocks that left come back, what was included goes.
    pub(super) fn return_to_pool(&mut self, returned: Vec<Transaction>) -> Result<(), ViewError> {
        for key in self.pool.prune(&self.state) {
            self.ledger.pending.pool.insert(key, None);
        }
        for transaction in returned {
            let checked: Result<_, TxError> = transaction.check(&self.network.chain_id);
            let checked =
                checked.map_err(|error| ViewError(format!("a stored block's transaction: {error}")))?;
            let body_here = match batch_of(&checked) {
                Some(batch) => self.ledger.has_body(&batch)?,
                None => true,
            };
            let admission = self.pool.admission(&self.state, &checked, Origin::Returned);
            // Its sender's admission may have left with the same blocks, and comes back before it.
            let waits =
                matches!(&admission, Err(SubmitError::Rule(error)) if self.may_hold_later(&checked, error));
            if body_here && (waits || matches!(admission, Ok(Admission::New))) {
                self.enter_pool(checked);
            }
        }
        Ok(())
    }

    fn may_hold_later(&self, transaction: &CheckedTransaction, error: &TxError) -> bool {
        super::mempool::may_hold_later(&self.state, transaction, error)
    }

    /// Gossip reaches nobody who was not there: what waits long is told again.
    pub(super) fn gossip_again(&mut self) {
        let before_ms = self.steady_ms.saturating_sub(GOSSIP_AGAIN_MS);
        for transaction in self.pool.due(before_ms, self.steady_ms, GOSSIP_AGAIN_MAX) {
            self.hold(Action::GossipTransaction(transaction.get().clone()));
        }
    }
}
