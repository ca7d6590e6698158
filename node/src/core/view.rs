//! What the core reads and what it writes.
//!
//! The core reads through a [`View`] and collects what is to be written in [`Changes`]; reads look
//! into the changes not yet committed first. Whoever owns the store writes one set of changes in
//! one atomic, synced batch.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use dronechain_chain_spec::codec::Canonical;
use dronechain_chain_spec::evidence::Evidence;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Parent, SIGNED_HEADER_LEN, SignedHeader};
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::link::Shown;
use dronechain_chain_spec::mountain::Peaks;
use dronechain_chain_spec::registry::{Account, Commitments, Place};
use dronechain_chain_spec::roster::Roster;
use dronechain_chain_spec::state::{Admins, Outcome, Undo};
use dronechain_chain_spec::target::{Target, Work};
use dronechain_chain_spec::transaction::{Anchor, Sender, Transaction};

/// A store could not be read; fatal for the node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be read: {0}")]
pub struct ViewError(pub String);

/// How far a block has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Stage {
    /// Only its header is known.
    Header,
    /// Its transactions are stored too.
    Stored,
    /// It was connected once: it and all before it are valid.
    Valid,
    /// It or one before it breaks a rule.
    Invalid,
}

/// A header as stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredHeader {
    /// Header and signature.
    pub signed: SignedHeader,
    /// Work of the chain up to and including it.
    pub work: Work,
    /// How far its block has come.
    pub stage: Stage,
    /// What its commitments hash.
    pub commitments: Commitments,
    /// The block, itself or one before it, that left the roster which holds after it.
    pub roster: Hash256,
    /// Known once it was connected.
    pub connected: Option<Connected>,
}

impl Canonical for StoredHeader {
    const MAX: usize = SIGNED_HEADER_LEN + 32 + 4 + 96 + 32 + 1 + 16;
}

/// What is known of a block that was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Connected {
    /// The lowest height from which on the accounts' root has been the same up to this block:
    /// a path in the accounts' tree holds against any block from there on.
    pub accounts_since: u64,
    /// Blocks of its chain, itself included, that this node connected while it was synced.
    pub live: u64,
}

/// The opened commitments of a connected block, and what else is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// History, nodes and accounts.
    pub commitments: Commitments,
    /// See [`Connected::accounts_since`].
    pub accounts_since: u64,
    /// See [`Connected::live`].
    pub live: u64,
}

/// Another chain that leaves ours below the finality depth, and that a majority of nodes built on or
/// that has more work: both sides need an operator. Named by its first block that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Rival {
    /// Height of the last common block.
    pub fork_height: u64,
    /// The newest block of it that is known.
    pub head: Hash256,
    /// That block's height.
    pub height: u64,
    /// Work up to that block.
    pub work: Work,
    /// When it was seen first, ms since 1970 UTC.
    pub first_seen_ms: u64,
    /// When it last grew or was shown, ms since 1970 UTC; written at most every minute.
    pub last_seen_ms: u64,
}

impl Canonical for Rival {
    const MAX: usize = 8 + 32 + 8 + 32 + 8 + 8;
}

/// Where somebody contradicted itself; one piece of evidence is kept of each place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// A miner at a height.
    Blocks(PublicKey, u64),
    /// A sender at a sequence.
    Transactions(Sender, u64),
}

/// Read access to what is committed.
pub trait View {
    /// A header by block hash; genesis included.
    fn header(&self, hash: &Hash256) -> Result<Option<StoredHeader>, ViewError>;
    /// Hash of the active chain's block at a height.
    fn active(&self, height: u64) -> Result<Option<Hash256>, ViewError>;
    /// Transactions of a stored block.
    fn transactions(&self, hash: &Hash256) -> Result<Option<Vec<Transaction>>, ViewError>;
    /// Undo of a block that was connected.
    fn undo(&self, hash: &Hash256) -> Result<Option<Undo>, ViewError>;
    /// Height of the active chain's block that holds a transaction.
    fn transaction_height(&self, txid: &Hash256) -> Result<Option<u64>, ViewError>;
    /// Whether a batch body is stored.
    fn has_body(&self, batch: &BatchId) -> Result<bool, ViewError>;
    /// The roster that a block left; of blocks that changed it, and genesis.
    fn roster(&self, hash: &Hash256) -> Result<Option<Roster>, ViewError>;
    /// Whether evidence of a conflict is stored.
    fn has_evidence(&self, conflict: &Conflict) -> Result<bool, ViewError>;
}

/// A batch by its root and number of leaves. The root alone does not tell: a level of inner nodes has
/// the root of the leaves below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId {
    /// Root of the batch tree.
    pub root: Hash256,
    /// Number of leaves.
    pub leaf_count: u32,
}

impl BatchId {
    /// The batch that an anchor commits to; none for a heartbeat.
    pub fn of(anchor: &Anchor) -> Option<Self> {
        (anchor.leaf_count > 0).then_some(Self { root: anchor.root, leaf_count: anchor.leaf_count })
    }
}

/// A block that joins or leaves the active chain, for the store's indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its hash.
    pub hash: Hash256,
    /// Its height.
    pub height: u64,
    /// Its transactions.
    pub transactions: Vec<Transaction>,
    /// What each did; empty for a block that leaves.
    pub outcomes: Vec<Outcome>,
}

/// Everything that is written together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Headers new or changed.
    pub headers: BTreeMap<Hash256, StoredHeader>,
    /// Transactions of blocks, by block hash.
    pub blocks: BTreeMap<Hash256, Vec<Transaction>>,
    /// Undo of blocks that were connected.
    pub undos: BTreeMap<Hash256, Undo>,
    /// The active chain: the hash at a height, or none above a lower tip.
    pub active: BTreeMap<u64, Option<Hash256>>,
    /// Batch bodies.
    pub bodies: BTreeMap<BatchId, Vec<Hash256>>,
    /// Blocks that left the active chain, in order.
    pub disconnected: Vec<Moved>,
    /// Blocks that joined the active chain, in order; after those that left.
    pub connected: Vec<Moved>,
    /// What headers show of blocks that changed the roster.
    pub shown: BTreeMap<Hash256, Vec<Shown>>,
    /// Rosters that such blocks left.
    pub rosters: BTreeMap<Hash256, Roster>,
    /// Evidence of misbehaviour.
    pub evidence: BTreeMap<Conflict, Evidence>,
    /// Chains beyond the finality depth, by their first block that is not ours.
    pub rivals: BTreeMap<Hash256, Rival>,
    /// Completed nodes of the history's mountain range, by (level, position).
    pub history_nodes: BTreeMap<(u8, u64), Hash256>,
    /// The tip's state, as far as it changed.
    pub state: StateChanges,
    /// The durable mempool: a transaction at (sender, sequence), or none any more.
    pub pool: BTreeMap<(Sender, u64), Option<Transaction>>,
}

/// How the state at the tip differs from the one stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateChanges {
    /// Accounts at the new tip; none where a roll became shorter.
    pub accounts: BTreeMap<Place, Option<Account>>,
    /// Governance and the admins' sequence at the new tip.
    pub admins: Option<Admins>,
    /// History up to the new tip.
    pub history: Option<Peaks>,
    /// The new tip: hash and height.
    pub tip: Option<(Hash256, u64)>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl StoredHeader {
    /// The opened commitments of a block that was connected.
    pub fn opening(&self) -> Option<Opening> {
        let Connected { accounts_since, live } = self.connected?;
        Some(Opening { commitments: self.commitments, accounts_since, live })
    }

    /// Its height.
    pub fn height(&self) -> u64 {
        self.signed.header.height
    }

    /// The block as the parent of the next; `before` is its own parent, none for genesis.
    pub fn as_parent(&self, hash: Hash256, before: Option<&Self>) -> Parent {
        let header = &self.signed.header;
        Parent {
            hash,
            height: header.height,
            time_ms: header.time_ms,
            target: Target::from_bits(header.bits).expect("stored headers were checked"),
            grandparent_time_ms: before.map(|before| before.signed.header.time_ms),
        }
    }
}
