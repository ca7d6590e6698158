//! Signs what anchors a lot, in order, and keeps count of the sequence.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::transaction::{Action, Sender, Transaction, TransactionBody};
use tokio::sync::mpsc;

use super::writer::{Command, Cut};
use crate::nodes::Nodes;
use crate::pause::Pause;

pub(super) struct Signer {
    pub(super) key: Arc<SigningKey>,
    pub(super) chain_id: Hash256,
    pub(super) nodes: Arc<Nodes>,
    /// Behind what the outbox signed; none if it never did.
    pub(super) next: Option<u64>,
    /// From the writer.
    pub(super) cuts: mpsc::UnboundedReceiver<Cut>,
    /// From the courier: lots that lost their place, and heartbeats.
    pub(super) more: mpsc::UnboundedReceiver<Cut>,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Signer {
    /// Runs until there is nobody left to sign for.
    pub(super) async fn run(mut self) {
        let mut is_asked = false;
        loop {
            let cut = tokio::select! {
                biased;
                Some(cut) = self.more.recv() => cut,
                Some(cut) = self.cuts.recv() => cut,
                else => return,
            };
            // The ledger may know more of this key than the outbox: after its loss, or another sender's anchors.
            if !is_asked || cut.before.is_some() {
                let known = self.ask().await;
                self.next = self.next.max(Some(known));
                is_asked = true;
            }
            let sequence = self.next.expect("asked above");
            let before = cut.before;
            let Some((lot, transaction)) = self.sign(cut, sequence).await else { return };
            self.next = Some(sequence + 1);
            if self.commands.send(Command::Signed { lot, transaction, before }).await.is_err() {
                return;
            }
        }
    }

    /// Hashes and signs beside the other tasks: a large batch takes some ms.
    async fn sign(&self, cut: Cut, sequence: u64) -> Option<(Arc<super::lot::Lot>, Transaction)> {
        let (key, chain_id) = (Arc::clone(&self.key), self.chain_id);
        let signing = tokio::task::spawn_blocking(move || {
            let sender = Sender::Key(PublicKey::of(&key));
            let action = Action::Anchor(cut.anchor());
            let transaction = TransactionBody { sender, sequence, action }.signed(&[&key], &chain_id);
            (cut.lot, transaction)
        });
        // Fails only when the runtime ends.
        signing.await.ok()
    }

    /// The sequence behind all that nodes know of; asks until one answers.
    async fn ask(&self) -> u64 {
        let sender = Sender::Key(PublicKey::of(&self.key));
        let mut pause = Pause::new();
        loop {
            match self.nodes.ask(|node| async move { node.next_sequence(sender).await }).await {
                Ok(sequences) => return sequences.pending_sequence.max(sequences.next_sequence),
                Err(error) => tracing::warn!(%error, "no node says which sequence comes next"),
            }
            pause.wait().await;
        }
    }
}
