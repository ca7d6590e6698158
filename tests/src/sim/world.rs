//! A cluster in virtual time: the queue of what is to happen, and everything that it happens to.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, Parameters};
use dronechain_chain_spec::target::Bits;
use dronechain_node::core::event::{Event, Peer, RequestId};

use super::Violation;
use super::check::Ending;
use super::client::{Client, Heard};
use super::disk::Disk;
use super::liar::Liar;
use super::message::{Checks, Packet};
use super::model::Model;
use super::node::{GENESIS_MS, Node};
use super::plan::{Fault, Plan};
use super::rng::Rng;
use super::tally::Tally;

/// How often cores hear that time passes.
const TICK_MS: u64 = 200;
/// Period of dialling, of forgetting and of the checks that are not tied to a commit.
pub(super) const UPKEEP_MS: u64 = 1_000;
/// Work of the first block, and the easiest: few hashes, since each block is really mined.
const INITIAL_BITS: Bits = Bits(0x2003_ffff);
const LIMIT_BITS: Bits = Bits(0x207f_ffff);
const INITIAL_WORK: f64 = 64.0;

/// What happens next.
pub(super) enum What {
    Tick {
        node: usize,
        life: u64,
    },
    Deliver {
        from: usize,
        to: usize,
        peer: Peer,
        packet: Box<Packet>,
    },
    Timeout {
        node: usize,
        peer: Peer,
        id: RequestId,
    },
    /// To a node's core.
    Tell {
        node: usize,
        life: u64,
        event: Box<Event>,
    },
    Synced {
        node: usize,
        life: u64,
    },
    Found {
        node: usize,
        draw: u64,
    },
    Crash {
        node: usize,
        down_ms: u64,
    },
    Start {
        node: usize,
    },
    /// One side notices that a connection is gone.
    Gone {
        node: usize,
        peer: Peer,
    },
    Client(usize),
    Submit {
        client: usize,
        at: usize,
        node: usize,
    },
    Reply {
        client: usize,
        at: usize,
        node: usize,
        heard: Box<Heard>,
    },
    Lie {
        node: usize,
    },
    Fault(Box<Fault>),
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
    pub(super) blocked_ms: u64,
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
    pub(super) delays: BTreeMap<(usize, usize), u64>,
    pub(super) groups: Vec<u8>,
    pub(super) one_way: BTreeSet<(usize, usize)>,
    pub(super) connections: u64,
    pub(super) tickets: u64,
    pub(super) checks: Checks,
    pub(super) model: Model,
    pub(super) tally: Tally,
    trace: u64,
    pub(super) calm: bool,
    /// Whether to tell on stderr what happens.
    pub(super) log: bool,
    pub(super) ending: Ending,
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
            ending: Ending::default(),
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
            self.at(at_ms, What::Fault(Box::new(fault)));
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
            What::Deliver { from, to, peer, packet } => self.deliver(from, to, peer, *packet)?,
            What::Timeout { node, peer, id } => {
                if self.nodes[node].asked.remove(&(peer, id)).is_some() {
                    self.feed(node, Event::RequestFailed { peer, request: id, fault: None })?;
                }
            }
            What::Tell { node, life, event } => {
                if self.nodes[node].life == life {
                    self.feed(node, *event)?;
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
            What::Reply { client, at, node, heard } => self.replied(client, at, node, *heard)?,
            What::Lie { node } => self.lie(node),
            What::Fault(fault) => self.fault(*fault),
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
}
