//! What must hold: looked at whenever a node's changes are all on disk, and once a second.

use std::rc::Rc;

use dronechain_chain_spec::evidence::Misbehaviour;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Header, future_ms};
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry::{Account, Roll};
use dronechain_node::core::view::Changes;

use super::Violation;
use super::model::{Ledger, Row};
use super::node::Node;
use super::world::World;

/// Least simulated time of a run, and fewest blocks.
const TIME_MIN_MS: u64 = 600_000;
const BLOCKS_MIN: u64 = 60;
/// Blocks within which all have one tip once everything is healed, beyond the highest then.
const CONVERGE_BLOCKS: u64 = 30;
/// And in any case this long, even where difficulty must come down first.
const CONVERGE_MS: u64 = 1_800_000;
/// How long two halves stay apart before operators step in.
const DEEP_MS: u64 = 60_000;
/// After that, all that was promised is included within this time.
const INCLUDE_MS: u64 = 600_000;
/// The longest block time that is drawn.
const BLOCK_TIME_MAX_MS: u64 = 6_000;
/// Bound of the mempool, as in the core.
const POOL_MAX: usize = 20_000;

/// How the end comes.
#[derive(Debug, Default)]
pub(super) struct Ending {
    healed: Option<(u64, u64)>,
    converged_ms: Option<u64>,
    overridden: bool,
    /// Clients sign nothing new.
    pub(super) is_closing: bool,
}

/// Where a chain stands: more work first, then the smaller hash.
fn outranks(one: &Ledger, other: &Ledger) -> bool {
    (one.work, other.hash) > (other.work, one.hash)
}

impl World {
    fn state(&mut self, node: usize, hash: &Hash256) -> Result<Rc<Ledger>, Violation> {
        match self.model.ledger(hash) {
            Some(Ok(ledger)) => Ok(ledger),
            Some(Err(why)) => {
                Err(self.violation("model", node, format!("active block {hash} is invalid: {why}")))
            }
            None => Err(self.violation("model", node, format!("active block {hash} is not stored"))),
        }
    }

    /// All that a node changed is on disk.
    pub(super) fn settled(&mut self, node: usize) -> Result<(), Violation> {
        if !self.nodes[node].is_honest() {
            return Ok(());
        }
        let Some(core) = &self.nodes[node].core else { return Ok(()) };
        let (hash, height, work, _) = core.tip();
        let tables = self.nodes[node].disk.tables();
        if tables.tip != (hash, height) {
            let (found, ..) = tables.tip;
            drop(tables);
            return Err(self.violation("store", node, format!("tip {hash}, on disk {found}")));
        }
        let pools = (core.pool_len(), tables.pool.len());
        drop(tables);
        if pools.0 != pools.1 || pools.0 > POOL_MAX {
            return Err(self.violation("pool", node, format!("{} wait, on disk {}", pools.0, pools.1)));
        }
        self.tally.peak("mempool", pools.0 as u64);
        let watch = &mut self.nodes[node].watch;
        let restarted = std::mem::take(&mut watch.restarted);
        let before = watch.tip.replace(hash);
        if before != Some(hash) || restarted {
            self.note(u64::from_le_bytes(*hash.0.first_chunk().expect("32 bytes")));
            let ledger = self.state(node, &hash)?;
            let bytes = work.to_be_bytes();
            let work = u128::from_be_bytes(*bytes.last_chunk().expect("32 bytes"));
            if (work, height) != (ledger.work, ledger.height) {
                let why =
                    format!("work {work} at {height}, by the model {} at {}", ledger.work, ledger.height);
                return Err(self.violation("model", node, why));
            }
            self.check_state(node, &ledger)?;
            if let Some(before) = before.filter(|before| *before != hash) {
                let earlier = self.state(node, &before)?;
                if !outranks(&ledger, &earlier) {
                    let why = format!("{} left for {} of less rank", earlier.height, ledger.height);
                    return Err(self.violation("fork choice", node, why));
                }
            }
            self.check_promises(node, &ledger)?;
            self.check_rivals(node, &ledger)?;
        } else if !self.nodes[node].watch.rivals.is_empty() {
            let ledger = self.state(node, &hash)?;
            self.check_rivals(node, &ledger)?;
        }
        Ok(())
    }

    /// H12: no header is taken in whose time was too far ahead of the node's clock, whatever it showed since the
    /// last changes.
    pub(super) fn check_times(&mut self, node: usize, changes: &Changes) -> Result<(), Violation> {
        let latest_ms = std::mem::take(&mut self.nodes[node].watch.latest_ms);
        if !self.nodes[node].is_honest() {
            return Ok(());
        }
        for (hash, stored) in &changes.headers {
            let Header { time_ms, parent, .. } = stored.signed.header;
            if time_ms <= latest_ms + future_ms(0)
                || self.nodes[node].disk.tables().headers.contains_key(hash)
            {
                continue;
            }
            // Of a header whose parent's block is nowhere yet, the longest block time is taken.
            let known = self.model.ledger(&parent).and_then(Result::ok);
            let block_time_ms = known.map_or(BLOCK_TIME_MAX_MS, |before| before.block_time_ms());
            if time_ms > latest_ms + future_ms(block_time_ms) {
                let why = format!("header {hash} is {} ms ahead of the clock", time_ms - latest_ms);
                return Err(self.violation("future", node, why));
            }
        }
        Ok(())
    }

    /// Registry, active chain and index of transactions against the model's.
    fn check_state(&self, node: usize, ledger: &Ledger) -> Result<(), Violation> {
        let it = &self.nodes[node];
        let core = it.core.as_ref().expect("settled");
        let same = |rows: &[Row], accounts: &[Account]| {
            let same = |(row, account): (&Row, &Account)| {
                (&row.entry, row.next) == (&account.entry, account.next_sequence)
            };
            rows.len() == accounts.len() && rows.iter().zip(accounts).all(same)
        };
        for (roll, rows) in [(Roll::Nodes, &ledger.nodes), (Roll::Accounts, &ledger.accounts)] {
            if !same(rows, core.registry().accounts(roll)) {
                return Err(self.violation("model", node, format!("the roll of {roll:?} differs")));
            }
        }
        let tables = it.disk.tables();
        if tables.admins.next_sequence != ledger.admins_next {
            return Err(self.violation("model", node, "the admins' sequence differs"));
        }
        let active = tables.active.values();
        if !active.eq(ledger.hashes.iter().chain([&ledger.hash])) {
            return Err(self.violation("model", node, "the active chain differs"));
        }
        let included = ledger.included.values();
        if tables.places.len() != ledger.included.len()
            || !included.into_iter().all(|txid| tables.places.contains_key(txid))
        {
            return Err(self.violation("model", node, "the index of transactions differs"));
        }
        Ok(())
    }

    /// What was acknowledged waits, is included, or gave way to another at its sequence or to a revocation.
    fn check_promises(&mut self, node: usize, ledger: &Ledger) -> Result<(), Violation> {
        let it = &self.nodes[node];
        let tables = it.disk.tables();
        let lost = it.watch.acknowledged.iter().find(|(place, txid)| {
            let included = ledger.included.get(place) == Some(txid);
            let waits = || tables.pool.get(place).is_some_and(|waiting| waiting.txid() == **txid);
            !included && !waits() && !self.model.is_released(place, txid)
        });
        match lost {
            Some(((sender, sequence), txid)) => {
                let why = format!("transaction {txid} of {sender:?} at {sequence} is gone");
                Err(self.violation("promise", node, why))
            }
            None => Ok(()),
        }
    }

    /// No valid chain of blocks that are all here has more work, unless finality forbids it.
    fn check_rivals(&mut self, node: usize, tip: &Ledger) -> Result<(), Violation> {
        for rival in self.nodes[node].watch.rivals.iter().copied().collect::<Vec<_>>() {
            let it = &self.nodes[node];
            if it.watch.gaps.get(&rival).is_some_and(|gap| !it.disk.tables().has_block(gap)) {
                continue;
            }
            let ledger = match self.model.ledger(&rival) {
                None => continue,
                Some(Ok(ledger)) if outranks(&ledger, tip) => ledger,
                Some(_) => {
                    self.nodes[node].watch.rivals.remove(&rival);
                    continue;
                }
            };
            let tables = self.nodes[node].disk.tables();
            let mut fork = ledger.height;
            let mut at = rival;
            while tables.has_block(&at) && !tables.is_active(&at) {
                fork -= 1;
                at = ledger.hashes[usize::try_from(fork).expect("few blocks")];
            }
            let whole = tables.has_block(&at);
            drop(tables);
            if !whole {
                self.nodes[node].watch.gaps.insert(rival, at);
            }
            let final_ = self.plan.finality_depth;
            if whole && final_ > 0 && tip.height - fork > final_ {
                // Refused; if an operator changes sides, peers tell of it again.
                self.nodes[node].watch.rivals.remove(&rival);
            } else if whole {
                let why = format!(
                    "tip {} {} of work {} though {} {rival} of work {} is here, fork at {fork}",
                    tip.height, tip.hash, tip.work, ledger.height, ledger.work
                );
                return Err(self.violation("most work", node, why));
            }
        }
        Ok(())
    }

    /// Evidence names nobody who kept to the rules.
    pub(super) fn check_evidence(
        &mut self,
        node: usize,
        offenders: &[PublicKey],
        misbehaviour: Misbehaviour,
    ) -> Result<(), Violation> {
        self.tally.count("evidence", &format!("{misbehaviour:?}"));
        let honest_node =
            |key: &PublicKey| self.nodes.iter().any(|node| node.public == *key && node.is_honest());
        let honest_client = |key: &PublicKey| {
            let found = self.clients.iter().find(|client| client.key() == Some(*key));
            found.is_some_and(|client| !client.equivocates)
        };
        match misbehaviour {
            Misbehaviour::TwoBlocks if offenders.iter().any(honest_node) => Err(self.violation(
                "evidence",
                node,
                format!("{misbehaviour:?} of {offenders:?}, who is honest"),
            )),
            Misbehaviour::TwoTransactions if offenders.iter().any(honest_client) => Err(self.violation(
                "evidence",
                node,
                format!("{misbehaviour:?} of {offenders:?}, who is honest"),
            )),
            Misbehaviour::TwoBlocks | Misbehaviour::TwoTransactions => Ok(()),
        }
    }

    pub(super) fn begin_ending(&mut self) {
        self.ending.healed = Some((self.now_ms, self.highest()));
    }

    fn highest(&self) -> u64 {
        self.nodes.iter().map(|node| node.disk.tables().tip.1).max().unwrap_or(0)
    }

    /// Once a second: bounds, and after healing whether all have one tip.
    pub(super) fn look(&mut self) -> Result<(), Violation> {
        for node in 0..self.nodes.len() {
            let it = &self.nodes[node];
            let (held, asked) = (it.held.len() as u64, it.asked.len() as u64);
            self.tally.peak("gossip waiting", held);
            self.tally.peak("requests waiting", asked);
        }
        let Some((healed_ms, highest)) = self.ending.healed else { return Ok(()) };
        let tips = self.tips();
        let one = tips.windows(2).all(|pair| pair[0].1 == pair[1].1);
        if (one || self.common(&tips) > highest) && self.ending.converged_ms.is_none() {
            if self.plan.deep && !self.ending.overridden {
                return Err(self.violation("finality", 0, "a deep fork healed without an override"));
            }
            self.ending.converged_ms = Some(self.now_ms);
            self.tally.peak("seconds to converge", (self.now_ms - healed_ms) / 1_000);
            let height = self.highest();
            self.tally.peak("blocks to converge", height - highest.min(height));
        }
        if self.ending.converged_ms.is_none() {
            return self.still_apart(healed_ms, highest, &tips);
        }
        let long = self.now_ms >= TIME_MIN_MS && self.highest() >= BLOCKS_MIN;
        if long && !self.ending.is_closing {
            self.ending.is_closing = true;
            self.ending.converged_ms = Some(self.now_ms);
        }
        if long && one { self.all_included(&tips) } else { self.not_too_long(healed_ms) }
    }

    fn not_too_long(&self, healed_ms: u64) -> Result<(), Violation> {
        if self.now_ms > healed_ms + 2 * CONVERGE_MS {
            return Err(self.violation("liveness", 0, "no end is reached"));
        }
        Ok(())
    }

    /// Height of the last block that all chains have.
    fn common(&self, tips: &[(usize, Hash256)]) -> u64 {
        let (first, _) = tips[0];
        let tables = self.nodes[first].disk.tables();
        let common = tables.active.iter().rev().find(|(height, hash)| {
            tips.iter().all(|(node, _)| self.nodes[*node].disk.tables().active.get(*height) == Some(*hash))
        });
        common.map_or(0, |(height, _)| *height)
    }

    /// Tips of the honest nodes that are still admitted.
    fn tips(&self) -> Vec<(usize, Hash256)> {
        let standing = (0..self.nodes.len()).filter(|node| self.is_standing(*node));
        standing.map(|node| (node, self.nodes[node].disk.tables().tip.0)).collect()
    }

    /// Whether a node is honest, admitted by some, and revoked by none.
    pub(super) fn is_standing(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        let revokes = |other: &Node| {
            let core = other.core.as_ref();
            let entry = core.and_then(|core| core.registry().account(&it.public));
            entry.is_some_and(|account| account.entry.revoked.is_some())
        };
        it.is_honest()
            && self.nodes.iter().any(|other| other.admits(&it.public))
            && !self.nodes.iter().any(revokes)
    }

    fn still_apart(
        &mut self,
        healed_ms: u64,
        highest: u64,
        tips: &[(usize, Hash256)],
    ) -> Result<(), Violation> {
        let late = self.highest() > highest + CONVERGE_BLOCKS || self.now_ms > healed_ms + CONVERGE_MS;
        if self.plan.deep && !self.ending.overridden {
            let told = self.now_ms > healed_ms + DEEP_MS;
            return if told { self.override_finality(tips) } else { Ok(()) };
        }
        if late {
            let heights: Vec<_> = tips
                .iter()
                .map(|(node, tip)| format!("{node}: {} {tip:.8}", self.nodes[*node].disk.tables().tip.1))
                .collect();
            return Err(self.violation("convergence", tips[0].0, heights.join(", ")));
        }
        Ok(())
    }

    /// A fork beyond the finality depth: either side has told of it, and the operators of the lighter side give in.
    fn override_finality(&mut self, tips: &[(usize, Hash256)]) -> Result<(), Violation> {
        let mut best: Option<Rc<Ledger>> = None;
        for (node, tip) in tips {
            let ledger = self.state(*node, tip)?;
            if best.as_ref().is_none_or(|best| outranks(&ledger, best)) {
                best = Some(ledger);
            }
        }
        let best = best.expect("there are honest nodes");
        let mut told = [false; 2];
        let mut longest = 0;
        for (node, _) in tips {
            let lighter = !self.nodes[*node].disk.tables().is_active(&best.hash);
            told[usize::from(lighter)] |= !self.nodes[*node].watch.alarms.is_empty();
            if lighter {
                let tables = self.nodes[*node].disk.tables();
                let common = tables.active.iter().filter(|(at, hash)| {
                    usize::try_from(**at).is_ok_and(|at| best.hashes.get(at) == Some(*hash))
                });
                longest = longest.max(tables.tip.1 + 1 - common.count() as u64);
                drop(tables);
                self.nodes[*node].follow = Some(best.hash);
                self.crash(*node, 500);
            }
        }
        // A minority alone raises no alarm with the others, whatever it claims.
        let majority = self.nodes.len() as u64 / 2 + 1;
        if !told[1] || longest >= majority && !told[0] {
            let why = format!("heavier side told: {}, lighter side: {}", told[0], told[1]);
            return Err(self.violation("finality", tips[0].0, why));
        }
        self.tally.count("events", "deep forks healed by override");
        self.ending.overridden = true;
        self.begin_ending();
        Ok(())
    }

    /// The run ends well once everything promised is on the one chain.
    fn all_included(&mut self, tips: &[(usize, Hash256)]) -> Result<(), Violation> {
        let (node, tip) = tips[0];
        let ledger = self.state(node, &tip)?;
        let open: Vec<_> = self
            .promised()
            .into_iter()
            .filter(|key| !ledger.included.contains_key(key) && !ledger.is_revoked(&key.0))
            .collect();
        if open.is_empty() {
            self.over = true;
            self.tally.add("blocks", "on the chain", ledger.height);
            self.tally.add("submissions", "on the chain", ledger.included.len() as u64);
            self.tally.add("blocks", "stored", self.model.len() as u64);
            return Ok(());
        }
        let since_ms = self.ending.converged_ms.expect("converged before");
        if self.now_ms > since_ms + INCLUDE_MS {
            let (sender, sequence) = open[0];
            let next = ledger.next(&sender);
            let why =
                format!("{} promised are not included, {sender:?} {sequence}, next {next:?}", open.len());
            return Err(self.violation("inclusion", node, why));
        }
        Ok(())
    }
}
