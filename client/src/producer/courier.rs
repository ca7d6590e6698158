//! Brings signed lots to nodes, in order of sequence, and watches them until they are delivered.
//!
//! The same bytes are handed over again whenever a node does not know them: after a failure, a restart, a
//! reorganisation. A lot is signed anew only once another transaction stands at its sequence under so many blocks
//! that it will not come back.

use std::collections::BTreeMap;
use std::sync::Arc;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::receipt::{AnchorProof, Receipt, ReceiptError};
use dronechain_chain_spec::transaction::{Action, AnchorKind, Sender, Transaction};
use dronechain_chain_spec::wire::BatchBody;
use tokio::sync::{RwLock, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::config::ProducerConfig;
use super::delivery::Delivery;
use super::error::Rejection;
use super::lot::{Inclusion, Lot, Standing};
use super::writer::{Command, Cut, Stored};
use crate::error::ClientError;
use crate::headers::Headers;
use crate::limits::{LOST_DEPTH, PRODUCER_TICK, SEQUENCES_AHEAD_MAX};
use crate::node::{AnchorStatus, State, Submitted};
use crate::nodes::Nodes;
use crate::pause::Pause;

/// What the application is told of each delivered lot.
pub(super) type Callback = Arc<dyn Fn(&Delivery) + Send + Sync>;

/// How far a lot is.
#[derive(Debug)]
enum Stage {
    /// To be handed over, not before then.
    Waiting(Instant),
    /// Being handed over.
    Under,
    /// A node has it.
    Promised,
    Included(Arc<Inclusion>),
}

struct Flight {
    lot: Arc<Lot>,
    transaction: Arc<Transaction>,
    txid: Hash256,
    stage: Stage,
    pause: Pause,
    /// Own height at which its sequence was first seen to be another's.
    lost_at: Option<u64>,
}

pub(super) struct Courier {
    pub(super) config: ProducerConfig,
    pub(super) sender: Sender,
    pub(super) chain_id: Hash256,
    pub(super) nodes: Arc<Nodes>,
    pub(super) headers: Arc<RwLock<Headers>>,
    /// The own tip, as the light client follows it.
    pub(super) followed: watch::Receiver<Hash256>,
    /// The own tip, told on once every lot stands by it.
    pub(super) tip: watch::Sender<Hash256>,
    pub(super) stored: mpsc::UnboundedReceiver<Stored>,
    pub(super) commands: mpsc::Sender<Command>,
    /// To the signer.
    pub(super) more: mpsc::UnboundedSender<Cut>,
    pub(super) callback: Option<Callback>,
    pub(super) rejected: watch::Sender<Option<Arc<Rejection>>>,
}

/// What one hand-over came to.
type Handed = (u64, Hash256, Result<Submitted, ClientError>);

struct Run {
    flights: BTreeMap<u64, Flight>,
    handing: JoinSet<Handed>,
    /// The ledger's next sequence of the sender.
    next: u64,
    last_anchor: Instant,
}

impl Courier {
    /// Runs until the producer is dropped.
    pub(super) async fn run(mut self) {
        let mut run =
            Run { flights: BTreeMap::new(), handing: JoinSet::new(), next: 0, last_anchor: Instant::now() };
        let mut tick = interval(PRODUCER_TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                stored = self.stored.recv() => {
                    let Some(stored) = stored else { return };
                    run.take(stored);
                }
                Some(handed) = run.handing.join_next(), if !run.handing.is_empty() => {
                    // A task ends early only with the runtime.
                    let Ok(handed) = handed else { return };
                    self.handed(&mut run, handed);
                }
                changed = self.followed.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.look(&mut run).await;
                }
                _ = tick.tick() => {
                    self.beat(&mut run);
                    let is_due = |flight: &Flight| matches!(flight.stage, Stage::Promised) || flight.lost_at.is_some();
                    if run.flights.values().any(is_due) {
                        self.look(&mut run).await;
                    }
                }
            }
            self.hand_over(&mut run);
        }
    }

    /// Hands over what is due, lowest sequence first.
    fn hand_over(&self, run: &mut Run) {
        let (now, ahead) = (Instant::now(), run.next + SEQUENCES_AHEAD_MAX);
        for (sequence, flight) in run.flights.range_mut(..ahead) {
            if run.handing.len() >= self.config.in_flight {
                return;
            }
            if !matches!(flight.stage, Stage::Waiting(due) if due <= now) {
                continue;
            }
            flight.stage = Stage::Under;
            let (nodes, transaction, sequence) =
                (Arc::clone(&self.nodes), Arc::clone(&flight.transaction), *sequence);
            let (lot, txid) = (Arc::clone(&flight.lot), flight.txid);
            run.handing.spawn(async move {
                let body = (!lot.leaves().is_empty()).then(|| BatchBody(lot.leaves().to_vec()));
                let (transaction, body) = (&*transaction, &body);
                let submit =
                    |node: crate::NodeClient| async move { node.submit(transaction, body.clone()).await };
                (sequence, txid, nodes.ask(submit).await)
            });
        }
    }

    fn handed(&self, run: &mut Run, (sequence, txid, result): Handed) {
        let Some(flight) = run.flights.get_mut(&sequence).filter(|flight| flight.txid == txid) else {
            return;
        };
        match result {
            Ok(_) => {
                flight.pause.reset();
                flight.stage = Stage::Promised;
                flight.lot.stands(Standing::Promised);
            }
            Err(error) if is_final(&error) => self.reject(run, sequence, error),
            Err(error) => {
                // Perhaps another stands at its sequence: looking will tell.
                let is_taken = error.is_refusal("tx-sequence") || error.is_refusal("sequence-taken");
                flight.stage = if is_taken && sequence < run.next {
                    Stage::Promised
                } else {
                    Stage::Waiting(Instant::now() + flight.pause.take())
                };
                tracing::debug!(sequence, %error, "a batch is handed over again");
            }
        }
    }

    /// Nothing behind it can be included: every lot is refused with it.
    fn reject(&self, run: &mut Run, sequence: u64, source: ClientError) {
        tracing::error!(sequence, error = %source, "the ledger refuses a batch; its records stay in the outbox");
        let rejection = Arc::new(Rejection { sequence, source });
        for flight in run.flights.values() {
            if !matches!(flight.stage, Stage::Included(_)) {
                flight.lot.stands(Standing::Rejected(Arc::clone(&rejection)));
            }
        }
        self.rejected.send_replace(Some(rejection));
    }

    /// Asks where lots stand, and holds what nodes say against the own header chain.
    async fn look(&self, run: &mut Run) {
        let sender = self.sender;
        let tip = *self.followed.borrow();
        self.leave_orphans(run).await;
        let asked = self.nodes.ask(|node| async move { node.next_sequence(sender).await }).await;
        if let Ok(sequences) = asked {
            run.next = sequences.next_sequence;
            let pending = sequences.pending_sequence.max(sequences.next_sequence);
            for (_, flight) in run.flights.range_mut(pending..) {
                // The node that is asked does not have it: another had, and is gone or has another chain.
                if matches!(flight.stage, Stage::Promised) && flight.lost_at.is_none() {
                    flight.stage = Stage::Waiting(Instant::now());
                }
            }
            let open = |flight: &Flight| !matches!(flight.stage, Stage::Included(_) | Stage::Under);
            let due: Vec<u64> =
                run.flights.range(..run.next).filter(|(_, flight)| open(flight)).map(|(at, _)| *at).collect();
            for sequence in due {
                if !self.find(run, sequence).await {
                    break;
                }
            }
        }
        self.deliver(run).await;
        self.tip.send_replace(tip);
    }

    /// Lots whose block left the chain are on their way again.
    async fn leave_orphans(&self, run: &mut Run) {
        let headers = self.headers.read().await;
        for flight in run.flights.values_mut() {
            let Stage::Included(inclusion) = &flight.stage else { continue };
            if headers.chain().hash(inclusion.height) != Some(inclusion.block) {
                flight.stage = Stage::Promised;
                flight.lot.stands(Standing::Promised);
            }
        }
    }

    /// Looks for the block of a sequence that the ledger has; false if nodes do not answer.
    async fn find(&self, run: &mut Run, sequence: u64) -> bool {
        let Sender::Key(key) = self.sender else { unreachable!("producers have a key") };
        let asked = self.nodes.ask(|node| async move { node.anchor(&key, sequence, None).await }).await;
        let Ok(status) = asked else { return false };
        let Some(flight) = run.flights.get_mut(&sequence) else { return true };
        let is_own = |proof: &AnchorProof| proof.transaction == codec::encode(&*flight.transaction);
        match status {
            AnchorStatus { state: State::Included, proof: Some(proof), height: Some(height), .. }
                if is_own(&proof) =>
            {
                let headers = self.headers.read().await;
                let Some(block) = headers.chain().hash(height) else { return true };
                if let Err(error) = check(flight, self.chain_id, &proof, &headers) {
                    // The node may be a block ahead of the own chain, or on another branch for now.
                    if matches!(error, ReceiptError::BeyondTip { .. } | ReceiptError::UnknownBlock { .. }) {
                        return true;
                    }
                    tracing::warn!(sequence, %error, "a node's proof does not hold");
                    self.nodes.pass_over();
                    return false;
                }
                let inclusion = Arc::new(Inclusion { sequence, txid: flight.txid, height, block, proof });
                flight.lost_at = None;
                flight.lot.stands(Standing::Included(Arc::clone(&inclusion)));
                flight.stage = Stage::Included(inclusion);
            }
            AnchorStatus { state: State::Included | State::Unknown, .. } => {
                let height = self.headers.read().await.chain().height();
                let since = *flight.lost_at.get_or_insert(height);
                if height >= since + LOST_DEPTH {
                    self.sign_anew(run, sequence);
                }
            }
            AnchorStatus { .. } => flight.lost_at = None,
        }
        true
    }

    /// Another transaction has the sequence for good.
    fn sign_anew(&self, run: &mut Run, sequence: u64) {
        let Some(flight) = run.flights.remove(&sequence) else { return };
        tracing::warn!(
            sequence,
            "another transaction of this key has the batch's sequence; it is signed anew"
        );
        let Action::Anchor(anchor) = &flight.transaction.body.action else {
            unreachable!("only anchors fly")
        };
        let times_ms = (anchor.first_time, anchor.last_time);
        let cut = Cut { lot: flight.lot, kind: anchor.kind, times_ms, before: Some(sequence) };
        // The signer lives as long as the courier.
        let _ = self.more.send(cut);
    }

    /// Lets go of what has enough blocks, in order.
    async fn deliver(&self, run: &mut Run) {
        while let Some((sequence, flight)) = run.flights.first_key_value() {
            let Stage::Included(inclusion) = &flight.stage else { return };
            let confirmations = {
                let headers = self.headers.read().await;
                headers.chain().confirmations(inclusion.height)
            };
            if confirmations < self.config.confirmations {
                return;
            }
            let (sequence, lot, inclusion) = (*sequence, Arc::clone(&flight.lot), Arc::clone(inclusion));
            if let Some(callback) = self.callback.clone() {
                let delivery = Delivery::new(Arc::clone(&lot), self.chain_id, inclusion);
                // It is the application's code, and may take its time.
                drop(tokio::task::spawn_blocking(move || callback(&delivery)).await);
            }
            if self.commands.send(Command::Delivered { sequence, lot }).await.is_err() {
                return;
            }
            run.flights.remove(&sequence);
        }
    }

    /// Anchors an empty batch when there was nothing to anchor.
    fn beat(&self, run: &mut Run) {
        let Some(heartbeat) = self.config.heartbeat else { return };
        if run.last_anchor.elapsed() < heartbeat || !run.flights.is_empty() {
            return;
        }
        run.last_anchor = Instant::now();
        let lot = Arc::new(Lot::new(0));
        lot.cut(Arc::new([]));
        let _ = self.more.send(Cut { lot, kind: AnchorKind::Data, times_ms: (0, 0), before: None });
    }
}

impl Run {
    fn take(&mut self, Stored { lot, transaction }: Stored) {
        self.last_anchor = Instant::now();
        let (txid, sequence) = (transaction.txid(), transaction.body.sequence);
        let stage = Stage::Waiting(Instant::now());
        let flight = Flight {
            lot,
            transaction: Arc::new(transaction),
            txid,
            stage,
            pause: Pause::new(),
            lost_at: None,
        };
        self.flights.insert(sequence, flight);
    }
}

/// Whether the ledger will never take it.
fn is_final(error: &ClientError) -> bool {
    const FINAL: [&str; 4] = ["tx-sender-revoked", "tx-sender-role", "tx-signature", "tx-leaf-count"];
    let ClientError::Refused { name, .. } = error else { return false };
    FINAL.contains(&name.as_str()) || name.starts_with("body-")
}

/// Holds a proof against the own header chain: by the first record's receipt, which has everything in it.
fn check(
    flight: &Flight,
    chain_id: Hash256,
    proof: &AnchorProof,
    headers: &Headers,
) -> Result<(), ReceiptError> {
    let Action::Anchor(anchor) = &flight.transaction.body.action else { unreachable!("only anchors fly") };
    let receipt = Receipt {
        target: anchor.root,
        root: anchor.root,
        path: Vec::new(),
        source_id: flight.txid,
        chain_id,
        index: 0,
        leaf_count: anchor.leaf_count,
        anchor: proof.clone(),
    };
    receipt.verify_anchor(headers.chain(), 1).map(drop)
}
