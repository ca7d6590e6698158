//! Branches of headers that outrank the tip, and which of them to follow.
//!
//! Chains rank by work, at a tie by the smaller hash of their last block. First seen would be no rule
//! here: with the spacing rule, nodes that each made one of several equal blocks may not build on
//! their own and would wait for each other for ever.
//!
//! A branch whose blocks do not come is parked for a while, so that it holds up nothing else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::target::Work;

use super::ledger::Ledger;
use super::view::{Stage, View, ViewError};

/// Heads of header branches that are remembered at once.
const HEADS_MAX: usize = 64;
/// Blocks of a branch other than the best that are looked at.
pub(super) const OTHER_MAX: usize = 128;
/// A branch that brings no block for this long is parked, in ms.
const STALL_MS: u64 = 6_000;
/// How long a stalled branch stays parked, in ms.
const PARK_MS: u64 = 20_000;

/// Where a chain stands among others: more work first, then the smaller hash of its last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(Work, Reverse<Hash256>);

impl Rank {
    pub(super) fn new(work: Work, last: Hash256) -> Self {
        Self(work, Reverse(last))
    }
}

/// A path from the active chain to a head that outranks it.
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
    /// When it was chosen or last brought a block; none until the clock is heard.
    progress_ms: Option<u64>,
}

impl Branch {
    pub(super) fn head(&self) -> Hash256 {
        *self.hashes.back().expect("a branch is never empty")
    }

    fn rank(&self) -> Rank {
        Rank::new(self.work, self.head())
    }
}

/// Heads that outrank the tip, and the path to the best of them.
#[derive(Debug, Default)]
pub(super) struct Branches {
    heads: BTreeMap<Hash256, Work>,
    /// Heads that are left alone until the time given.
    parked: BTreeMap<Hash256, u64>,
    best: Option<Branch>,
}

impl Branches {
    /// The best branch that is not parked.
    pub(super) fn best(&self) -> Option<&Branch> {
        self.best.as_ref()
    }

    /// The other heads, best first; parked ones too, since their blocks may have come.
    pub(super) fn others(&self) -> Vec<Hash256> {
        let best = self.best.as_ref().map(Branch::head);
        let mut others: Vec<_> = self.heads.iter().filter(|(head, _)| Some(**head) != best).collect();
        others.sort_by_key(|(head, work)| Reverse(Rank::new(**work, **head)));
        others.into_iter().map(|(head, _)| *head).collect()
    }

    /// The other heads, those first whose miner has the fewest of them: one who announces many delays none of
    /// the others'.
    pub(super) fn others_in_turn<V: View>(&self, ledger: &Ledger<V>) -> Result<Vec<Hash256>, ViewError> {
        let mut of_miner = BTreeMap::<_, usize>::new();
        let mut others = Vec::new();
        for head in self.others() {
            let miner = ledger.known(&head)?.signed.header.miner;
            *of_miner.entry(miner).or_default() += 1;
            others.push((miner, head));
        }
        others.sort_by_key(|(miner, _)| of_miner[miner]);
        Ok(others.into_iter().map(|(_, head)| head).collect())
    }

    /// A header that outranks the tip was accepted or shown again.
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
        if let Some(until_ms) = self.parked.remove(&parent) {
            self.parked.insert(hash, until_ms);
        }
        self.heads.insert(hash, work);
        if self.heads.len() > HEADS_MAX {
            self.forget_least(ledger)?;
        }
        match &mut self.best {
            Some(best) if best.head() == parent => {
                best.hashes.push_back(hash);
                best.work = work;
                Ok(())
            }
            Some(best) if best.rank() >= Rank::new(work, hash) => Ok(()),
            _ => self.choose(ledger),
        }
    }

    /// Of too many heads one whose block is not here, of the miner who has most of them at one height, else the
    /// lowest: who announces blocks and withholds them displaces his own before those of others.
    fn forget_least<V: View>(&mut self, ledger: &Ledger<V>) -> Result<(), ViewError> {
        let mut absent = BTreeMap::<_, Vec<_>>::new();
        for (head, work) in &self.heads {
            let stored = ledger.known(head)?;
            if stored.stage < Stage::Stored {
                let Header { miner, height, .. } = stored.signed.header;
                absent.entry((miner, height)).or_default().push(Rank::new(*work, *head));
            }
        }
        let most = absent
            .into_values()
            .max_by_key(|heads| (heads.len(), heads.iter().min().map(|rank| Reverse(*rank))));
        let least = match most {
            Some(heads) => heads.into_iter().min(),
            None => self.heads.iter().map(|(head, work)| Rank::new(*work, *head)).min(),
        };
        let Some(Rank(_, Reverse(head))) = least else { return Ok(()) };
        self.forget(head);
        match &self.best {
            Some(best) if best.head() == head => self.choose(ledger),
            Some(_) | None => Ok(()),
        }
    }

    fn forget(&mut self, head: Hash256) {
        self.heads.remove(&head);
        self.parked.remove(&head);
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
            best.progress_ms = None;
        }
        Ok(best.stored)
    }

    /// Time passed: a stalled branch is parked, parked ones may be tried again.
    pub(super) fn tick<V: View>(&mut self, ledger: &Ledger<V>, now_ms: u64) -> Result<(), ViewError> {
        let parked = self.parked.len();
        self.parked.retain(|_, until_ms| *until_ms > now_ms);
        let mut again = self.parked.len() < parked;
        if let Some(best) = &mut self.best {
            let since_ms = *best.progress_ms.get_or_insert(now_ms);
            if since_ms + STALL_MS <= now_ms {
                self.parked.insert(best.head(), now_ms + PARK_MS);
                again = true;
            }
        }
        if again { self.choose(ledger) } else { Ok(()) }
    }

    pub(super) fn is_head(&self, hash: &Hash256) -> bool {
        self.heads.contains_key(hash)
    }

    /// Every head, the best among them.
    pub(super) fn heads(&self) -> Vec<Hash256> {
        self.heads.keys().copied().collect()
    }

    /// A head that leads nowhere.
    pub(super) fn drop_head<V: View>(&mut self, ledger: &Ledger<V>, head: Hash256) -> Result<(), ViewError> {
        self.forget(head);
        self.choose(ledger)
    }

    /// The tip moved along the best branch, onto its first blocks, or elsewhere.
    pub(super) fn tip_moved<V: View>(
        &mut self,
        ledger: &Ledger<V>,
        tip: Hash256,
        height: u64,
        work: Work,
    ) -> Result<(), ViewError> {
        let rank = Rank::new(work, tip);
        self.heads.retain(|head, work| Rank::new(*work, *head) > rank);
        let Self { heads, parked, .. } = self;
        parked.retain(|head, _| heads.contains_key(head));
        let Some(best) = &mut self.best else {
            return self.choose(ledger);
        };
        let Some(at) = best.hashes.iter().position(|hash| *hash == tip) else {
            return self.choose(ledger);
        };
        best.hashes.drain(..=at);
        best.stored = best.stored.saturating_sub(at + 1);
        best.fork = height;
        best.progress_ms = None;
        if best.hashes.is_empty() { self.choose(ledger) } else { Ok(()) }
    }

    /// Chooses the best head anew and walks back to the active chain.
    fn choose<V: View>(&mut self, ledger: &Ledger<V>) -> Result<(), ViewError> {
        let before = self.best.take();
        loop {
            let free = self.heads.iter().filter(|(head, _)| !self.parked.contains_key(*head));
            let Some(Rank(work, Reverse(head))) = free.map(|(head, work)| Rank::new(*work, *head)).max()
            else {
                return Ok(());
            };
            if let Some((fork, hashes)) = walk(ledger, head, usize::MAX)? {
                // The same head chosen again has not begun anew.
                let same = before.filter(|before| before.head() == head);
                let progress_ms = same.and_then(|before| before.progress_ms);
                self.best = Some(Branch { fork, hashes, work, stored: 0, progress_ms });
                return Ok(());
            }
            self.forget(head);
        }
    }
}

/// The path from the active chain to `head`: height of the fork, and the blocks behind it. None over an
/// invalid block, for an active head, or for a path of more than `longest` blocks.
pub(super) fn walk<V: View>(
    ledger: &Ledger<V>,
    head: Hash256,
    longest: usize,
) -> Result<Option<(u64, VecDeque<Hash256>)>, ViewError> {
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
        if hashes.len() == longest {
            return Ok(None);
        }
        hashes.push_front(at);
        at = stored.signed.header.parent;
    }
}
