//! Anchors that somebody told of, fetched from the nodes, verified and stored with their leaves.

use std::sync::Arc;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::receipt::AnchorProof;
use dronechain_chain_spec::transaction::{Action, Anchor, Transaction};
use dronechain_client::ClientError;
use dronechain_client::limits::PAUSE_MAX;
use dronechain_client::nodes::Nodes;
use dronechain_service::clock::now_ms;
use tokio::sync::{Notify, RwLock, watch};
use tokio::time::timeout;

use crate::limits::{FETCH_MAX, WANTED_AGE_MS_MAX};
use crate::proof::{Doubt, prove};
use crate::store::{AnchorName, FetchedAnchor, Store, StoreError, Wanted};

/// Fetches anchors.
#[derive(Debug)]
pub struct Fetcher {
    /// The nodes.
    pub nodes: Arc<Nodes>,
    /// The own chain.
    pub chain: Arc<RwLock<HeaderChain>>,
    /// Where anchors go.
    pub store: Arc<Store>,
    /// Notified when an anchor was queued.
    pub asked: Arc<Notify>,
    /// Blocks that an anchor needs (1: its own).
    pub confirmations: u64,
}

/// Why an anchor is not fetched yet.
#[derive(Debug, thiserror::Error)]
enum NotYet {
    #[error("no node answers: {0}")]
    Node(ClientError),
    #[error("in no block with enough on top")]
    Shallow,
    #[error("no node has its leaves")]
    NoBody,
    #[error("it anchors no records")]
    Empty,
    #[error("{0}")]
    Doubt(Doubt),
}

impl Fetcher {
    /// Fetches for as long as the database works.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn run(self, mut tip: watch::Receiver<Hash256>) -> Result<(), StoreError> {
        loop {
            tip.mark_unchanged();
            let wanted = self.store.wanted(FETCH_MAX).await?;
            let mut fetched = 0;
            for Wanted { name, asked_ms } in &wanted {
                fetched += usize::from(self.fetch_one(*name, *asked_ms).await?);
            }
            // Behind what could be fetched there may be more.
            if fetched > 0 && wanted.len() == FETCH_MAX as usize {
                continue;
            }
            tokio::select! {
                () = self.asked.notified() => {}
                changed = timeout(PAUSE_MAX, tip.changed()) => {
                    if matches!(changed, Ok(Err(_))) { return Ok(()) }
                }
            }
        }
    }

    async fn fetch_one(&self, name: AnchorName, asked_ms: u64) -> Result<bool, StoreError> {
        match self.fetch(name).await {
            Ok(anchor) => {
                self.store.keep_anchor(&anchor).await?;
                tracing::debug!(sender = %name.sender, sequence = name.sequence, "stored an anchor");
                Ok(true)
            }
            Err(NotYet::Empty) => {
                self.store.give_up(name).await?;
                Ok(false)
            }
            Err(error) => {
                let now_ms = now_ms();
                if now_ms.saturating_sub(asked_ms) > WANTED_AGE_MS_MAX {
                    tracing::warn!(sender = %name.sender, sequence = name.sequence, %error, "gave an anchor up");
                    self.store.give_up(name).await?;
                } else {
                    tracing::debug!(sender = %name.sender, sequence = name.sequence, %error, "no anchor yet");
                    self.store.tried(name, now_ms).await?;
                }
                Ok(false)
            }
        }
    }

    async fn fetch(&self, name: AnchorName) -> Result<FetchedAnchor, NotYet> {
        let AnchorName { sender, sequence } = name;
        let ask =
            |node: dronechain_client::NodeClient| async move { node.anchor(&sender, sequence, None).await };
        let status = self.nodes.ask(ask).await.map_err(NotYet::Node)?;
        let proof = status.proof.ok_or(NotYet::Shallow)?;
        let anchor = anchored(&proof).ok_or(NotYet::Empty)?;
        let root = anchor.root;
        let anchor = &anchor;
        let body = self.nodes.ask(|node| async move { node.body(anchor).await }).await;
        let leaves = body.map_err(NotYet::Node)?.ok_or(NotYet::NoBody)?;
        let first = *leaves.first().ok_or(NotYet::Empty)?;
        let tree = Tree::new(leaves.clone());
        let chain = self.chain.read().await;
        let proven = prove(name, proof.clone(), &tree, first, &chain, self.confirmations);
        let proven = proven.map_err(NotYet::Doubt)?.proves(first);
        Ok(FetchedAnchor { name, root, leaves, proof, block: proven.block })
    }
}

/// What a proof's transaction anchors; none for a heartbeat or another transaction.
fn anchored(proof: &AnchorProof) -> Option<Anchor> {
    let transaction: Transaction = codec::decode(&proof.transaction).ok()?;
    match transaction.body.action {
        Action::Anchor(anchor) if anchor.leaf_count > 0 => Some(anchor),
        _ => None,
    }
}
