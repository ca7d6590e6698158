//! A chain without hashing: waits are exponential, difficulty and spacing follow the real rules.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Parent;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry::{Entry, NodeSet, Role};
use dronechain_chain_spec::spec::Network;
use dronechain_chain_spec::target::{Bits, Target};

/// T of the simulated network, in ms.
const BLOCK_TIME_MS: u64 = 5_000;
/// What hash power 1 meets every T: 2^33 hashes. Far from the easiest target even after a 1,000-fold fall.
const SUITS_ONE: Bits = Bits(0x1c7f_ffff);
/// The easiest target of the bundled networks.
const LIMIT: Bits = Bits(0x2007_ffff);

/// A stream of numbers from a seed (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 53 bits, as many as a float has.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// One simulated block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// Its time, ms since the start.
    pub(super) time_ms: u64,
    /// How long it took, in ms.
    pub(super) wait_ms: u64,
    /// Its difficulty over that which suits hash power 1: 1 is a block every T.
    pub(super) difficulty: f64,
}

/// A chain and who mines on it.
pub(super) struct Chain {
    random: Random,
    network: Network,
    parent: Parent,
    nodes: NodeSet,
    /// Hash power of each node, in order.
    power: Vec<f64>,
    /// The nodes that made the last blocks, newest first; as many as the spacing rule looks at.
    last: Vec<usize>,
}

impl Chain {
    /// A chain that suits hash power 1, with nodes of the given hash power. The spacing rule holds among them.
    pub(super) fn new(seed: u64, power: Vec<f64>) -> Self {
        let genesis = Parent {
            hash: Hash256::ZERO,
            height: 0,
            time_ms: 0,
            target: Target::from_bits(SUITS_ONE).expect("canonical"),
            grandparent_time_ms: None,
        };
        let network = Network {
            chain_id: Hash256::ZERO,
            tag: [0; 4],
            limit: Target::from_bits(LIMIT).expect("canonical"),
            genesis_parent: genesis,
        };
        let node = |number: usize| {
            let key = PublicKey([u8::try_from(number).expect("few nodes"); 32]);
            Entry { ready: Some(0), ..Entry::new(key, Role::Node, None, 0) }
        };
        let nodes = NodeSet((0..power.len()).map(node).collect());
        Self { random: Random(seed), network, parent: genesis, nodes, power, last: Vec::new() }
    }

    /// The time of the last block, ms since the start.
    pub(super) fn now_ms(&self) -> u64 {
        self.parent.time_ms
    }

    /// Changes the hash power of all nodes.
    pub(super) fn set_power(&mut self, power: Vec<f64>) {
        self.power = power;
    }

    /// The difficulty of the next block: see [`Block::difficulty`].
    pub(super) fn difficulty(&self) -> f64 {
        hashes(self.next_bits()) / hashes(SUITS_ONE)
    }

    fn next_bits(&self) -> Bits {
        self.parent.next_bits(&self.network, BLOCK_TIME_MS)
    }

    /// Mines the next block; nobody mines for the first `pause_ms`.
    pub(super) fn mine(&mut self, pause_ms: u64) -> Block {
        let (bits, difficulty) = (self.next_bits(), self.difficulty());
        let height = self.parent.height + 1;
        let spacing = usize::try_from(self.nodes.spacing(height)).expect("few nodes");
        self.last.truncate(spacing - 1);
        let power = |node: usize| if self.last.contains(&node) { 0.0 } else { self.power[node] };
        let powers: Vec<f64> = (0..self.power.len()).map(power).collect();
        let total: f64 = powers.iter().sum();
        assert!(total > 0.0, "somebody may mine");
        let mean_ms = difficulty / total * BLOCK_TIME_MS as f64;
        let waited_ms = -(1.0 - self.random.uniform()).ln() * mean_ms;
        let mut choice = self.random.uniform() * total;
        let miner = powers.iter().position(|power| {
            choice -= power;
            choice < 0.0
        });
        self.last.insert(0, miner.expect("the choice is below the sum"));
        let wait_ms = pause_ms + whole_ms(waited_ms);
        let time_ms = self.parent.time_ms + wait_ms;
        self.parent = Parent {
            hash: Hash256::ZERO,
            height,
            time_ms,
            target: Target::from_bits(bits).expect("next_bits gives canonical bits"),
            grandparent_time_ms: Some(self.parent.time_ms),
        };
        Block { time_ms, wait_ms, difficulty }
    }
}

/// At least 1: a block's time is after its parent's.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "waits are far below 2^53 ms")]
fn whole_ms(ms: f64) -> u64 {
    (ms.round() as u64).max(1)
}

/// The mean number of hashes that meets `bits`.
fn hashes(bits: Bits) -> f64 {
    let work = Target::from_bits(bits).expect("next_bits gives canonical bits").work();
    work.to_be_bytes().iter().fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte))
}
