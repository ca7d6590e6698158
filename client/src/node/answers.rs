//! What a node answers. Fields that later versions add are ignored.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::promise::SignedPromise;
use dronechain_chain_spec::receipt::AnchorProof;
use dronechain_chain_spec::registry::{Entry, Roll};
use dronechain_chain_spec::state::Outcome;
use dronechain_chain_spec::target::Work;
use dronechain_chain_spec::transaction::Transaction;
use serde::{Deserialize, Serialize};

/// A node's tip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// Hash of the block.
    pub hash: Hash256,
    /// Its height.
    pub height: u64,
    /// Its time, ms since 1970 UTC.
    pub time_ms: u64,
    /// Work of the chain up to it.
    pub work: Work,
}

/// Who a node is and where its chain stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The network's name.
    pub network: String,
    /// Its genesis hash.
    pub chain_id: Hash256,
    /// The node's key.
    pub node: PublicKey,
    /// The program's version.
    pub version: String,
    /// The tip.
    pub tip: Tip,
    /// Connected peers.
    pub peers: u64,
    /// Transactions in the mempool.
    pub mempool: u64,
    /// Whether the node knows of a heavier chain than its own.
    pub syncing: bool,
}

/// How far a transaction has come at one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The node has not seen it.
    Unknown,
    /// Durable in the mempool.
    Pending,
    /// In a block of the active chain.
    Included,
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The transaction's name.
    pub txid: Hash256,
    /// How far it is.
    pub state: State,
    /// Height of its block, if included.
    pub height: Option<u64>,
    /// The node's promise while it is pending, of exactly this transaction; none to the admins, and from a node
    /// whose tip is old.
    pub promise: Option<SignedPromise>,
}

/// Where a transaction stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionStatus {
    /// Its name.
    pub txid: Hash256,
    /// How far it is; the other fields are there once it is included.
    pub state: State,
    /// Height of its block.
    pub height: Option<u64>,
    /// Hash of its block.
    pub block: Option<Hash256>,
    /// Blocks from that one to the node's tip, itself included.
    pub confirmations: Option<u64>,
    /// What it did.
    pub outcome: Option<Outcome>,
}

/// Where an anchor stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorStatus {
    /// How far it is; the other fields are there once it is included.
    pub state: State,
    /// Height of its block.
    pub height: Option<u64>,
    /// Hash of its block.
    pub block: Option<Hash256>,
    /// Blocks from that one to the node's tip, itself included.
    pub confirmations: Option<u64>,
    /// Everything between the batch's root and the header chain; unverified.
    pub proof: Option<AnchorProof>,
}

/// A sender's next sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequences {
    /// By the chain.
    pub next_sequence: u64,
    /// Behind the gap-free run in the node's mempool.
    pub pending_sequence: u64,
}

/// A key's registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// On which roll it stands.
    pub roll: Roll,
    /// Its index in order of admission.
    pub index: u32,
    /// The committed entry.
    pub entry: Entry,
    /// The sequence that its next transaction must have.
    pub next_sequence: u64,
}

#[derive(Deserialize)]
pub(super) struct BlockAnswer {
    pub(super) transactions: Vec<BlockTransaction>,
}

#[derive(Deserialize)]
pub(super) struct BlockTransaction {
    pub(super) transaction: Transaction,
}

#[derive(Deserialize)]
pub(super) struct SpecAnswer {
    pub(super) chain_id: Hash256,
    /// Canonical bytes in hex.
    pub(super) spec: String,
}
