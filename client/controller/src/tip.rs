//! The nodes' tip, for all who wait for the next one.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_client::nodes::Nodes;
use dronechain_client::pause::Pause;
use dronechain_service::limits::TIP_WAIT;
use tokio::sync::watch;

/// Follows the tip for ever; `tip` holds the latest one known.
pub(crate) async fn follow(nodes: Arc<Nodes>, tip: watch::Sender<Hash256>) {
    let mut pause = Pause::new();
    loop {
        let known = *tip.borrow();
        match nodes.ask(|node| async move { node.wait_tip(known, TIP_WAIT).await }).await {
            Ok(now) => {
                pause.reset();
                tip.send_if_modified(|tip| std::mem::replace(tip, now.hash) != now.hash);
            }
            Err(error) => {
                tracing::warn!(%error, "no node tells its tip");
                pause.wait().await;
            }
        }
    }
}
