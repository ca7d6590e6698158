//! A reader of a node's events that believes nothing: it keeps the chain that it was told, and holds each
//! event to it.

use std::collections::BTreeMap;

use dronechain_chain_spec::hash::Hash256;
use dronechain_client::events::{AnchorEvent, Event, Place, ReceiptState};

/// What a reader was told.
#[derive(Debug, Default)]
pub struct Told {
    /// The chain from the first block told on: height and hash.
    pub chain: Vec<(u64, Hash256)>,
    /// Anchors by block, in order.
    pub anchors: BTreeMap<Hash256, Vec<AnchorEvent>>,
    /// Where hashes stand.
    pub receipts: BTreeMap<Hash256, Place>,
    /// Receipts that were lost.
    pub orphaned: Vec<(Hash256, Place)>,
    /// Blocks that left, by reorganisation.
    pub reorganisations: Vec<u64>,
    /// Times that the node did not know where the reader stood.
    pub resets: usize,
}

impl Told {
    /// A reader that knows a block already.
    pub fn behind(height: u64, hash: Hash256) -> Self {
        Self { chain: vec![(height, hash)], ..Self::default() }
    }

    /// Hash of the block told last.
    pub fn tip(&self) -> Option<Hash256> {
        self.chain.last().map(|(_, hash)| *hash)
    }

    /// Takes an event in.
    ///
    /// # Panics
    /// If it is told twice, out of order, or does not fit what was told before.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Head(head) => {
                if let Some((height, hash)) = self.chain.last() {
                    assert_eq!((head.height, head.parent), (height + 1, *hash), "heads follow each other");
                }
                self.chain.push((head.height, head.hash));
            }
            Event::Reset(head) => {
                self.resets += 1;
                self.chain = vec![(head.height, head.hash)];
            }
            Event::Reorganisation(told) => {
                assert_eq!(Some(told.from), self.tip());
                let kept = self.chain.iter().position(|(_, hash)| *hash == told.fork_hash);
                let kept = kept.expect("the fork was told") + 1;
                assert_eq!((self.chain.len() - kept) as u64, told.disconnected);
                assert_eq!(self.chain[kept - 1].0, told.fork_height);
                for (_, hash) in self.chain.drain(kept..) {
                    self.anchors.remove(&hash);
                    let stale = self.receipts.values().filter(|place| place.block == hash).count();
                    assert_eq!(stale, 0, "lost receipts are told before the blocks leave");
                }
                self.reorganisations.push(told.disconnected);
            }
            Event::Anchor(anchor) => {
                assert_eq!(self.chain.last(), Some(&(anchor.height, anchor.block)));
                let of_block = self.anchors.entry(anchor.block).or_default();
                assert!(of_block.iter().all(|told| told.txid != anchor.txid), "told twice: {anchor:?}");
                of_block.push(anchor);
            }
            Event::Receipt(receipt) => match receipt.state {
                ReceiptState::Included => {
                    assert!(self.chain.last().is_some_and(|(height, _)| *height >= receipt.place.height));
                    self.receipts.insert(receipt.hash, receipt.place);
                }
                ReceiptState::Orphaned => {
                    self.receipts.remove(&receipt.hash);
                    self.orphaned.push((receipt.hash, receipt.place));
                }
            },
        }
    }
}
