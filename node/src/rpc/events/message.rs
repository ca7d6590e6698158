//! Events as they go out.

use axum::response::sse::Event;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::AnchorKind;
use serde::Serialize;

use super::cursor::Cursor;

/// An event with the cursor behind it.
#[derive(Debug, Clone)]
pub(in crate::rpc) struct Message {
    pub(in crate::rpc) cursor: Cursor,
    pub(in crate::rpc) told: Told,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(in crate::rpc) enum Told {
    Head(Head),
    Reset(Head),
    Reorganisation { from: Hash256, fork_height: u64, fork_hash: Hash256, disconnected: u64 },
    Anchor(AnchorTold),
    Receipt(ReceiptTold),
}

/// A block of the active chain.
#[derive(Debug, Clone, Serialize)]
pub(in crate::rpc) struct Head {
    pub(super) hash: Hash256,
    pub(super) height: u64,
    pub(super) time_ms: u64,
    pub(super) parent: Hash256,
    pub(super) tx_count: u32,
}

/// An anchor of a named sender.
#[derive(Debug, Clone, Serialize)]
pub(in crate::rpc) struct AnchorTold {
    pub(super) sender: PublicKey,
    pub(super) sequence: u64,
    pub(super) txid: Hash256,
    pub(super) height: u64,
    pub(super) block: Hash256,
    pub(super) kind: AnchorKind,
    pub(super) root: Hash256,
    pub(super) leaf_count: u32,
}

/// Where a named hash stands, or stood.
#[derive(Debug, Clone, Serialize)]
pub(in crate::rpc) struct ReceiptTold {
    pub(super) hash: Hash256,
    pub(super) state: ReceiptState,
    #[serde(flatten)]
    pub(super) place: Place,
}

/// Whether the chain has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::rpc) enum ReceiptState {
    Included,
    Orphaned,
}

/// The anchor of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(in crate::rpc) struct Place {
    pub(super) height: u64,
    pub(super) block: Hash256,
    pub(super) sender: PublicKey,
    pub(super) sequence: u64,
}

impl Message {
    /// What kind of event it is.
    pub(in crate::rpc) fn name(&self) -> &'static str {
        match self.told {
            Told::Head(_) => "head",
            Told::Reset(_) => "reset",
            Told::Reorganisation { .. } => "reorganisation",
            Told::Anchor(_) => "anchor",
            Told::Receipt(_) => "receipt",
        }
    }

    pub(super) fn to_event(&self) -> Event {
        let name = self.name();
        let data = serde_json::to_string(&self.told).expect("names and numbers always serialise");
        Event::default().id(self.cursor.to_string()).event(name).data(data)
    }
}
