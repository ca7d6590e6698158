//! Events, typed. Fields that later versions add are ignored.

use std::fmt;
use std::str::FromStr;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::AnchorKind;
use serde::Deserialize;

/// Where a stream stands: a block, and how many of its transactions were gone through. Any node understands
/// it; its text form is for keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The block whose head was told last.
    pub block: Hash256,
    /// Transactions of it that were gone through.
    pub step: u32,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.block, self.step)
    }
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of events")]
pub struct CursorError;

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (block, step) = text.split_once('.').ok_or(CursorError)?;
        let block = block.parse().map_err(|_| CursorError)?;
        let cursor = Self { block, step: step.parse().map_err(|_| CursorError)? };
        if cursor.to_string() == text { Ok(cursor) } else { Err(CursorError) }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A block joined the active chain, or is its tip at the beginning.
    Head(HeadEvent),
    /// Blocks left the active chain; what was told of them is void.
    Reorganisation(Reorganisation),
    /// The node does not know where the stream stood: it goes on behind this tip, and what lies between was
    /// not told.
    Reset(HeadEvent),
    /// An anchor of a sender of interest stands in the block told last.
    Anchor(AnchorEvent),
    /// A hash of interest is in the active chain, or is no more.
    Receipt(ReceiptEvent),
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeadEvent {
    /// Its hash.
    pub hash: Hash256,
    /// Its height.
    pub height: u64,
    /// Its time, ms since 1970 UTC.
    pub time_ms: u64,
    /// Hash of the block before.
    pub parent: Hash256,
    /// Number of its transactions.
    pub tx_count: u32,
}

/// Blocks that left.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reorganisation {
    /// The block told last, which left.
    pub from: Hash256,
    /// Height of the highest block that stays.
    pub fork_height: u64,
    /// Its hash.
    pub fork_hash: Hash256,
    /// Blocks that left.
    pub disconnected: u64,
}

/// An anchor in a block.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AnchorEvent {
    /// Who anchored.
    pub sender: PublicKey,
    /// The anchor's sequence.
    pub sequence: u64,
    /// The transaction.
    pub txid: Hash256,
    /// Height of the block.
    pub height: u64,
    /// Its hash.
    pub block: Hash256,
    /// What was anchored.
    pub kind: AnchorKind,
    /// Root of the batch; zero of a heartbeat.
    pub root: Hash256,
    /// Leaves of the batch.
    pub leaf_count: u32,
}

/// Whether the chain has a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    /// It has.
    Included,
    /// Its block left the active chain.
    Orphaned,
}

/// Where a hash stands, or stood. May be told again after a new connection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReceiptEvent {
    /// The hash.
    pub hash: Hash256,
    /// Whether it still stands there.
    pub state: ReceiptState,
    /// The anchor.
    #[serde(flatten)]
    pub place: Place,
}

/// The anchor of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Place {
    /// Height of its block.
    pub height: u64,
    /// The block.
    pub block: Hash256,
    /// Who anchored.
    pub sender: PublicKey,
    /// The anchor's sequence.
    pub sequence: u64,
}

impl Event {
    /// The event of this name; none for a name that only a later version knows.
    pub(super) fn parse(name: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(Some(match name {
            "head" => Self::Head(serde_json::from_str(data)?),
            "reorganisation" => Self::Reorganisation(serde_json::from_str(data)?),
            "reset" => Self::Reset(serde_json::from_str(data)?),
            "anchor" => Self::Anchor(serde_json::from_str(data)?),
            "receipt" => Self::Receipt(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }
}
