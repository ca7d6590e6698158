//! An anchor transaction in a block of a header chain: what receipts and existence proofs have in common.

use super::verify::Existence;
use super::{Headers, ReceiptError};
use crate::hash::Hash256;
use crate::header::Header;
use crate::key::{PublicKey, Signature};
use crate::merkle::{self, Step};
use crate::transaction::{Anchor, Sender, Transaction};

/// Where the transaction is said to stand, and what it is said to anchor.
pub(super) struct Inclusion<'a> {
    pub(super) root: Hash256,
    pub(super) leaf_count: u32,
    /// The transaction's index in the block.
    pub(super) tx_index: u32,
    /// Its path in the block's tree.
    pub(super) block_path: &'a [Step],
    pub(super) height: u64,
    pub(super) header: &'a Header,
    /// The miner's signature, where it is shown.
    pub(super) signature: Option<&'a Signature>,
}

/// An anchor that is on the chain, as in [`Existence`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Included {
    pub(super) txid: Hash256,
    pub(super) sender: PublicKey,
    pub(super) sequence: u64,
    pub(super) anchor: Anchor,
    pub(super) height: u64,
    pub(super) block: Hash256,
    pub(super) confirmations: u64,
    pub(super) not_later_than_ms: Option<u64>,
}

impl Inclusion<'_> {
    /// Steps 5 to 8 of SPEC.md for a transaction that hashes to `txid`.
    pub(super) fn verify(
        &self,
        txid: Hash256,
        transaction: Transaction,
        chain: &impl Headers,
        wanted: u64,
    ) -> Result<Included, ReceiptError> {
        let checked = transaction.check(&chain.chain_id()).map_err(ReceiptError::TransactionRule)?;
        let anchor = checked.anchor().ok_or_else(|| self.not_this_anchor())?.clone();
        let Sender::Key(sender) = checked.body().sender else {
            return Err(self.not_this_anchor());
        };
        if !self.is_of(&anchor) {
            return Err(self.not_this_anchor());
        }
        let block = self.verify_block(&txid, chain)?;
        let height = self.height;
        let confirmations = chain.confirmations(height);
        if confirmations < wanted {
            return Err(ReceiptError::TooFewConfirmations { found: confirmations, wanted });
        }
        let above = height + chain.spacing(height) - 1;
        Ok(Included {
            txid,
            sender,
            sequence: checked.body().sequence,
            anchor,
            height,
            block,
            confirmations,
            not_later_than_ms: chain.time_ms(above),
        })
    }

    /// The header and its place in the chain, and the transaction's in the block; gives the block's hash.
    pub(super) fn verify_block(&self, txid: &Hash256, chain: &impl Headers) -> Result<Hash256, ReceiptError> {
        let block = self.verify_header(chain)?;
        self.verify_block_path(txid)?;
        Ok(block)
    }

    /// Whether `anchor` is of this root and leaf count.
    pub(super) fn is_of(&self, anchor: &Anchor) -> bool {
        anchor.root == self.root && anchor.leaf_count == self.leaf_count
    }

    pub(super) fn not_this_anchor(&self) -> ReceiptError {
        ReceiptError::NotThisAnchor { root: self.root, leaf_count: self.leaf_count }
    }

    fn verify_header(&self, chain: &impl Headers) -> Result<Hash256, ReceiptError> {
        let height = self.height;
        let beyond = || ReceiptError::beyond(chain, height);
        let expected = chain.hash(height).ok_or_else(beyond)?;
        let found = self.header.hash();
        if found != expected {
            return Err(ReceiptError::UnknownBlock { found, expected, height });
        }
        let verified = chain.signature(height).ok_or_else(beyond)?;
        if self.signature.is_some_and(|signature| *signature != verified) {
            return Err(ReceiptError::HeaderSignature { height });
        }
        Ok(found)
    }

    fn verify_block_path(&self, txid: &Hash256) -> Result<(), ReceiptError> {
        let (count, expected) = (self.header.tx_count, self.header.tx_root);
        let found = merkle::root_of(txid, self.tx_index.into(), count.into(), self.block_path)
            .map_err(ReceiptError::BlockPathShape)?;
        if found == expected { Ok(()) } else { Err(ReceiptError::BlockPathRoot { found, expected }) }
    }
}

impl Included {
    /// What this proves of a record whose path was verified.
    pub(super) fn proves(self, target: Hash256) -> Existence {
        Existence {
            target,
            txid: self.txid,
            sender: self.sender,
            sequence: self.sequence,
            anchor: self.anchor,
            height: self.height,
            block: self.block,
            confirmations: self.confirmations,
            not_later_than_ms: self.not_later_than_ms,
        }
    }
}
