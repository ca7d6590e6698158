//! The reference: the ledger's rules once more, in the plainest way, over plain lists and maps.
//!
//! Blocks are applied once and kept by hash; nothing is ever undone. Shared with the node are only the
//! layouts that are hashed and the kernel of the difficulty rule.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dronechain_chain_spec::difficulty::next_bits;
use dronechain_chain_spec::governance::{Activation, Governance, Planned};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::{Commitments, Entry, Role};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec};
use dronechain_chain_spec::target::{Bits, Target};
use dronechain_chain_spec::transaction::{Action, AnchorKind, Sender, Transaction};

/// A registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) entry: Entry,
    pub(super) next: u64,
}

/// The whole state after a block.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    pub(super) hash: Hash256,
    pub(super) height: u64,
    pub(super) work: u128,
    pub(super) time_ms: u64,
    bits: Bits,
    /// Of all blocks before this one, genesis first.
    pub(super) hashes: Vec<Hash256>,
    times: Vec<u64>,
    miners: Vec<PublicKey>,
    pub(super) nodes: Vec<Row>,
    pub(super) accounts: Vec<Row>,
    pub(super) admins_next: u64,
    governance: Governance,
    /// Every transaction of the chain, by (sender, sequence).
    pub(super) included: BTreeMap<(Sender, u64), Hash256>,
}

struct Block {
    header: Header,
    transactions: Vec<Transaction>,
    /// What became of it; none until asked.
    outcome: Option<Result<Rc<Ledger>, String>>,
}

/// All blocks of a cluster.
pub(super) struct Model {
    spec: ChainSpec,
    limit: Target,
    blocks: BTreeMap<Hash256, Block>,
    /// Senders that a valid block revoked, on whatever chain.
    revoked: BTreeSet<Sender>,
    /// Which transaction had a place first, and places that valid blocks gave to another as well.
    taken: BTreeMap<(Sender, u64), Hash256>,
    contested: BTreeSet<(Sender, u64)>,
}

impl Model {
    pub(super) fn new(spec: &ChainSpec) -> Self {
        let header = spec.genesis();
        let hash = header.hash();
        let row = |key: &PublicKey| Row {
            entry: Entry { ready: Some(0), ..Entry::new(*key, Role::Node, None, 0) },
            next: 0,
        };
        let ledger = Ledger {
            hash,
            height: 0,
            work: 0,
            time_ms: header.time_ms,
            bits: header.bits,
            hashes: Vec::new(),
            times: Vec::new(),
            miners: Vec::new(),
            nodes: spec.nodes.iter().map(row).collect(),
            accounts: Vec::new(),
            admins_next: 0,
            governance: Governance::new(spec.admins.clone(), &spec.parameters),
            included: BTreeMap::new(),
        };
        let outcome = Some(Ok(Rc::new(ledger)));
        let genesis = Block { header, transactions: Vec::new(), outcome };
        Self {
            spec: spec.clone(),
            limit: spec.network().limit,
            blocks: BTreeMap::from([(hash, genesis)]),
            revoked: BTreeSet::new(),
            taken: BTreeMap::new(),
            contested: BTreeSet::new(),
        }
    }

    /// Tells of a block whose transactions hash to its root.
    pub(super) fn learn(&mut self, hash: Hash256, header: &Header, transactions: &[Transaction]) {
        self.blocks.entry(hash).or_insert_with(|| Block {
            header: header.clone(),
            transactions: transactions.to_vec(),
            outcome: None,
        });
    }

    /// Blocks learnt of, genesis left out.
    pub(super) fn len(&self) -> usize {
        self.blocks.len() - 1
    }

    /// Transactions of a block.
    pub(super) fn transactions(&self, hash: &Hash256) -> &[Transaction] {
        self.blocks.get(hash).map_or(&[], |block| &block.transactions)
    }

    /// The state after a block, or why there is none; nothing while a block before it is not known.
    pub(super) fn ledger(&mut self, hash: &Hash256) -> Option<Result<Rc<Ledger>, String>> {
        let mut path = vec![*hash];
        let mut outcome = loop {
            let at = path.last().expect("not empty");
            let block = self.blocks.get(at)?;
            match &block.outcome {
                Some(outcome) => break outcome.clone(),
                None => path.push(block.header.parent),
            }
        };
        for hash in path.iter().rev().skip(1) {
            outcome = match outcome {
                Ok(before) => self.check(&before, hash),
                Err(reason) => Err(reason),
            };
            if let Ok(ledger) = &outcome {
                self.remember(ledger);
            }
            self.blocks.get_mut(hash).expect("on the path").outcome = Some(outcome.clone());
        }
        Some(outcome)
    }

    fn remember(&mut self, ledger: &Ledger) {
        for transaction in self.blocks[&ledger.hash].transactions.iter().map(|transaction| &transaction.body)
        {
            if let Action::Revoke { key, .. } = transaction.action {
                self.revoked.insert(Sender::Key(key));
            }
            if let Action::Succeed { .. } = transaction.action {
                self.revoked.insert(transaction.sender);
            }
            let place = (transaction.sender, transaction.sequence);
            let txid = ledger.included[&place];
            if *self.taken.entry(place).or_insert(txid) != txid {
                self.contested.insert(place);
            }
        }
    }

    /// Whether no node can hold on to a transaction: some chain revokes its sender, or has another at its
    /// sequence.
    pub(super) fn is_released(&self, place: &(Sender, u64), txid: &Hash256) -> bool {
        let other = self.taken.get(place).is_some_and(|taken| taken != txid);
        other || self.contested.contains(place) || self.revoked.contains(&place.0)
    }

    fn check(&self, before: &Ledger, hash: &Hash256) -> Result<Rc<Ledger>, String> {
        let Block { header, transactions, .. } = &self.blocks[hash];
        if header.height != before.height + 1 || header.bits != self.next_bits(before) {
            return Err(format!("height {} or bits {}", header.height, header.bits));
        }
        if header.time_ms <= before.time_ms {
            return Err("time".into());
        }
        let mut after = before.follow(transactions)?;
        if after.commitments().hash() != header.commitments {
            return Err("commitments".into());
        }
        after.check_miner(header.miner)?;
        after.seal(*hash, header);
        Ok(Rc::new(after))
    }

    /// The bits of the block behind `before`.
    pub(super) fn next_bits(&self, before: &Ledger) -> Bits {
        match before.times.last() {
            None => self.spec.parameters.initial_bits,
            Some(earlier) => {
                let target = Target::from_bits(before.bits).expect("checked");
                let solve_time_ms = before.time_ms.saturating_sub(*earlier);
                next_bits(target, solve_time_ms, before.block_time_ms(), self.limit)
            }
        }
    }
}

/// Hashes that it takes on average to meet a target.
pub(super) fn work(bits: Bits) -> u128 {
    let bytes = Target::from_bits(bits).expect("checked").work().to_be_bytes();
    // The simulated targets are easy: the upper half is 0.
    u128::from_be_bytes(*bytes.last_chunk().expect("32 bytes"))
}

impl Ledger {
    /// The next state but for what only the header says.
    pub(super) fn follow(&self, transactions: &[Transaction]) -> Result<Self, String> {
        let mut after = self.clone();
        after.height += 1;
        after.hashes.push(self.hash);
        after.times.push(self.time_ms);
        let mut others = false;
        for transaction in transactions {
            let admins = transaction.body.sender == Sender::Admins;
            if admins && others {
                return Err("admins late".into());
            }
            others |= !admins;
            after.apply(transaction)?;
        }
        Ok(after)
    }

    /// T for the next block, in ms.
    pub(super) fn block_time_ms(&self) -> u64 {
        self.governance.tuning_at(self.height + 1).block_time_ms
    }

    /// Takes over what only the header says.
    pub(super) fn seal(&mut self, hash: Hash256, header: &Header) {
        self.miners.push(header.miner);
        self.hash = hash;
        self.time_ms = header.time_ms;
        self.bits = header.bits;
        self.work += work(header.bits);
    }

    pub(super) fn row(&self, key: &PublicKey) -> Option<&Row> {
        self.nodes.iter().chain(&self.accounts).find(|row| row.entry.key == *key)
    }

    fn row_mut(&mut self, key: &PublicKey) -> Option<&mut Row> {
        self.nodes.iter_mut().chain(&mut self.accounts).find(|row| row.entry.key == *key)
    }

    /// The sequence that a sender's next transaction must have.
    pub(super) fn next(&self, sender: &Sender) -> Option<u64> {
        match sender {
            Sender::Admins => Some(self.admins_next),
            Sender::Key(key) => self.row(key).map(|row| row.next),
        }
    }

    /// Whether the sender's key was revoked.
    pub(super) fn is_revoked(&self, sender: &Sender) -> bool {
        match sender {
            Sender::Admins => false,
            Sender::Key(key) => self.row(key).is_some_and(|row| row.entry.revoked.is_some()),
        }
    }

    fn apply(&mut self, transaction: &Transaction) -> Result<(), String> {
        let (body, height) = (&transaction.body, self.height);
        match body.sender {
            Sender::Admins => {
                let AdminSet { threshold, keys } = &self.governance.admins;
                let places = transaction
                    .approvals
                    .iter()
                    .map(|approval| keys.iter().position(|key| *key == approval.key));
                let places: Vec<_> = places.collect();
                let in_order = places.windows(2).all(|pair| pair[0] < pair[1]) && !places.contains(&None);
                if body.sequence != self.admins_next || places.len() != *threshold as usize || !in_order {
                    return Err("admins' sequence or approvals".into());
                }
                self.admins_next += 1;
            }
            Sender::Key(key) => {
                let row = self.row_mut(&key).ok_or("unknown sender")?;
                let role = match &body.action {
                    Action::Anchor(anchor) if anchor.kind == AnchorKind::Access => Role::Operator,
                    Action::Ready => Role::Node,
                    Action::Succeed { .. } => row.entry.role,
                    _ => Role::Controller,
                };
                if row.entry.revoked.is_some() || row.entry.role != role || row.next != body.sequence {
                    return Err("sender or sequence".into());
                }
                row.next += 1;
            }
        }
        let own = match body.sender {
            Sender::Admins => None,
            Sender::Key(key) => Some(key),
        };
        if self.included.insert((body.sender, body.sequence), transaction.txid()).is_some() {
            return Err("twice at one sequence".into());
        }
        match (&body.action, own) {
            (Action::Admit { role, key }, None) => self.admit(Entry::new(*key, *role, None, height)),
            (Action::Enrol(enrolment), Some(key)) => {
                let owner = self.line(&key);
                self.admit(Entry::new(enrolment.device, Role::Device, Some(owner), height));
            }
            (Action::SetParameters { parameters, height: from }, None) => {
                if *from > height {
                    self.governance.tuning = self.governance.tuning_at(height);
                    self.governance.planned = Some(Planned { tuning: *parameters, height: *from });
                }
            }
            (Action::SetAdmins { threshold, keys }, None) => {
                self.governance.admins = AdminSet { threshold: *threshold, keys: keys.clone() };
            }
            (Action::Activate { rule, height: from }, None) => {
                let known = &mut self.governance.activations;
                let at = known.iter().position(|known| known.rule >= *rule).unwrap_or(known.len());
                let same = known.get(at).is_some_and(|known| known.rule == *rule);
                let holds = same && known[at].height <= height;
                if *from > height && !holds {
                    if same {
                        known.remove(at);
                    }
                    known.insert(at, Activation { rule: *rule, height: *from });
                }
            }
            (Action::Succeed { successor, .. }, Some(key)) => {
                let old = self.row(&key).expect("found above").entry.clone();
                if self.row(successor).is_none() {
                    let line = Some(self.line(&key));
                    self.admit(Entry { ready: old.ready, ..Entry::new(*successor, old.role, line, height) });
                    self.revoke(&key, height, None);
                }
            }
            (Action::Revoke { key, suspect_since }, None) => self.revoke(key, *suspect_since, None),
            (Action::RevokeDevice { device, suspect_since }, Some(key)) => {
                let owner = self.line(&key);
                self.revoke(device, *suspect_since, Some(owner));
            }
            (Action::Ready, Some(key)) => {
                let row = self.row_mut(&key).expect("found above");
                row.entry.ready = row.entry.ready.or(Some(height));
            }
            (Action::Anchor(_), Some(_)) => {}
            (action, _) => return Err(format!("{action:?} is not the sender's")),
        }
        Ok(())
    }

    fn admit(&mut self, entry: Entry) {
        if self.row(&entry.key).is_none() {
            let roll = if entry.role == Role::Node { &mut self.nodes } else { &mut self.accounts };
            roll.push(Row { entry, next: 0 });
        }
    }

    /// The first of a key and those that it succeeded.
    fn line(&self, key: &PublicKey) -> PublicKey {
        self.row(key).and_then(|row| row.entry.owner).unwrap_or(*key)
    }

    fn revoke(&mut self, key: &PublicKey, suspect_since: u64, owner: Option<PublicKey>) {
        let height = self.height;
        if let Some(row) = self.row_mut(key)
            && row.entry.revoked.is_none()
            && (owner.is_none() || row.entry.role == Role::Device && row.entry.owner == owner)
        {
            row.entry.revoked = Some(height);
            row.entry.suspect_since = Some(suspect_since.min(height));
        }
    }

    /// Nodes that may make the block that this state is after.
    pub(super) fn miners_now(&self) -> Vec<PublicKey> {
        let able = |row: &&Row| {
            row.entry.revoked.is_none() && row.entry.ready.is_some_and(|ready| ready < self.height)
        };
        self.nodes.iter().filter(able).map(|row| row.entry.key).collect()
    }

    /// The spacing rule for the block that this state is after.
    pub(super) fn check_miner(&self, miner: PublicKey) -> Result<(), String> {
        let able = self.miners_now();
        // A successor counts at once, and mines from the next block on.
        let is_new = self.row(&miner).is_none_or(|row| row.entry.admitted == self.height);
        if is_new || !able.contains(&miner) {
            return Err("the miner may not mine".into());
        }
        let earlier = able.len() / 2;
        let line = self.line(&miner);
        if self.miners.iter().rev().take(earlier).any(|before| self.line(before) == line) {
            return Err("the miner is out of turn".into());
        }
        Ok(())
    }

    /// What the header of the block that this state is after must commit to.
    pub(super) fn commitments(&self) -> Commitments {
        let leaves = |rows: &[Row]| rows.iter().map(|row| row.entry.leaf()).collect::<Vec<_>>();
        let mut nodes = vec![self.governance.leaf()];
        nodes.extend(leaves(&self.nodes));
        Commitments {
            history: merkle::root(&self.hashes),
            nodes: merkle::root(&nodes),
            accounts: merkle::root(&leaves(&self.accounts)),
        }
    }
}
