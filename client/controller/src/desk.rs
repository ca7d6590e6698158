//! Where transactions are signed: one key, one gap-free sequence, durable before anyone sees them.

use std::fmt;
use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, Signature, SigningKey};
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::transaction::{Action, Enrolment, Sender, TransactionBody};
use dronechain_client::ClientError;
use dronechain_client::nodes::Nodes;
use tokio::sync::{Notify, OnceCell};

use crate::store::{Store, StoreError};

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// No node could say which sequence comes next.
    #[error("no node says which sequence comes next: {0}")]
    Node(ClientError),
    /// The transaction would break a rule.
    #[error("{0}")]
    Rule(#[from] TxError),
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// The one place that signs with K_CR.
pub struct Desk {
    store: Arc<Store>,
    nodes: Arc<Nodes>,
    key: SigningKey,
    chain_id: Hash256,
    /// What a node said at the first use: the ledger may know more of this key than the data folder.
    first: OnceCell<u64>,
    queued: Notify,
}

impl Desk {
    /// A desk that signs with `key` for the network `chain_id`.
    pub fn new(store: Arc<Store>, nodes: Arc<Nodes>, key: SigningKey, chain_id: Hash256) -> Self {
        Self { store, nodes, key, chain_id, first: OnceCell::new(), queued: Notify::new() }
    }

    /// The controller's key.
    pub fn controller(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    /// The network.
    pub fn chain_id(&self) -> Hash256 {
        self.chain_id
    }

    /// Resolves when something was signed.
    pub async fn queued(&self) {
        self.queued.notified().await;
    }

    /// Closes a batch of at most `limit` records; without records it is a heartbeat.
    ///
    /// # Errors
    /// [`DeskError::Node`], [`DeskError::Store`].
    pub async fn close_batch(&self, limit: u32) -> Result<u64, DeskError> {
        let first = self.first().await?;
        let sequence = self.store.close_batch(limit, first, &self.key, &self.chain_id).await?;
        self.queued.notify_one();
        Ok(sequence)
    }

    /// Signs a device's enrolment. A second one is recorded on the ledger without effect.
    ///
    /// # Errors
    /// [`DeskError`]; a possession that does not hold is [`TxError::Possession`].
    pub async fn enrol(
        &self,
        device: PublicKey,
        kind: String,
        area: String,
        possession: Signature,
    ) -> Result<Hash256, DeskError> {
        self.enqueue(device, Action::Enrol(Enrolment { device, kind, area, possession })).await
    }

    /// Signs a device's revocation; records from height `suspect_since` on are in doubt.
    ///
    /// # Errors
    /// [`DeskError`].
    pub async fn revoke(&self, device: PublicKey, suspect_since: u64) -> Result<Hash256, DeskError> {
        self.enqueue(device, Action::RevokeDevice { device, suspect_since }).await
    }

    async fn enqueue(&self, device: PublicKey, action: Action) -> Result<Hash256, DeskError> {
        // What breaks a rule would stand before everything behind it for ever.
        let sender = Sender::Key(self.controller());
        let trial = TransactionBody { sender, sequence: 0, action: action.clone() };
        trial.signed(&[&self.key], &self.chain_id).check(&self.chain_id)?;
        let first = self.first().await?;
        let transaction = self.store.enqueue(action, device, first, &self.key, &self.chain_id).await?;
        self.queued.notify_one();
        Ok(transaction.txid())
    }

    async fn first(&self) -> Result<u64, DeskError> {
        let sender = Sender::Key(self.controller());
        let ask = || async {
            let answer = self.nodes.ask(|node| async move { node.next_sequence(sender).await }).await;
            answer.map(|sequences| sequences.pending_sequence.max(sequences.next_sequence))
        };
        self.first.get_or_try_init(ask).await.copied().map_err(DeskError::Node)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("controller", &self.controller()).finish_non_exhaustive()
    }
}
