//! Templates for the miner, and what it finds.

use std::collections::VecDeque;

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{CheckedHeader, Header, VERSION};
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::state::Draft;
use dronechain_chain_spec::transaction::CheckedTransaction;

use super::Core;
use super::chain::HeaderFate;
use super::event::{Action, Template};
use super::view::{View, ViewError};

/// Templates whose find is still welcome after a newer one was given out.
const TEMPLATES_MAX: usize = 8;
/// A template's time is renewed after this long, in ms.
const RENEW_MS: u64 = 1_000;
/// A node this many blocks behind its best branch does not mine.
const BEHIND_MAX: usize = 2;

pub(super) struct Mining {
    miner: Option<PublicKey>,
    given: VecDeque<(Header, Vec<CheckedTransaction>)>,
    given_ms: u64,
    stale: bool,
    idle: bool,
}

impl Mining {
    pub(super) fn new(miner: Option<PublicKey>) -> Self {
        Self { miner, given: VecDeque::new(), given_ms: 0, stale: true, idle: true }
    }

    /// The next tick makes a template with what has come in.
    pub(super) fn pool_changed(&mut self) {
        self.stale = true;
    }
}

impl<V: View> Core<V> {
    /// A template on the tip at once.
    pub(super) fn new_template(&mut self) {
        self.mining.given.clear();
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
        let behind =
            rules.is_err() || self.branches.best().is_some_and(|branch| branch.hashes.len() > BEHIND_MAX);
        let made = if behind { None } else { self.make_template() };
        match made {
            Some((header, transactions)) => {
                self.mining.given.push_front((header.clone(), transactions));
                self.mining.given.truncate(TEMPLATES_MAX);
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

    /// A block of what waits, on the tip; none while it is not this node's turn.
    fn make_template(&self) -> Option<(Header, Vec<CheckedTransaction>)> {
        let miner = self.mining.miner?;
        let height = self.tip.height + 1;
        let parent = self.ledger.parent(self.tip.hash).ok()?;
        let mut draft = Draft::new(&self.state, height);
        let transactions = self.pool.select(&mut draft, &miner);
        let roster = draft.roster();
        if !self.is_turn_of(&miner, &roster).ok()? {
            return None;
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
        Some((header, transactions))
    }

    /// A find: the block is stored, connected and told.
    pub(super) fn mined(&mut self, found: CheckedHeader) -> Result<(), ViewError> {
        let without_nonce = Header { nonce: 0, ..found.header().clone() };
        let Some((_, transactions)) = self.mining.given.iter().find(|(header, _)| *header == without_nonce)
        else {
            return Ok(());
        };
        let Ok(block) = CheckedBlock::assemble(found, transactions.clone()) else {
            return Ok(());
        };
        let Ok(delta) = self.state.execute(&block) else {
            return Ok(());
        };
        let link = Link::of(&block, &delta);
        let Ok(checked) = link.clone().check_shown(block.header().clone(), &self.network) else {
            return Ok(());
        };
        if self.accept_header(&checked, true)? == HeaderFate::New {
            self.accept_block(block, None)?;
            self.advance()?;
            self.hold(Action::GossipHeader(link));
        }
        Ok(())
    }
}
