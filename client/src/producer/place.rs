//! What stands at a sequence of a sender, shown by a block of the own header chain: a node's word alone decides
//! nothing that cannot be taken back.

use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::Entry;
use dronechain_chain_spec::transaction::{Sender, Transaction};
use tokio::sync::RwLock;

use crate::error::ClientError;
use crate::headers::{Headers, now_ms};
use crate::limits::{LAG_MAX, OLD_BLOCKS, OLD_MIN};
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

/// Whether the node's tip is on the own chain, near its tip, and young: one that is still catching up knows less of a
/// key than the ledger does.
pub(super) async fn is_current(node: &NodeClient, headers: &RwLock<Headers>) -> Result<bool, ClientError> {
    let tip = node.tip().await?.hash;
    let headers = headers.read().await;
    let chain = headers.chain();
    let Some(header) = chain.height_of(&tip).and_then(|height| chain.header(height)) else {
        return Ok(false);
    };
    let block_time_ms = chain.roster(chain.height()).block_time_ms(chain.height());
    let old_ms = (OLD_BLOCKS * block_time_ms).max(millis(OLD_MIN));
    let is_young = header.time_ms.saturating_add(old_ms) >= now_ms();
    Ok(is_young && header.height.saturating_add(LAG_MAX) >= chain.height())
}

/// The registration of `key`, shown under a block of the own chain; none if the node knows of none.
pub(super) async fn account(
    node: &NodeClient,
    headers: &RwLock<Headers>,
    key: &PublicKey,
) -> Result<Option<Entry>, ClientError> {
    let Some(authority) = node.account_proof(key).await? else { return Ok(None) };
    let url = node.url().to_owned();
    let checked = authority.check(headers.read().await.chain());
    if let Err(error) = checked {
        return Err(ClientError::Malformed { url, reason: error.to_string() });
    }
    if authority.sender.entry.key != *key {
        return Err(ClientError::Malformed { url, reason: "the registration of another key".to_owned() });
    }
    Ok(Some(authority.sender.entry))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
