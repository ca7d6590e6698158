//! The node's core: a deterministic state machine, events in, actions out.
//!
//! No IO, no clock, no randomness: the time is an argument, and what depends on a commit (answers,
//! gossip, judgements, templates) is held back until its `Committed` event. One task drives it.
//! `chain` accepts headers and blocks and moves the tip, `pool` takes transactions in, `sync` asks
//! peers for what is missing, `mining` makes templates.

mod branch;
mod chain;
mod connect;
pub mod event;
mod finality;
mod fresh;
mod ledger;
mod mempool;
mod mining;
mod peers;
mod pool;
pub mod replay;
mod sync;
pub mod view;
mod witness;

use std::collections::BTreeMap;
use std::sync::Arc;

use dronechain_chain_spec::governance::Tuning;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry::Registry;
use dronechain_chain_spec::roster::Roster;
use dronechain_chain_spec::rules::HeaderError;
use dronechain_chain_spec::spec::Network;
use dronechain_chain_spec::state::State;
use dronechain_chain_spec::target::Work;
use dronechain_chain_spec::transaction::Transaction;

use branch::Branches;
use connect::Tip;
use event::{Action, Event};
use finality::Finality;
use fresh::Fresh;
use ledger::Ledger;
use mempool::Mempool;
use mining::Mining;
use peers::{Peers, Wanted};
use pool::BodyWaits;
pub use pool::MissingBody;
use view::{BatchId, Changes, Opening, Rival, View, ViewError};
use witness::Witness;

/// What the core starts from, as the store loaded it.
pub struct Start {
    /// The state at the tip.
    pub state: State,
    /// Hash of the tip.
    pub tip: Hash256,
    /// The durable mempool.
    pub pool: Vec<Transaction>,
    /// The key that blocks are mined for; none: templates are not made.
    pub miner: Option<PublicKey>,
    /// Chains beyond the finality depth that were told of, by their first block that is not ours.
    pub rivals: BTreeMap<Hash256, Rival>,
    /// A block whose chain the operator wants followed, however deep it leaves ours.
    pub follow: Option<Hash256>,
}

/// The node's deciding part.
pub struct Core<V> {
    network: Network,
    ledger: Ledger<V>,
    state: State,
    tip: Tip,
    branches: Branches,
    fresh: Fresh,
    /// The roster that was used last, and the block that left it.
    roster: Option<(Hash256, Arc<Roster>)>,
    finality: Finality,
    witness: Witness,
    /// The rule that only a newer version knows which was told last, and its height.
    told_rule: Option<(u32, u64)>,
    pool: Mempool,
    body_waits: BodyWaits,
    peers: Peers,
    mining: Mining,
    now_ms: u64,
    /// Time for waits: as `now_ms`, but it never goes back when the clock is put right.
    steady_ms: u64,
    /// Actions that may go out at once.
    out: Vec<Action>,
    /// Actions that wait for the pending changes to be taken and committed.
    held: Vec<Action>,
    /// Actions that wait for the changes under way.
    committing: Vec<Action>,
}

impl<V: View> Core<V> {
    /// A core at the tip that the store has.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(network: Network, view: V, start: Start) -> Result<Self, ViewError> {
        let ledger = Ledger::new(view);
        let stored = ledger.known(&start.tip)?;
        let opening =
            stored.opening().ok_or_else(|| ViewError(format!("the tip {} was not connected", start.tip)))?;
        let tip = Tip { hash: start.tip, height: stored.signed.header.height, work: stored.work, opening };
        let mut core = Self {
            network,
            ledger,
            state: start.state,
            tip,
            branches: Branches::default(),
            fresh: Fresh::default(),
            roster: None,
            finality: Finality::new(start.rivals, start.follow),
            witness: Witness::default(),
            told_rule: None,
            pool: Mempool::default(),
            body_waits: BodyWaits::default(),
            peers: Peers::default(),
            mining: Mining::new(start.miner),
            now_ms: 0,
            steady_ms: 0,
            out: Vec::new(),
            held: Vec::new(),
            committing: Vec::new(),
        };
        core.restore_pool(start.pool)?;
        core.find_missing_bodies()?;
        core.recall_miners()?;
        Ok(core)
    }

    /// Takes one event in at `now_ms` (ms since 1970 UTC) and says what is to be done at once. What
    /// depends on a commit comes with the `Committed` event of the changes that
    /// [`Core::take_changes`] gave.
    ///
    /// # Errors
    /// When the store cannot be read; the core must not be used after that.
    pub fn handle(&mut self, now_ms: u64, event: Event) -> Result<Vec<Action>, ViewError> {
        self.set_clock(now_ms);
        match event {
            Event::Tick => self.tick()?,
            Event::Connected(peer) => {
                self.peers.connected(peer);
                self.poll_tips();
            }
            Event::Closed(peer) => {
                self.peers.closed(peer);
                self.body_waits.forget(peer);
                self.request_blocks()?;
            }
            Event::Submitted { ticket, transaction, body } => self.submitted(ticket, transaction, body)?,
            Event::TransactionGossiped { peer, gossip, transaction } => {
                self.transaction_gossiped(peer, gossip, transaction)?;
            }
            Event::HeaderGossiped { peer, gossip, link } => self.header_gossiped(peer, gossip, &link)?,
            Event::Answered { peer, request, answer } => self.answered(peer, request, answer)?,
            Event::RequestFailed { peer, request, fault } => self.request_failed(peer, request, fault)?,
            Event::Mined(header) => self.mined(header)?,
            Event::TemplateWanted { ticket, miner } => {
                let result = self.template_for(miner)?;
                self.out.push(Action::GiveTemplate { ticket, result });
            }
            Event::FoundElsewhere { ticket, header } => {
                let result = self.found_elsewhere(header)?;
                self.hold(Action::JudgeFound { ticket, result });
            }
            Event::Committed => {
                self.ledger.committed();
                self.out.append(&mut self.committing);
            }
        }
        if self.ledger.is_settled() {
            self.out.append(&mut self.held);
        }
        Ok(std::mem::take(&mut self.out))
    }

    /// The changes to commit, in one atomic synced batch; then `Committed` is due. None while there is
    /// nothing to write or a commit is under way.
    pub fn take_changes(&mut self) -> Option<Arc<Changes>> {
        let changes = self.ledger.take()?;
        self.committing.append(&mut self.held);
        Some(changes)
    }

    /// The tip: hash, height, work and opened commitments.
    pub fn tip(&self) -> (Hash256, u64, Work, Opening) {
        (self.tip.hash, self.tip.height, self.tip.work, self.tip.opening)
    }

    /// The registry at the tip.
    pub fn registry(&self) -> &Registry {
        &self.state.registry
    }

    /// The parameters that hold for the next block.
    pub fn tuning(&self) -> Tuning {
        self.state.admins.governance.tuning_at(self.tip.height + 1)
    }

    /// Chains that leave ours below the finality depth, by their first block that is not ours.
    pub fn rivals(&self) -> &BTreeMap<Hash256, Rival> {
        self.finality.rivals()
    }

    /// Included anchors whose body is not here.
    pub fn missing_bodies(&self) -> &BTreeMap<BatchId, MissingBody> {
        self.body_waits.missing()
    }

    /// A rule that only a newer version knows, and the height from which on it holds: this node stops there.
    pub fn upgrade_needed(&self) -> Option<(u32, u64)> {
        let rules = self.state.admins.governance.check_rules(self.tip.height + 1);
        match rules {
            Err(HeaderError::RuleUnknown { rule, since }) => Some((rule, since)),
            Ok(()) | Err(_) => None,
        }
    }

    /// Height of the heaviest headers known.
    pub fn headers_height(&self) -> u64 {
        self.branches.best().map_or(self.tip.height, |best| best.fork + best.hashes.len() as u64)
    }

    /// Transactions that wait for a block.
    pub fn pool_len(&self) -> usize {
        self.pool.len()
    }

    /// Their encoded bytes, without batch bodies.
    pub fn pool_bytes(&self) -> u64 {
        self.pool.bytes()
    }

    /// Whether headers with more work than the tip are known, or asked of a peer that claims some.
    pub fn is_behind(&self) -> bool {
        let ahead = self.branches.best().is_some_and(|best| best.work > self.tip.work);
        ahead || self.peers.each().any(|(_, known)| known.awaits(&Wanted::Headers))
    }

    fn set_clock(&mut self, now_ms: u64) {
        self.steady_ms += now_ms.saturating_sub(self.now_ms);
        self.now_ms = now_ms;
    }

    fn tick(&mut self) -> Result<(), ViewError> {
        self.poll_tips();
        self.branches.tick(&self.ledger, self.steady_ms)?;
        self.request_blocks()?;
        self.request_bodies();
        self.gossip_again();
        self.refresh_template();
        Ok(())
    }

    /// Holds an action back until what was collected so far is durable.
    fn hold(&mut self, action: Action) {
        self.held.push(action);
    }
}
