//! A simulated node: the real core, its store, and what the shell and the peer-to-peer layer keep.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::transaction::Sender;
use dronechain_chain_spec::wire::Request;
use dronechain_node::core::Core;
use dronechain_node::core::event::{Event, GossipId, Peer, RequestId, Ticket};
use dronechain_node::core::view::Changes;

use super::disk::Disk;
use super::liar::Liar;
use super::message::Gossip;
use super::plan::CrashAt;

/// Time of the genesis block, ms since 1970 UTC.
pub(super) const GENESIS_MS: u64 = 1_800_000_000_000;

/// A clock that may be wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    pub(super) offset_ms: i64,
    pub(super) drift_ppm: i64,
    pub(super) since_ms: u64,
}

impl Clock {
    /// What it shows, ms since 1970 UTC, when `now_ms` passed since the start.
    pub(super) fn shows(&self, now_ms: u64) -> u64 {
        let passed = i64::try_from(now_ms - self.since_ms).expect("short");
        let wrong_ms = self.offset_ms + passed * self.drift_ppm / 1_000_000;
        (GENESIS_MS + now_ms).saturating_add_signed(wrong_ms)
    }
}

/// A gossiped message that waits for the core's judgement.
pub(super) struct Held {
    pub(super) gossip: Gossip,
    pub(super) from: Peer,
    pub(super) since_ms: u64,
}

/// One node.
pub(super) struct Node {
    pub(super) key: SigningKey,
    pub(super) public: PublicKey,
    pub(super) disk: Disk,
    /// None while it is down.
    pub(super) core: Option<Core<Disk>>,
    /// Counts starts: what was meant for an earlier life is dropped.
    pub(super) life: u64,
    pub(super) clock: Clock,
    /// Hashes a millisecond, at 100 %.
    pub(super) power: f64,
    pub(super) percent: u64,
    /// What it mines on, and which draw of luck holds.
    pub(super) template: Option<Header>,
    pub(super) draw: u64,
    /// Takes no event in while a commit lasts, as the shell does; the core can do without.
    pub(super) waits: bool,
    pub(super) inbox: VecDeque<Event>,
    pub(super) commit: Option<Arc<Changes>>,
    pub(super) sync_ms: u64,
    /// The operator's override of finality.
    pub(super) follow: Option<Hash256>,
    pub(super) crash: Option<(CrashAt, u64)>,
    /// Connected peers, and the node behind each.
    pub(super) peers: BTreeMap<Peer, usize>,
    pub(super) asked: BTreeMap<(Peer, RequestId), Request>,
    /// Gossip seen lately, and when.
    pub(super) seen: BTreeMap<Hash256, u64>,
    pub(super) held: BTreeMap<GossipId, Held>,
    pub(super) gossips: u64,
    pub(super) tickets: BTreeMap<Ticket, (usize, usize)>,
    pub(super) faults: BTreeMap<usize, u64>,
    pub(super) banned: BTreeMap<usize, u64>,
    pub(super) liar: Option<Liar>,
    pub(super) watch: Watch,
}

/// What the checkers remember of a node.
#[derive(Default)]
pub(super) struct Watch {
    /// Acknowledged, by (sender, sequence).
    pub(super) acknowledged: BTreeMap<(Sender, u64), Hash256>,
    /// Stored blocks that may outrank the tip.
    pub(super) rivals: BTreeSet<Hash256>,
    /// The first block that each of them lacks, going down from it.
    pub(super) gaps: BTreeMap<Hash256, Hash256>,
    /// Heads that the node raised the alarm for.
    pub(super) alarms: BTreeSet<Hash256>,
    pub(super) tip: Option<Hash256>,
    /// The latest that the clock showed the core since it last gave changes to commit.
    pub(super) latest_ms: u64,
    /// The settled state is to be looked at whole, moved tip or not.
    pub(super) restarted: bool,
}

impl Node {
    pub(super) fn new(key: SigningKey, disk: Disk, power: f64, waits: bool, liar: Option<Liar>) -> Self {
        Self {
            public: PublicKey::of(&key),
            key,
            disk,
            core: None,
            life: 0,
            clock: Clock::default(),
            power,
            percent: 100,
            template: None,
            draw: 0,
            waits,
            inbox: VecDeque::new(),
            commit: None,
            sync_ms: 8,
            follow: None,
            crash: None,
            peers: BTreeMap::new(),
            asked: BTreeMap::new(),
            seen: BTreeMap::new(),
            held: BTreeMap::new(),
            gossips: 0,
            tickets: BTreeMap::new(),
            faults: BTreeMap::new(),
            banned: BTreeMap::new(),
            liar,
            watch: Watch::default(),
        }
    }

    pub(super) fn is_honest(&self) -> bool {
        self.liar.is_none()
    }

    /// Whether the node would let the key connect.
    pub(super) fn admits(&self, key: &PublicKey) -> bool {
        let entry = self.core.as_ref().and_then(|core| core.registry().account(key));
        entry.is_some_and(|account| account.entry.revoked.is_none())
    }
}
