//! What a seed stands for: the cluster, its network, and which faults come when.

use std::collections::BTreeSet;

use super::rng::Rng;

/// Faults begin here, when the first blocks are there.
const FIRST_MS: u64 = 20_000;

/// When a node crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CrashAt {
    /// At once.
    Now,
    /// When its next commit has begun; it may be on disk or not.
    Commit,
    /// When its next commit is on disk and the core has not heard.
    Synced,
    /// When it has answered its next submission.
    Answer,
}

/// Something that goes wrong, or right again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nodes hear only those of their own group.
    Partition(Vec<u8>),
    /// The partition ends.
    Whole,
    /// Nothing gets from one node to the other, or everything again.
    OneWay { from: usize, to: usize, on: bool },
    /// A connection ends.
    Cut(usize, usize),
    /// A node stops without notice and comes back later.
    Crash { node: usize, at: CrashAt, down_ms: u64 },
    /// Commits of a node take this long.
    Slow { node: usize, sync_ms: u64 },
    /// A node's clock is off by so much, and goes wrong further.
    Clock { node: usize, offset_ms: i64, drift_ppm: i64 },
    /// A miner has this percentage of its power.
    Power { node: usize, percent: u64 },
    /// The admins revoke a node.
    RevokeNode(usize),
    /// The admins revoke a controller.
    RevokeController(usize),
    /// The admins are of two minds: on either side they revoke nodes of the other, so that both go on.
    Schism,
    /// The admins change the block time, some blocks later.
    Retune(u64),
    /// The admins change their own number and order.
    NewAdmins,
    /// A controller's key gives way to a new one.
    Succeed(usize),
    /// A node's key does; the node starts anew with it.
    SucceedNode(usize),
    /// The admins announce a rule of a newer version, much later.
    Announce(u32),
    /// The admins admit a node that the chain spec does not name; it announces itself then.
    Admit(usize),
    /// All of this ends, liars are honest from now on.
    Heal,
}

/// How messages travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weather {
    /// Largest fixed delay of a direction of a link.
    pub(super) delay_ms: u64,
    /// Mean of what comes on top.
    pub(super) jitter_ms: u64,
    /// Lost of a hundred.
    pub(super) loss: u64,
    /// Doubled of a hundred.
    pub(super) doubled: u64,
}

/// A cluster and its fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) nodes: usize,
    /// How many of them the chain spec names; the rest are admitted later.
    pub(super) named: usize,
    pub(super) liars: BTreeSet<usize>,
    /// Whose clock may be wrong by more than the rules allow for; with the liars a minority.
    astray: BTreeSet<usize>,
    /// Pairs that connect, the smaller first.
    pub(super) links: BTreeSet<(usize, usize)>,
    pub(super) weather: Weather,
    pub(super) block_time_ms: u64,
    pub(super) finality_depth: u64,
    /// Two halves go on by themselves beyond the finality depth.
    pub(super) deep: bool,
    pub(super) controllers: usize,
    /// A controller signs two transactions at one sequence now and then.
    pub(super) equivocates: bool,
    /// A controller sends far more than the others.
    pub(super) floods: bool,
    pub(super) faults: Vec<(u64, Fault)>,
    /// Kinds of fault in play.
    pub(super) kinds: BTreeSet<&'static str>,
    pub(super) heal_ms: u64,
}

/// Kinds of fault that are drawn from.
const KINDS: [&str; 12] = [
    "partition",
    "one-way",
    "cut",
    "crash",
    "slow-disk",
    "clock",
    "power",
    "admission",
    "revocation",
    "liar",
    "parameters",
    "succession",
];

impl Plan {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let deep = rng.chance(6);
        let nodes = if deep { 12 + 2 * rng.index(3) } else { 3 + rng.index(18).min(rng.index(18)) };
        let mut kinds: BTreeSet<&'static str> = BTreeSet::new();
        let wanted = 3 + rng.index(5);
        while kinds.len() < wanted {
            kinds.insert(rng.pick(&KINDS));
        }
        if deep {
            // The halves must stay equal and apart.
            kinds = BTreeSet::from(["partition", "cut", "crash", "slow-disk"]);
        }
        let late = if kinds.contains("admission") { 1 + rng.index(1 + nodes / 6) } else { 0 };
        let named = (nodes - late).max(3);
        let mut plan = Self {
            nodes,
            named,
            liars: BTreeSet::new(),
            astray: BTreeSet::new(),
            links: links(nodes, deep, rng),
            weather: Weather {
                delay_ms: rng.within(5, 200),
                jitter_ms: rng.within(1, 100),
                loss: if rng.chance(70) { rng.below(9) } else { 0 },
                doubled: if rng.chance(50) { rng.below(6) } else { 0 },
            },
            block_time_ms: rng.pick(&[3_000, 5_000, 5_000]),
            finality_depth: if deep { rng.within(3, 8) } else { 720 },
            deep,
            controllers: 1 + rng.index(3),
            equivocates: rng.chance(30),
            floods: rng.chance(15),
            faults: Vec::new(),
            kinds,
            heal_ms: rng.within(360_000, 540_000),
        };
        if plan.kinds.contains("liar") {
            // At most so many that the others reach s alone.
            let most = (named - 1) / 2;
            for _ in 0..1 + rng.index(most.clamp(1, 3)) {
                if plan.liars.len() < most {
                    plan.liars.insert(rng.index(named));
                }
            }
        }
        for _ in 0..named {
            let node = rng.index(named);
            if plan.liars.len() + plan.astray.len() < (named - 1) / 2 && !plan.liars.contains(&node) {
                plan.astray.insert(node);
            }
        }
        plan.draw_faults(rng);
        plan.join_steady();
        plan
    }

    /// Honest nodes that stay reach each other without the others' help.
    fn join_steady(&mut self) {
        let leaves = |node: &usize| self.faults.iter().any(|(_, fault)| *fault == Fault::RevokeNode(*node));
        let steady = (0..self.named).filter(|node| !self.liars.contains(node) && !leaves(node));
        let steady: Vec<_> = steady.collect();
        self.links.extend(steady.windows(2).map(|pair| (pair[0], pair[1])));
    }

    fn draw_faults(&mut self, rng: &mut Rng) {
        for kind in self.kinds.clone() {
            match kind {
                "partition" => self.draw_partitions(rng),
                "revocation" => self.draw_revocations(rng),
                "admission" => {
                    for node in self.named..self.nodes {
                        let at = rng.within(FIRST_MS, self.heal_ms * 2 / 3);
                        self.faults.push((at, Fault::Admit(node)));
                    }
                }
                _ => {
                    let mut at = FIRST_MS + rng.below(30_000);
                    while at < self.heal_ms {
                        self.draw_fault(kind, at, rng);
                        at += 5_000 + rng.wait(40_000.0);
                    }
                }
            }
        }
        self.faults.push((self.heal_ms, Fault::Heal));
        self.faults.retain(|(at, fault)| *at < self.heal_ms || *fault == Fault::Heal);
        // Stable, so that what is drawn first comes first.
        self.faults.sort_by_key(|(at, _)| *at);
    }

    fn draw_partitions(&mut self, rng: &mut Rng) {
        if self.deep {
            let mut groups: Vec<_> = (0..self.nodes).map(|node| u8::from(node % 2 == 0)).collect();
            rng.shuffle(&mut groups);
            self.faults.push((FIRST_MS + 40_000, Fault::Partition(groups)));
            self.faults.push((FIRST_MS + 41_000, Fault::Schism));
            return;
        }
        let mut at = FIRST_MS + rng.below(60_000);
        while at < self.heal_ms {
            let parts = if rng.chance(80) { 2 } else { 3 };
            let groups = (0..self.nodes).map(|_| u8::try_from(rng.below(parts)).expect("2 at most"));
            self.faults.push((at, Fault::Partition(groups.collect())));
            at += rng.within(5_000, 90_000);
            self.faults.push((at, Fault::Whole));
            at += rng.within(10_000, 90_000);
        }
    }

    /// So many that a majority of honest nodes is left.
    fn draw_revocations(&mut self, rng: &mut Rng) {
        let at = |rng: &mut Rng, end| rng.within(FIRST_MS + 30_000, end);
        if self.nodes > 4 {
            let node = self.liars.first().copied().unwrap_or(rng.index(self.named));
            self.faults.push((at(rng, self.heal_ms), Fault::RevokeNode(node)));
        }
        if self.controllers > 1 || rng.chance(50) {
            self.faults.push((at(rng, self.heal_ms), Fault::RevokeController(0)));
        }
    }

    fn draw_fault(&mut self, kind: &str, at: u64, rng: &mut Rng) {
        let node = rng.index(self.nodes);
        let links: Vec<_> = self.links.iter().copied().collect();
        let end = at + rng.within(3_000, 60_000);
        match kind {
            "one-way" => {
                let (a, b) = rng.pick(&links);
                let (from, to) = if rng.chance(50) { (a, b) } else { (b, a) };
                self.faults.push((at, Fault::OneWay { from, to, on: true }));
                self.faults.push((end, Fault::OneWay { from, to, on: false }));
            }
            "cut" => {
                let (a, b) = rng.pick(&links);
                self.faults.push((at, Fault::Cut(a, b)));
            }
            "crash" => {
                let when = rng.pick(&[
                    CrashAt::Now,
                    CrashAt::Commit,
                    CrashAt::Synced,
                    CrashAt::Answer,
                    CrashAt::Answer,
                ]);
                self.faults.push((at, Fault::Crash { node, at: when, down_ms: rng.within(200, 40_000) }));
            }
            "slow-disk" => {
                self.faults.push((at, Fault::Slow { node, sync_ms: rng.within(50, 3_000) }));
                self.faults.push((end, Fault::Slow { node, sync_ms: 8 }));
            }
            "clock" => {
                let sign = if rng.chance(50) { 1 } else { -1 };
                let much = self.astray.contains(&node);
                let (offset_ms, drift_ppm) = match rng.below(if much { 4 } else { 2 }) {
                    0 => (sign * signed(rng.within(1_000, 8_000)), 0),
                    1 => (0, sign * signed(rng.within(1_000, if much { 200_000 } else { 50_000 }))),
                    2 => (sign * signed(rng.within(20_000, 120_000)), 0),
                    _ => (sign * 7_200_000, 0),
                };
                self.faults.push((at, Fault::Clock { node, offset_ms, drift_ppm }));
                self.faults.push((end, Fault::Clock { node, offset_ms: 0, drift_ppm: 0 }));
            }
            "power" => {
                let percent = rng.pick(&[0, 10, 10, 1_000, 1_000]);
                // One miner, or all of them at once.
                let which = if rng.chance(60) { node..node + 1 } else { 0..self.nodes };
                for node in which {
                    self.faults.push((at, Fault::Power { node, percent }));
                    self.faults.push((end, Fault::Power { node, percent: 100 }));
                }
            }
            "parameters" => {
                let fault = match rng.below(4) {
                    0 => Fault::Announce(rng.pick(&[1, 2, 3])),
                    _ => Fault::Retune(rng.pick(&[2_500, 4_000, 6_000])),
                };
                self.faults.push((at, fault));
            }
            "succession" => {
                let fault = match rng.below(10) {
                    0 | 1 => Fault::NewAdmins,
                    2 | 3 => Fault::SucceedNode(rng.index(self.named)),
                    _ => Fault::Succeed(rng.index(self.controllers)),
                };
                self.faults.push((at, fault));
            }
            // Liars act by themselves.
            _ => {}
        }
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).expect("below 2^63")
}

/// A ring, so that all are reached, with chords; few nodes are connected each to each.
fn links(nodes: usize, all: bool, rng: &mut Rng) -> BTreeSet<(usize, usize)> {
    let mut links = BTreeSet::new();
    let mut join = |a: usize, b: usize| {
        if a != b {
            links.insert((a.min(b), a.max(b)));
        }
    };
    for node in 0..nodes {
        join(node, (node + 1) % nodes);
        if all || nodes <= 6 {
            (0..nodes).for_each(|other| join(node, other));
        } else {
            join(node, rng.index(nodes));
            join(node, rng.index(nodes));
        }
    }
    links
}
