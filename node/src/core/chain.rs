//! Acceptance: headers into branches, blocks onto the tip, most work wins.

use std::sync::Arc;

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::link::CheckedLink;
use dronechain_chain_spec::roster::Roster;
use dronechain_chain_spec::rules::HeaderError;
use dronechain_chain_spec::target::{Target, Work};

use super::Core;
use super::branch::{self, Rank};
use super::connect::{self, Move};
use super::event::{Action, Fault, Peer};
use super::view::{Stage, StoredHeader, View, ViewError};

/// Fresh blocks this far below the tip are of lost branches.
const FRESH_DEPTH: u64 = 64;
/// A single header is kept if its chain lacks no more than the work of this many blocks like the tip: each
/// one that is kept cost at least a block's work not long ago.
const WORTH_BLOCKS: u64 = 64;
/// A block is new while its time is no more than this many block times ago.
const LIVE_BLOCK_TIMES: u64 = 12;
/// And at least this long, in ms.
const LIVE_MIN_MS: u64 = 60_000;

/// A move of the tip: back to `fork`, then over `path`.
struct Step {
    fork: u64,
    path: Vec<Hash256>,
}

/// What became of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeaderFate {
    /// New and in order.
    New,
    /// Known before.
    Known,
    /// Its parent is unknown.
    Orphan,
    /// It breaks a rule.
    Refused(HeaderError),
    /// A block before it is invalid.
    OnInvalid,
    /// Its chain has so little work that it is not kept.
    Light,
}

impl<V: View> Core<V> {
    /// Takes a header into its branch. The list of checks, cheapest first: known, parent known, parent
    /// valid, worth keeping, H8 to H12, H13 to H15 and H17 to H19. `is_wanted`: it was asked for, and is
    /// kept whatever its work.
    pub(super) fn accept_header(
        &mut self,
        link: &CheckedLink,
        is_wanted: bool,
    ) -> Result<HeaderFate, ViewError> {
        let header = link.header();
        let (hash, parent) = (header.hash(), header.header().parent);
        if let Some(stored) = self.ledger.header(&hash)? {
            if stored.stage == Stage::Invalid {
                return Ok(HeaderFate::OnInvalid);
            }
            self.consider(hash, parent, &stored)?;
            return Ok(HeaderFate::Known);
        }
        let Some(before) = self.ledger.header(&parent)? else {
            return Ok(HeaderFate::Orphan);
        };
        if before.stage == Stage::Invalid {
            return Ok(HeaderFate::OnInvalid);
        }
        let work = before.work.saturating_add(header.target().work());
        if !is_wanted && !self.is_worth(work)? {
            return Ok(HeaderFate::Light);
        }
        let after = match self.check_header(link, &before)? {
            Ok(after) => after,
            Err(error) => {
                self.tell_rule(&error);
                return Ok(HeaderFate::Refused(error));
            }
        };
        self.keep_header(link, &before, work, after)?;
        self.witness_header(header)?;
        Ok(HeaderFate::New)
    }

    /// Every rule that a header is held to by the headers before it and the clock. Gives the roster after its
    /// block, if the block changed it.
    fn check_header(
        &mut self,
        link: &CheckedLink,
        before: &StoredHeader,
    ) -> Result<Result<Option<Roster>, HeaderError>, ViewError> {
        let header = link.header();
        let parent = header.header().parent;
        let roster = self.roster_at(before.roster)?;
        let block_time_ms = roster.block_time_ms(before.height() + 1);
        let rules = header
            .check_lineage(&self.network, block_time_ms, &self.ledger.parent(parent)?)
            .and_then(|()| header.check_future(block_time_ms, self.now_ms));
        if let Err(error) = rules {
            return Ok(Err(error));
        }
        let mut miners = self.ledger.miners(parent);
        let after = roster.follow(link, &mut miners);
        match miners.fault {
            Some(error) => Err(error),
            None => Ok(after),
        }
    }

    fn keep_header(
        &mut self,
        link: &CheckedLink,
        before: &StoredHeader,
        work: Work,
        after: Option<Roster>,
    ) -> Result<(), ViewError> {
        let header = link.header();
        let (hash, parent) = (header.hash(), header.header().parent);
        let mut stored = StoredHeader {
            signed: header.signed().clone(),
            work,
            stage: Stage::Header,
            commitments: link.commitments(),
            roster: before.roster,
            connected: None,
        };
        if let Some(roster) = after {
            stored.roster = hash;
            self.ledger.pending.shown.insert(hash, link.shown().to_vec());
            self.ledger.pending.rosters.insert(hash, roster);
        }
        self.ledger.pending.headers.insert(hash, stored.clone());
        if header.header().tx_count == 0 {
            // Nothing is left to ask for.
            let block = CheckedBlock::assemble(header.clone(), Vec::new());
            self.keep_block(block.expect("no transactions meet every rule about them"), None)?;
            stored.stage = Stage::Stored;
        }
        self.consider(hash, parent, &stored)
    }

    /// Forgets a header that was just taken into no branch.
    pub(super) fn let_go(&mut self, hash: &Hash256) {
        let pending = &mut self.ledger.pending;
        if let Some(stored) = pending.headers.remove(hash) {
            self.witness.forget(&stored.signed.header);
        }
        pending.shown.remove(hash);
        pending.rosters.remove(hash);
        pending.blocks.remove(hash);
        self.fresh.remove(hash);
    }

    /// The roster that the block `at` left; the one used last is kept decoded.
    pub(super) fn roster_at(&mut self, at: Hash256) -> Result<Arc<Roster>, ViewError> {
        if let Some((known, roster)) = &self.roster
            && *known == at
        {
            return Ok(Arc::clone(roster));
        }
        let roster = Arc::new(self.ledger.roster(&at)?);
        self.roster = Some((at, Arc::clone(&roster)));
        Ok(roster)
    }

    /// Whether a chain of this much work may still matter.
    pub(super) fn is_worth(&self, work: Work) -> Result<bool, ViewError> {
        let bits = self.ledger.known(&self.tip.hash)?.signed.header.bits;
        let block = Target::from_bits(bits).expect("stored headers were checked").work();
        let margin = (0..WORTH_BLOCKS).fold(Work::ZERO, |sum, _| sum.saturating_add(block));
        Ok(work.saturating_add(margin) >= self.tip.work)
    }

    pub(super) fn consider(
        &mut self,
        hash: Hash256,
        parent: Hash256,
        stored: &StoredHeader,
    ) -> Result<(), ViewError> {
        if Rank::new(stored.work, hash) > self.tip.rank() && !self.finality.is_refused(&hash) {
            self.branches.add(&self.ledger, hash, parent, stored.work)?;
        }
        Ok(())
    }

    /// Stores a block whose header is in a branch; false if it is not known.
    pub(super) fn accept_block(
        &mut self,
        block: CheckedBlock,
        from: Option<Peer>,
    ) -> Result<bool, ViewError> {
        let hash = block.hash();
        match self.ledger.header(&hash)? {
            None => return Ok(false),
            Some(stored) if stored.stage == Stage::Header => {
                self.keep_block(block, from)?;
                // It may have been displaced among the heads while it was not here.
                self.consider(hash, stored.signed.header.parent, &stored)?;
            }
            Some(_) => {}
        }
        Ok(true)
    }

    fn keep_block(&mut self, block: CheckedBlock, from: Option<Peer>) -> Result<(), ViewError> {
        let hash = block.hash();
        let transactions = block.transactions().iter().map(|tx| tx.get().clone()).collect();
        self.ledger.pending.blocks.insert(hash, transactions);
        self.ledger.set_stage(&hash, Stage::Stored)?;
        self.fresh.insert(block, from);
        Ok(())
    }

    /// Moves the tip along the heaviest branch as far as its blocks are here. A block found invalid is
    /// marked, who served it is penalised, and the next best branch is tried.
    pub(super) fn advance(&mut self) -> Result<(), ViewError> {
        while let Some(Step { fork, path }) = self.next_step()? {
            let start = Move::new(self.state.clone(), self.tip);
            let is_live = self.is_live();
            let (change, fault) = connect::follow(&self.ledger, start, fork, path, &self.fresh, is_live)?;
            if change.tip.rank() > self.tip.rank() {
                self.take_over(change)?;
            }
            if let Some((hash, error)) = fault {
                let from = self.fresh.remove(&hash);
                self.out.extend(from.map(|peer| {
                    let fault = Fault::Block { hash, error: error.clone() };
                    Action::Penalise { peer, fault }
                }));
                self.mark_invalid(hash)?;
            }
        }
        let lowest = self.tip.height.saturating_sub(FRESH_DEPTH);
        self.fresh.keep_above(lowest);
        Ok(())
    }

    /// Whether a block with a given time is new by our clock.
    pub(super) fn is_live(&self) -> impl Fn(u64) -> bool + use<V> {
        let block_time_ms = self.tuning().block_time_ms;
        let oldest_ms = self.now_ms.saturating_sub((LIVE_BLOCK_TIMES * block_time_ms).max(LIVE_MIN_MS));
        move |time_ms| time_ms >= oldest_ms
    }

    /// Marks a refuted block, and what is known to be built on it.
    pub(super) fn mark_invalid(&mut self, hash: Hash256) -> Result<(), ViewError> {
        self.ledger.set_stage(&hash, Stage::Invalid)?;
        for head in self.branches.heads() {
            let mut above = Vec::new();
            let mut at = head;
            loop {
                let stored = self.ledger.known(&at)?;
                if stored.stage == Stage::Invalid {
                    break;
                }
                if self.ledger.is_active(&at, stored.height())? {
                    above.clear();
                    break;
                }
                above.push(at);
                at = stored.signed.header.parent;
            }
            let leads_there = at == hash || !above.is_empty();
            for block in above {
                self.fresh.remove(&block);
                self.ledger.set_stage(&block, Stage::Invalid)?;
            }
            if leads_there {
                self.branches.drop_head(&self.ledger, head)?;
            }
        }
        // What it was built on may still outrank the tip, and is no head while it has a successor.
        let parent = self.ledger.known(&hash)?.signed.header.parent;
        let before = self.ledger.known(&parent)?;
        match before.stage {
            Stage::Invalid => Ok(()),
            Stage::Header | Stage::Stored | Stage::Valid => {
                self.consider(parent, before.signed.header.parent, &before)
            }
        }
    }

    /// The next move that outranks the tip with blocks that are here: along the best branch, or, while
    /// its blocks are not here, along another.
    fn next_step(&mut self) -> Result<Option<Step>, ViewError> {
        while let Some((fork, head)) = self.branches.best().map(|best| (best.fork, best.head())) {
            if self.is_refused(fork, head)? {
                continue;
            }
            let stored = self.branches.stored(&self.ledger)?;
            let best = self.branches.best().expect("it was there");
            let here: Vec<_> = best.hashes.iter().take(stored).copied().collect();
            let path = self.path_to_follow(fork, here)?;
            if !path.is_empty() {
                return Ok(Some(Step { fork, path }));
            }
            break;
        }
        for head in self.branches.others() {
            let Some((fork, hashes)) = branch::walk(&self.ledger, head, branch::OTHER_MAX)? else { continue };
            if self.is_refused(fork, head)? {
                continue;
            }
            let mut here = Vec::new();
            for hash in hashes {
                if self.ledger.known(&hash)?.stage < Stage::Stored {
                    break;
                }
                here.push(hash);
            }
            let path = self.path_to_follow(fork, here)?;
            if !path.is_empty() {
                return Ok(Some(Step { fork, path }));
            }
        }
        Ok(None)
    }

    /// Of stored blocks behind `fork` those to connect; none if they do not outrank the tip. An
    /// extension takes what one tip change may connect, a reorganisation at least what it needs.
    fn path_to_follow(&self, fork: u64, mut here: Vec<Hash256>) -> Result<Vec<Hash256>, ViewError> {
        let outranks = |hash: &Hash256| Ok(Rank::new(self.ledger.known(hash)?.work, *hash) > self.tip.rank());
        match here.last() {
            Some(last) if outranks(last)? => {}
            Some(_) | None => return Ok(Vec::new()),
        }
        let mut count = here.len().min(connect::CONNECT_MAX);
        if fork < self.tip.height {
            while count < here.len() && !outranks(&here[count - 1])? {
                count += 1;
            }
        }
        here.truncate(count);
        Ok(here)
    }

    fn take_over(&mut self, change: Move) -> Result<(), ViewError> {
        let disconnected = change.disconnected.len() as u64;
        let finished = change.finish(&mut self.ledger);
        self.state = finished.state;
        self.tip = finished.tip;
        for block in &finished.connected {
            self.fresh.remove(&block.hash());
            self.want_bodies(block)?;
        }
        self.witness_transactions(&finished.connected, &finished.returned)?;
        self.return_to_pool(finished.returned)?;
        if disconnected > 0 {
            // What left the old chain too deep may be near to the new one.
            self.finality.forgive();
        }
        self.branches.tip_moved(&self.ledger, self.tip.hash, self.tip.height, self.tip.work)?;
        let (hash, height) = (self.tip.hash, self.tip.height);
        self.hold(Action::TipMoved { hash, height, disconnected });
        self.new_template();
        Ok(())
    }

    /// A rule that only a newer version knows is told once.
    pub(super) fn tell_rule(&mut self, error: &HeaderError) {
        if let HeaderError::RuleUnknown { rule, since } = *error
            && self.told_rule.replace((rule, since)) != Some((rule, since))
        {
            self.out.push(Action::UpgradeNeeded { rule, since });
        }
    }

    /// Whether it is the turn of `miner` to make the next block, were `roster` the one after it; why not, if not.
    pub(super) fn turn_of(
        &self,
        miner: &PublicKey,
        roster: &Roster,
    ) -> Result<Result<(), HeaderError>, ViewError> {
        let mut miners = self.ledger.miners(self.tip.hash);
        let turn = roster.nodes.check_turn(*miner, self.tip.height + 1, &mut miners);
        match miners.fault {
            Some(error) => Err(error),
            None => Ok(turn),
        }
    }
}
