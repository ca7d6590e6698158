//! Signs what anchors a lot, in order, and keeps count of the sequence.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::transaction::{Action, Sender, Transaction, TransactionBody};
use tokio::sync::{RwLock, mpsc};

use super::place;
use super::writer::{Command, Cut};
use crate::headers::Headers;
use crate::nodes::Nodes;
use crate::pause::Pause;

/// Times that all nodes are asked before one that shows nothing is left out.
const ROUNDS_MAX: u32 = 5;

pub(super) struct Signer {
    pub(super) key: Arc<SigningKey>,
    pub(super) chain_id: Hash256,
    pub(super) nodes: Arc<Nodes>,
    pub(super) headers: Arc<RwLock<Headers>>,
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
            self.next = Some(sequence.saturating_add(1));
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

    /// The sequence behind all that stands on the own chain, as far as nodes show it, and behind what waits at each of
    /// those that answer; asks until one does. A node that claims more than it shows is not believed: what is signed
    /// beyond a gap would wait for ever. Nor is one that claims less than another shows.
    async fn ask(&self) -> u64 {
        let sender = Sender::Key(PublicKey::of(&self.key));
        let mut pause = Pause::new();
        for round in 0_u32.. {
            let (mut shown, mut waiting, mut ahead) = (None, None::<u64>, false);
            for node in self.nodes.of_this_network().await {
                let sequences = match node.next_sequence(sender).await {
                    Ok(sequences) => sequences,
                    Err(error) => {
                        tracing::debug!(node = node.url(), %error, "does not say which sequence comes next");
                        continue;
                    }
                };
                let next = sequences.next_sequence;
                let is_shown = match next.checked_sub(1) {
                    None => true,
                    Some(last) => {
                        matches!(place::shown(&node, &self.headers, sender, last).await, Ok(Some(_)))
                    }
                };
                if is_shown {
                    shown = shown.max(Some(next));
                    waiting =
                        Some(waiting.map_or(sequences.pending_sequence, |least| {
                            least.min(sequences.pending_sequence)
                        }));
                } else {
                    ahead = true;
                }
            }
            match (shown, waiting) {
                // The own chain may be behind that of the node that shows nothing: it catches up, or the node lies.
                (Some(next), Some(waiting)) if !ahead || round >= ROUNDS_MAX => return next.max(waiting),
                (Some(_), _) => tracing::debug!("a node claims a sequence that it does not show yet"),
                (None, _) => tracing::warn!("no node says which sequence comes next"),
            }
            pause.wait().await;
        }
        unreachable!("the rounds do not end")
    }
}
