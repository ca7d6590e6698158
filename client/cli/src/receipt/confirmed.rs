//! A batch whose anchor is confirmed: enough to build the receipt of each of its records.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::receipt::{AnchorProof, Receipt, ReceiptError};
use dronechain_chain_spec::transaction::{Action, Anchor, Transaction};
use dronechain_chain_spec::{chain::HeaderChain, codec};
use dronechain_client::{ClientError, NodeClient, State};

use crate::error::CliError;

/// Sender and sequence of an anchor.
pub(super) type AnchorId = (PublicKey, u64);

/// An included anchor with its leaves.
pub(super) struct Anchored {
    pub(super) id: AnchorId,
    chain_id: Hash256,
    tree: Tree,
    leaves: Vec<Hash256>,
    proof: AnchorProof,
}

impl Anchored {
    /// Asks `node` for the anchor, with the registration of `device`, and for its leaves; none until
    /// it is included.
    pub(super) async fn fetch(
        node: &NodeClient,
        id: AnchorId,
        device: &PublicKey,
        chain_id: Hash256,
    ) -> Result<Option<Self>, CliError> {
        let (sender, anchor_sequence) = id;
        let status = node.anchor(&sender, anchor_sequence, Some(device)).await?;
        if status.state != State::Included {
            return Ok(None);
        }
        let proof = status.proof.ok_or_else(|| ClientError::Malformed {
            url: node.url().to_owned(),
            reason: "an included anchor without a proof".to_owned(),
        })?;
        let anchor = anchor_of(&proof).map_err(broken(id))?;
        let leaves = node.body(&anchor).await?.ok_or(CliError::BodyMissing(anchor.root))?;
        let tree = Tree::new(leaves.clone());
        Ok(Some(Self { id, chain_id, tree, leaves, proof }))
    }

    /// The lowest tip with which the anchor, and the registrations shown, have `confirmations`.
    pub(super) fn height_wanted(&self, confirmations: u64) -> u64 {
        self.proof.height.max(self.proof.authority.height).saturating_add(confirmations - 1)
    }

    /// Verifies everything from the root on; false if a reorganisation took a block off meanwhile, so
    /// that the proof must be fetched again.
    pub(super) fn verify(&self, chain: &HeaderChain, confirmations: u64) -> Result<bool, CliError> {
        match self.receipt(0)?.verify_anchor(chain, confirmations) {
            Ok(_) => Ok(true),
            Err(
                ReceiptError::UnknownBlock { .. }
                | ReceiptError::Commitments { .. }
                | ReceiptError::BeyondTip { .. }
                | ReceiptError::TooFewConfirmations { .. },
            ) => Ok(false),
            Err(error) => Err(broken(self.id)(error)),
        }
    }

    /// The leaf at `index`.
    pub(super) fn leaf(&self, index: u32) -> Option<&Hash256> {
        self.leaves.get(index as usize)
    }

    /// The receipt of the leaf at `index`.
    pub(super) fn receipt(&self, index: u32) -> Result<Receipt, CliError> {
        let not_this =
            ReceiptError::NotThisAnchor { root: self.tree.root(), leaf_count: index.saturating_add(1) };
        let (leaf, path) =
            self.leaf(index).zip(self.tree.path(index.into())).ok_or(not_this).map_err(broken(self.id))?;
        Receipt::new(self.chain_id, *leaf, index, path, self.proof.clone()).map_err(broken(self.id))
    }
}

fn broken((sender, anchor_sequence): AnchorId) -> impl Fn(ReceiptError) -> CliError {
    move |error| CliError::Proof { sender: sender.to_string(), anchor_sequence, error }
}

fn anchor_of(proof: &AnchorProof) -> Result<Anchor, ReceiptError> {
    let transaction: Transaction =
        codec::decode(&proof.transaction).map_err(ReceiptError::TransactionCodec)?;
    match transaction.body.action {
        Action::Anchor(anchor) => Ok(anchor),
        _ => Err(ReceiptError::NotThisAnchor { root: Hash256::ZERO, leaf_count: 0 }),
    }
}
