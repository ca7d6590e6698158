//! Verification: every step rebuilt, against a header chain.

use super::inclusion::{Included, Inclusion};
use super::{AnchorProof, Authority, EntryProof, Headers, Receipt, ReceiptError};
use crate::codec;
use crate::hash::{Hash256, sha256};
use crate::key::PublicKey;
use crate::merkle;
use crate::registry::{Entry, Role};
use crate::transaction::{Action, Anchor, AnchorKind, Transaction};

/// What a verified receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The record's hash.
    pub target: Hash256,
    /// Name of the anchor transaction.
    pub txid: Hash256,
    /// Who anchored, and the anchor's sequence.
    pub sender: PublicKey,
    /// The sender's sequence.
    pub sequence: u64,
    /// The anchor.
    pub anchor: Anchor,
    /// Height of the block.
    pub height: u64,
    /// Hash of the block.
    pub block: Hash256,
    /// Blocks from that one to the chain's tip, itself included.
    pub confirmations: u64,
    /// The record existed by then: time of the block s - 1 above, ms since 1970 UTC; none while the
    /// chain does not reach that far.
    pub not_later_than_ms: Option<u64>,
    /// The sender's registration as shown.
    pub sender_entry: Entry,
    /// The device's registration, if the receipt shows one.
    pub device_entry: Option<Entry>,
}

/// What a verified hash path proves: that the record existed, and who anchored it, but not that they
/// were entitled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existence {
    /// The record's hash.
    pub target: Hash256,
    /// Name of the anchor transaction.
    pub txid: Hash256,
    /// Who anchored.
    pub sender: PublicKey,
    /// The sender's sequence.
    pub sequence: u64,
    /// The anchor.
    pub anchor: Anchor,
    /// Height of the block.
    pub height: u64,
    /// Hash of the block.
    pub block: Hash256,
    /// As in [`Proven`].
    pub confirmations: u64,
    /// As in [`Proven`].
    pub not_later_than_ms: Option<u64>,
}

/// The part of a verification that is the same for every receipt of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenAnchor {
    included: Included,
    sender_entry: Entry,
    device_entry: Option<Entry>,
}

impl Receipt {
    /// From the target to the batch root, held to index and leaf count.
    pub fn verify_path(&self) -> Result<(), ReceiptError> {
        let found = merkle::root_of(&self.target, self.index.into(), self.leaf_count.into(), &self.path)
            .map_err(ReceiptError::ProofShape)?;
        if found == self.root { Ok(()) } else { Err(ReceiptError::ProofRoot { found, expected: self.root }) }
    }

    /// Verifies every step for a record that hashes to `target`, against a verified header chain, and
    /// wants `confirmations` blocks (1: the anchor's own).
    pub fn verify(
        &self,
        target: &Hash256,
        chain: &impl Headers,
        confirmations: u64,
    ) -> Result<Proven, ReceiptError> {
        self.verify_target(target)?;
        let anchor = self.verify_anchor(chain, confirmations)?;
        Ok(anchor.proves(*target))
    }

    /// The record and the batch path; with [`Receipt::verify_anchor`] that is everything.
    pub fn verify_target(&self, target: &Hash256) -> Result<(), ReceiptError> {
        if *target != self.target {
            return Err(ReceiptError::RecordAltered { found: *target, expected: self.target });
        }
        self.verify_path()
    }

    /// Everything from the batch root on. Receipts of one batch with equal [`Receipt::anchor`],
    /// root, leaf count, source and chain ids share the result.
    pub fn verify_anchor(&self, chain: &impl Headers, wanted: u64) -> Result<ProvenAnchor, ReceiptError> {
        let (txid, transaction) = self.open_transaction(chain)?;
        let included = self.inclusion().verify(txid, transaction, chain, wanted)?;
        self.verify_authority(chain, &included.sender, included.anchor.kind)?;
        let authority = &self.anchor.authority;
        Ok(ProvenAnchor {
            included,
            sender_entry: authority.sender.entry.clone(),
            device_entry: authority.device.as_ref().map(|proof| proof.entry.clone()),
        })
    }

    /// The hashes alone, from a record that hashes to `target` to the hash of a block of the chain, which
    /// is returned: no signature but the miner's, which the chain has verified, and no registry. Shows
    /// that the record existed, not that the anchor is a valid one; [`Receipt::verify`] does.
    pub fn verify_hashes(&self, target: &Hash256, chain: &impl Headers) -> Result<Hash256, ReceiptError> {
        self.verify_target(target)?;
        let (txid, transaction) = self.open_transaction(chain)?;
        let inclusion = self.inclusion();
        match &transaction.body.action {
            Action::Anchor(anchor) if inclusion.is_of(anchor) => {}
            _ => return Err(inclusion.not_this_anchor()),
        }
        inclusion.verify_block(&txid, chain)
    }

    fn open_transaction(&self, chain: &impl Headers) -> Result<(Hash256, Transaction), ReceiptError> {
        let found = sha256(&[&self.anchor.transaction]);
        if found != self.source_id {
            return Err(ReceiptError::TransactionId { found, expected: self.source_id });
        }
        let transaction = codec::decode(&self.anchor.transaction).map_err(ReceiptError::TransactionCodec)?;
        if self.chain_id != chain.chain_id() {
            return Err(ReceiptError::OtherNetwork { found: self.chain_id, expected: chain.chain_id() });
        }
        Ok((found, transaction))
    }

    fn inclusion(&self) -> Inclusion<'_> {
        let AnchorProof { tx_index, block_path, height, header, .. } = &self.anchor;
        Inclusion {
            root: self.root,
            leaf_count: self.leaf_count,
            tx_index: *tx_index,
            block_path,
            height: *height,
            header: &header.header,
            signature: Some(&header.signature),
        }
    }

    fn verify_authority(
        &self,
        chain: &impl Headers,
        sender: &PublicKey,
        kind: AnchorKind,
    ) -> Result<(), ReceiptError> {
        let authority = &self.anchor.authority;
        let height = authority.height;
        if height < self.anchor.height {
            return Err(ReceiptError::AuthorityTooEarly { authority: height, anchor: self.anchor.height });
        }
        authority.check(chain)?;
        let role = match kind {
            AnchorKind::Data | AnchorKind::Command => Role::Controller,
            AnchorKind::Access => Role::Operator,
        };
        let entry = &authority.sender.entry;
        let revoked_before = entry.revoked.is_some_and(|revoked| revoked < self.anchor.height);
        let admitted_later = entry.admitted > self.anchor.height;
        if entry.key != *sender || entry.role != role || revoked_before || admitted_later {
            return Err(ReceiptError::NotEntitled { key: entry.key });
        }
        Ok(())
    }
}

impl Authority {
    /// That the entries stood on the accounts' roll after the block at its height of a verified header chain.
    ///
    /// # Errors
    /// [`ReceiptError::BeyondTip`], [`ReceiptError::BelowBase`], [`ReceiptError::Commitments`],
    /// [`ReceiptError::EntryPath`].
    pub fn check(&self, chain: &impl Headers) -> Result<(), ReceiptError> {
        let height = self.height;
        let expected = chain.commitments(height).ok_or_else(|| ReceiptError::beyond(chain, height))?;
        let found = self.commitments.hash();
        if found != expected {
            return Err(ReceiptError::Commitments { found, expected, height });
        }
        for EntryProof { entry, path } in std::iter::once(&self.sender).chain(&self.device) {
            if merkle::climb(&entry.leaf(), path) != Some(self.commitments.accounts) {
                return Err(ReceiptError::EntryPath { key: entry.key });
            }
        }
        Ok(())
    }
}

impl ProvenAnchor {
    /// What this anchor proves of a record whose path was verified.
    pub fn proves(&self, target: Hash256) -> Proven {
        let this = self.clone();
        Proven {
            target,
            txid: this.included.txid,
            sender: this.included.sender,
            sequence: this.included.sequence,
            anchor: this.included.anchor,
            height: this.included.height,
            block: this.included.block,
            confirmations: this.included.confirmations,
            not_later_than_ms: this.included.not_later_than_ms,
            sender_entry: this.sender_entry,
            device_entry: this.device_entry,
        }
    }
}

impl Proven {
    /// What remains without the registrations.
    pub fn existence(&self) -> Existence {
        let this = self.clone();
        Existence {
            target: this.target,
            txid: this.txid,
            sender: this.sender,
            sequence: this.sequence,
            anchor: this.anchor,
            height: this.height,
            block: this.block,
            confirmations: this.confirmations,
            not_later_than_ms: this.not_later_than_ms,
        }
    }
}
