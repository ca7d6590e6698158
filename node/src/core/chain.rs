//! Acceptance: headers into branches, blocks onto the tip, most work wins.

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::CheckedHeader;
use dronechain_chain_spec::rules::{BlockError, HeaderError};

use super::Core;
use super::branch::{self, Rank};
use super::connect::{self, Move};
use super::event::Action;
use super::view::{Stage, StoredHeader, View, ViewError};

/// Checked blocks kept in memory until they connect.
const FRESH_MAX: usize = 128;
/// Fresh blocks this far below the tip are of lost branches.
const FRESH_DEPTH: u64 = 64;
/// Heads beyond the finality depth that are remembered.
const ALARMS_MAX: usize = 1_024;

/// Blocks of a branch other than the best that are looked at.
const OTHER_MAX: usize = 128;

/// A move of the tip: back to `fork`, then over `path` towards `head`.
struct Step {
    head: Hash256,
    fork: u64,
    path: Vec<Hash256>,
}

/// What became of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeaderFate {
    /// New and in order so far.
    New,
    /// Known before.
    Known,
    /// Its parent is unknown.
    Orphan,
    /// It breaks a rule.
    Refused(HeaderError),
    /// A block before it is invalid.
    OnInvalid,
}

impl<V: View> Core<V> {
    /// Takes a header into its branch. The list of checks, cheapest first: known, parent known, parent
    /// valid, H8 to H11, H12. The miner's turn needs the block: it is checked when it connects.
    pub(super) fn accept_header(&mut self, header: &CheckedHeader) -> Result<HeaderFate, ViewError> {
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
        let rules = header
            .check_lineage(&self.network, &self.ledger.parent(parent)?)
            .and_then(|()| header.check_future(&self.network, self.now_ms));
        if let Err(error) = rules {
            return Ok(HeaderFate::Refused(error));
        }
        let work = before.work.saturating_add(header.target().work());
        let signed = header.signed().clone();
        let stored = StoredHeader { signed, work, stage: Stage::Header, opening: None };
        self.ledger.pending.headers.insert(hash, stored.clone());
        self.consider(hash, parent, &stored)?;
        Ok(HeaderFate::New)
    }

    pub(super) fn consider(
        &mut self,
        hash: Hash256,
        parent: Hash256,
        stored: &StoredHeader,
    ) -> Result<(), ViewError> {
        if Rank::new(stored.work, hash) > self.tip.rank() && !self.alarmed.contains(&hash) {
            self.branches.add(&self.ledger, hash, parent, stored.work)?;
        }
        Ok(())
    }

    /// Stores a block whose header is in a branch.
    pub(super) fn accept_block(&mut self, block: CheckedBlock) -> Result<HeaderFate, ViewError> {
        let fate = self.accept_header(block.header())?;
        if !matches!(fate, HeaderFate::New | HeaderFate::Known) {
            return Ok(fate);
        }
        let hash = block.hash();
        if self.ledger.known(&hash)?.stage == Stage::Header {
            let transactions = block.transactions().iter().map(|tx| tx.get().clone()).collect();
            self.ledger.pending.blocks.insert(hash, transactions);
            self.ledger.set_stage(&hash, Stage::Stored)?;
            if self.fresh.len() < FRESH_MAX {
                self.fresh.insert(hash, block);
            }
        }
        Ok(fate)
    }

    /// Moves the tip along the heaviest branch as far as its blocks are here. A block found invalid is
    /// marked, and the next best branch is tried.
    pub(super) fn advance(&mut self) -> Result<Vec<(Hash256, BlockError)>, ViewError> {
        let mut faults = Vec::new();
        while let Some(Step { head, fork, path }) = self.next_step()? {
            let start = Move::new(self.state.clone(), self.tip);
            let (change, fault) =
                connect::follow(&self.ledger, &self.network, start, fork, path, &self.fresh)?;
            if change.tip.rank() > self.tip.rank() {
                self.take_over(change)?;
            }
            if let Some((hash, error)) = fault {
                self.fresh.remove(&hash);
                self.ledger.set_stage(&hash, Stage::Invalid)?;
                self.branches.drop_head(&self.ledger, head)?;
                faults.push((hash, error));
            }
        }
        let lowest = self.tip.height.saturating_sub(FRESH_DEPTH);
        self.fresh.retain(|_, block| block.header().header().height > lowest);
        Ok(faults)
    }

    /// The next move that outranks the tip with blocks that are here: along the best branch, or, while
    /// its blocks are not here, along another.
    fn next_step(&mut self) -> Result<Option<Step>, ViewError> {
        while let Some((fork, head)) = self.branches.best().map(|best| (best.fork, best.head())) {
            if self.is_beyond_finality(fork) {
                self.alarm(head, fork)?;
                continue;
            }
            let stored = self.branches.stored(&self.ledger)?;
            let best = self.branches.best().expect("it was there");
            let here: Vec<_> = best.hashes.iter().take(stored).copied().collect();
            let path = self.path_to_follow(fork, here)?;
            if !path.is_empty() {
                return Ok(Some(Step { head, fork, path }));
            }
            break;
        }
        for head in self.branches.others() {
            let Some((fork, hashes)) = branch::walk(&self.ledger, head, OTHER_MAX)? else { continue };
            if self.is_beyond_finality(fork) {
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
                return Ok(Some(Step { head, fork, path }));
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

    fn is_beyond_finality(&self, fork: u64) -> bool {
        let depth = self.network.finality_depth;
        depth > 0 && self.tip.height - fork > depth
    }

    fn alarm(&mut self, tip: Hash256, fork_height: u64) -> Result<(), ViewError> {
        if self.alarmed.len() < ALARMS_MAX && self.alarmed.insert(tip) {
            self.out.push(Action::FinalityAlarm { tip, fork_height });
        }
        self.branches.drop_head(&self.ledger, tip)
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
        self.return_to_pool(finished.returned)?;
        self.branches.tip_moved(&self.ledger, self.tip.hash, self.tip.height, self.tip.work)?;
        let (hash, height) = (self.tip.hash, self.tip.height);
        self.hold(Action::TipMoved { hash, height, disconnected });
        self.new_template();
        Ok(())
    }
}
