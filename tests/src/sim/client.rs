//! Clients: the admins, controllers and new nodes. They sign each sequence once, hand over the same
//! bytes until they see them buried, and change nodes when one does not answer, as the SDK does.

use std::collections::BTreeSet;
use std::rc::Rc;

use dronechain_chain_spec::governance::Tuning;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, Enrolment, PossessionClaim, Sender, Transaction, TransactionBody,
};
use dronechain_node::core::event::{CheckedBody, SubmitError, Submitted};
use dronechain_node::core::view::BatchId;

use super::Violation;
use super::rng::Rng;
use super::world::{What, World};

/// Blocks, its own included, after which a client lets go of a transaction.
const CONFIRMATIONS: u64 = 6;
/// How long a client waits for an answer.
const ANSWER_MS: u64 = 3_000;
/// Transactions that a client has under way at once.
const UNDER_WAY_MAX: usize = 16;

/// An anchor of nothing.
pub(super) fn heartbeat() -> Anchor {
    Anchor { kind: AnchorKind::Data, root: Hash256::ZERO, leaf_count: 0, first_time: 0, last_time: 0 }
}

/// What a client heard of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Pending,
    Included,
    Refused(SubmitError),
    /// The node could not be reached.
    Nothing,
}

impl From<Result<Submitted, SubmitError>> for Heard {
    fn from(result: Result<Submitted, SubmitError>) -> Self {
        match result {
            Ok(Submitted::Pending { .. }) => Self::Pending,
            Ok(Submitted::Included { .. }) => Self::Included,
            Err(error) => Self::Refused(error),
        }
    }
}

/// A transaction that a client signed.
pub(super) struct Sub {
    pub(super) transaction: Rc<Transaction>,
    pub(super) txid: Hash256,
    pub(super) body: Option<CheckedBody>,
    /// Buried, or refused for good.
    pub(super) done: bool,
    /// An honest node acknowledged it.
    pub(super) acknowledged: bool,
    asked_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Admins,
    Controller,
    Operator,
    /// A node that announces itself.
    Newcomer,
}

/// One sender.
pub(super) struct Client {
    pub(super) kind: Kind,
    keys: Vec<SigningKey>,
    pub(super) sender: Sender,
    /// Signs two transactions at one sequence now and then.
    pub(super) equivocates: bool,
    floods: bool,
    pace_ms: u64,
    home: usize,
    /// It only speaks to these nodes, if to any.
    circle: Vec<usize>,
    started: bool,
    next: u64,
    pub(super) subs: Vec<Sub>,
    /// Subs before it are done.
    open: usize,
    devices: Vec<SigningKey>,
    /// How many of the keys the admins sign with.
    threshold: usize,
    pub(super) is_to_succeed: bool,
    /// The new key, and which transaction gives way to it.
    successor: Option<(SigningKey, usize)>,
    /// The node whose key this is.
    node: Option<usize>,
}

impl Client {
    fn new(kind: Kind, keys: Vec<SigningKey>, rng: &mut Rng, nodes: usize) -> Self {
        let sender = match kind {
            Kind::Admins => Sender::Admins,
            Kind::Controller | Kind::Operator | Kind::Newcomer => Sender::Key(PublicKey::of(&keys[0])),
        };
        Self {
            kind,
            keys,
            sender,
            equivocates: false,
            floods: false,
            pace_ms: rng.within(1_500, 6_000),
            home: rng.index(nodes),
            circle: Vec::new(),
            started: kind == Kind::Admins,
            next: 0,
            subs: Vec::new(),
            open: 0,
            devices: Vec::new(),
            threshold: 2,
            is_to_succeed: false,
            successor: None,
            node: None,
        }
    }

    /// The sender's key, if it has one of its own.
    pub(super) fn key(&self) -> Option<PublicKey> {
        match self.sender {
            Sender::Admins => None,
            Sender::Key(key) => Some(key),
        }
    }

    fn sign(&mut self, action: Action, body: Option<CheckedBody>, sequence: u64, chain_id: &Hash256) {
        // As many admins as it takes, in order of index.
        let keys: Vec<_> = self.keys.iter().take(self.threshold).collect();
        let transaction = TransactionBody { sender: self.sender, sequence, action }.signed(&keys, chain_id);
        self.subs.push(Sub {
            txid: transaction.txid(),
            transaction: Rc::new(transaction),
            body,
            done: false,
            acknowledged: false,
            asked_ms: None,
        });
    }
}

impl World {
    /// The admins, and whom they admit first.
    pub(super) fn hire(&mut self, admins: Vec<SigningKey>) {
        let nodes = self.nodes.len();
        self.clients.push(Client::new(Kind::Admins, admins, &mut self.rng, nodes));
        for at in 0..self.plan.controllers {
            let key = SigningKey::from_bytes(&self.rng.bytes());
            let mut client = Client::new(Kind::Controller, vec![key], &mut self.rng, nodes);
            let last = at + 1 == self.plan.controllers;
            client.equivocates = last && self.plan.equivocates;
            client.floods = last && self.plan.floods;
            self.clients.push(client);
        }
        let key = SigningKey::from_bytes(&self.rng.bytes());
        self.clients.push(Client::new(Kind::Operator, vec![key], &mut self.rng, nodes));
        for client in 1..self.clients.len() {
            let role =
                if self.clients[client].kind == Kind::Operator { Role::Operator } else { Role::Controller };
            let key = self.clients[client].key().expect("only the admins have none");
            self.admins_say(Action::Admit { role, key });
        }
        for client in 0..self.clients.len() {
            let at_ms = self.rng.within(2_500, 6_000);
            self.at(at_ms, What::Client(client));
        }
    }

    fn admins_say(&mut self, action: Action) {
        let chain_id = self.checks.network.chain_id;
        let admins = &mut self.clients[0];
        let sequence = admins.next;
        admins.sign(action, None, sequence, &chain_id);
        admins.next += 1;
    }

    pub(super) fn retune(&mut self, block_time_ms: u64) {
        self.tally.count("events", "changes of parameters");
        let parameters = Tuning { block_time_ms, finality_depth: self.plan.finality_depth };
        let height = self.nodes[0].disk.tables().tip.1 + self.rng.within(3, 12);
        self.admins_say(Action::SetParameters { parameters, height });
    }

    /// No node knows the rule, so none goes on from there; no run is that long.
    pub(super) fn announce(&mut self, rule: u32) {
        self.tally.count("events", "activations announced");
        let height = self.rng.within(100_000, 200_000);
        self.admins_say(Action::Activate { rule, height });
    }

    /// At most one node of a cluster: who changes its key does not mine meanwhile.
    pub(super) fn succeed_node(&mut self, node: usize) {
        if !self.nodes[node].is_honest() || self.clients.iter().any(|client| client.node.is_some()) {
            return;
        }
        let (key, nodes) = (self.nodes[node].key.clone(), self.nodes.len());
        let mut client = Client::new(Kind::Newcomer, vec![key], &mut self.rng, nodes);
        (client.node, client.is_to_succeed) = (Some(node), true);
        self.clients.push(client);
        let client = self.clients.len() - 1;
        self.after(1_000, What::Client(client));
    }

    /// One or two of the three, the last one first from now on.
    pub(super) fn change_admins(&mut self) {
        self.tally.count("events", "changes of admins");
        let mut order = self.clients[0].keys.clone();
        order.rotate_right(1);
        let threshold = 1 + self.rng.index(2);
        let keys = order.iter().map(PublicKey::of).collect();
        let number = u32::try_from(threshold).expect("one or two");
        self.admins_say(Action::SetAdmins { threshold: number, keys });
        (self.clients[0].keys, self.clients[0].threshold) = (order, threshold);
    }

    pub(super) fn admit_node(&mut self, node: usize) {
        self.tally.count("events", "admissions of nodes");
        let (key, public) = (self.nodes[node].key.clone(), self.nodes[node].public);
        self.admins_say(Action::Admit { role: Role::Node, key: public });
        let nodes = self.nodes.len();
        self.clients.push(Client::new(Kind::Newcomer, vec![key], &mut self.rng, nodes));
        let client = self.clients.len() - 1;
        self.after(1_000, What::Client(client));
    }

    pub(super) fn revoke_node(&mut self, node: usize) {
        self.tally.count("events", "revocations of nodes");
        let key = self.nodes[node].public;
        self.admins_say(Action::Revoke { key, suspect_since: 1 });
    }

    pub(super) fn revoke_controller(&mut self, controller: usize) {
        self.tally.count("events", "revocations of controllers");
        let key = self.clients[1 + controller].key().expect("a controller's own");
        self.admins_say(Action::Revoke { key, suspect_since: 1 });
    }

    /// The admins of either half of a partition take the other half for lost and revoke some of it.
    pub(super) fn split_admins(&mut self) {
        self.tally.count("events", "schisms");
        let (first, nodes) = (&self.clients[0], self.nodes.len());
        let threshold = first.threshold;
        let mut other = Client::new(Kind::Admins, first.keys.clone(), &mut self.rng, nodes);
        (other.next, other.threshold) = (self.clients[0].next, threshold);
        self.clients.push(other);
        let last = self.clients.len() - 1;
        let chain_id = self.checks.network.chain_id;
        for (client, side) in [(0, 0), (last, 1)] {
            let (circle, lost): (Vec<_>, Vec<_>) = (0..nodes).partition(|node| self.groups[*node] == side);
            let it = &mut self.clients[client];
            (it.home, it.circle, it.equivocates) = (circle[0], circle, true);
            for node in lost.into_iter().take(3) {
                let action = Action::Revoke { key: self.nodes[node].public, suspect_since: 1 };
                let sequence = it.next;
                it.sign(action, None, sequence, &chain_id);
                it.next += 1;
            }
        }
        self.after(100, What::Client(last));
    }

    /// A client turns to another node.
    fn move_on(&mut self, client: usize) {
        let circle = &self.clients[client].circle;
        let home = match circle.len() {
            0 => self.rng.index(self.nodes.len()),
            some => circle[self.rng.index(some)],
        };
        self.clients[client].home = home;
    }

    /// A client's turn: signs something new perhaps, looks after what is under way.
    pub(super) fn client(&mut self, client: usize) -> Result<(), Violation> {
        let pace_ms = self.clients[client].pace_ms;
        let wait_ms = self.rng.within(pace_ms / 2, pace_ms);
        self.after(wait_ms, What::Client(client));
        let home = self.clients[client].home;
        // In the end all know which nodes the admins revoked.
        let left = self.ending.is_closing && !self.is_standing(home);
        if self.nodes[home].core.is_none() || left || self.rng.chance(3) {
            self.move_on(client);
            return Ok(());
        }
        let it = &mut self.clients[client];
        if !it.started {
            let key = it.key().expect("the admins are there from the start");
            it.started = self.nodes[home].admits(&key);
            return Ok(());
        }
        if !self.ending.is_closing {
            self.sign_something(client);
        }
        self.look_after(client);
        Ok(())
    }

    /// Goes on with the new key once it stands for the old one for good.
    fn take_over_key(&mut self, client: usize) {
        let it = &mut self.clients[client];
        if let Some((key, at)) = it.successor.take_if(|(_, at)| it.subs[*at].done) {
            it.subs[at].done = true;
            it.sender = Sender::Key(PublicKey::of(&key));
            (it.keys, it.next, it.started) = (vec![key.clone()], 0, false);
            match it.node {
                None => self.tally.count("events", "keys succeeded"),
                Some(node) => {
                    self.tally.count("events", "nodes' keys succeeded");
                    self.crash(node, 500);
                    (self.nodes[node].public, self.nodes[node].key) = (PublicKey::of(&key), key);
                }
            }
        }
    }

    fn succession(&mut self, client: usize) -> Action {
        let key = SigningKey::from_bytes(&self.rng.bytes());
        let (controller, device) = (self.clients[client].key().expect("its own"), PublicKey::of(&key));
        let claim = PossessionClaim { controller, device, kind: "", area: "" };
        let possession = claim.sign(&key, &self.checks.network.chain_id);
        let it = &mut self.clients[client];
        it.successor = Some((key, it.subs.len()));
        Action::Succeed { successor: device, possession }
    }

    fn sign_something(&mut self, client: usize) {
        self.take_over_key(client);
        let it = &mut self.clients[client];
        if it.successor.is_some() || !it.started {
            return;
        }
        let (kind, floods) = (self.clients[client].kind, self.clients[client].floods);
        let count = match kind {
            Kind::Admins => return,
            Kind::Newcomer => usize::from(self.clients[client].next == 0),
            Kind::Controller | Kind::Operator if floods && self.rng.chance(10) => 24,
            Kind::Controller | Kind::Operator => 1,
        };
        for _ in 0..count {
            let it = &self.clients[client];
            if it.subs.len() - it.open >= UNDER_WAY_MAX * if floods { 4 } else { 1 } {
                return;
            }
            let succeeds = std::mem::take(&mut self.clients[client].is_to_succeed);
            let (action, body) = if succeeds { (self.succession(client), None) } else { self.action(client) };
            let chain_id = self.checks.network.chain_id;
            let it = &mut self.clients[client];
            let sequence = it.next;
            it.next += 1;
            it.sign(action, body, sequence, &chain_id);
            if succeeds {
                return;
            }
            if it.equivocates && self.rng.chance(20) {
                self.tally.count("events", "equivocating transactions");
                let (action, body) = self.anchor(AnchorKind::Data);
                self.clients[client].sign(action, body, sequence, &chain_id);
            }
        }
    }

    fn action(&mut self, client: usize) -> (Action, Option<CheckedBody>) {
        match self.clients[client].kind {
            Kind::Newcomer => (Action::Ready, None),
            Kind::Operator => self.anchor(AnchorKind::Access),
            Kind::Admins | Kind::Controller => match self.rng.below(20) {
                0 => (self.enrolment(client), None),
                1 if !self.clients[client].devices.is_empty() => {
                    let device = PublicKey::of(&self.clients[client].devices[0]);
                    (Action::RevokeDevice { device, suspect_since: 2 }, None)
                }
                2 => (Action::Anchor(heartbeat()), None),
                3 | 4 => self.anchor(AnchorKind::Command),
                _ => self.anchor(AnchorKind::Data),
            },
        }
    }

    fn enrolment(&mut self, client: usize) -> Action {
        let device = SigningKey::from_bytes(&self.rng.bytes());
        let controller = self.clients[client].key().expect("a controller's own");
        let public = PublicKey::of(&device);
        let claim = PossessionClaim { controller, device: public, kind: "multicopter", area: "here" };
        let possession = claim.sign(&device, &self.checks.network.chain_id);
        self.clients[client].devices.push(device);
        Action::Enrol(Enrolment {
            device: public,
            kind: "multicopter".into(),
            area: "here".into(),
            possession,
        })
    }

    fn anchor(&mut self, kind: AnchorKind) -> (Action, Option<CheckedBody>) {
        let leaves: Vec<_> = (0..1 + self.rng.below(6)).map(|_| Hash256(self.rng.bytes())).collect();
        let (root, leaf_count) = (merkle::root(&leaves), u32::try_from(leaves.len()).expect("few"));
        let body = CheckedBody::check(BatchId { root, leaf_count }, leaves).expect("random leaves differ");
        let anchor = Anchor { kind, root, leaf_count, first_time: self.now_ms, last_time: 0 };
        (Action::Anchor(anchor), Some(body))
    }

    /// Asks after what is under way, oldest first, and hands over again what the node does not know.
    fn look_after(&mut self, client: usize) {
        let it = &mut self.clients[client];
        while it.subs.get(it.open).is_some_and(|sub| sub.done) {
            it.open += 1;
        }
        let (home, open, end) = (it.home, it.open, it.subs.len());
        for at in open..end {
            let sub = &self.clients[client].subs[at];
            if sub.done || sub.asked_ms.is_some_and(|asked_ms| asked_ms + ANSWER_MS > self.now_ms) {
                continue;
            }
            let key = (sub.transaction.body.sender, sub.transaction.body.sequence);
            let txid = sub.txid;
            let tables = self.nodes[home].disk.tables();
            let height = tables.places.get(&txid).copied();
            let waits = tables.pool.get(&key).is_some_and(|waiting| waiting.txid() == txid);
            let tip = tables.tip.1;
            drop(tables);
            // A node out of work may be what the next blocks wait for.
            let confirmations = if self.clients[client].node.is_some() { 1 } else { CONFIRMATIONS };
            match height {
                Some(height) if tip + 1 - height >= confirmations => {
                    self.clients[client].subs[at].done = true;
                    self.tally.count("submissions", "included");
                }
                Some(_) => {}
                None if waits => {}
                None => {
                    // The second of two at one sequence goes to another node.
                    let it = &self.clients[client];
                    let twin = it.equivocates && it.circle.is_empty() && self.rng.chance(50);
                    let node = if twin { self.rng.index(self.nodes.len()) } else { home };
                    self.clients[client].subs[at].asked_ms = Some(self.now_ms);
                    self.tally.count("submissions", "handed over");
                    let wait_ms = self.rng.within(1, 50);
                    self.after(wait_ms, What::Submit { client, at, node });
                }
            }
        }
    }

    /// An answer reached a client.
    pub(super) fn replied(
        &mut self,
        client: usize,
        at: usize,
        node: usize,
        heard: Heard,
    ) -> Result<(), Violation> {
        let honest_node = self.nodes[node].is_honest();
        let (sender, equivocates) = (self.clients[client].sender, self.clients[client].equivocates);
        let sub = &mut self.clients[client].subs[at];
        sub.asked_ms = None;
        match heard {
            Heard::Pending => sub.acknowledged |= honest_node,
            Heard::Included => {}
            Heard::Nothing => self.move_on(client),
            Heard::Refused(error) => {
                let name = match &error {
                    SubmitError::Rule(rule) => {
                        let (number, name) = rule.rule();
                        format!("{number} {name}")
                    }
                    SubmitError::SequenceTaken { .. } => "sequence-taken".into(),
                    SubmitError::BodyMissing { .. } => "body-missing".into(),
                    SubmitError::MempoolFull => "mempool-full".into(),
                };
                self.tally.count("refused submissions", &name);
                let for_good = match &error {
                    // Its admission may be on its way to this node.
                    SubmitError::Rule(TxError::SenderUnknown { .. }) | SubmitError::MempoolFull => false,
                    // New admins whose election is on its way to this node.
                    SubmitError::Rule(TxError::AdminApprovals { .. }) => false,
                    SubmitError::Rule(TxError::SenderRevoked { .. }) => true,
                    // Too far ahead of a node that is behind.
                    SubmitError::Rule(TxError::Sequence { found, expected, .. }) if found > expected => false,
                    _ if equivocates => true,
                    _ if !honest_node => false,
                    _ => {
                        let why = format!("{sender:?} was refused though honest: {error}");
                        return Err(self.violation("refusal", node, why));
                    }
                };
                if for_good {
                    self.clients[client].subs[at].done = true;
                    self.tally.count("submissions", "refused for good");
                }
            }
        }
        Ok(())
    }

    /// Transactions of honest, not revoked senders that an honest node acknowledged.
    pub(super) fn promised(&self) -> BTreeSet<(Sender, u64)> {
        let honest = self.clients.iter().filter(|client| !client.equivocates);
        let subs = honest.flat_map(|client| &client.subs).filter(|sub| sub.acknowledged);
        subs.map(|sub| (sub.transaction.body.sender, sub.transaction.body.sequence)).collect()
    }
}
