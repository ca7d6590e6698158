//! Simulation: seeded clusters of 3 to 20 nodes on the real core, in virtual time, in one thread.
//!
//! A seed draws a cluster, its network and its faults (`plan`); `world` runs it: `shell` does what is
//! around each core, `network` what is between them, `fault` what goes wrong. `liar` and `client` are who acts from outside. `model` is a naive second
//! implementation of the ledger, and `check` holds the nodes against it. All rules are on; only the
//! easiest target is one that a few hashes meet, and the time that a block takes is drawn.
//!
//! What touches the node's interface is in `disk` (what a commit writes), `message` (what travels) and
//! `shell` (events and actions).

#[cfg(test)]
mod alone;
mod check;
mod client;
mod disk;
mod fault;
mod liar;
mod message;
mod model;
mod network;
mod node;
mod plan;
mod rng;
mod shell;
mod tally;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use tally::Tally;

use rng::Rng;
use world::World;

/// Something that must not happen, happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Simulated time, ms since the start.
    pub time_ms: u64,
    /// Who found it.
    pub checker: &'static str,
    /// At which node.
    pub node: usize,
    /// What.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time_ms, checker, node, what } = self;
        write!(f, "{checker}: node {node} at {}.{:03} s: {what}", time_ms / 1_000, time_ms % 1_000)
    }
}

/// What a seed came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Simulated time, in ms.
    pub time_ms: u64,
    /// A hash of everything that happened, in order.
    pub trace: u64,
    /// Counts.
    pub tally: Tally,
    /// What went wrong.
    pub violation: Option<Violation>,
}

/// Runs the cluster of a seed to its end.
pub fn run(seed: u64) -> Outcome {
    run_logged(seed, false)
}

/// The same; with `log` what happens is told on stderr.
pub fn run_logged(seed: u64, log: bool) -> Outcome {
    let mut world = World::new(seed);
    world.log = log;
    let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match ran {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation),
        Err(panic) => {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            let what = what.unwrap_or_else(|| "a panic".to_owned());
            Some(Violation { time_ms: world.now_ms, checker: "panic", node: 0, what })
        }
    };
    for kind in &world.plan.kinds {
        world.tally.count("seeds with", kind);
    }
    world.tally.count("seeds with", if world.plan.deep { "deep fork" } else { "finality 720" });
    Outcome { seed, time_ms: world.now_ms, trace: world.trace(), tally: world.tally, violation }
}

/// What a seed stands for, for people.
pub fn describe(seed: u64) -> String {
    format!("{:#?}", plan::Plan::draw(&mut Rng::new(seed)))
}
