//! Along the active chain from a cursor, a page at a time; where the chain was left, back to the fork first.

use std::collections::BTreeSet;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::{Action, Sender, Transaction};

use super::cursor::Cursor;
use super::message::{AnchorTold, Head, Message, Told};
use super::receipts::Receipts;
use crate::core::view::{View as _, ViewError};
use crate::rpc::api::Api;
use crate::rpc::error::ApiError;
use crate::rpc::limits::{EVENT_PAGE_BLOCKS, EVENT_PAGE_MAX};
use crate::store::Store;

/// How far a reader was told, and what it wants to hear.
#[derive(Debug)]
pub(super) struct Walk {
    at: Cursor,
    height: u64,
    /// Transactions of the block at the cursor.
    tx_count: u32,
    senders: BTreeSet<PublicKey>,
    receipts: Receipts,
    /// What the first page begins with.
    first: Option<Told>,
}

/// Some events in order.
pub(super) struct Page {
    pub(super) messages: Vec<Message>,
    /// Whether there is no more for now.
    pub(super) is_last: bool,
}

impl Walk {
    /// Behind `after`, or from the tip on if there is none or its block is unknown.
    pub(super) fn start(
        store: &Store,
        senders: BTreeSet<PublicKey>,
        hashes: BTreeSet<Hash256>,
        after: Option<Cursor>,
    ) -> Result<Self, ApiError> {
        let resumed = match after {
            Some(after) => store.header(&after.block)?.map(|stored| (after, stored.signed.header)),
            None => None,
        };
        let is_resumed = resumed.is_some();
        let (at, header) = match resumed {
            Some(resumed) => resumed,
            None => {
                let (block, _) = store.tip()?;
                let header = known(store, &block)?;
                // After a reset the tip is told as known; else it is the first block that happens.
                let step = if after.is_some() { header.tx_count } else { 0 };
                (Cursor { block, step }, header)
            }
        };
        let first = (!is_resumed).then(|| {
            let head = head(at.block, &header);
            if after.is_some() { Told::Reset(head) } else { Told::Head(head) }
        });
        let (height, tx_count) = (header.height, header.tx_count);
        let receipts = Receipts::new(hashes, is_resumed);
        Ok(Self { at, height, tx_count, senders, receipts, first })
    }

    /// The next page. Reads the store.
    pub(super) fn advance(&mut self, api: &Api) -> Result<Page, ApiError> {
        let store = &api.rpc.store;
        let mut messages: Vec<_> =
            self.first.take().map(|told| Message { cursor: self.at, told }).into_iter().collect();
        for _ in 0..EVENT_PAGE_BLOCKS {
            if store.active(self.height)? != Some(self.at.block) {
                self.reorganise(api, &mut messages)?;
            }
            self.tell_anchors(api, &mut messages)?;
            if messages.len() >= EVENT_PAGE_MAX {
                return Ok(Page { messages, is_last: false });
            }
            let Some(block) = store.active(self.height + 1)? else {
                self.receipts.refresh(api, self.at, self.height, &mut messages)?;
                return Ok(Page { messages, is_last: true });
            };
            let header = known(store, &block)?;
            // Else a reorganisation came in between: it is told first.
            if header.parent == self.at.block {
                self.stand_at(block, &header, 0);
                messages.push(Message { cursor: self.at, told: Told::Head(head(block, &header)) });
            }
        }
        Ok(Page { messages, is_last: false })
    }

    fn stand_at(&mut self, block: Hash256, header: &Header, step: u32) {
        self.at = Cursor { block, step };
        (self.height, self.tx_count) = (header.height, header.tx_count);
    }

    /// Goes back to where the active chain was left. Receipts that are lost go before: a reader that is cut
    /// in between hears them again.
    fn reorganise(&mut self, api: &Api, messages: &mut Vec<Message>) -> Result<(), ApiError> {
        let store = &api.rpc.store;
        let (mut fork_hash, mut disconnected) = (self.at.block, 0);
        let fork = loop {
            let header = known(store, &fork_hash)?;
            if header.height == 0 || store.active(header.height)? == Some(fork_hash) {
                break header;
            }
            self.receipts.note_left(api, fork_hash, header.height)?;
            (fork_hash, disconnected) = (header.parent, disconnected + 1);
        };
        self.receipts.tell_lost(api, self.at, fork.height, messages)?;
        let (from, fork_height) = (self.at.block, fork.height);
        self.stand_at(fork_hash, &fork, fork.tx_count);
        let told = Told::Reorganisation { from, fork_height, fork_hash, disconnected };
        messages.push(Message { cursor: self.at, told });
        Ok(())
    }

    /// Goes through what is left of the block at the cursor, as far as the page has room.
    fn tell_anchors(&mut self, api: &Api, messages: &mut Vec<Message>) -> Result<(), ViewError> {
        if self.senders.is_empty() || self.at.step >= self.tx_count {
            self.at.step = self.tx_count;
            return Ok(());
        }
        let block = self.at.block;
        let parts = api.block_parts(&block)?;
        let transactions = parts.as_ref().map_or(&[][..], |parts| &parts.transactions);
        for transaction in transactions.iter().skip(self.at.step as usize) {
            if messages.len() >= EVENT_PAGE_MAX {
                return Ok(());
            }
            self.at.step += 1;
            if let Some(anchor) = self.wanted(transaction) {
                messages.push(Message { cursor: self.at, told: Told::Anchor(anchor) });
            }
        }
        self.at.step = self.tx_count;
        Ok(())
    }

    fn wanted(&self, transaction: &Transaction) -> Option<AnchorTold> {
        let (Sender::Key(sender), Action::Anchor(anchor)) =
            (transaction.body.sender, &transaction.body.action)
        else {
            return None;
        };
        self.senders.contains(&sender).then(|| AnchorTold {
            sender,
            sequence: transaction.body.sequence,
            txid: transaction.txid(),
            height: self.height,
            block: self.at.block,
            kind: anchor.kind,
            root: anchor.root,
            leaf_count: anchor.leaf_count,
        })
    }
}

fn known(store: &Store, block: &Hash256) -> Result<Header, ViewError> {
    let stored = store.header(block)?.ok_or_else(|| ViewError(format!("header {block} is missing")))?;
    Ok(stored.signed.header)
}

fn head(hash: Hash256, header: &Header) -> Head {
    let Header { height, time_ms, parent, tx_count, .. } = *header;
    Head { hash, height, time_ms, parent, tx_count }
}
