//! A transaction on its way: what to hand over again, and what to wait for.
//!
//! Block waits are long, processes stop and reorganisations undo blocks, so the handle holds the
//! signed bytes themselves: handing over the same bytes is always safe, signing others at the same
//! sequence would be evidence against the sender.

use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::{Sender, Transaction};
use dronechain_chain_spec::wire::BatchBody;
use tokio::time::{Instant, sleep};

use crate::error::ClientError;
use crate::limits::{POLL_PAUSE, POLL_WAIT, SUBMIT_PAUSE, SUBMIT_TRIES_MAX};
use crate::node::{NodeClient, State, Submitted, TransactionStatus};

/// A signed transaction, with its batch body if it is an anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingTransaction {
    /// Its name.
    pub txid: Hash256,
    /// Who sends it.
    pub sender: Sender,
    /// The sender's sequence; with the sender the transaction's identity.
    pub sequence: u64,
    /// The signed transaction.
    pub transaction: Transaction,
    /// The leaves of the anchored batch.
    pub body: Option<BatchBody>,
}

/// Why a transaction is not where it was awaited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// It takes longer. The handle stays good.
    #[error("transaction {txid} has {confirmations} of {wanted} confirmations after {} s", waited.as_secs())]
    TimedOut {
        /// The transaction.
        txid: Hash256,
        /// Confirmations when last seen.
        confirmations: u64,
        /// Confirmations wanted.
        wanted: u64,
        /// Time waited.
        waited: Duration,
        /// Why the node could not be asked the last time, if so.
        last: Option<Box<ClientError>>,
    },
    /// The node refuses it, e.g. because another transaction took its sequence.
    #[error("transaction {txid} cannot be included any more: {source}")]
    Refused {
        /// The transaction.
        txid: Hash256,
        /// The refusal.
        source: ClientError,
    },
}

impl PendingTransaction {
    /// The handle of a signed transaction.
    pub fn new(transaction: Transaction, body: Option<BatchBody>) -> Self {
        let (sender, sequence) = (transaction.body.sender, transaction.body.sequence);
        Self { txid: transaction.txid(), sender, sequence, transaction, body }
    }

    /// Hands it to `node`, a few times if need be.
    ///
    /// # Errors
    /// The last error. After one that is retryable the node may have it nevertheless.
    pub async fn submit(&self, node: &NodeClient) -> Result<Submitted, ClientError> {
        let mut pause = SUBMIT_PAUSE;
        for _ in 1..SUBMIT_TRIES_MAX {
            match node.submit(&self.transaction, self.body.clone()).await {
                Err(error) if error.is_retryable() => sleep(pause).await,
                answer => return answer,
            }
            pause *= 2;
        }
        node.submit(&self.transaction, self.body.clone()).await
    }

    /// Waits until the transaction has `confirmations` blocks (1: its own), and hands it over again
    /// whenever `node` does not know it, as after a reorganisation.
    ///
    /// # Errors
    /// [`WaitError`]. A node that cannot be reached is asked again until the time is up.
    pub async fn wait(
        &self,
        node: &NodeClient,
        confirmations: u64,
        timeout: Duration,
    ) -> Result<TransactionStatus, WaitError> {
        let deadline = Instant::now() + timeout;
        let mut seen = 0;
        loop {
            let last = match self.poll(node).await {
                Ok(status) => {
                    seen = status.confirmations.unwrap_or(0);
                    if status.state == State::Included && seen >= confirmations {
                        return Ok(status);
                    }
                    None
                }
                Err(error) if error.is_retryable() => Some(Box::new(error)),
                Err(source) => return Err(WaitError::Refused { txid: self.txid, source }),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (txid, wanted, waited) = (self.txid, confirmations, timeout);
                return Err(WaitError::TimedOut { txid, confirmations: seen, wanted, waited, last });
            }
            next_block(node, left).await;
        }
    }

    async fn poll(&self, node: &NodeClient) -> Result<TransactionStatus, ClientError> {
        let status = node.transaction(self.txid).await?;
        if status.state == State::Unknown {
            node.submit(&self.transaction, self.body.clone()).await?;
        }
        Ok(status)
    }
}

/// Waits for the next block, for at most `left` and never busily.
async fn next_block(node: &NodeClient, left: Duration) {
    let moved = async {
        let tip = node.tip().await?;
        node.wait_tip(tip.hash, left.min(POLL_WAIT)).await
    };
    let moved: Result<_, ClientError> = moved.await;
    if moved.is_err() {
        sleep(left.min(POLL_PAUSE)).await;
    }
}
