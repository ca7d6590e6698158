//! A stored anchor, proven anew from what the database holds now and the own header chain.

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::merkle::{self, Tree};
use dronechain_chain_spec::receipt::{AnchorProof, ProvenAnchor, Receipt, ReceiptError};
use dronechain_chain_spec::transaction::AnchorKind;

use crate::store::{AnchorName, AnchorRow};

/// Why an anchor is not proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The leaves are not whole hashes, or not as many as the row says.
    #[error("{bytes} bytes of leaves, {leaf_count} leaves are claimed")]
    LeafCount {
        /// Bytes of the leaves.
        bytes: usize,
        /// The row's count.
        leaf_count: i64,
    },
    /// The leaves hash to another root than the row's.
    #[error("the leaves hash to {found}, the row has root {expected}")]
    Root {
        /// Root of the leaves.
        found: Hash256,
        /// The row's root in hex.
        expected: String,
    },
    /// The stored proof is no JSON of one.
    #[error("the proof is malformed: {0}")]
    Malformed(String),
    /// The proof does not hold.
    #[error("{0}")]
    Receipt(ReceiptError),
    /// The proof is of another anchor.
    #[error("the proof is of sequence {sequence} of {sender:?}, or no anchor of data")]
    OtherAnchor {
        /// Its sender.
        sender: dronechain_chain_spec::key::PublicKey,
        /// Its sequence.
        sequence: u64,
    },
}

impl Doubt {
    /// Whether it may pass: the block is not deep enough, or left the chain and the anchor will be
    /// fetched anew.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Receipt(error) => matches!(
                error,
                ReceiptError::BeyondTip { .. }
                    | ReceiptError::UnknownBlock { .. }
                    | ReceiptError::TooFewConfirmations { .. }
            ),
            Self::LeafCount { .. } | Self::Root { .. } | Self::Malformed(_) | Self::OtherAnchor { .. } => {
                false
            }
        }
    }
}

/// The batch tree of a stored anchor; its leaves hash to the row's root.
pub fn tree(row: &AnchorRow) -> Result<(Vec<Hash256>, Tree), Doubt> {
    let (bytes, leaf_count) = (row.leaves.len(), row.leaf_count);
    let (hashes, rest) = row.leaves.as_chunks::<32>();
    if !rest.is_empty() || hashes.is_empty() || i64::try_from(hashes.len()) != Ok(leaf_count) {
        return Err(Doubt::LeafCount { bytes, leaf_count });
    }
    let leaves: Vec<_> = hashes.iter().copied().map(Hash256).collect();
    let tree = Tree::new(leaves.clone());
    if tree.root().0[..] != row.root[..] {
        return Err(Doubt::Root { found: tree.root(), expected: hex::encode(&row.root) });
    }
    Ok((leaves, tree))
}

/// Proves a stored anchor under `confirmations` blocks.
pub fn prove_row(
    name: AnchorName,
    row: &AnchorRow,
    tree: &Tree,
    leaves: &[Hash256],
    chain: &HeaderChain,
    confirmations: u64,
) -> Result<ProvenAnchor, Doubt> {
    let proof = serde_json::from_str(&row.proof).map_err(|error| Doubt::Malformed(error.to_string()))?;
    prove(name, proof, tree, leaves[0], chain, confirmations)
}

/// Proves an anchor over a tree whose first leaf is `leaf`, under `confirmations` blocks.
pub fn prove(
    name: AnchorName,
    proof: AnchorProof,
    tree: &Tree,
    leaf: Hash256,
    chain: &HeaderChain,
    confirmations: u64,
) -> Result<ProvenAnchor, Doubt> {
    let path = tree.path(0).expect("the tree has a first leaf");
    let receipt = Receipt::new(chain.chain_id(), leaf, 0, path, proof).map_err(Doubt::Receipt)?;
    let proven = receipt.verify_anchor(chain, confirmations).map_err(Doubt::Receipt)?;
    let shown = proven.proves(leaf);
    let same = shown.sender == name.sender && shown.sequence == name.sequence;
    if same && shown.anchor.kind == AnchorKind::Data {
        Ok(proven)
    } else {
        Err(Doubt::OtherAnchor { sender: shown.sender, sequence: shown.sequence })
    }
}

/// Whether `leaf` is the leaf `index` of the tree, by its path.
pub fn leads_to_root(leaf: &Hash256, index: usize, tree: &Tree) -> bool {
    let index = index as u64;
    tree.path(index)
        .is_some_and(|path| merkle::root_of(leaf, index, tree.leaf_count(), &path) == Ok(tree.root()))
}
