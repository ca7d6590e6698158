//! Signed transactions on their way into blocks: handed over in order of sequence, watched until
//! they are confirmed, and handed over again with the same bytes whenever a node lost them.

use std::sync::{Arc, Mutex, PoisonError};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::Sender;
use dronechain_client::nodes::Nodes;
use dronechain_client::pause::Pause;
use dronechain_client::{ClientError, State};
use serde::Serialize;
use tokio::sync::{Notify, watch};

use crate::desk::Desk;
use crate::limits::IN_FLIGHT_MAX;
use crate::store::{OutboxState, Outgoing, Store, StoreError};

/// A transaction that nodes refuse; nothing behind it can go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// Its sequence.
    pub sequence: u64,
    /// Its name.
    pub txid: Hash256,
    /// The refusal's name.
    pub name: String,
    /// The refusal in words.
    pub message: String,
}

/// Watches the outbox.
#[derive(Debug)]
pub struct Tracker {
    store: Arc<Store>,
    nodes: Arc<Nodes>,
    desk: Arc<Desk>,
    confirmations: u64,
    /// Notified when an anchor was included.
    included: Arc<Notify>,
    blocked: Mutex<Option<Blocked>>,
}

/// How a pass over the outbox ended.
enum Pass {
    /// Everything is where it can be for now.
    Done,
    /// Nodes fail or refuse; try again soon.
    Again,
}

impl Tracker {
    /// A tracker that counts a transaction as confirmed under `confirmations` blocks (1: its own).
    pub fn new(
        store: Arc<Store>,
        nodes: Arc<Nodes>,
        desk: Arc<Desk>,
        confirmations: u64,
        included: Arc<Notify>,
    ) -> Self {
        Self { store, nodes, desk, confirmations, included, blocked: Mutex::default() }
    }

    /// The transaction that holds everything up, if one does.
    pub fn blocked(&self) -> Option<Blocked> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_blocked(&self, blocked: Option<Blocked>) {
        *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) = blocked;
    }

    /// Watches for as long as the database works.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn run(&self, mut tip: watch::Receiver<Hash256>) -> Result<(), StoreError> {
        let mut pause = Pause::new();
        loop {
            tip.mark_unchanged();
            match self.pass().await? {
                Pass::Done => pause.reset(),
                Pass::Again => {
                    pause.wait().await;
                    continue;
                }
            }
            tokio::select! {
                changed = tip.changed() => if changed.is_err() { return Ok(()) },
                () = self.desk.queued() => {}
            }
        }
    }

    async fn pass(&self) -> Result<Pass, StoreError> {
        let sender = Sender::Key(self.desk.controller());
        match self.nodes.ask(|node| async move { node.next_sequence(sender).await }).await {
            Ok(sequences) => {
                let count = self.store.rewind(sequences.next_sequence).await?;
                if count > 0 {
                    tracing::warn!(count, "transactions are in no block any more; they are sent again");
                }
            }
            // Not admitted yet; submitting says so by name.
            Err(error) if error.is_refusal("unknown") => {}
            Err(_) => return Ok(Pass::Again),
        }
        for outgoing in self.store.outgoing(IN_FLIGHT_MAX).await? {
            let moved = match outgoing.state {
                OutboxState::Queued => self.submit(&outgoing).await?,
                OutboxState::Submitted | OutboxState::Included | OutboxState::Confirmed => {
                    self.watch(&outgoing).await?
                }
            };
            match moved {
                Ok(()) => {}
                Err(ClientError::Refused { name, message, .. }) => {
                    let Outgoing { sequence, txid, .. } = outgoing;
                    tracing::warn!(sequence, %txid, name, message, "a transaction is refused");
                    self.set_blocked(Some(Blocked { sequence, txid, name, message }));
                    return Ok(Pass::Again);
                }
                Err(error) => {
                    tracing::warn!(sequence = outgoing.sequence, %error, "no node answers");
                    return Ok(Pass::Again);
                }
            }
        }
        self.set_blocked(None);
        Ok(Pass::Done)
    }

    async fn submit(&self, outgoing: &Outgoing) -> Result<Result<(), ClientError>, StoreError> {
        let (transaction, body) = self.store.submission(outgoing.sequence).await?;
        let submission = &(transaction, body);
        let hand_over = |node: dronechain_client::NodeClient| async move {
            node.submit(&submission.0, submission.1.clone()).await
        };
        match self.nodes.ask(hand_over).await {
            Ok(_) => self.note(outgoing, OutboxState::Submitted).await.map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn watch(&self, outgoing: &Outgoing) -> Result<Result<(), ClientError>, StoreError> {
        let txid = outgoing.txid;
        let status = match self.nodes.ask(|node| async move { node.transaction(txid).await }).await {
            Ok(status) => status,
            Err(error) => return Ok(Err(error)),
        };
        match status.state {
            State::Unknown => {
                self.note(outgoing, OutboxState::Queued).await?;
                self.submit(outgoing).await
            }
            State::Pending => self.note(outgoing, OutboxState::Submitted).await.map(Ok),
            State::Included if status.confirmations.unwrap_or_default() >= self.confirmations => {
                self.note(outgoing, OutboxState::Confirmed).await.map(Ok)
            }
            State::Included => self.note(outgoing, OutboxState::Included).await.map(Ok),
        }
    }

    async fn note(&self, outgoing: &Outgoing, state: OutboxState) -> Result<(), StoreError> {
        if outgoing.state != state {
            self.store.set_state(outgoing.sequence, state).await?;
        }
        if outgoing.state < OutboxState::Included && state >= OutboxState::Included {
            self.included.notify_one();
        }
        Ok(())
    }
}
