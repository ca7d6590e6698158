//! The database's layout: column families, keys, and the format version. The only place that knows.
//!
//! Numbers in keys are big-endian, so that iteration goes by rising number. Hashes and keys are
//! their 32 bytes. Values are canonical encodings (`codec`) unless said otherwise.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry::{Place, Roll};
use dronechain_chain_spec::transaction::{ActionKind, Sender};

use crate::core::view::{BatchId, Conflict};

/// Version of this layout. Another one is refused, never converted in silence; `upgrade` converts the one before.
pub const FORMAT: u32 = 3;

/// A column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// One row per name in [`meta`].
    Meta,
    /// Block hash -> `StoredHeader`.
    Headers,
    /// Height ++ block hash -> nothing, of every header.
    Heights,
    /// Height -> block hash (32 bytes).
    Active,
    /// Block hash -> `TransactionList`.
    Blocks,
    /// Block hash -> `Undo`.
    Undos,
    /// Block hash -> `OutcomeList`.
    Outcomes,
    /// Block hash -> `ShownList`, of blocks that changed the roster.
    Shown,
    /// Block hash -> `Roster`, of the same and genesis.
    Rosters,
    /// Level ++ position -> hash (32 bytes).
    History,
    /// Roll ++ index -> `Account`.
    Accounts,
    /// Root ++ leaf count -> number of the batch (8 bytes, big-endian), by which the store calls it.
    Batches,
    /// Number of the batch -> `BodyRow`. By number: what comes later goes behind, and is merged with nothing.
    Bodies,
    /// Sender ++ sequence -> `Transaction`.
    Pool,
    /// Txid -> sender ++ sequence, as a key of `Pool`.
    PoolIds,
    /// Txid -> `TxPlace`, on the active chain.
    Transactions,
    /// Sender ++ sequence -> `SequencePlace`, on the active chain.
    Sequences,
    /// `ActionKind` (1 byte) ++ height ++ position -> nothing, on the active chain.
    Kinds,
    /// First [`LEAF_PREFIX`] bytes of the leaf ++ number of the batch ++ index of the leaf -> nothing. One row a
    /// record, so it is short; whether it is this leaf, the batch says.
    Leaves,
    /// Root ++ sender ++ sequence -> height (8 bytes, big-endian), on the active chain.
    Roots,
    /// Kind ++ sender ++ number -> `Evidence`.
    Evidence,
    /// Hash of another chain's first block -> `Rival`.
    Rivals,
}

impl Column {
    /// All of them.
    pub(super) const ALL: [Self; 22] = [
        Self::Meta,
        Self::Headers,
        Self::Heights,
        Self::Active,
        Self::Blocks,
        Self::Undos,
        Self::Outcomes,
        Self::Shown,
        Self::Rosters,
        Self::History,
        Self::Accounts,
        Self::Batches,
        Self::Bodies,
        Self::Pool,
        Self::PoolIds,
        Self::Transactions,
        Self::Sequences,
        Self::Kinds,
        Self::Leaves,
        Self::Roots,
        Self::Evidence,
        Self::Rivals,
    ];

    /// Its name in RocksDB. `default` must exist and stays empty.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Headers => "headers",
            Self::Heights => "heights",
            Self::Active => "active",
            Self::Blocks => "blocks",
            Self::Undos => "undos",
            Self::Outcomes => "outcomes",
            Self::Shown => "shown",
            Self::Rosters => "rosters",
            Self::History => "history",
            Self::Accounts => "accounts",
            Self::Batches => "batches",
            Self::Bodies => "bodies",
            Self::Pool => "pool",
            Self::PoolIds => "pool_ids",
            Self::Transactions => "transactions",
            Self::Sequences => "sequences",
            Self::Kinds => "kinds",
            Self::Leaves => "leaves",
            Self::Roots => "roots",
            Self::Evidence => "evidence",
            Self::Rivals => "rivals",
        }
    }
}

/// Keys of [`Column::Meta`].
pub(super) mod meta {
    /// [`super::FORMAT`], 4 bytes big-endian.
    pub(in crate::store) const FORMAT: &[u8] = b"format";
    /// Genesis hash, 32 bytes.
    pub(in crate::store) const GENESIS: &[u8] = b"genesis";
    /// The chain spec.
    pub(in crate::store) const SPEC: &[u8] = b"spec";
    /// Hash (32 bytes) and height (8 bytes, big-endian) of the tip.
    pub(in crate::store) const TIP: &[u8] = b"tip";
    /// `Admins` at the tip.
    pub(in crate::store) const ADMINS: &[u8] = b"admins";
    /// `Peaks` up to and including the tip.
    pub(in crate::store) const HISTORY: &[u8] = b"history";
    /// Number that the next batch body gets, 8 bytes big-endian; none is 0.
    pub(in crate::store) const NEXT_BATCH: &[u8] = b"next-batch";
    /// Number of commits written, 8 bytes big-endian.
    pub(in crate::store) const COMMITS: &[u8] = b"commits";
}

/// Bytes of a sender in a key.
const SENDER_LEN: usize = 33;

/// Key of [`Column::Active`].
pub(super) fn active(height: u64) -> [u8; 8] {
    height.to_be_bytes()
}

/// Key of [`Column::Heights`]; the height alone is a prefix.
pub(super) fn height(height: u64, block: &Hash256) -> [u8; 40] {
    join(&[&height.to_be_bytes(), &block.0])
}

/// Reads what [`height`] wrote.
pub(super) fn parse_height(bytes: &[u8]) -> Option<(u64, Hash256)> {
    let (height, block) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*height), Hash256(block.try_into().ok()?)))
}

/// Key of [`Column::Kinds`].
pub(super) fn kind(kind: ActionKind, height: u64, position: u32) -> [u8; 13] {
    join(&[&[kind as u8], &height.to_be_bytes(), &position.to_be_bytes()])
}

/// Reads height and position of what [`kind`] wrote.
pub(super) fn parse_kind(bytes: &[u8]) -> Option<(u64, u32)> {
    let (height, position) = bytes.get(1..)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*height), u32::from_be_bytes(position.try_into().ok()?)))
}

/// Key of [`Column::History`].
pub(super) fn history(level: u8, position: u64) -> [u8; 9] {
    join(&[&[level], &position.to_be_bytes()])
}

/// Prefix of [`Column::Accounts`].
pub(super) fn roll(roll: Roll) -> [u8; 1] {
    match roll {
        Roll::Nodes => [0],
        Roll::Accounts => [1],
    }
}

/// Key of [`Column::Accounts`].
pub(super) fn account(place: Place) -> [u8; 5] {
    join(&[&roll(place.roll), &place.index.to_be_bytes()])
}

/// A sender's prefix in [`Column::Pool`] and [`Column::Sequences`].
pub(super) fn sender(sender: Sender) -> [u8; SENDER_LEN] {
    match sender {
        Sender::Admins => join(&[&[0], &[0; 32]]),
        Sender::Key(key) => join(&[&[1], &key.0]),
    }
}

/// Key of [`Column::Pool`] and [`Column::Sequences`].
pub(super) fn sequence(by: Sender, sequence: u64) -> [u8; SENDER_LEN + 8] {
    join(&[&sender(by), &sequence.to_be_bytes()])
}

/// Reads what [`sequence`] wrote.
pub(super) fn parse_sequence(bytes: &[u8]) -> Option<(Sender, u64)> {
    let (tag, rest) = bytes.split_first()?;
    let (key, number) = rest.split_first_chunk::<32>()?;
    let sender = match tag {
        0 => Sender::Admins,
        1 => Sender::Key(PublicKey(*key)),
        _ => return None,
    };
    Some((sender, u64::from_be_bytes(number.try_into().ok()?)))
}

/// Bytes of a root in a key of [`Column::Roots`].
pub(super) const ROOT_PREFIX: usize = 32;

/// Bytes of a leaf in a key of [`Column::Leaves`].
pub(super) const LEAF_PREFIX: usize = 16;

/// What all keys of a leaf in [`Column::Leaves`] begin with.
pub(super) fn leaf_prefix(leaf: &Hash256) -> &[u8] {
    &leaf.0[..LEAF_PREFIX]
}

/// Key of [`Column::Leaves`].
pub(super) fn leaf(leaf: &Hash256, batch: u64, index: u32) -> [u8; LEAF_PREFIX + 12] {
    join(&[leaf_prefix(leaf), &batch.to_be_bytes(), &index.to_be_bytes()])
}

/// Reads number of the batch and index of what [`leaf`] wrote.
pub(super) fn parse_leaf(bytes: &[u8]) -> Option<(u64, u32)> {
    let (batch, index) = bytes.get(LEAF_PREFIX..)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*batch), u32::from_be_bytes(index.try_into().ok()?)))
}

/// Key of [`Column::Bodies`].
pub(super) fn body(batch: u64) -> [u8; 8] {
    batch.to_be_bytes()
}

/// Key of [`Column::Batches`].
pub(super) fn batch(BatchId { root, leaf_count }: &BatchId) -> [u8; 36] {
    join(&[&root.0, &leaf_count.to_be_bytes()])
}

/// Key of [`Column::Evidence`].
pub(super) fn conflict(conflict: &Conflict) -> [u8; 1 + SENDER_LEN + 8] {
    match conflict {
        Conflict::Blocks(miner, height) => join(&[&[0], &sequence(Sender::Key(*miner), *height)]),
        Conflict::Transactions(by, number) => join(&[&[1], &sequence(*by, *number)]),
    }
}

/// Key of [`Column::Roots`]; the root alone is a prefix.
pub(super) fn root(root: &Hash256, by: Sender, number: u64) -> [u8; 32 + SENDER_LEN + 8] {
    join(&[&root.0, &sequence(by, number)])
}

/// Value of [`meta::TIP`].
pub(super) fn tip(hash: &Hash256, height: u64) -> [u8; 40] {
    join(&[&hash.0, &height.to_be_bytes()])
}

/// Reads what [`tip`] wrote.
pub(super) fn parse_tip(bytes: &[u8]) -> Option<(Hash256, u64)> {
    let (hash, height) = bytes.split_first_chunk::<32>()?;
    Some((Hash256(*hash), u64::from_be_bytes(height.try_into().ok()?)))
}

fn join<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut key = [0; N];
    let mut at = 0;
    for part in parts {
        key[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    assert_eq!(at, N, "a key's parts fill it");
    key
}
