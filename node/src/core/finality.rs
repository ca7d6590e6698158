//! Finality: which reorganisations are too deep, and the alarm about them.
//!
//! What counts are blocks that this node connected while they were new: a node that syncs may still
//! change to a heavier chain however late it hears of it. Nobody is punished for showing another chain.

use std::collections::{BTreeMap, BTreeSet};

use dronechain_chain_spec::hash::Hash256;

use super::Core;
use super::branch;
use super::event::Action;
use super::view::{Opening, Rival, View, ViewError};

/// Refused heads that are remembered.
const REFUSED_MAX: usize = 1_024;
/// Other chains that are told of.
const RIVALS_MAX: usize = 64;
/// Blocks of another chain that are walked to where it leaves ours.
const WALK_MAX: usize = 20_000;
/// How often a known alarm is written again, in ms.
const SEEN_AGAIN_MS: u64 = 60_000;

#[derive(Default)]
pub(super) struct Finality {
    rivals: BTreeMap<Hash256, Rival>,
    /// Heads that were refused.
    refused: BTreeSet<Hash256>,
    /// A block whose chain may be followed however deep it leaves ours.
    follow: Option<Hash256>,
}

impl Finality {
    pub(super) fn new(rivals: BTreeMap<Hash256, Rival>, follow: Option<Hash256>) -> Self {
        Self { rivals, refused: BTreeSet::new(), follow }
    }

    pub(super) fn is_refused(&self, head: &Hash256) -> bool {
        self.refused.contains(head)
    }

    /// Refused heads are looked at anew when peers tell of them.
    pub(super) fn forgive(&mut self) {
        self.refused.clear();
    }

    pub(super) const fn rivals(&self) -> &BTreeMap<Hash256, Rival> {
        &self.rivals
    }
}

impl<V: View> Core<V> {
    /// Whether a reorganisation down to the active block at `fork` would disconnect more than the finality
    /// depth of blocks that were connected while they were new.
    fn is_beyond_finality(&self, fork: u64) -> Result<bool, ViewError> {
        let depth = self.tuning().finality_depth;
        if depth == 0 || self.tip.height - fork <= depth {
            return Ok(false);
        }
        let hash = self.ledger.active(fork)?.ok_or_else(|| ViewError(format!("no active block {fork}")))?;
        let opening = self.ledger.known(&hash)?.opening();
        let Opening { live, .. } = opening.ok_or_else(|| ViewError(format!("{hash} was not connected")))?;
        Ok(self.tip.opening.live - live > depth)
    }

    /// Whether the branch to `head`, which leaves the active chain at `fork`, is refused; then it is
    /// dropped, and the alarm is raised.
    pub(super) fn is_refused(&mut self, fork: u64, head: Hash256) -> Result<bool, ViewError> {
        if !self.is_beyond_finality(fork)? {
            return Ok(false);
        }
        let Some((_, path)) = branch::walk(&self.ledger, head, usize::MAX)? else {
            return Ok(false);
        };
        if self.finality.follow.is_some_and(|follow| path.contains(&follow)) {
            return Ok(false);
        }
        if self.finality.refused.len() < REFUSED_MAX {
            self.finality.refused.insert(head);
        }
        let first = *path.front().expect("a path has blocks");
        self.note_rival(fork, first, head)?;
        self.branches.drop_head(&self.ledger, head)?;
        Ok(true)
    }

    /// A chain with less work than ours that leaves it below the finality depth: its nodes see ours as we
    /// see theirs. A minority cannot make one: it has as many blocks as only a majority makes.
    pub(super) fn watch_rival(&mut self, head: Hash256) -> Result<(), ViewError> {
        if self.branches.best().is_some_and(|best| best.head() == head && best.fork == self.tip.height) {
            // It extends ours: a node that syncs sees thousands such headers at once.
            return Ok(());
        }
        let Some((fork, path)) = branch::walk(&self.ledger, head, WALK_MAX)? else {
            return Ok(());
        };
        let roster = self.ledger.known(&head)?.roster;
        let spacing = self.roster_at(roster)?.nodes.spacing(self.ledger.known(&head)?.height());
        if path.len() as u64 >= spacing && self.is_beyond_finality(fork)? {
            let first = *path.front().expect("a path has blocks");
            self.note_rival(fork, first, head)?;
        }
        Ok(())
    }

    fn note_rival(&mut self, fork_height: u64, first: Hash256, head: Hash256) -> Result<(), ViewError> {
        let stored = self.ledger.known(&head)?;
        let (height, work, now_ms) = (stored.height(), stored.work, self.now_ms);
        let known = self.finality.rivals.get(&first);
        let is_new = known.is_none();
        if is_new && self.finality.rivals.len() >= RIVALS_MAX {
            return Ok(());
        }
        if known.is_some_and(|known| known.last_seen_ms + SEEN_AGAIN_MS > now_ms) {
            return Ok(());
        }
        let first_seen_ms = known.map_or(now_ms, |known| known.first_seen_ms);
        let rival = Rival { fork_height, head, height, work, first_seen_ms, last_seen_ms: now_ms };
        self.finality.rivals.insert(first, rival.clone());
        self.ledger.pending.rivals.insert(first, rival.clone());
        if is_new {
            self.hold(Action::FinalityAlarm { rival: first, known: rival });
        }
        Ok(())
    }
}
