//! Blocks checked lately and not connected yet: a cache in front of the store, which has them all.
//!
//! It is bounded by number and by bytes. What does not fit is read from the store when it connects; who served
//! it is kept all the same.

use std::collections::BTreeMap;

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::CheckedTransaction;

use super::event::Peer;

/// Blocks that are known of.
const FRESH_MAX: usize = 1_024;
/// Encoded bytes of the transactions of those that are kept whole; decoded they take a few times as much.
const FRESH_BYTES_MAX: usize = 32 << 20;

/// A checked block that is not connected yet.
struct Waiting {
    height: u64,
    /// Who served it; none of an own block, or one that has no transactions to serve.
    from: Option<Peer>,
    /// None if it did not fit.
    block: Option<CheckedBlock>,
}

#[derive(Default)]
pub(super) struct Fresh {
    waiting: BTreeMap<Hash256, Waiting>,
    bytes: usize,
}

fn bytes_of(block: &CheckedBlock) -> usize {
    block.transactions().iter().map(CheckedTransaction::size).sum()
}

impl Fresh {
    pub(super) fn get(&self, hash: &Hash256) -> Option<&CheckedBlock> {
        self.waiting.get(hash)?.block.as_ref()
    }

    /// Takes a block in that is stored.
    pub(super) fn insert(&mut self, block: CheckedBlock, from: Option<Peer>) {
        let (hash, height, bytes) = (block.hash(), block.header().header().height, bytes_of(&block));
        if self.waiting.len() >= FRESH_MAX || self.waiting.contains_key(&hash) {
            return;
        }
        let fits = self.bytes + bytes <= FRESH_BYTES_MAX;
        self.bytes += if fits { bytes } else { 0 };
        self.waiting.insert(hash, Waiting { height, from, block: fits.then_some(block) });
    }

    /// Forgets a block; gives who served it.
    pub(super) fn remove(&mut self, hash: &Hash256) -> Option<Peer> {
        let Waiting { from, block, .. } = self.waiting.remove(hash)?;
        self.bytes -= block.as_ref().map_or(0, bytes_of);
        from
    }

    /// Forgets the blocks at `lowest` and below.
    pub(super) fn keep_above(&mut self, lowest: u64) {
        let bytes = &mut self.bytes;
        self.waiting.retain(|_, waiting| {
            let stays = waiting.height > lowest;
            if !stays {
                *bytes -= waiting.block.as_ref().map_or(0, bytes_of);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use dronechain_chain_spec::block::Block;
    use dronechain_chain_spec::header::{Header, VERSION};
    use dronechain_chain_spec::key::{PublicKey, SigningKey};
    use dronechain_chain_spec::target::Bits;
    use dronechain_chain_spec::transaction::{Action, Sender, Transaction, TransactionBody};

    use super::*;

    const PEER: Peer = Peer(7);

    /// A block of `keys` times 32 bytes and some; nobody checks it.
    fn block(height: u64, keys: usize) -> CheckedBlock {
        let miner = SigningKey::from_bytes(&[1; 32]);
        let keys = vec![PublicKey::of(&miner); keys];
        let action = Action::SetAdmins { threshold: 1, keys };
        let body = TransactionBody { sender: Sender::Admins, sequence: height, action };
        let transaction = Transaction { body, approvals: Vec::new() };
        let header = Header {
            version: VERSION,
            height,
            parent: Hash256::ZERO,
            tx_root: transaction.txid(),
            commitments: Hash256::ZERO,
            tx_count: 1,
            time_ms: 0,
            bits: Bits(0x2007_ffff),
            network: [0; 4],
            miner: PublicKey::of(&miner),
            nonce: 0,
        };
        let hash = header.hash();
        let header = header.signed(&miner, &Hash256::ZERO);
        Block { header, transactions: vec![transaction] }.check_stored(&hash).expect("it fits together")
    }

    #[test]
    fn blocks_that_do_not_fit_keep_only_who_served_them() {
        let mut fresh = Fresh::default();
        let blocks: Vec<_> = (1..=40).map(|height| block(height, 30_000)).collect();
        for block in &blocks {
            fresh.insert(block.clone(), Some(PEER));
        }
        let whole = blocks.iter().filter(|block| fresh.get(&block.hash()).is_some());
        assert_eq!(whole.count(), FRESH_BYTES_MAX / bytes_of(&blocks[0]));
        assert!(fresh.bytes <= FRESH_BYTES_MAX);
        let last = blocks.last().expect("some").hash();
        assert_eq!(fresh.get(&last), None);
        assert_eq!(fresh.remove(&last), Some(PEER));
        // What connects makes room.
        assert_eq!(fresh.remove(&blocks[0].hash()), Some(PEER));
        fresh.insert(blocks[0].clone(), None);
        assert_eq!(fresh.get(&blocks[0].hash()), Some(&blocks[0]));
        fresh.keep_above(30);
        assert_eq!(fresh.waiting.len(), 9);
        fresh.keep_above(40);
        assert_eq!((fresh.waiting.len(), fresh.bytes), (0, 0));
    }

    #[test]
    fn no_more_blocks_than_the_bound_are_known_of() {
        let mut fresh = Fresh::default();
        for height in 0..=FRESH_MAX as u64 {
            fresh.insert(block(height, 1), None);
        }
        assert_eq!(fresh.waiting.len(), FRESH_MAX);
    }
}
