//! Hashes that a reader waits for: told when the chain has them, and when it loses them.

use std::collections::{BTreeMap, BTreeSet};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::{Action, Anchor, Sender, Transaction};

use super::cursor::Cursor;
use super::message::{Message, Place, ReceiptState, ReceiptTold, Told};
use crate::core::view::{BatchId, View as _};
use crate::rpc::anchors::{Candidate, candidates};
use crate::rpc::api::Api;
use crate::rpc::error::ApiError;

/// The hashes, and where the reader was told that each is.
#[derive(Debug)]
pub(super) struct Receipts {
    hashes: BTreeSet<Hash256>,
    told: BTreeMap<Hash256, Place>,
    /// Until the first page is complete, what an earlier connection told is not known.
    is_resumed: bool,
}

impl Receipts {
    /// Nothing is told yet, but by an earlier connection if there was one.
    pub(super) fn new(hashes: BTreeSet<Hash256>, is_resumed: bool) -> Self {
        Self { hashes, told: BTreeMap::new(), is_resumed }
    }

    /// Takes note of what an earlier connection may have told of a block that left the active chain.
    pub(super) fn note_left(&mut self, api: &Api, block: Hash256, height: u64) -> Result<(), ApiError> {
        if !self.is_resumed || self.hashes.is_empty() {
            return Ok(());
        }
        // Of a block that never came only the header may be here: nobody was told of it by this node.
        let Some(parts) = api.block_parts(&block)? else { return Ok(()) };
        let mut batches = BTreeMap::new();
        for transaction in &parts.transactions {
            if let (Some(batch), Sender::Key(sender)) = (batch_of(transaction), transaction.body.sender) {
                let sequence = transaction.body.sequence;
                batches.insert(batch, Place { height, block, sender, sequence });
            }
        }
        if batches.is_empty() {
            return Ok(());
        }
        for hash in &self.hashes {
            for (batch, _) in api.rpc.store.anchors_of_leaf(hash)? {
                if let Some(place) = batches.get(&batch) {
                    self.told.insert(*hash, *place);
                }
            }
        }
        Ok(())
    }

    /// Tells what is lost by going back to the block at `fork_height`.
    pub(super) fn tell_lost(
        &mut self,
        api: &Api,
        cursor: Cursor,
        fork_height: u64,
        messages: &mut Vec<Message>,
    ) -> Result<(), ApiError> {
        if self.is_resumed {
            // What stands below the fork as well was told from there.
            let mut lost = BTreeMap::new();
            for (hash, place) in std::mem::take(&mut self.told) {
                if find(api, &hash, fork_height)?.is_none() {
                    lost.insert(hash, place);
                }
            }
            self.told = lost;
        }
        let (kept, lost) =
            std::mem::take(&mut self.told).into_iter().partition(|(_, place)| place.height <= fork_height);
        self.told = kept;
        for (hash, place) in BTreeMap::into_iter(lost) {
            let told = Told::Receipt(ReceiptTold { hash, state: ReceiptState::Orphaned, place });
            messages.push(Message { cursor, told });
        }
        Ok(())
    }

    /// Tells what is in the active chain up to `height` and was not told.
    pub(super) fn refresh(
        &mut self,
        api: &Api,
        cursor: Cursor,
        height: u64,
        messages: &mut Vec<Message>,
    ) -> Result<(), ApiError> {
        self.is_resumed = false;
        for hash in &self.hashes {
            if self.told.contains_key(hash) {
                continue;
            }
            let Some(place) = find(api, hash, height)? else { continue };
            self.told.insert(*hash, place);
            let told = Told::Receipt(ReceiptTold { hash: *hash, state: ReceiptState::Included, place });
            messages.push(Message { cursor, told });
        }
        Ok(())
    }
}

/// The lowest anchor of a batch that holds `hash`, at `height_max` or below.
fn find(api: &Api, hash: &Hash256, height_max: u64) -> Result<Option<Place>, ApiError> {
    let store = &api.rpc.store;
    for Candidate { height, sender, sequence, batch, .. } in candidates(api, hash, None)? {
        if height > height_max {
            continue;
        }
        let Some(at) = store.sequence_place(Sender::Key(sender), sequence)? else { continue };
        let Some(block) = store.active(height)? else { continue };
        let Some(parts) = api.block_parts(&block)? else { continue };
        // An anchor may name the batch's root with another number of leaves.
        let found = parts.transactions.get(at.position as usize).and_then(batch_of);
        if found == Some(batch) {
            return Ok(Some(Place { height, block, sender, sequence }));
        }
    }
    Ok(None)
}

/// The batch that a transaction anchors.
fn batch_of(transaction: &Transaction) -> Option<BatchId> {
    let anchor: &Anchor = match &transaction.body.action {
        Action::Anchor(anchor) => anchor,
        _ => return None,
    };
    BatchId::of(anchor)
}
