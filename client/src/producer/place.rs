//! What stands at a sequence of a sender, shown by a block of the own header chain: a node's word alone decides
//! nothing that cannot be taken back.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::transaction::{Sender, Transaction};
use tokio::sync::RwLock;

use crate::error::ClientError;
use crate::headers::Headers;
use crate::node::NodeClient;

/// A transaction in a block of the own header chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) height: u64,
    pub(super) txid: Hash256,
}

/// Asks `node` which transaction stands at a sequence; none unless it shows the block, and the block is the own
/// chain's.
pub(super) async fn shown(
    node: &NodeClient,
    headers: &RwLock<Headers>,
    sender: Sender,
    sequence: u64,
) -> Result<Option<Standing>, ClientError> {
    let Some(height) = node.height_of(sender, sequence).await? else { return Ok(None) };
    let own = {
        let headers = headers.read().await;
        let chain = headers.chain();
        chain.hash(height).zip(chain.header(height).map(|header| header.tx_root))
    };
    // The node may be a block ahead, or on another branch for now.
    let Some((block, tx_root)) = own else { return Ok(None) };
    let Some(transactions) = node.transactions_of(block).await? else { return Ok(None) };
    let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
    if txids.is_empty() || merkle::root(&txids) != tx_root {
        return Ok(None);
    }
    let found = transactions
        .iter()
        .zip(txids)
        .find(|(transaction, _)| transaction.body.sender == sender && transaction.body.sequence == sequence);
    Ok(found.map(|(_, txid)| Standing { height, txid }))
}
