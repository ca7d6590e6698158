//! A cluster in virtual time: one queue of what is to happen, the nodes, and the network between them.
//!
//! Does for each node what the shell, the peer-to-peer layer and the miner do around the core.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

use dronechain_chain_spec::header::{Header, future_ms};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::rules::HeaderError;
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, Parameters};
use dronechain_chain_spec::target::{Bits, Target};
use dronechain_chain_spec::wire::Request;
use dronechain_node::core::Core;
use dronechain_node::core::event::{
    Action, Event, Fault as Wrong, GossipId, Peer, RequestId, Submitted, Template, Ticket, Verdict,
};
use dronechain_node::core::view::ViewError;

use super::Violation;
use super::client::{Client, Heard};
use super::disk::Disk;
use super::liar::Liar;
use super::message::{Checks, Gossip, News, Packet, fault_name};
use super::model::{self, Model};
use super::node::{GENESIS_MS, Held, Node};
use super::plan::{CrashAt, Fault, Plan};
use super::rng::Rng;
use super::tally::Tally;

/// How often cores hear that time passes.
const TICK_MS: u64 = 200;
/// How long an answer may take.
const REQUEST_TIMEOUT_MS: u64 = 10_000;
/// Requests to one peer that wait for their answers; as in the peer-to-peer layer.
const REQUESTS_PER_PEER_MAX: usize = 16;
/// Gossip drops repeats within this time.
const SEEN_MS: u64 = 60_000;
/// Period of dialling, of forgetting and of the checks that are not tied to a commit.
const UPKEEP_MS: u64 = 1_000;
/// A connection over which nothing comes is given up after this long.
const DEAD_MS: u64 = 15_000;
/// Faults of a peer at which it is disconnected, and for how long.
const FAULTS_MAX: u64 = 5;
const BAN_MS: u64 = 30_000;
/// Work of the first block, and the easiest: few hashes, since each block is really mined.
const INITIAL_BITS: Bits = Bits(0x2003_ffff);
const LIMIT_BITS: Bits = Bits(0x207f_ffff);
const INITIAL_WORK: f64 = 64.0;

/// What happens next.
pub(super) enum What {
    Tick { node: usize, life: u64 },
    Deliver { from: usize, to: usize, peer: Peer, packet: Packet },
    Timeout { node: usize, peer: Peer, id: RequestId },
    /// To a node's core.
    Tell { node: usize, life: u64, event: Event },
    Synced { node: usize, life: u64 },
    Found { node: usize, draw: u64 },
    Crash { node: usize, down_ms: u64 },
    Start { node: usize },
    /// One side notices that a connection is gone.
    Gone { node: usize, peer: Peer },
    Client(usize),
    Submit { client: usize, at: usize, node: usize },
    Reply { client: usize, at: usize, node: usize, heard: Heard },
    Lie { node: usize },
    Fault(Fault),
    Upkeep,
}

struct Entry {
    at_ms: u64,
    number: u64,
    what: What,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

/// A connection between two nodes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Link {
    /// Its number with both sides; none while they are not connected.
    pub(super) peer: Option<Peer>,
    /// How long it has been closed in one direction at least.
    blocked_ms: u64,
}

/// The cluster.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) now_ms: u64,
    queue: BinaryHeap<Reverse<Entry>>,
    entries: u64,
    pub(super) rng: Rng,
    pub(super) nodes: Vec<Node>,
    pub(super) clients: Vec<Client>,
    pub(super) links: BTreeMap<(usize, usize), Link>,
    /// Fixed delay of each direction.
    delays: BTreeMap<(usize, usize), u64>,
    pub(super) groups: Vec<u8>,
    one_way: BTreeSet<(usize, usize)>,
    connections: u64,
    tickets: u64,
    pub(super) checks: Checks,
    pub(super) model: Model,
    pub(super) tally: Tally,
    trace: u64,
    pub(super) calm: bool,
    /// Whether to tell on stderr what happens.
    pub(super) log: bool,
    pub(super) ending: super::check::Ending,
    /// Whether the run is over.
    pub(super) over: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng);
        let keys: Vec<_> = (0..plan.nodes).map(|_| SigningKey::from_bytes(&rng.bytes())).collect();
        let admins: Vec<_> = (0..3).map(|_| SigningKey::from_bytes(&rng.bytes())).collect();
        let spec = ChainSpec {
            name: "simulated".into(),
            genesis_time_ms: GENESIS_MS,
            nodes: keys[..plan.named].iter().map(PublicKey::of).collect(),
            parameters: Parameters {
                block_time_ms: plan.block_time_ms,
                initial_bits: INITIAL_BITS,
                limit_bits: LIMIT_BITS,
                finality_depth: plan.finality_depth,
            },
            admins: AdminSet { threshold: 2, keys: admins.iter().map(PublicKey::of).collect() },
        };
        let whole = 2.0 * INITIAL_WORK / plan.block_time_ms as f64 / plan.nodes as f64;
        let nodes = keys.into_iter().enumerate().map(|(index, key)| {
            let power = whole * (20 + rng.below(160)) as f64 / 100.0;
            let liar = plan.liars.contains(&index).then(|| Liar::draw(&mut rng));
            Node::new(key, Disk::new(&spec), power, rng.chance(50), liar)
        });
        let nodes = nodes.collect();
        let delays = plan.links.iter().flat_map(|&(a, b)| [(a, b), (b, a)]);
        let delays = delays.map(|way| (way, rng.within(1, plan.weather.delay_ms))).collect();
        let mut world = Self {
            now_ms: 0,
            queue: BinaryHeap::new(),
            entries: 0,
            nodes,
            clients: Vec::new(),
            links: plan.links.iter().map(|pair| (*pair, Link::default())).collect(),
            delays,
            groups: vec![0; plan.nodes],
            one_way: BTreeSet::new(),
            connections: 0,
            tickets: 0,
            checks: Checks::new(spec.network()),
            model: Model::new(&spec),
            tally: Tally::default(),
            trace: seed,
            calm: false,
            log: false,
            ending: super::check::Ending::default(),
            over: false,
            rng,
            plan,
        };
        world.begin(admins);
        world
    }

    fn begin(&mut self, admins: Vec<SigningKey>) {
        for node in 0..self.nodes.len() {
            let at_ms = self.rng.below(2_000);
            self.at(at_ms, What::Start { node });
            if self.nodes[node].liar.is_some() {
                let at_ms = self.rng.within(15_000, 30_000);
                self.at(at_ms, What::Lie { node });
            }
        }
        self.hire(admins);
        for (at_ms, fault) in self.plan.faults.clone() {
            self.at(at_ms, What::Fault(fault));
        }
        self.at(UPKEEP_MS, What::Upkeep);
    }

    /// Something is to happen at a time.
    pub(super) fn at(&mut self, at_ms: u64, what: What) {
        self.entries += 1;
        self.queue.push(Reverse(Entry { at_ms, number: self.entries, what }));
    }

    pub(super) fn after(&mut self, wait_ms: u64, what: What) {
        self.at(self.now_ms + wait_ms, what);
    }

    /// What identifies everything that happened.
    pub(super) fn trace(&self) -> u64 {
        self.trace
    }

    pub(super) fn note(&mut self, value: u64) {
        self.trace = (self.trace.rotate_left(9) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Runs to the end.
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        while !self.over
            && let Some(Reverse(Entry { at_ms, number, what })) = self.queue.pop()
        {
            self.now_ms = at_ms;
            self.note(at_ms << 20 ^ number);
            self.happen(what)?;
        }
        Ok(())
    }

    fn happen(&mut self, what: What) -> Result<(), Violation> {
        match what {
            What::Tick { node, life } => {
                if self.nodes[node].life == life {
                    self.after(TICK_MS, What::Tick { node, life });
                    // A tick that waits is enough.
                    if !self.nodes[node].inbox.contains(&Event::Tick) {
                        self.feed(node, Event::Tick)?;
                    }
                }
            }
            What::Deliver { from, to, peer, packet } => self.deliver(from, to, peer, packet)?,
            What::Timeout { node, peer, id } => {
                if self.nodes[node].asked.remove(&(peer, id)).is_some() {
                    self.feed(node, Event::RequestFailed { peer, request: id, fault: None })?;
                }
            }
            What::Tell { node, life, event } => {
                if self.nodes[node].life == life {
                    self.feed(node, event)?;
                }
            }
            What::Synced { node, life } => {
                if self.nodes[node].life == life {
                    self.synced(node)?;
                }
            }
            What::Found { node, draw } => self.found(node, draw)?,
            What::Crash { node, down_ms } => self.crash(node, down_ms),
            What::Start { node } => self.start(node)?,
            What::Gone { node, peer } => self.gone(node, peer)?,
            What::Client(client) => self.client(client)?,
            What::Submit { client, at, node } => self.submit(client, at, node)?,
            What::Reply { client, at, node, heard } => self.replied(client, at, node, heard)?,
            What::Lie { node } => self.lie(node),
            What::Fault(fault) => self.fault(fault),
            What::Upkeep => self.upkeep()?,
        }
        Ok(())
    }

    /// A line of the log, for people.
    pub(super) fn say(&self, node: usize, line: impl FnOnce() -> String) {
        if self.log {
            eprintln!("{:>9.3} node {node}: {}", self.now_ms as f64 / 1_000.0, line());
        }
    }

    pub(super) fn violation(&self, checker: &'static str, node: usize, what: impl Into<String>) -> Violation {
        Violation { time_ms: self.now_ms, checker, node, what: what.into() }
    }

    // The shell.

    /// An event for a node's core.
    pub(super) fn feed(&mut self, node: usize, event: Event) -> Result<(), Violation> {
        let it = &mut self.nodes[node];
        if it.core.is_none() {
            return Ok(());
        }
        if it.waits && it.commit.is_some() {
            it.inbox.push_back(event);
            return Ok(());
        }
        self.handle(node, event)?;
        self.begin_commit(node)
    }

    fn handle(&mut self, node: usize, event: Event) -> Result<(), Violation> {
        let it = &mut self.nodes[node];
        let Some(core) = &mut it.core else { return Ok(()) };
        let now_ms = it.clock.shows(self.now_ms);
        let told = self.log.then(|| brief(&event)).filter(|told| !told.starts_with("Tick"));
        let actions = core.handle(now_ms, event);
        if let Some(told) = told {
            self.say(node, || format!("< {told}"));
        }
        let actions = actions.map_err(|ViewError(why)| self.violation("view", node, why))?;
        for action in actions {
            self.perform(node, action)?;
        }
        Ok(())
    }

    fn begin_commit(&mut self, node: usize) -> Result<(), Violation> {
        let it = &mut self.nodes[node];
        if it.commit.is_some() {
            return Ok(());
        }
        let Some(core) = &mut it.core else { return Ok(()) };
        let Some(changes) = core.take_changes() else {
            return self.settled(node);
        };
        it.commit = Some(changes);
        let (life, sync_ms) = (it.life, it.sync_ms);
        let crash = it.crash.take_if(|(at, _)| *at == CrashAt::Commit);
        let wait_ms = self.rng.within(sync_ms / 2, sync_ms + sync_ms / 2).max(1);
        if let Some((_, down_ms)) = crash {
            let at = self.rng.within(0, wait_ms);
            self.after(at, What::Crash { node, down_ms });
        }
        self.after(wait_ms, What::Synced { node, life });
        Ok(())
    }

    fn synced(&mut self, node: usize) -> Result<(), Violation> {
        self.persist(node);
        let it = &mut self.nodes[node];
        if let Some((_, down_ms)) = it.crash.take_if(|(at, _)| *at == CrashAt::Synced) {
            self.crash(node, down_ms);
            return Ok(());
        }
        self.handle(node, Event::Committed)?;
        while let Some(event) = self.nodes[node].inbox.pop_front() {
            self.handle(node, event)?;
        }
        self.begin_commit(node)
    }

    /// The commit under way is on disk.
    fn persist(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let Some(changes) = it.commit.take() else { return };
        it.disk.apply(&changes);
        let tables = it.disk.tables();
        for (hash, transactions) in &changes.blocks {
            self.model.learn(*hash, &tables.headers[hash].signed.header, transactions);
        }
        drop(tables);
        it.watch.rivals.extend(changes.blocks.keys());
    }

    fn perform(&mut self, node: usize, action: Action) -> Result<(), Violation> {
        self.say(node, || brief(&action));
        match action {
            Action::Request { peer, id, request } => self.ask(node, peer, id, request),
            Action::GossipTransaction(transaction) => self.publish(node, &Gossip::transaction(transaction)),
            Action::GossipHeader(header) => self.publish(node, &Gossip::header(header)),
            Action::Judge { gossip, verdict } => self.judge(node, gossip, verdict),
            Action::Penalise { peer, fault } => {
                if let Some(&other) = self.nodes[node].peers.get(&peer) {
                    self.penalise(node, other, &fault)?;
                }
            }
            Action::Answer { ticket, result } => self.answered(node, ticket, result),
            Action::Mine(template) => self.mine(node, template),
            Action::TipMoved { disconnected, .. } => {
                if disconnected > 0 {
                    self.tally.count("reorganisations", &format!("{disconnected:03}"));
                }
            }
            Action::FinalityAlarm { rival, .. } => {
                self.tally.count("events", "finality alarms");
                self.nodes[node].watch.alarms.insert(rival);
                if !self.plan.deep {
                    return Err(self.violation("finality", node, format!("an alarm for {rival}")));
                }
            }
            Action::Evidence { offenders, misbehaviour, .. } => {
                self.check_evidence(node, &offenders, misbehaviour)?;
            }
            Action::UpgradeNeeded { rule, .. } => {
                return Err(self.violation("rules", node, format!("rule {rule} is unknown")));
            }
            Action::ClockWarning { .. } => self.tally.count("events", "clock warnings"),
        }
        Ok(())
    }

    fn answered(
        &mut self,
        node: usize,
        ticket: Ticket,
        result: Result<Submitted, dronechain_node::core::event::SubmitError>,
    ) {
        let Some((client, at)) = self.nodes[node].tickets.remove(&ticket) else { return };
        let sub = &self.clients[client].subs[at];
        let key = (sub.transaction.body.sender, sub.transaction.body.sequence);
        if let Ok(Submitted::Pending { txid }) = &result
            && self.nodes[node].is_honest()
        {
            self.tally.count("submissions", "acknowledged");
            self.nodes[node].watch.acknowledged.insert(key, *txid);
        }
        if let Some((_, down_ms)) = self.nodes[node].crash.take_if(|(when, _)| *when == CrashAt::Answer) {
            self.after(0, What::Crash { node, down_ms });
        }
        if self.rng.chance(5) {
            self.tally.count("submissions", "answers lost");
            return;
        }
        let wait_ms = self.rng.within(1, 50);
        self.after(wait_ms, What::Reply { client, at, node, heard: Heard::from(result) });
    }

    /// A submission reached a node.
    fn submit(&mut self, client: usize, at: usize, node: usize) -> Result<(), Violation> {
        let sub = &self.clients[client].subs[at];
        if self.nodes[node].core.is_none() {
            self.after(1, What::Reply { client, at, node, heard: Heard::Nothing });
            return Ok(());
        }
        let (transaction, body) = (Rc::clone(&sub.transaction), sub.body.clone());
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.nodes[node].tickets.insert(ticket, (client, at));
        let checked = self.checks.transaction(&transaction);
        let transaction = checked.map_err(|error| self.violation("client", node, error.to_string()))?;
        self.feed(node, Event::Submitted { ticket, transaction, body })
    }

    // Life and death.

    fn start(&mut self, node: usize) -> Result<(), Violation> {
        let it = &self.nodes[node];
        if it.core.is_some() {
            return Ok(());
        }
        let start = it.disk.load(it.public, it.follow).map_err(|why| self.violation("store", node, why))?;
        let core = Core::new(self.checks.network.clone(), it.disk.clone(), start);
        let core = core.map_err(|ViewError(why)| self.violation("view", node, why))?;
        let it = &mut self.nodes[node];
        it.core = Some(core);
        it.life += 1;
        it.watch.restarted = true;
        // Stored but not connected before the start: followed once a peer tells of it again.
        it.watch.rivals.clear();
        let life = it.life;
        self.tally.count("events", "starts");
        self.after(0, What::Tick { node, life });
        self.begin_commit(node)
    }

    /// What was not synced is lost; of a commit under way all or nothing is.
    pub(super) fn crash(&mut self, node: usize, down_ms: u64) {
        if self.nodes[node].core.is_none() {
            return;
        }
        self.tally.count("events", "crashes");
        if self.nodes[node].commit.is_some() {
            self.tally.count("events", "crashes during a commit");
            if self.rng.chance(50) {
                self.persist(node);
            }
        }
        let it = &mut self.nodes[node];
        it.core = None;
        it.life += 1;
        (it.commit, it.template, it.crash) = (None, None, None);
        it.draw += 1;
        it.inbox.clear();
        it.tickets.clear();
        it.held.clear();
        it.seen.clear();
        for peer in it.peers.keys().copied().collect::<Vec<_>>() {
            self.close(peer, node);
        }
        self.after(down_ms, What::Start { node });
    }

    // The miner.

    fn mine(&mut self, node: usize, template: Option<Template>) {
        self.nodes[node].template = template.map(|template| template.header);
        self.draw(node);
    }

    /// Waits have no memory, so a new one may be drawn whenever the target or the power changes.
    pub(super) fn draw(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        it.draw += 1;
        let power = it.power * it.percent as f64 / 100.0;
        let Some(template) = &it.template else { return };
        if power > 0.0 {
            let (work, draw) = (model::work(template.bits) as f64, it.draw);
            let wait_ms = self.rng.wait(work / power);
            self.after(wait_ms, What::Found { node, draw });
        }
    }

    fn found(&mut self, node: usize, draw: u64) -> Result<(), Violation> {
        let it = &mut self.nodes[node];
        if it.draw != draw {
            return Ok(());
        }
        let Some(header) = it.template.take() else { return Ok(()) };
        let signed = self.grind(header).signed(&self.nodes[node].key, &self.checks.network.chain_id);
        let checked = self.checks.header(&signed);
        let header = checked.map_err(|error| self.violation("template", node, error.to_string()))?;
        self.tally.count("blocks", "mined");
        self.feed(node, Event::Mined(header))
    }

    /// A nonce that meets the header's target.
    pub(super) fn grind(&mut self, mut header: Header) -> Header {
        let target = Target::from_bits(header.bits).expect("bits that a rule gave");
        header.nonce = self.rng.bits();
        while !target.is_met_by(&header.hash()) {
            header.nonce = header.nonce.wrapping_add(1);
        }
        header
    }

    // Peers.

    fn ask(&mut self, node: usize, peer: Peer, id: RequestId, request: Request) {
        let it = &mut self.nodes[node];
        let life = it.life;
        let waiting = it.asked.range((peer, RequestId(0))..=(peer, RequestId(u64::MAX))).count();
        if waiting >= REQUESTS_PER_PEER_MAX || !it.peers.contains_key(&peer) {
            let event = Event::RequestFailed { peer, request: id, fault: None };
            self.after(0, What::Tell { node, life, event });
            return;
        }
        it.asked.insert((peer, id), request.clone());
        self.after(REQUEST_TIMEOUT_MS, What::Timeout { node, peer, id });
        self.send(node, peer, Packet::Ask { id, request });
    }

    /// Gossips what is the node's own news.
    pub(super) fn publish(&mut self, node: usize, gossip: &Gossip) {
        if self.nodes[node].seen.insert(gossip.id, self.now_ms).is_none() {
            self.spread(node, gossip, None);
        }
    }

    fn spread(&mut self, node: usize, gossip: &Gossip, but: Option<Peer>) {
        for peer in self.nodes[node].peers.keys().copied().collect::<Vec<_>>() {
            if Some(peer) != but {
                self.send(node, peer, Packet::Gossip(gossip.clone()));
            }
        }
    }

    fn judge(&mut self, node: usize, gossip: GossipId, verdict: Verdict) {
        let Some(Held { gossip, from, .. }) = self.nodes[node].held.remove(&gossip) else { return };
        match verdict {
            Verdict::Accept => {
                self.tally.count("gossip", "accepted");
                self.spread(node, &gossip, Some(from));
            }
            Verdict::Ignore => self.tally.count("gossip", "ignored"),
            Verdict::Reject => self.tally.count("gossip", "rejected"),
        }
    }

    /// A node found another at fault.
    fn penalise(&mut self, node: usize, other: usize, fault: &Wrong) -> Result<(), Violation> {
        if !self.nodes[node].is_honest() {
            return Ok(());
        }
        let name = fault_name(fault);
        let group = match fault {
            Wrong::Header(_) => "refused headers",
            Wrong::Block { .. } => "refused blocks",
            Wrong::Transaction(_) => "refused transactions",
            Wrong::Body(_) | Wrong::Unasked | Wrong::Undecodable(_) => "refused answers",
        };
        self.tally.count(group, &name);
        self.tally.count("events", "penalties");
        if self.nodes[other].is_honest() {
            return Err(self.violation("penalty", node, format!("honest node {other} is penalised: {fault}")));
        }
        let faults = self.nodes[node].faults.entry(other).or_default();
        *faults += 1;
        if *faults >= FAULTS_MAX {
            *faults = 0;
            self.nodes[node].banned.insert(other, self.now_ms + BAN_MS);
            self.tally.count("events", "bans");
            if let Some(peer) = self.links.get(&pair(node, other)).and_then(|link| link.peer) {
                self.close(peer, node);
            }
        }
        Ok(())
    }

    pub(super) fn send(&mut self, from: usize, peer: Peer, packet: Packet) {
        let Some(&to) = self.nodes[from].peers.get(&peer) else { return };
        let doubled = self.rng.chance(self.plan.weather.doubled) && !self.calm;
        for _ in 0..=usize::from(doubled) {
            if !self.calm && self.rng.chance(self.plan.weather.loss) {
                self.tally.count("messages", "lost");
                continue;
            }
            let delay_ms = self.delays[&(from, to)] + self.rng.wait(self.plan.weather.jitter_ms as f64);
            self.after(delay_ms, What::Deliver { from, to, peer, packet: packet.clone() });
        }
        self.tally.add("messages", "doubled", u64::from(doubled));
    }

    fn is_open(&self, from: usize, to: usize) -> bool {
        self.groups[from] == self.groups[to] && !self.one_way.contains(&(from, to))
    }

    fn deliver(&mut self, from: usize, to: usize, peer: Peer, packet: Packet) -> Result<(), Violation> {
        if !self.nodes[to].peers.contains_key(&peer) || !self.is_open(from, to) {
            self.tally.count("messages", "cut off");
            return Ok(());
        }
        self.tally.count("messages", "delivered");
        match packet {
            Packet::Gossip(gossip) => self.hear(from, to, peer, gossip),
            Packet::Ask { id, request } => {
                if self.nodes[to].core.is_none() {
                    return Ok(());
                }
                if let Some(response) = self.serve(to, from, &request) {
                    self.send(to, peer, Packet::Reply { id, response: Rc::new(response) });
                }
                Ok(())
            }
            Packet::Reply { id, response } => {
                let Some(asked) = self.nodes[to].asked.remove(&(peer, id)) else { return Ok(()) };
                let event = match self.checks.answer(&asked, &response) {
                    Ok(answer) => Event::Answered { peer, request: id, answer },
                    Err(fault) => Event::RequestFailed { peer, request: id, fault: Some(fault) },
                };
                self.feed(to, event)
            }
        }
    }

    fn hear(&mut self, from: usize, to: usize, peer: Peer, gossip: Gossip) -> Result<(), Violation> {
        let it = &mut self.nodes[to];
        if it.seen.insert(gossip.id, self.now_ms).is_some() {
            return Ok(());
        }
        it.gossips += 1;
        let id = GossipId(it.gossips);
        match self.checks.gossip(peer, id, &gossip.news) {
            Ok(event) => {
                self.count_early(to, &gossip.news);
                let held = Held { gossip, from: peer, since_ms: self.now_ms };
                self.nodes[to].held.insert(id, held);
                self.feed(to, event)
            }
            Err(fault) => self.penalise(to, from, &fault),
        }
    }

    /// A header from the future is ignored without a word.
    fn count_early(&mut self, node: usize, news: &News) {
        if let News::Header(link) = news {
            let now_ms = self.nodes[node].clock.shows(self.now_ms);
            let (found, latest) = (link.header.header.time_ms, now_ms + future_ms(self.plan.block_time_ms));
            if found > latest {
                let (number, name) = HeaderError::Future { found, latest }.rule();
                self.tally.count("refused headers", &format!("{number} {name}"));
            }
        }
    }

    // Connections.

    /// `node` closes a connection at once; the other side notices later.
    pub(super) fn close(&mut self, peer: Peer, node: usize) {
        let Some(&other) = self.nodes[node].peers.get(&peer) else { return };
        if let Some(link) = self.links.get_mut(&pair(node, other))
            && link.peer == Some(peer)
        {
            link.peer = None;
        }
        let wait_ms = self.rng.within(1, 300);
        self.after(0, What::Gone { node, peer });
        self.after(wait_ms, What::Gone { node: other, peer });
        if self.nodes[node].core.is_none() {
            self.nodes[node].peers.remove(&peer);
            self.nodes[node].asked.retain(|(of, _), _| *of != peer);
        }
    }

    fn gone(&mut self, node: usize, peer: Peer) -> Result<(), Violation> {
        if self.nodes[node].peers.remove(&peer).is_none() {
            return Ok(());
        }
        self.nodes[node].asked.retain(|(of, _), _| *of != peer);
        self.feed(node, Event::Closed(peer))
    }

    fn upkeep(&mut self) -> Result<(), Violation> {
        for (a, b) in self.plan.links.iter().copied().collect::<Vec<_>>() {
            self.tend(a, b)?;
        }
        let now_ms = self.now_ms;
        for node in &mut self.nodes {
            node.seen.retain(|_, at_ms| *at_ms + SEEN_MS > now_ms);
            node.held.retain(|_, held| held.since_ms + SEEN_MS > now_ms);
        }
        self.after(UPKEEP_MS, What::Upkeep);
        self.look()
    }

    /// Dials, and gives up what is dead or not admitted.
    fn tend(&mut self, a: usize, b: usize) -> Result<(), Violation> {
        let open = self.is_open(a, b) && self.is_open(b, a);
        let welcome = self.welcomes(a, b) && self.welcomes(b, a);
        let link = self.links.get_mut(&(a, b)).expect("a link of the plan");
        link.blocked_ms = if open { 0 } else { link.blocked_ms + UPKEEP_MS };
        match link.peer {
            Some(peer) if link.blocked_ms >= DEAD_MS || !welcome => {
                self.close(peer, a);
                // Either side notices by itself.
                self.after(0, What::Gone { node: b, peer });
            }
            Some(_) => {}
            None if open && welcome && self.rng.chance(60) => {
                self.connections += 1;
                let peer = Peer(self.connections);
                self.links.get_mut(&(a, b)).expect("a link of the plan").peer = Some(peer);
                self.tally.count("events", "connections");
                for (node, other) in [(a, b), (b, a)] {
                    self.nodes[node].peers.insert(peer, other);
                    self.feed(node, Event::Connected(peer))?;
                }
            }
            None => {}
        }
        Ok(())
    }

    fn welcomes(&self, node: usize, other: usize) -> bool {
        let banned = self.nodes[node].banned.get(&other).is_some_and(|until_ms| *until_ms > self.now_ms);
        !banned && self.nodes[other].core.is_some() && self.nodes[node].admits(&self.nodes[other].public)
    }

    // Faults.

    fn fault(&mut self, fault: Fault) {
        self.say(0, || format!("FAULT {fault:?}"));
        match fault {
            Fault::Partition(groups) => {
                self.groups = groups;
                self.tally.count("events", "partitions");
            }
            Fault::Whole => self.groups.fill(0),
            Fault::OneWay { from, to, on: true } => {
                self.one_way.insert((from, to));
                self.tally.count("events", "one-way links");
            }
            Fault::OneWay { from, to, on: false } => {
                self.one_way.remove(&(from, to));
            }
            Fault::Cut(a, b) => {
                if let Some(peer) = self.links[&(a, b)].peer {
                    self.tally.count("events", "cuts");
                    self.close(peer, a);
                }
            }
            Fault::Crash { node, at: CrashAt::Now, down_ms } => self.crash(node, down_ms),
            Fault::Crash { node, at, down_ms } => self.nodes[node].crash = Some((at, down_ms)),
            Fault::Slow { node, sync_ms } => {
                self.tally.add("events", "slow disks", u64::from(sync_ms > 8));
                self.nodes[node].sync_ms = sync_ms;
            }
            Fault::Clock { node, offset_ms, drift_ppm } => {
                let jumps = offset_ms != 0 && !self.calm;
                self.tally.add("events", "clock jumps", u64::from(jumps));
                self.tally.add("events", "clock drifts", u64::from(drift_ppm != 0));
                let since_ms = self.now_ms;
                self.nodes[node].clock = super::node::Clock { offset_ms, drift_ppm, since_ms };
            }
            Fault::Power { node, percent } => {
                self.tally.add("events", "power changes", u64::from(percent != 100));
                self.nodes[node].percent = percent;
                self.draw(node);
            }
            Fault::RevokeNode(node) => self.revoke_node(node),
            Fault::RevokeController(controller) => self.revoke_controller(controller),
            Fault::Admit(node) => self.admit_node(node),
            Fault::Schism => self.split_admins(),
            Fault::Heal => self.heal(),
        }
    }

    /// All faults off, all nodes up.
    fn heal(&mut self) {
        self.calm = true;
        self.groups.fill(0);
        self.one_way.clear();
        for node in 0..self.nodes.len() {
            let it = &mut self.nodes[node];
            (it.clock, it.percent, it.sync_ms, it.crash) = (super::node::Clock::default(), 100, 8, None);
            it.banned.clear();
            it.faults.clear();
            if let Some(liar) = &mut it.liar {
                liar.is_calm = true;
            }
            self.draw(node);
            self.after(0, What::Start { node });
        }
        self.begin_ending();
    }
}

/// An event or action in a line, hashes cut short.
fn brief(what: &impl std::fmt::Debug) -> String {
    let mut text = String::new();
    let whole = format!("{what:?}");
    let mut rest = &whole[..];
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let digits = rest[at..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len() - at);
        text.push_str(&rest[..at + digits.min(if digits >= 64 { 8 } else { digits })]);
        rest = &rest[at + digits..];
    }
    text.push_str(rest);
    text.truncate(9000);
    text
}

pub(super) fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
