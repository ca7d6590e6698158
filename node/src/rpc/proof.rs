//! Anchor proofs: from an anchor to its header, and who was entitled.
//!
//! An entry's path in the accounts' tree of the tip holds against every block from
//! `accounts_since` of the tip on, and an entry tells by heights when it was admitted and revoked.
//! So one tree, the tip's, proves the entitlement of any anchor.

use std::sync::Arc;
use std::thread;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::receipt::{AnchorProof, Authority, EntryProof};
use dronechain_chain_spec::registry::{Place, Registry, Roll};
use dronechain_chain_spec::transaction::{Action, Sender, Transaction};

use super::api::{Api, BlockParts};
use super::error::ApiError;
use super::limits::{MOVED_PAUSE, MOVED_TRIES_MAX};
use crate::core::view::{View as _, ViewError};
use crate::store::SequencePlace;

/// An anchor on the active chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Anchored {
    /// Hash of its block.
    pub(super) block: Hash256,
    /// The proof, which has the height.
    pub(super) proof: AnchorProof,
}

impl Api {
    /// The proof of the anchor at `sequence` of `sender`, with the registry path of `device` if one
    /// is named; none if no anchor of that sequence is on the active chain. Blocks.
    pub(super) fn anchored(
        &self,
        sender: PublicKey,
        sequence: u64,
        device: Option<PublicKey>,
    ) -> Result<Option<Anchored>, ApiError> {
        for _ in 0..MOVED_TRIES_MAX {
            let Some(place) = self.rpc.store.sequence_place(Sender::Key(sender), sequence)? else {
                return Ok(None);
            };
            if !self.is_anchor(place)? {
                return Ok(None);
            }
            let anchored = self.prove(sender, sequence, place.height, place.position, device)?;
            if anchored.is_some() {
                return Ok(anchored);
            }
            thread::sleep(MOVED_PAUSE);
        }
        Err(ApiError::TipMoved)
    }

    /// The path of a registered key's entry: of an account shown at the lowest block from which on the accounts have
    /// not changed, of a node at the tip. Blocks.
    pub(super) fn entry_proof(&self, key: PublicKey) -> Result<Authority, ApiError> {
        for _ in 0..MOVED_TRIES_MAX {
            let place = self.tip().registry.place(&key).ok_or(ApiError::Unknown("key"))?;
            let shown = match place.roll {
                Roll::Accounts => self.authority(0, key, None)?,
                Roll::Nodes => self.node_proof(&key)?,
            };
            if let Some(shown) = shown {
                return Ok(shown);
            }
            thread::sleep(MOVED_PAUSE);
        }
        Err(ApiError::TipMoved)
    }

    /// A node's entry at the tip; none if tip and store are of different moments.
    fn node_proof(&self, key: &PublicKey) -> Result<Option<Authority>, ApiError> {
        let tip = self.tip();
        let Some(Place { roll: Roll::Nodes, index }) = tip.registry.place(key) else { return Ok(None) };
        let governance = self.rpc.store.admins()?.governance;
        let nodes = tip.registry.leaves(Roll::Nodes);
        let tree = Tree::new(std::iter::once(governance.leaf()).chain(nodes.iter().copied()).collect());
        let commitments = tip.opening.commitments;
        if tree.root() != commitments.nodes {
            return Ok(None);
        }
        // Governance's leaf is the first.
        let path = tree.path(u64::from(index) + 1);
        let sender = tip.registry.account(key).zip(path);
        let sender = sender.map(|(account, path)| EntryProof { entry: account.entry.clone(), path });
        Ok(sender.map(|sender| Authority { height: tip.height, commitments, sender, device: None }))
    }

    /// Whether an anchor stands at a place; if nothing does any more, that shows later.
    fn is_anchor(&self, place: SequencePlace) -> Result<bool, ViewError> {
        let Some(block) = self.rpc.store.active(place.height)? else { return Ok(true) };
        let parts = self.block_parts(&block)?;
        let transaction = parts.as_ref().and_then(|parts| parts.transactions.get(place.position as usize));
        Ok(transaction.is_none_or(|transaction| matches!(transaction.body.action, Action::Anchor(_))))
    }

    /// None if the chain, or the tip published, is no longer that of the place.
    fn prove(
        &self,
        sender: PublicKey,
        sequence: u64,
        height: u64,
        position: u32,
        device: Option<PublicKey>,
    ) -> Result<Option<Anchored>, ApiError> {
        let store = &self.rpc.store;
        let Some(block) = store.active(height)? else { return Ok(None) };
        let (Some(stored), Some(parts)) = (store.header(&block)?, self.block_parts(&block)?) else {
            return Ok(None);
        };
        let named = |transaction: &&Transaction| {
            transaction.body.sender == Sender::Key(sender) && transaction.body.sequence == sequence
        };
        let transaction = parts.transactions.get(position as usize).filter(named);
        let (Some(transaction), Some(block_path)) = (transaction, parts.tree.path(position.into())) else {
            return Ok(None);
        };
        let Some(authority) = self.authority(height, sender, device)? else { return Ok(None) };
        let proof = AnchorProof {
            transaction: codec::encode(transaction),
            tx_index: position,
            block_path,
            height,
            header: stored.signed,
            authority,
        };
        // Still on the active chain after everything was read.
        Ok((store.active(height)? == Some(block)).then_some(Anchored { block, proof }))
    }

    /// A block's transactions with their tree; none if they are not here.
    pub(crate) fn block_parts(&self, block: &Hash256) -> Result<Option<Arc<BlockParts>>, ViewError> {
        self.blocks.get(block, || {
            let transactions = self.rpc.store.transactions(block)?;
            Ok(transactions.map(|transactions| {
                let txids = transactions.iter().map(Transaction::txid).collect();
                BlockParts { transactions, tree: Tree::new(txids) }
            }))
        })
    }

    /// Who was entitled to the anchor at `height`, shown at that height or above; none if tip and store are of different moments.
    pub(super) fn authority(
        &self,
        height: u64,
        sender: PublicKey,
        device: Option<PublicKey>,
    ) -> Result<Option<Authority>, ApiError> {
        let tip = self.tip();
        let height = height.max(tip.opening.accounts_since);
        let Some(block) = self.rpc.store.active(height)? else { return Ok(None) };
        let Some(opening) = self.rpc.store.header(&block)?.and_then(|stored| stored.opening()) else {
            return Ok(None);
        };
        let registry = &tip.registry;
        let root = registry.root(Roll::Accounts);
        if opening.commitments.accounts != root {
            return Ok(None);
        }
        let build = || Ok::<_, ApiError>(Some(Tree::new(registry.leaves(Roll::Accounts).to_vec())));
        let Some(tree) = self.accounts.get(&root, build)? else { return Ok(None) };
        let Some(sender) = entry(registry, &tree, &sender) else { return Ok(None) };
        let device = match device {
            None => None,
            Some(key) => Some(entry(registry, &tree, &key).ok_or(ApiError::Unknown("device"))?),
        };
        Ok(Some(Authority { height, commitments: opening.commitments, sender, device }))
    }
}

fn entry(registry: &Registry, tree: &Tree, key: &PublicKey) -> Option<EntryProof> {
    let place = registry.place(key).filter(|place| place.roll == Roll::Accounts)?;
    let entry = registry.at(place)?.entry.clone();
    Some(EntryProof { entry, path: tree.path(place.index.into())? })
}
