//! Signs and submits what one sender asks of the ledger, and keeps count of its sequence.
//!
//! One per key: two that sign with the same key would take each other's sequences.

use std::fmt;
use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::transaction::{Action, AnchorKind, Sender, TransactionBody};
use dronechain_chain_spec::wire::BatchBody;

use crate::batch::Batch;
use crate::error::ClientError;
use crate::limits::RESIGN_TRIES_MAX;
use crate::node::{NodeClient, TransactionStatus};
use crate::transaction::{PendingTransaction, WaitError};

/// A sender with its key.
pub struct Anchorer {
    node: NodeClient,
    key: SigningKey,
    sender: PublicKey,
    chain_id: Hash256,
    /// None until the node was asked, and after a refusal that says the count is wrong.
    next: Option<u64>,
}

/// Why something could not be handed to a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// The node refused, or could not be asked for the sequence. Nothing is pending.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// It was signed, but no answer came: the node may have it. Hand over these bytes again
    /// ([`PendingTransaction::submit`] or [`PendingTransaction::wait`]) and never sign others in their place.
    #[error("transaction {} at sequence {} was not acknowledged: {source}", pending.txid, pending.sequence)]
    Unacknowledged {
        /// What was signed.
        pending: Box<PendingTransaction>,
        /// Why there is no answer.
        source: ClientError,
    },
}

impl Anchorer {
    /// A sender that signs with `key` for the network `chain_id` and speaks to `node`.
    pub fn new(node: NodeClient, key: SigningKey, chain_id: Hash256) -> Self {
        Self { node, sender: PublicKey::of(&key), key, chain_id, next: None }
    }

    /// The sender's key.
    pub fn sender(&self) -> &PublicKey {
        &self.sender
    }

    /// The network.
    pub fn chain_id(&self) -> Hash256 {
        self.chain_id
    }

    /// The node that is spoken to.
    pub fn node(&self) -> &NodeClient {
        &self.node
    }

    /// Anchors a batch: signs, submits anchor and body, and gives the handle to wait on. An empty
    /// batch is a heartbeat.
    ///
    /// # Errors
    /// [`AnchorError`]; refusals carry the rule's name.
    pub async fn anchor(
        &mut self,
        kind: AnchorKind,
        batch: &Batch,
    ) -> Result<PendingTransaction, AnchorError> {
        self.hand_over(Action::Anchor(batch.anchor(kind)), batch.body()).await
    }

    /// Sends another transaction: enrolments, revocations of devices, a node's readiness.
    ///
    /// # Errors
    /// [`AnchorError`]; refusals carry the rule's name.
    pub async fn send(&mut self, action: Action) -> Result<PendingTransaction, AnchorError> {
        self.hand_over(action, None).await
    }

    /// Signs the next transaction and counts it, without handing it over: for senders that store it
    /// first. What is prepared must be submitted, in order.
    ///
    /// # Errors
    /// [`ClientError`] when the node cannot be asked for the sequence.
    pub async fn prepare(
        &mut self,
        action: Action,
        body: Option<BatchBody>,
    ) -> Result<PendingTransaction, ClientError> {
        let sender = Sender::Key(self.sender);
        let sequence = match self.next {
            Some(next) => next,
            None => self.node.next_sequence(sender).await?.pending_sequence,
        };
        let transaction = TransactionBody { sender, sequence, action }.signed(&[&self.key], &self.chain_id);
        self.next = Some(sequence + 1);
        Ok(PendingTransaction::new(transaction, body))
    }

    /// Goes on at `next`, e.g. behind what a durable outbox holds.
    pub fn resume_at(&mut self, next: u64) {
        self.next = Some(next);
    }

    /// As [`PendingTransaction::wait`].
    ///
    /// # Errors
    /// [`WaitError`].
    pub async fn wait(
        &self,
        pending: &PendingTransaction,
        confirmations: u64,
        timeout: Duration,
    ) -> Result<TransactionStatus, WaitError> {
        pending.wait(&self.node, confirmations, timeout).await
    }

    async fn hand_over(
        &mut self,
        action: Action,
        body: Option<BatchBody>,
    ) -> Result<PendingTransaction, AnchorError> {
        for tries in 1.. {
            let pending = self.prepare(action.clone(), body.clone()).await?;
            let Err(source) = pending.submit(&self.node).await else { return Ok(pending) };
            if source.is_retryable() {
                return Err(AnchorError::Unacknowledged { pending: Box::new(pending), source });
            }
            // Refused for good, so the sequence is free, or was never ours.
            self.next = None;
            let miscounted = source.is_refusal("tx-sequence") || source.is_refusal("sequence-taken");
            if !miscounted || tries == RESIGN_TRIES_MAX {
                return Err(source.into());
            }
        }
        unreachable!("the last try returns")
    }
}

impl fmt::Debug for Anchorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchorer")
            .field("sender", &self.sender)
            .field("node", &self.node.url())
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
