//! Nodes with an admitted key that lie. Each runs the real core to know the chain, and beside it plays
//! tricks: blocks that break a rule, bodies withheld, branches, two blocks at one height, floods, and
//! answers that are none.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Header, SignedHeader, VERSION, future_ms};
use dronechain_chain_spec::key::{PublicKey, Signature, SigningKey};
use dronechain_chain_spec::limits::{ADMINS_MAX, BLOCK_BYTES_MAX};
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::{Commitments, Role};
use dronechain_chain_spec::target::{Bits, Work};
use dronechain_chain_spec::transaction::{Action, Anchor, Sender, Transaction, TransactionBody};
use dronechain_chain_spec::wire::{Request, Response, Status};

use super::client::heartbeat;
use super::message::{Gossip, News, Packet};
use super::model::Ledger;
use super::rng::Rng;
use super::world::{What, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trick {
    WrongCommitments,
    BadBits,
    BadCount,
    BadChange,
    WrongOpening,
    WrongRoster,
    OutOfTurn,
    Stranger,
    BadTransaction,
    WrongTransactions,
    TransactionTooMany,
    TooLarge,
    AdminsLate,
    WrongBits,
    WrongHeight,
    TimeBefore,
    TimeAhead,
    BadSignature,
    BadVersion,
    OtherNetwork,
    NoWork,
    Withhold,
    Branch,
    Equivocate,
    Orphans,
    JunkTransactions,
    Boast,
}

const TRICKS: [Trick; 27] = [
    Trick::WrongCommitments,
    Trick::BadBits,
    Trick::BadCount,
    Trick::BadChange,
    Trick::WrongOpening,
    Trick::WrongRoster,
    Trick::OutOfTurn,
    Trick::Stranger,
    Trick::BadTransaction,
    Trick::WrongTransactions,
    Trick::TransactionTooMany,
    Trick::TooLarge,
    Trick::AdminsLate,
    Trick::WrongBits,
    Trick::WrongHeight,
    Trick::TimeBefore,
    Trick::TimeAhead,
    Trick::BadSignature,
    Trick::BadVersion,
    Trick::OtherNetwork,
    Trick::NoWork,
    Trick::Withhold,
    Trick::Branch,
    Trick::Equivocate,
    Trick::Orphans,
    Trick::JunkTransactions,
    Trick::Boast,
];

/// What a liar keeps beside its core.
pub(super) struct Liar {
    /// It is honest from now on.
    pub(super) is_calm: bool,
    tricks: Vec<Trick>,
    pace_ms: u64,
    /// Answers of a hundred that are none, or another's.
    rude: u64,
    /// Blocks that it serves beside the store's.
    secrets: BTreeMap<Hash256, Block>,
    withheld: BTreeSet<Hash256>,
    /// Headers of a branch that it shows to whoever asks.
    lure: Vec<Link>,
    boasts: bool,
}

impl Liar {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let mut tricks = TRICKS.to_vec();
        rng.shuffle(&mut tricks);
        tricks.truncate(2 + rng.index(8));
        Self {
            is_calm: false,
            tricks,
            pace_ms: rng.within(4_000, 20_000),
            rude: if rng.chance(40) { rng.within(5, 40) } else { 0 },
            secrets: BTreeMap::new(),
            withheld: BTreeSet::new(),
            lure: Vec::new(),
            boasts: false,
        }
    }
}

impl World {
    /// What a node answers to a request of `asker`; nothing is an answer too.
    pub(super) fn serve(&mut self, node: usize, asker: usize, request: &Request) -> Option<Response> {
        let it = &self.nodes[node];
        let now_ms = it.clock.shows(self.now_ms);
        let mut response = it.disk.answer(request, self.checks.network.chain_id, now_ms);
        let Some(liar) = it.liar.as_ref().filter(|liar| !liar.is_calm) else { return Some(response) };
        if self.rng.chance(liar.rude) && self.nodes[asker].is_honest() {
            self.tally.count("lies", "rude answers");
            return self.rude_answer(request);
        }
        match (request, &mut response) {
            (Request::Status, Response::Status(status)) if liar.boasts => {
                *status = Status {
                    tip: Hash256([0xee; 32]),
                    work: Work::from_be_bytes([0x0f; 32]),
                    ..status.clone()
                };
            }
            (Request::Status, Response::Status(status)) => {
                if let Some(last) = liar.lure.last() {
                    status.tip = last.header.header.hash();
                    status.work = Work::from_be_bytes([0x01; 32]);
                }
            }
            (Request::Headers { .. }, Response::Headers(headers)) if !liar.lure.is_empty() => {
                *headers = liar.lure.clone();
            }
            (Request::Blocks { hashes }, Response::Blocks(blocks)) => {
                let of = |hash: &Hash256| {
                    let stored = blocks.iter().find(|block| block.header.header.hash() == *hash);
                    liar.secrets.get(hash).or(stored).filter(|_| !liar.withheld.contains(hash)).cloned()
                };
                *blocks = hashes.iter().filter_map(of).collect();
            }
            _ => {}
        }
        Some(response)
    }

    fn rude_answer(&mut self, request: &Request) -> Option<Response> {
        let leaves = vec![Hash256(self.rng.bytes()), Hash256(self.rng.bytes())];
        match (self.rng.below(4), request) {
            (0, _) => None,
            (1, Request::Body { .. }) => Some(Response::Body(None)),
            (_, Request::Body { .. }) => Some(Response::Body(Some(leaves))),
            (1, _) => Some(Response::Blocks(Vec::new())),
            (2, _) => Some(Response::Headers(Vec::new())),
            _ => Some(Response::Body(None)),
        }
    }

    /// A liar's turn.
    pub(super) fn lie(&mut self, node: usize) {
        let Some(liar) = self.nodes[node].liar.as_ref().filter(|liar| !liar.is_calm) else { return };
        let (pace_ms, trick) = (liar.pace_ms, self.rng.pick(&liar.tricks.clone()));
        let wait_ms = self.rng.within(pace_ms / 2, pace_ms);
        self.after(wait_ms, What::Lie { node });
        let tip = self.nodes[node].disk.tables().tip.0;
        let Some(Ok(before)) = self.model.ledger(&tip) else { return };
        if self.nodes[node].core.is_none() || before.height < 2 {
            return;
        }
        if self.play(node, trick, &before).is_some() {
            self.tally.count("lies", &format!("{trick:?}"));
        }
    }

    fn play(&mut self, node: usize, trick: Trick, before: &Rc<Ledger>) -> Option<()> {
        let own = self.nodes[node].public;
        let mine = |after: &Ledger| after.check_miner(own).is_ok();
        let (mut header, mut opened) = self.header(node, before, &[]).ok()?;
        let in_turn = mine(&before.follow(&[]).ok()?);
        match trick {
            Trick::WrongCommitments => {
                let next = self.next_transaction(node, before)?;
                (header, opened) = self.header(node, before, std::slice::from_ref(&next)).ok()?;
                opened.accounts = Hash256(self.rng.bytes());
                header.commitments = opened.hash();
                self.show(node, header, opened, vec![next], in_turn);
            }
            Trick::BadBits => {
                header.bits = Bits(0x2100_ffff);
                self.show(node, header, opened, Vec::new(), true);
            }
            Trick::BadCount => {
                header.tx_count = 1;
                self.show(node, header, opened, Vec::new(), true);
            }
            Trick::BadChange => {
                let transaction = self.old_transactions(before).first()?.clone();
                header.tx_root = transaction.txid();
                header.tx_count = 1;
                let header = self.grind(header).signed(&self.nodes[node].key, &self.checks.network.chain_id);
                let changes = vec![Shown { index: 0, path: Vec::new(), transaction }];
                self.throw(node, &Gossip::header(Link { header, commitments: opened, changes }), |_| true);
            }
            Trick::OutOfTurn if !in_turn => self.show(node, header, opened, Vec::new(), true),
            Trick::Stranger => {
                let stranger = SigningKey::from_bytes(&self.rng.bytes());
                header.miner = PublicKey::of(&stranger);
                let signed = self.grind(header).signed(&stranger, &self.checks.network.chain_id);
                self.tell(node, signed, opened, Vec::new());
            }
            Trick::WrongOpening => {
                opened.accounts = Hash256(self.rng.bytes());
                self.show(node, header, opened, Vec::new(), true);
            }
            Trick::WrongRoster => {
                opened.nodes = Hash256(self.rng.bytes());
                header.commitments = opened.hash();
                self.show(node, header, opened, Vec::new(), in_turn);
            }
            Trick::BadTransaction => {
                let old = self.old_transactions(before);
                let again = vec![old.first()?.clone()];
                header.tx_root = again[0].txid();
                header.tx_count = 1;
                self.show(node, header, opened, again, in_turn);
            }
            Trick::WrongTransactions => {
                let old = self.old_transactions(before);
                let [one, other, ..] = &old[..] else { return None };
                header.tx_root = one.txid();
                header.tx_count = 1;
                self.show(node, header, opened, vec![other.clone()], in_turn);
            }
            Trick::TransactionTooMany => {
                let old = self.old_transactions(before);
                let [one, other, ..] = &old[..] else { return None };
                header.tx_root = one.txid();
                header.tx_count = 1;
                self.show(node, header, opened, vec![one.clone(), other.clone()], in_turn);
            }
            Trick::TooLarge if in_turn => {
                let keys = vec![own; ADMINS_MAX];
                let action = Action::SetAdmins { threshold: 1, keys };
                let body = TransactionBody { sender: Sender::Admins, sequence: 0, action };
                let large = body.signed(&[&self.nodes[node].key], &self.checks.network.chain_id);
                let many = BLOCK_BYTES_MAX / (ADMINS_MAX * 32) + 1;
                header.tx_root = merkle::root(&vec![large.txid(); many]);
                header.tx_count = u32::try_from(many).expect("few");
                self.show(node, header, opened, vec![large; many], true);
            }
            Trick::AdminsLate => {
                let old = self.old_transactions(before);
                let admins = old.iter().find(|tx| tx.body.sender == Sender::Admins)?.clone();
                let other = old.iter().find(|tx| tx.body.sender != Sender::Admins)?.clone();
                header.tx_root = merkle::root(&[other.txid(), admins.txid()]);
                header.tx_count = 2;
                self.show(node, header, opened, vec![other, admins], true);
            }
            Trick::WrongBits => {
                header.bits = Bits(0x207f_fff0);
                self.show(node, header, opened, Vec::new(), true);
            }
            Trick::WrongHeight => {
                header.height += 1;
                self.show(node, header, opened, Vec::new(), true);
            }
            Trick::TimeBefore => {
                header.time_ms = before.time_ms;
                self.show(node, header, opened, Vec::new(), true);
            }
            Trick::TimeAhead => {
                header.time_ms += future_ms(8_000) + self.rng.within(1_000, 60_000);
                self.show(node, header, opened, Vec::new(), true);
            }
            Trick::BadVersion => {
                header.version = VERSION + 1;
                self.show(node, header, opened, Vec::new(), true);
            }
            Trick::OtherNetwork => {
                header.network = [9; 4];
                self.show(node, header, opened, Vec::new(), true);
            }
            Trick::BadSignature => {
                let header = self.grind(header);
                self.tell(node, SignedHeader { header, signature: Signature([3; 64]) }, opened, Vec::new());
            }
            Trick::NoWork => {
                header.bits = Bits(0x1d00_ffff);
                let signed = header.signed(&self.nodes[node].key, &self.checks.network.chain_id);
                self.tell(node, signed, opened, Vec::new());
            }
            Trick::Withhold if in_turn => self.withhold(node, before)?,
            Trick::Branch => self.branch(node, before)?,
            Trick::Equivocate if in_turn => self.equivocate(node, before)?,
            Trick::Orphans => {
                for _ in 0..20 {
                    let parent = Hash256(self.rng.bytes());
                    let height = header.height + 5;
                    self.show(node, Header { parent, height, ..header.clone() }, opened, Vec::new(), true);
                }
            }
            Trick::JunkTransactions => self.junk(node, before),
            Trick::Boast => {
                let liar = self.liar(node);
                liar.boasts = !liar.boasts;
            }
            Trick::OutOfTurn | Trick::TooLarge | Trick::Withhold | Trick::Equivocate => return None,
        }
        Some(())
    }

    fn liar(&mut self, node: usize) -> &mut Liar {
        self.nodes[node].liar.as_mut().expect("a liar's turn")
    }

    /// The header of a block behind `before`, as an honest node would make it.
    fn header(
        &self,
        node: usize,
        before: &Ledger,
        transactions: &[Transaction],
    ) -> Result<(Header, Commitments), String> {
        let after = before.follow(transactions)?;
        let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
        let opened = after.commitments();
        let header = Header {
            version: VERSION,
            height: after.height,
            parent: before.hash,
            tx_root: merkle::root(&txids),
            commitments: opened.hash(),
            tx_count: u32::try_from(txids.len()).expect("few"),
            time_ms: self.nodes[node].clock.shows(self.now_ms).max(before.time_ms + 1),
            bits: self.model.next_bits(before),
            network: self.checks.network.tag,
            miner: self.nodes[node].public,
            nonce: 0,
        };
        Ok((header, opened))
    }

    /// Mines, signs and gossips a header, and serves its block, if that is worth it.
    fn show(
        &mut self,
        node: usize,
        header: Header,
        opened: Commitments,
        transactions: Vec<Transaction>,
        worth: bool,
    ) {
        if worth {
            let signed = self.grind(header).signed(&self.nodes[node].key, &self.checks.network.chain_id);
            self.tell(node, signed, opened, transactions);
        }
    }

    fn tell(
        &mut self,
        node: usize,
        header: SignedHeader,
        commitments: Commitments,
        transactions: Vec<Transaction>,
    ) {
        let block = Block { header: header.clone(), transactions };
        self.liar(node).secrets.insert(header.header.hash(), block);
        self.throw(node, &Gossip::header(Link { header, commitments, changes: Vec::new() }), |_| true);
    }

    fn throw(&mut self, node: usize, gossip: &Gossip, to: impl Fn(usize) -> bool) {
        let peers: Vec<_> = self.nodes[node].peers.iter().map(|(peer, other)| (*peer, *other)).collect();
        for (peer, other) in peers {
            if to(other) {
                self.send(node, peer, &Packet::Gossip(gossip.clone()));
            }
        }
    }

    /// Transactions of the last blocks.
    fn old_transactions(&self, before: &Ledger) -> Vec<Transaction> {
        let hashes = before.hashes.iter().rev().chain([&before.hash]).take(60);
        hashes.flat_map(|hash| self.model.transactions(hash)).cloned().collect()
    }

    /// A transaction that waits and may come next.
    fn next_transaction(&self, node: usize, before: &Ledger) -> Option<Transaction> {
        let tables = self.nodes[node].disk.tables();
        let mut waiting = tables.pool.values();
        waiting.find(|transaction| before.follow(&[(*transaction).clone()]).is_ok()).cloned()
    }

    /// What makes a block one that must be asked for: a block without transactions is whole with its header.
    /// One that waits, or the liar's own, which changes nothing; none that would have to be shown.
    fn filling(&self, node: usize, before: &Ledger) -> Option<Vec<Transaction>> {
        let tables = self.nodes[node].disk.tables();
        let mut anchors = tables.pool.values().filter(|waits| matches!(waits.body.action, Action::Anchor(_)));
        let waiting = anchors.find(|anchor| before.follow(std::slice::from_ref(*anchor)).is_ok()).cloned();
        let own = || {
            let sender = Sender::Key(self.nodes[node].public);
            let body = TransactionBody { sender, sequence: before.next(&sender)?, action: Action::Ready };
            Some(body.signed(&[&self.nodes[node].key], &self.checks.network.chain_id))
        };
        Some(vec![waiting.or_else(own)?])
    }

    /// Several blocks on one parent that rank before most, none of which anybody ever gets.
    fn withhold(&mut self, node: usize, before: &Ledger) -> Option<()> {
        let filling = self.filling(node, before)?;
        for later_ms in 0..self.rng.within(2, 6) {
            let (mut header, opened) = self.header(node, before, &filling).ok()?;
            header.time_ms += later_ms;
            let tries: Vec<_> = (0..16).map(|_| self.grind(header.clone())).collect();
            let header = tries.into_iter().min_by_key(Header::hash).expect("not empty");
            self.liar(node).withheld.insert(header.hash());
            let signed = header.signed(&self.nodes[node].key, &self.checks.network.chain_id);
            self.tell(node, signed, opened, filling.clone());
        }
        Some(())
    }

    /// A branch by the liars' keys alone, from a few blocks back, a little longer than the chain.
    fn branch(&mut self, node: usize, tip: &Rc<Ledger>) -> Option<()> {
        let back = self.rng.within(1, 5).min(tip.height);
        let from = tip.hashes[usize::try_from(tip.height - back).expect("few blocks")];
        let mut before = Ledger::clone(&*self.model.ledger(&from)?.ok()?);
        let withheld = self.rng.chance(40);
        let chain_id = self.checks.network.chain_id;
        let mut lure = Vec::new();
        for _ in 0..back + 2 {
            let transactions = self.filling(node, &before)?;
            let mut after = before.follow(&transactions).ok()?;
            let (mut header, commitments) = self.header(node, &before, &transactions).ok()?;
            // As slow as it may seem, so that the next is easy.
            let most = before.time_ms + 12 * self.plan.block_time_ms;
            header.time_ms = header.time_ms.min(most).max(before.time_ms + 1);
            // Liars take turns as far as they can; from then on the branch is out of turn.
            let in_turn = |liar: &&usize| after.check_miner(self.nodes[**liar].public).is_ok();
            let miner = self.plan.liars.iter().find(in_turn).copied().unwrap_or(node);
            let key = self.nodes[miner].key.clone();
            header.miner = self.nodes[miner].public;
            let signed = self.grind(header).signed(&key, &chain_id);
            let hash = signed.header.hash();
            after.seal(hash, &signed.header);
            before = after;
            let block = Block { header: signed.clone(), transactions };
            let liar = self.liar(node);
            liar.secrets.insert(hash, block);
            if withheld {
                liar.withheld.insert(hash);
            }
            lure.push(Link { header: signed, commitments, changes: Vec::new() });
        }
        let last = Gossip::header(lure.last()?.clone());
        self.liar(node).lure = lure;
        self.throw(node, &last, |_| true);
        Some(())
    }

    /// Two valid blocks at one height, each shown to half of the peers.
    fn equivocate(&mut self, node: usize, before: &Ledger) -> Option<()> {
        let transactions = self.filling(node, before)?;
        for half in 0..2 {
            let (mut header, commitments) = self.header(node, before, &transactions).ok()?;
            header.time_ms += half as u64;
            let signed = self.grind(header).signed(&self.nodes[node].key, &self.checks.network.chain_id);
            let block = Block { header: signed.clone(), transactions: transactions.clone() };
            self.liar(node).secrets.insert(signed.header.hash(), block);
            let link = Link { header: signed, commitments, changes: Vec::new() };
            self.throw(node, &Gossip::header(link), |other| other % 2 == half);
        }
        self.tally.count("events", "equivocating blocks");
        Some(())
    }

    /// Transactions that nobody should take: unknown senders, bad signatures, old ones again.
    fn junk(&mut self, node: usize, before: &Ledger) {
        let chain_id = self.checks.network.chain_id;
        let mut junk = self.old_transactions(before);
        junk.truncate(5);
        for sequence in 0..10 {
            let key = SigningKey::from_bytes(&self.rng.bytes());
            let sender = Sender::Key(PublicKey::of(&key));
            let body = TransactionBody { sender, sequence, action: Action::Ready };
            let mut transaction = body.signed(&[&key], &chain_id);
            if sequence % 2 == 0 {
                transaction.approvals[0].signature.0[7] ^= 1;
            }
            junk.push(transaction);
        }
        let key = self.nodes[node].key.clone();
        let own = Sender::Key(self.nodes[node].public);
        let anchor = heartbeat();
        let device = PublicKey::of(&key);
        for (sender, action) in [
            (own, Action::Anchor(anchor.clone())),
            (own, Action::Anchor(Anchor { leaf_count: 3, ..anchor })),
            (own, Action::Revoke { key: device, suspect_since: 0 }),
            (Sender::Admins, Action::Admit { role: Role::Device, key: device }),
            (Sender::Admins, Action::SetAdmins { threshold: 0, keys: Vec::new() }),
            (Sender::Admins, Action::Revoke { key: device, suspect_since: 0 }),
        ] {
            junk.push(TransactionBody { sender, sequence: 0, action }.signed(&[&key], &chain_id));
        }
        let mut unsigned = junk.last().expect("not empty").clone();
        unsigned.approvals.clear();
        junk.push(unsigned);
        for transaction in junk {
            let gossip = Gossip { id: transaction.txid(), news: News::Transaction(Rc::new(transaction)) };
            self.throw(node, &gossip, |_| true);
        }
    }
}
