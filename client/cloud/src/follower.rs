//! The own header chain, kept up with the nodes; anchors whose block it loses are fetched anew.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_client::{Headers, HeadersError};
use tokio::sync::{RwLock, watch};

use crate::clock::now_ms;
use crate::error::CloudError;
use crate::limits::TIP_WAIT;
use crate::nodes::Nodes;
use crate::pause::Pause;
use crate::store::Store;

/// Follows the nodes.
#[derive(Debug)]
pub struct Follower {
    /// The nodes.
    pub nodes: Arc<Nodes>,
    /// The own chain.
    pub headers: Arc<RwLock<Headers>>,
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
    pub async fn run(self) -> Result<(), CloudError> {
        let mut pause = Pause::new();
        let mut seen = Hash256::ZERO;
        loop {
            let node = self.nodes.current();
            let synced = self.headers.write().await.sync(&node).await;
            match synced {
                Ok(report) => {
                    pause.reset();
                    if report.removed > 0 {
                        self.refetch(report.height.saturating_sub(report.added)).await?;
                    }
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

    /// Queues the anchors above `fork` whose block is not on the chain any more.
    async fn refetch(&self, fork: u64) -> Result<(), CloudError> {
        for (name, height, block) in self.store.anchors_above(fork).await? {
            let on_chain = self.headers.read().await.chain().hash(height) == Some(block);
            if !on_chain {
                tracing::info!(sender = %name.sender, sequence = name.sequence, "fetching an anchor anew");
                self.store.want(name, now_ms()).await?;
            }
        }
        Ok(())
    }
}
