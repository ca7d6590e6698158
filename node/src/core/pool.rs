//! Taking transactions in: from clients, from gossip, back from disconnected blocks; and the batch
//! bodies that anchors need.
//!
//! An anchor without its body is not taken in, relayed or mined, but a block may hold one: then the
//! body is asked for until some peer brings it.

use std::collections::BTreeMap;

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::transaction::{Action as Act, CheckedTransaction, Transaction};
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
/// A peer that failed to bring a body is asked again after this long, in ms.
const RETRY_MS: u64 = 2_000;

/// A gossiped anchor whose body was asked for.
struct GossipWait {
    peer: Peer,
    gossip: GossipId,
    transaction: CheckedTransaction,
}

/// Bodies that are waited for.
#[derive(Default)]
pub(super) struct BodyWaits {
    gossip: BTreeMap<Hash256, GossipWait>,
    /// Bodies of anchors in blocks, with the time at which to ask again.
    missing: BTreeMap<Hash256, u64>,
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

    /// A body did not come: its gossiped anchor is dropped, an included one is asked for again.
    pub(super) fn body_failed(&mut self, root: Hash256) {
        if let Some(wait) = self.body_waits.gossip.remove(&root) {
            self.out.push(Action::Judge { gossip: wait.gossip, verdict: Verdict::Ignore });
        }
        if let Some(retry_ms) = self.body_waits.missing.get_mut(&root) {
            *retry_ms = self.now_ms + RETRY_MS;
        }
    }

    /// Notes the bodies that a connected block's anchors need and that are not here.
    pub(super) fn want_bodies(&mut self, block: &CheckedBlock) -> Result<(), ViewError> {
        for root in block.transactions().iter().filter_map(body_root) {
            self.want_body(root)?;
        }
        Ok(())
    }

    fn want_body(&mut self, root: Hash256) -> Result<(), ViewError> {
        if self.body_waits.missing.len() < MISSING_MAX && !self.ledger.has_body(&root)? {
            self.body_waits.missing.insert(root, 0);
        }
        Ok(())
    }

    /// Asks peers in turn for bodies that included anchors lack.
    pub(super) fn request_bodies(&mut self) {
        let now_ms = self.now_ms;
        let willing = |failed_ms: u64| failed_ms == 0 || failed_ms + RETRY_MS <= now_ms;
        let peers: Vec<_> =
            self.peers.each().filter(|(_, known)| willing(known.failed_ms)).map(|(peer, _)| peer).collect();
        if peers.is_empty() {
            return;
        }
        let due = self.body_waits.missing.iter().filter(|(_, retry_ms)| **retry_ms <= now_ms);
        let due: Vec<_> = due
            .map(|(root, _)| *root)
            .filter(|root| !self.peers.body_under_way(root))
            .take(BODY_REQUESTS_MAX)
            .collect();
        for (turn, root) in due.into_iter().enumerate() {
            self.body_waits.missing.insert(root, now_ms + RETRY_MS);
            // The time shifts the turn, so that a body is asked of one peer after the other.
            let shift = usize::try_from(now_ms / RETRY_MS % 1_024).expect("below 1,024");
            let peer = peers[(turn + shift) % peers.len()];
            self.peers.ask(peer, Wanted::Body(root), Request::Body { root }, &mut self.out);
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
                if let Act::Anchor(anchor) = transaction.body.action
                    && anchor.leaf_count > 0
                {
                    self.want_body(anchor.root)?;
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
            if body_here && matches!(self.pool.admission(&self.state, &checked), Ok(Admission::New)) {
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
