//! Connected peers as operators are told of them.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use schemars::JsonSchema;
use serde::Serialize;

/// Who began a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The peer did.
    Inbound,
    /// This node did.
    Outbound,
}

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Met {
    /// Its key, which it proved to have.
    pub key: Option<PublicKey>,
    /// Its libp2p identity, which follows from the key.
    pub id: String,
    /// Where its first connection comes from or leads to.
    pub address: String,
    /// Who began that connection.
    pub direction: Direction,
    /// Since when it has been connected, ms since 1970 UTC by the own clock.
    pub since_ms: u64,
    /// Its tip when it was asked last, by its word alone; none before it answered.
    pub tip: Option<Claimed>,
}

/// A tip that a peer says it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Claimed {
    /// Its hash.
    pub hash: Hash256,
    /// Its height.
    pub height: u64,
}
