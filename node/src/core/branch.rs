//! The heaviest known branch of headers beyond the tip.

use std::collections::{BTreeMap, VecDeque};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::target::Work;

use super::ledger::Ledger;
use super::view::{Stage, View, ViewError};

/// Heads of header branches that are remembered at once.
const HEADS_MAX: usize = 64;

/// A path from the active chain to a heavier head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Branch {
    /// Height of the last block on the active chain.
    pub(super) fork: u64,
    /// Blocks behind it, oldest first; never empty.
    pub(super) hashes: VecDeque<Hash256>,
    /// Work of its last.
    pub(super) work: Work,
    /// How many at the beginning are known to be stored.
    stored: usize,
}

impl Branch {
    pub(super) fn head(&self) -> Hash256 {
        *self.hashes.back().expect("a branch is never empty")
    }
}

/// Heads heavier than the tip, and the path to the best of them.
#[derive(Debug, Default)]
pub(super) struct Branches {
    /// Work and order of arrival of each head.
    heads: BTreeMap<Hash256, (Work, u64)>,
    arrivals: u64,
    best: Option<Branch>,
}

impl Branches {
    /// The heaviest branch; the first seen of equals.
    pub(super) fn best(&self) -> Option<&Branch> {
        self.best.as_ref()
    }

    /// A header heavier than the tip was accepted or shown again.
    pub(super) fn add<V: View>(
        &mut self,
        ledger: &Ledger<V>,
        hash: Hash256,
        parent: Hash256,
        work: Work,
    ) -> Result<(), ViewError> {
        let extends = self.best.as_ref().is_some_and(|best| best.head() == parent);
        let known = |best: &Branch| best.hashes.contains(&hash);
        if self.heads.contains_key(&hash) || (!extends && self.best.as_ref().is_some_and(known)) {
            return Ok(());
        }
        self.heads.remove(&parent);
        self.arrivals += 1;
        self.heads.insert(hash, (work, self.arrivals));
        if self.heads.len() > HEADS_MAX {
            let lightest = self.heads.iter().min_by_key(|(_, (work, at))| (*work, std::cmp::Reverse(*at)));
            let lightest = *lightest.expect("more than HEADS_MAX").0;
            self.heads.remove(&lightest);
        }
        match &mut self.best {
            Some(best) if best.head() == parent => {
                best.hashes.push_back(hash);
                best.work = work;
                Ok(())
            }
            Some(best) if best.work >= work => Ok(()),
            _ => self.choose(ledger),
        }
    }

    /// How many of the best branch's first blocks are stored, gap-free.
    pub(super) fn stored<V: View>(&mut self, ledger: &Ledger<V>) -> Result<usize, ViewError> {
        let Some(best) = &mut self.best else {
            return Ok(0);
        };
        while let Some(hash) = best.hashes.get(best.stored)
            && ledger.known(hash)?.stage >= Stage::Stored
        {
            best.stored += 1;
        }
        Ok(best.stored)
    }

    /// A head that leads nowhere.
    pub(super) fn drop_head<V: View>(&mut self, ledger: &Ledger<V>, head: Hash256) -> Result<(), ViewError> {
        self.heads.remove(&head);
        self.choose(ledger)
    }

    /// The tip moved along the best branch, onto its first `count` blocks, or elsewhere.
    pub(super) fn tip_moved<V: View>(
        &mut self,
        ledger: &Ledger<V>,
        tip: Hash256,
        height: u64,
        work: Work,
    ) -> Result<(), ViewError> {
        self.heads.retain(|_, (head_work, _)| *head_work > work);
        let Some(best) = &mut self.best else {
            return self.choose(ledger);
        };
        let Some(at) = best.hashes.iter().position(|hash| *hash == tip) else {
            return self.choose(ledger);
        };
        best.hashes.drain(..=at);
        best.stored = best.stored.saturating_sub(at + 1);
        best.fork = height;
        if best.hashes.is_empty() { self.choose(ledger) } else { Ok(()) }
    }

    /// Chooses the best head anew and walks back to the active chain.
    fn choose<V: View>(&mut self, ledger: &Ledger<V>) -> Result<(), ViewError> {
        self.best = None;
        loop {
            let best = self.heads.iter().max_by_key(|(_, (work, at))| (*work, std::cmp::Reverse(*at)));
            let Some((head, (work, _))) = best.map(|(head, rank)| (*head, *rank)) else {
                return Ok(());
            };
            if let Some((fork, hashes)) = walk(ledger, head)? {
                self.best = Some(Branch { fork, hashes, work, stored: 0 });
                return Ok(());
            }
            self.heads.remove(&head);
        }
    }
}

/// The path from the active chain to `head`; none over an invalid block or for an active head.
fn walk<V: View>(ledger: &Ledger<V>, head: Hash256) -> Result<Option<(u64, VecDeque<Hash256>)>, ViewError> {
    let mut hashes = VecDeque::new();
    let mut at = head;
    loop {
        let stored = ledger.known(&at)?;
        let height = stored.signed.header.height;
        if stored.stage == Stage::Invalid {
            return Ok(None);
        }
        if ledger.is_active(&at, height)? {
            return Ok((!hashes.is_empty()).then_some((height, hashes)));
        }
        hashes.push_front(at);
        at = stored.signed.header.parent;
    }
}
