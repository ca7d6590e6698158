//! The own header chain, kept up with the nodes; anchors whose block it loses are fetched anew.

use std::sync::Arc;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::hash::Hash256;
use dronechain_client::nodes::Nodes;
use dronechain_client::pause::Pause;
use dronechain_client::{Headers, HeadersError};
use dronechain_service::clock::now_ms;
use dronechain_service::limits::TIP_WAIT;
use tokio::sync::{RwLock, watch};

use crate::error::CloudError;
use crate::limits::PUBLISH_LINKS_MAX;
use crate::store::Store;

/// Follows the nodes.
#[derive(Debug)]
pub struct Follower {
    /// The nodes.
    pub nodes: Arc<Nodes>,
    /// The own chain and its file.
    pub headers: Headers,
    /// The same chain for all who read it, so that nobody waits while a node is asked.
    pub chain: Arc<RwLock<HeaderChain>>,
    /// Where anchors are.
    pub store: Arc<Store>,
    /// The own chain's tip, for all who wait for the next one.
    pub tip: watch::Sender<Hash256>,
}

impl Follower {
    /// Follows for as long as database and headers file work.
    ///
    /// # Errors
    /// [`CloudError::Store`], [`CloudError::Headers`].
    pub async fn run(mut self) -> Result<(), CloudError> {
        let mut pause = Pause::new();
        let mut seen = Hash256::ZERO;
        loop {
            let node = self.nodes.current();
            let synced = self.headers.sync(&node).await;
            // What came before an error stays.
            if let Some(fork) = self.publish().await {
                self.refetch(fork).await?;
            }
            match synced {
                Ok(report) => {
                    pause.reset();
                    self.tip.send_if_modified(|tip| std::mem::replace(tip, report.tip) != report.tip);
                }
                Err(error @ HeadersError::Io { .. }) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, "the headers of a node are not followed");
                    self.nodes.pass_over();
                    pause.wait().await;
                }
            }
            match self.nodes.ask(|node| async move { node.wait_tip(seen, TIP_WAIT).await }).await {
                Ok(tip) => seen = tip.hash,
                Err(error) => {
                    tracing::warn!(%error, "no node tells its tip");
                    pause.wait().await;
                }
            }
        }
    }

    /// Brings the shared chain up to the own one, some links at a time; gives the height from which
    /// on blocks were taken off, if some were.
    async fn publish(&self) -> Option<u64> {
        let own = self.headers.chain();
        let (before, fork) = {
            let shared = self.chain.read().await;
            (shared.height(), fork_height(&shared, own))
        };
        let mut done = fork;
        while done < own.height() {
            let to = own.height().min(done + PUBLISH_LINKS_MAX);
            let mut shared = self.chain.write().await;
            if shared.height() > done {
                shared.truncate(done);
            }
            for height in done + 1..=to {
                let link = own.link(height).expect("it is not above the own tip").clone();
                shared.push(link).expect("the own chain took the same link on the same parent");
            }
            done = to;
        }
        (fork < before).then_some(fork)
    }

    /// Queues the anchors above `fork` whose block is not on the chain any more.
    async fn refetch(&self, fork: u64) -> Result<(), CloudError> {
        for (name, height, block) in self.store.anchors_above(fork).await? {
            let on_chain = self.headers.chain().hash(height) == Some(block);
            if !on_chain {
                tracing::info!(sender = %name.sender, sequence = name.sequence, "fetching an anchor anew");
                self.store.want(name, now_ms()).await?;
            }
        }
        Ok(())
    }
}

/// The highest height at which both chains have the same block; searched from above, where forks are.
fn fork_height(one: &HeaderChain, other: &HeaderChain) -> u64 {
    let common = one.height().min(other.height());
    (0..=common).rev().find(|height| one.hash(*height) == other.hash(*height)).unwrap_or_default()
}
