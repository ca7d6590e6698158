//! Taking transactions in: from clients, from gossip, back from disconnected blocks; and the batch
//! bodies that anchors need.
//!
//! An anchor without its body is not taken in, relayed or mined, but a block may hold one: then the
//! body is asked for until some peer brings it.

use std::collections::BTreeMap;

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::transaction::{Action as Act, Anchor, CheckedTransaction, Transaction};
use dronechain_chain_spec::wire::Request;

use super::Core;
use super::event::{Action, CheckedBody, GossipId, Peer, SubmitError, Submitted, Ticket, Verdict};
use super::mempool::Admission;
use super::peers::Wanted;
use super::view::{View, ViewError};

/// Gossiped anchors that wait for their body.
const GOSSIP_WAITS_MAX: usize = 1_024;
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

/// A gossiped anchor whose body was asked for.
struct GossipWait {
    peer: Peer,
    gossip: GossipId,
    transaction: CheckedTransaction,
}

/// A body that an included anchor lacks.
struct Missing {
    leaf_count: u32,
    /// When to ask again.
    retry_ms: u64,
}

/// Bodies that are waited for.
#[derive(Default)]
pub(super) struct BodyWaits {
    gossip: BTreeMap<Hash256, GossipWait>,
    /// Bodies of anchors in blocks.
    missing: BTreeMap<Hash256, Missing>,
}

impl BodyWaits {
    /// Forgets what only a closed peer would bring.
    pub(super) fn forget(&mut self, peer: Peer) {
        self.gossip.retain(|_, wait| wait.peer != peer);
    }
}

/// The root of the body that a transaction needs.
fn body_root(transaction: &CheckedTransaction) -> Option<Hash256> {
    transaction.anchor().filter(|anchor| anchor.leaf_count > 0).map(|anchor| anchor.root)
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
        match self.pool.admission(&self.state, &transaction) {
            Err(error) => return self.included_or(txid, error),
            Ok(Admission::Past(error)) => return self.included_or(txid, error.into()),
            Ok(Admission::Here) => return Ok(Ok(Submitted::Pending { txid })),
            Ok(Admission::New) => {}
        }
        if let Some(root) = body_root(&transaction) {
            match body {
                Some(body) => self.keep_body(body)?,
                None if self.ledger.has_body(&root)? => {}
                None => return Ok(Err(SubmitError::BodyMissing { root })),
            }
        }
        self.enter_pool(transaction);
        Ok(Ok(Submitted::Pending { txid }))
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
        self.pool.insert(transaction, self.now_ms);
        self.mining.pool_changed();
    }

    pub(super) fn keep_body(&mut self, body: CheckedBody) -> Result<(), ViewError> {
        let root = body.root();
        self.body_waits.missing.remove(&root);
        if !self.ledger.has_body(&root)? {
            self.ledger.pending.bodies.insert(root, body.into_leaves());
        }
        if let Some(wait) = self.body_waits.gossip.remove(&root) {
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
        let verdict = Verdict::Ignore;
        if !matches!(self.pool.admission(&self.state, &transaction), Ok(Admission::New)) {
            self.out.push(Action::Judge { gossip, verdict });
            return Ok(());
        }
        match body_root(&transaction) {
            Some(root) if !self.ledger.has_body(&root)? => {
                let waits = &mut self.body_waits.gossip;
                if waits.len() >= GOSSIP_WAITS_MAX || waits.contains_key(&root) {
                    self.out.push(Action::Judge { gossip, verdict });
                    return Ok(());
                }
                waits.insert(root, GossipWait { peer, gossip, transaction });
                self.peers.ask(peer, Wanted::Body(root), Request::Body { root }, &mut self.out);
            }
            Some(_) | None => self.take_gossiped(gossip, transaction),
        }
        Ok(())
    }

    /// The body is here now; the state may have moved on meanwhile.
    fn take_gossiped(&mut self, gossip: GossipId, transaction: CheckedTransaction) {
        let admitted = matches!(self.pool.admission(&self.state, &transaction), Ok(Admission::New));
        if !admitted {
            self.out.push(Action::Judge { gossip, verdict: Verdict::Ignore });
            return;
        }
        let body = transaction.body();
        let key = (body.sender, body.sequence);
        self.ledger.pending.pool.insert(key, Some(transaction.get().clone()));
        self.pool.insert(transaction, self.now_ms);
        self.mining.pool_changed();
        self.hold(Action::Judge { gossip, verdict: Verdict::Accept });
    }

    /// Whether a body is the one asked for: the root alone does not tell, since a level of inner nodes has
    /// the same root as the leaves below it.
    pub(super) fn is_wanted(&self, root: Hash256, body: &CheckedBody) -> bool {
        let gossiped = self.body_waits.gossip.get(&root).and_then(|wait| wait.transaction.anchor());
        let counts = gossiped.map(|anchor| anchor.leaf_count).into_iter();
        let counts = counts.chain(self.body_waits.missing.get(&root).map(|missing| missing.leaf_count));
        body.root() == root && counts.into_iter().any(|count| count as usize == body.leaves().len())
    }

    /// A body did not come: its gossiped anchor is dropped, an included one is asked for again.
    pub(super) fn body_failed(&mut self, root: Hash256) {
        if let Some(wait) = self.body_waits.gossip.remove(&root) {
            self.out.push(Action::Judge { gossip: wait.gossip, verdict: Verdict::Ignore });
        }
        self.retry_body(root, self.now_ms + RETRY_MS);
    }

    /// Notes the bodies that a connected block's anchors need and that are not here.
    pub(super) fn want_bodies(&mut self, block: &CheckedBlock) -> Result<(), ViewError> {
        for anchor in block.transactions().iter().filter_map(CheckedTransaction::anchor) {
            self.want_body(anchor)?;
        }
        Ok(())
    }

    fn want_body(&mut self, anchor: &Anchor) -> Result<(), ViewError> {
        let Anchor { root, leaf_count, .. } = *anchor;
        let room = leaf_count > 0 && self.body_waits.missing.len() < MISSING_MAX;
        if room && !self.ledger.has_body(&root)? {
            self.body_waits.missing.insert(root, Missing { leaf_count, retry_ms: 0 });
        }
        Ok(())
    }

    /// Asks peers in turn for bodies that included anchors lack.
    pub(super) fn request_bodies(&mut self) {
        let now_ms = self.now_ms;
        let missing = self.body_waits.missing.iter();
        let mut due: Vec<_> = missing
            .filter(|(root, missing)| missing.retry_ms <= now_ms && !self.peers.body_under_way(root))
            .map(|(root, missing)| (missing.retry_ms, *root))
            .collect();
        // Those that waited longest first: what nobody has must not hold up the rest.
        due.sort_unstable();
        for (turn, (_, root)) in due.into_iter().take(BODY_REQUESTS_MAX).enumerate() {
            let able = self.peers.each().filter(|(_, known)| known.body_requests() < BODIES_PER_PEER);
            let able: Vec<_> = able.map(|(peer, _)| peer).collect();
            if able.is_empty() {
                return;
            }
            // The time shifts the turn, so that a body is asked of one peer after the other.
            let shift = usize::try_from(now_ms / RETRY_MS % 1_024).expect("below 1,024");
            let peer = able[(turn + shift) % able.len()];
            self.retry_body(root, now_ms + RETRY_MS);
            self.peers.ask(peer, Wanted::Body(root), Request::Body { root }, &mut self.out);
        }
    }

    fn retry_body(&mut self, root: Hash256, retry_ms: u64) {
        if let Some(missing) = self.body_waits.missing.get_mut(&root) {
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
                if let Act::Anchor(anchor) = &transaction.body.action {
                    self.want_body(anchor)?;
                }
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
            match self.pool.admission(&self.state, &checked) {
                Ok(Admission::New) => self.pool.insert(checked, self.now_ms),
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
            let body_here = match body_root(&checked) {
                Some(root) => self.ledger.has_body(&root)?,
                None => true,
            };
            let admission = self.pool.admission(&self.state, &checked);
            // Its sender's admission may have left with the same blocks, and comes back before it.
            let waits = matches!(admission, Err(SubmitError::Rule(TxError::SenderUnknown { .. })));
            if body_here && (waits || matches!(admission, Ok(Admission::New))) {
                self.enter_pool(checked);
            }
        }
        Ok(())
    }

    /// Gossip reaches nobody who was not there: what waits long is told again.
    pub(super) fn gossip_again(&mut self) {
        let before_ms = self.now_ms.saturating_sub(GOSSIP_AGAIN_MS);
        for transaction in self.pool.due(before_ms, self.now_ms, GOSSIP_AGAIN_MAX) {
            self.hold(Action::GossipTransaction(transaction.get().clone()));
        }
    }
}
