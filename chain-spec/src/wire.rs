//! What nodes say to each other. Every message has one canonical encoding and a bound.
//!
//! Transactions and links are gossiped as their own encodings; all else is asked for.

use bincode::{Decode, Encode};

use crate::block::Block;
use crate::codec::Canonical;
use crate::hash::Hash256;
use crate::limits::{LEAVES_MAX, MESSAGE_BYTES_MAX, TX_BYTES_MAX};
use crate::link::Link;
use crate::target::Work;
use crate::transaction::Transaction;

/// What a peer is asked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// The peer's tip.
    Status,
    /// Headers of the active chain behind the first locator hash that the peer has on it;
    /// at most `HEADERS_PER_MESSAGE`.
    Headers {
        /// Block hashes from the tip backwards, ever farther apart; ends with genesis.
        locator: Vec<Hash256>,
    },
    /// Blocks by hash; at most `BLOCKS_PER_MESSAGE`.
    Blocks {
        /// The blocks' hashes.
        hashes: Vec<Hash256>,
    },
    /// A batch body by its root and number of leaves: a level of inner nodes has the root of the leaves
    /// below it.
    Body {
        /// Root of the batch tree.
        root: Hash256,
        /// Number of leaves.
        leaf_count: u32,
    },
}

impl Canonical for Request {
    const MAX: usize = 16 << 10;
}

/// The tip that a node has.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Status {
    /// Genesis hash: peers of other networks are told apart before anything else is said.
    pub chain_id: Hash256,
    /// Hash of the tip.
    pub tip: Hash256,
    /// Its height.
    pub height: u64,
    /// Work of the chain up to it.
    pub work: Work,
    /// The node's clock, ms since 1970 UTC; to warn of wrong clocks, never to move one.
    pub time_ms: u64,
}

/// What a peer answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Response {
    /// To [`Request::Status`].
    Status(Status),
    /// To [`Request::Headers`]: consecutive, oldest first, as many as fit.
    Headers(Vec<Link>),
    /// To [`Request::Blocks`]: those that the peer has, in the order asked, as many as fit.
    Blocks(Vec<Block>),
    /// To [`Request::Body`]: the leaf hashes; none if the peer lacks them.
    Body(Option<Vec<Hash256>>),
}

impl Canonical for Response {
    const MAX: usize = MESSAGE_BYTES_MAX;
}

/// A batch body: its leaf hashes in order of collection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BatchBody(pub Vec<Hash256>);

impl Canonical for BatchBody {
    const MAX: usize = 8 + 32 * LEAVES_MAX as usize;
}

/// What a client hands to a node: a transaction, and for an anchor its batch body.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Submission {
    /// The transaction.
    pub transaction: Transaction,
    /// The leaves of the anchored batch; none for other transactions, heartbeats, and bodies that
    /// the node has.
    pub body: Option<BatchBody>,
}

impl Canonical for Submission {
    const MAX: usize = TX_BYTES_MAX + 1 + BatchBody::MAX;
}
