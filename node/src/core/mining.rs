//! Templates for the miner, and what it finds.

use std::collections::{BTreeMap, VecDeque};

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{CheckedHeader, Header, VERSION};
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::rules::HeaderError;
use dronechain_chain_spec::state::Draft;
use dronechain_chain_spec::transaction::CheckedTransaction;

use super::Core;
use super::chain::HeaderFate;
use super::event::{Action, FoundBlock, MiningError, Template};
use super::view::{View, ViewError};

/// Templates whose find is still welcome after a newer one was given out.
const TEMPLATES_MAX: usize = 8;
/// A template's time is renewed after this long, in ms.
const RENEW_MS: u64 = 1_000;
/// A node this many blocks behind its best branch does not mine.
const BEHIND_MAX: usize = 2;

/// A header with a zero nonce, and its transactions.
type Draught = (Header, Vec<CheckedTransaction>);

/// Templates that were given out on the tip, the latest first, and when that one was.
#[derive(Default)]
struct Given {
    all: VecDeque<Draught>,
    at_ms: u64,
}

impl Given {
    fn add(&mut self, draught: Draught, now_ms: u64) {
        self.all.push_front(draught);
        self.all.truncate(TEMPLATES_MAX);
        self.at_ms = now_ms;
    }

    /// The transactions of the template that `found` is of.
    fn of(&self, found: &CheckedHeader) -> Option<&[CheckedTransaction]> {
        let without_nonce = Header { nonce: 0, ..found.header().clone() };
        let given = self.all.iter().find(|(header, _)| *header == without_nonce);
        given.map(|(_, transactions)| &transactions[..])
    }
}

pub(super) struct Mining {
    miner: Option<PublicKey>,
    given: Given,
    /// For miners elsewhere: admitted keys only, so their number is bounded.
    elsewhere: BTreeMap<PublicKey, Given>,
    given_ms: u64,
    stale: bool,
    idle: bool,
}

impl Mining {
    pub(super) fn new(miner: Option<PublicKey>) -> Self {
        Self {
            miner,
            given: Given::default(),
            elsewhere: BTreeMap::new(),
            given_ms: 0,
            stale: true,
            idle: true,
        }
    }

    /// The next tick makes a template with what has come in.
    pub(super) fn pool_changed(&mut self) {
        self.stale = true;
    }
}

impl<V: View> Core<V> {
    /// A template on the tip at once.
    pub(super) fn new_template(&mut self) {
        self.mining.given = Given::default();
        self.mining.elsewhere.clear();
        self.mining.stale = true;
        self.refresh_template();
    }

    /// A template if what the miner has is stale or old.
    pub(super) fn refresh_template(&mut self) {
        let old = self.mining.given_ms + RENEW_MS <= self.now_ms;
        if !self.mining.stale && !old {
            return;
        }
        self.mining.stale = false;
        self.mining.given_ms = self.now_ms;
        let rules = self.state.admins.governance.check_rules(self.tip.height + 1);
        if let Err(error) = &rules {
            self.tell_rule(error);
        }
        // A store that cannot be read is found out where blocks are taken.
        let made = self.mining.miner.and_then(|miner| self.draft_for(miner).ok()?.ok());
        match made {
            Some((header, transactions)) => {
                self.mining.given.add((header.clone(), transactions), self.now_ms);
                self.mining.idle = false;
                self.hold(Action::Mine(Some(Template { header })));
            }
            None if !self.mining.idle => {
                self.mining.idle = true;
                self.hold(Action::Mine(None));
            }
            None => {}
        }
    }

    /// A template for a miner elsewhere; within a second the same again.
    pub(super) fn template_for(
        &mut self,
        miner: PublicKey,
    ) -> Result<Result<Template, MiningError>, ViewError> {
        if self.mining.miner == Some(miner) {
            return Ok(Err(MiningError::OwnKey { miner }));
        }
        let now_ms = self.now_ms;
        if let Some(given) = self.mining.elsewhere.get(&miner)
            && (given.at_ms..given.at_ms + RENEW_MS).contains(&now_ms)
            && let Some((header, _)) = given.all.front()
        {
            return Ok(Ok(Template { header: header.clone() }));
        }
        let (header, transactions) = match self.draft_for(miner)? {
            Ok(draught) => draught,
            Err(error) => return Ok(Err(error)),
        };
        let given = self.mining.elsewhere.entry(miner).or_default();
        given.add((header.clone(), transactions), now_ms);
        Ok(Ok(Template { header }))
    }

    /// A block of what waits, on the tip, by `miner`; why not, if it may not make one.
    fn draft_for(&self, miner: PublicKey) -> Result<Result<Draught, MiningError>, ViewError> {
        let height = self.tip.height + 1;
        if let Err(error) = self.state.admins.governance.check_rules(height) {
            return Ok(Err(error.into()));
        }
        if self.branches.best().is_some_and(|branch| branch.hashes.len() > BEHIND_MAX) {
            return Ok(Err(MiningError::Behind));
        }
        // Before the work of selecting.
        let node = self.state.registry.account(&miner).map(|account| &account.entry);
        match node.filter(|entry| entry.role == Role::Node) {
            None => return Ok(Err(HeaderError::MinerNotAdmitted { miner }.into())),
            Some(entry) if !entry.may_mine(height) => {
                return Ok(Err(HeaderError::MinerNotReady { miner, height }.into()));
            }
            Some(_) => {}
        }
        let parent = self.ledger.parent(self.tip.hash)?;
        let mut draft = Draft::new(&self.state, height);
        let transactions = self.pool.select(&mut draft, &miner);
        let roster = draft.roster();
        if let Err(error) = self.turn_of(&miner, &roster)? {
            return Ok(Err(error.into()));
        }
        let commitments = draft.finish().commitments.hash();
        let txids: Vec<_> = transactions.iter().map(CheckedTransaction::txid).collect();
        let header = Header {
            version: VERSION,
            height,
            parent: self.tip.hash,
            tx_root: if txids.is_empty() { Hash256::ZERO } else { merkle::root(&txids) },
            commitments,
            tx_count: u32::try_from(txids.len()).expect("a block has few transactions"),
            time_ms: self.now_ms.max(parent.time_ms + 1),
            bits: parent.next_bits(&self.network, self.tuning().block_time_ms),
            network: self.network.tag,
            miner,
            nonce: 0,
        };
        Ok(Ok((header, transactions)))
    }

    /// A find: the block is stored, connected and told.
    pub(super) fn mined(&mut self, found: CheckedHeader) -> Result<(), ViewError> {
        let Some(transactions) = self.mining.given.of(&found).map(<[_]>::to_vec) else { return Ok(()) };
        self.take_found(found, transactions).map(drop)
    }

    /// A find of a miner elsewhere.
    pub(super) fn found_elsewhere(
        &mut self,
        found: CheckedHeader,
    ) -> Result<Result<FoundBlock, MiningError>, ViewError> {
        let given = self.mining.elsewhere.get(&found.header().miner);
        let Some(transactions) = given.and_then(|given| given.of(&found)).map(<[_]>::to_vec) else {
            return Ok(Err(MiningError::Stale));
        };
        let (hash, height) = (found.hash(), found.header().height);
        if !self.take_found(found, transactions)? {
            return Ok(Err(MiningError::Stale));
        }
        Ok(Ok(FoundBlock { hash, height }))
    }

    /// Whether the block is new and holds; then it is stored, connected and told.
    fn take_found(
        &mut self,
        found: CheckedHeader,
        transactions: Vec<CheckedTransaction>,
    ) -> Result<bool, ViewError> {
        let Ok(block) = CheckedBlock::assemble(found, transactions) else {
            return Ok(false);
        };
        let Ok(delta) = self.state.execute(&block) else {
            return Ok(false);
        };
        let link = Link::of(&block, &delta);
        let Ok(checked) = link.clone().check_shown(block.header().clone(), &self.network) else {
            return Ok(false);
        };
        if self.accept_header(&checked, true)? != HeaderFate::New {
            return Ok(false);
        }
        self.accept_block(block, None)?;
        self.advance()?;
        self.hold(Action::GossipHeader(link));
        Ok(true)
    }
}
