//! Signs what anchors a lot, in order, and keeps count of the sequence.

use std::collections::VecDeque;
use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::transaction::{Action, AnchorKind, Sender, Transaction, TransactionBody};
use tokio::sync::{mpsc, watch};

use super::courier::Callback;
use super::delivery::Delivery;
use super::holdup::Holdup;
use super::lot::{Found, Lot};
use super::place;
use super::recall::Recall;
use super::writer::{Command, Cut};
use crate::limits::{FOREIGN_ROUNDS_MAX, ROUNDS_MAX, SEQUENCES_AHEAD_MAX};
use crate::pause::Pause;

pub(super) struct Signer {
    pub(super) key: Arc<SigningKey>,
    pub(super) chain_id: Hash256,
    pub(super) recall: Recall,
    /// Behind what the outbox signed; none if it never did.
    pub(super) next: Option<u64>,
    /// The first cuts are of so many lots that the outbox held unsigned.
    pub(super) held: usize,
    /// From the writer.
    pub(super) cuts: mpsc::UnboundedReceiver<Cut>,
    /// From the courier: lots that lost their place, and heartbeats.
    pub(super) more: mpsc::UnboundedReceiver<Cut>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) callback: Option<Callback>,
    pub(super) holdup: watch::Sender<Option<Holdup>>,
    /// The key's role on the ledger, once it is known.
    pub(super) role: Option<Role>,
}

impl Signer {
    /// Runs until there is nobody left to sign for.
    pub(super) async fn run(mut self) {
        let Some(mut held) = self.take_up().await else { return };
        let mut is_asked = !held.is_empty();
        loop {
            let cut = match held.pop_front() {
                Some(cut) => cut,
                None => tokio::select! {
                    biased;
                    Some(cut) = self.more.recv() => cut,
                    Some(cut) = self.cuts.recv() => cut,
                    else => return,
                },
            };
            // The ledger may know more of this key than the outbox: after its loss, or another sender's anchors.
            if !is_asked || cut.before.is_some() {
                let known = self.ask(!is_asked).await;
                self.next = self.next.max(Some(known));
                is_asked = true;
            }
            let cut = if cut.before.is_some() {
                let Some(found) = self.recall.find(cut.lot.leaves(), cut.kind).await else { return };
                if found.iter().any(Option::is_some) {
                    let Some(()) = self.dissolve(cut, found).await else { return };
                    continue;
                }
                cut
            } else {
                cut
            };
            let role = self.role().await;
            if !cut.lot.leaves().is_empty() && !may_anchor(role, cut.kind) {
                tracing::error!(?role, kind = ?cut.kind, "the key may not anchor such records; they leave the outbox");
                if self
                    .commands
                    .send(Command::Unfit { lot: cut.lot, kind: cut.kind, before: cut.before })
                    .await
                    .is_err()
                {
                    return;
                }
                continue;
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

    /// Takes up what the outbox held unsigned. If the ledger has gone past the outbox, that was copied back from an
    /// earlier day, and what was anchored since must not be again. Gives what is to be signed; none if the producer
    /// ends.
    async fn take_up(&mut self) -> Option<VecDeque<Cut>> {
        let mut held = VecDeque::with_capacity(self.held);
        for _ in 0..self.held {
            held.push_back(self.cuts.recv().await?);
        }
        if held.is_empty() {
            return Some(held);
        }
        let signed = self.next.unwrap_or(0);
        let known = self.ask(true).await;
        self.next = self.next.max(Some(known));
        if known <= signed {
            return Some(held);
        }
        tracing::warn!(
            signed,
            known,
            "the ledger knows more of this key than the outbox: looking for its records"
        );
        let mut all = Vec::with_capacity(held.len());
        for cut in &held {
            all.push(self.recall.find(cut.lot.leaves(), cut.kind).await?);
        }
        self.holdup.send_replace(None);
        if all.iter().flatten().all(Option::is_none) {
            return Some(held);
        }
        // All of them, and in order: the outbox knows of one place behind which records are in no batch.
        for (cut, found) in held.drain(..).zip(all) {
            self.dissolve(cut, found).await?;
        }
        // The rest comes again as other lots.
        Some(held)
    }

    /// Records that were found are delivered, the others go into other lots. None if the producer ends.
    async fn dissolve(&self, cut: Cut, found: Vec<Option<Arc<Found>>>) -> Option<()> {
        let Cut { lot, before, .. } = cut;
        if let Some(callback) = &self.callback {
            let found = found.iter().flatten().map(AsRef::as_ref);
            for delivery in Delivery::of_found(found, self.chain_id) {
                let mut pause = Pause::new();
                loop {
                    let (callback, delivery) = (Arc::clone(callback), delivery.clone());
                    if tokio::task::spawn_blocking(move || callback(&delivery)).await.is_ok() {
                        break;
                    }
                    tracing::error!("the delivery callback panicked; it is called again");
                    pause.wait().await;
                }
            }
        }
        self.commands.send(Command::Recalled { lot, before, found }).await.ok()
    }

    /// Hashes and signs beside the other tasks: a large batch takes some ms.
    async fn sign(&self, cut: Cut, sequence: u64) -> Option<(Arc<Lot>, Transaction)> {
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

    /// The sequence behind all that stands on the own chain, as far as nodes show it; asks until one does that knows the
    /// newest blocks. A node that claims more than it shows is not believed: what is signed beyond a gap would wait for
    /// ever. Nor is one that claims less than another shows. At a start, what waits and is not of this outbox is waited
    /// for: two transactions at one sequence would be evidence against the own key.
    async fn ask(&self, is_start: bool) -> u64 {
        let (mut pause, mut foreign_rounds) = (Pause::new(), 0);
        for round in 1_u32.. {
            let view = self.survey().await;
            let holdup = match view.shown {
                Some(next) if !view.is_ahead || round > ROUNDS_MAX => {
                    let own = next.max(self.next.unwrap_or(0));
                    // No node takes more ahead of the chain.
                    let is_foreign = view.most > own && view.most <= next.saturating_add(SEQUENCES_AHEAD_MAX);
                    if !is_start || !is_foreign || foreign_rounds >= FOREIGN_ROUNDS_MAX {
                        self.holdup.send_replace(None);
                        return next;
                    }
                    foreign_rounds += 1;
                    Holdup::Foreign
                }
                Some(_) | None => Holdup::NoNode,
            };
            self.holdup.send_replace(Some(holdup));
            tracing::info!(%holdup, "the producer waits");
            pause.wait().await;
        }
        unreachable!("the rounds do not end")
    }

    /// The key's role, shown under a block of the own chain; asks until a node does.
    async fn role(&mut self) -> Role {
        if let Some(role) = self.role {
            return role;
        }
        let mut pause = Pause::new();
        loop {
            let mut holdup = Holdup::NoNode;
            for node in self.recall.nodes.of_this_network().await {
                match place::account(&node, &self.recall.headers, &self.recall.sender).await {
                    Ok(Some(entry)) => {
                        self.role = Some(entry.role);
                        self.holdup.send_replace(None);
                        return entry.role;
                    }
                    Ok(None) => holdup = Holdup::NotAdmitted,
                    Err(error) => {
                        tracing::debug!(node = node.url(), %error, "does not show the key's registration");
                    }
                }
            }
            self.holdup.send_replace(Some(holdup));
            tracing::warn!(%holdup, "the producer waits");
            pause.wait().await;
        }
    }

    /// What all nodes say of the key's sequence.
    async fn survey(&self) -> Sequences {
        let (sender, headers) = (Sender::Key(self.recall.sender), &self.recall.headers);
        let mut view = Sequences { shown: None, most: 0, is_ahead: false };
        for node in self.recall.nodes.of_this_network().await {
            match place::is_current(&node, headers).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::debug!(node = node.url(), "does not know the newest blocks");
                    continue;
                }
                Err(error) => {
                    tracing::debug!(node = node.url(), %error, "does not say where it stands");
                    continue;
                }
            }
            let sequences = match node.next_sequence(sender).await {
                Ok(sequences) => sequences,
                // A key that no block has registered has sent nothing.
                Err(error) if error.is_refusal("unknown") => {
                    view.shown = view.shown.max(Some(0));
                    continue;
                }
                Err(error) => {
                    tracing::debug!(node = node.url(), %error, "does not say which sequence comes next");
                    continue;
                }
            };
            let next = sequences.next_sequence;
            let is_shown = match next.checked_sub(1) {
                None => true,
                Some(last) => matches!(place::shown(&node, headers, sender, last).await, Ok(Some(_))),
            };
            if is_shown {
                view.shown = view.shown.max(Some(next));
                view.most = view.most.max(sequences.pending_sequence);
            } else {
                // The own chain may be behind that of the node: it catches up, or the node lies.
                view.is_ahead = true;
            }
        }
        view
    }
}

/// A key's sequence by all nodes together.
struct Sequences {
    /// The next one, by the blocks that nodes show.
    shown: Option<u64>,
    /// The next one behind what waits, at the node where most does.
    most: u64,
    /// Whether a node claims a next one that it does not show.
    is_ahead: bool,
}

/// By the ledger's rules; nodes and devices anchor nothing.
fn may_anchor(role: Role, kind: AnchorKind) -> bool {
    match kind {
        AnchorKind::Data | AnchorKind::Command => role == Role::Controller,
        AnchorKind::Access => role == Role::Operator,
    }
}
