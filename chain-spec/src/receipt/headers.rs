//! What receipts are held against.

use crate::chain::HeaderChain;
use crate::hash::Hash256;
use crate::key::Signature;

/// A verified chain of headers: a light client's own, or the one that a node keeps with its blocks.
pub trait Headers {
    /// Hash of the genesis block.
    fn chain_id(&self) -> Hash256;
    /// The lowest height from which on every block is known.
    fn base(&self) -> u64;
    /// Height of the tip.
    fn height(&self) -> u64;
    /// The hash of the block at `height`.
    fn hash(&self, height: u64) -> Option<Hash256>;
    /// The miner's signature of the block at `height`, which was verified; genesis has none.
    fn signature(&self, height: u64) -> Option<Signature>;
    /// Time of the block at `height`, ms since 1970 UTC.
    fn time_ms(&self, height: u64) -> Option<u64>;
    /// What the block at `height` commits to.
    fn commitments(&self, height: u64) -> Option<Hash256>;
    /// s of the spacing rule for the block at `height`.
    fn spacing(&self, height: u64) -> u64;

    /// Blocks from `height` to the tip, itself included: 1 when it is the tip.
    fn confirmations(&self, height: u64) -> u64 {
        (self.height() + 1).saturating_sub(height)
    }
}

impl Headers for HeaderChain {
    fn chain_id(&self) -> Hash256 {
        self.chain_id()
    }

    fn base(&self) -> u64 {
        self.base()
    }

    fn height(&self) -> u64 {
        self.height()
    }

    fn hash(&self, height: u64) -> Option<Hash256> {
        self.hash(height)
    }

    fn signature(&self, height: u64) -> Option<Signature> {
        self.link(height).map(|link| link.header.signature)
    }

    fn time_ms(&self, height: u64) -> Option<u64> {
        self.header(height).map(|header| header.time_ms)
    }

    fn commitments(&self, height: u64) -> Option<Hash256> {
        self.header(height).map(|header| header.commitments)
    }

    fn spacing(&self, height: u64) -> u64 {
        self.node_set(height).spacing(height)
    }
}
