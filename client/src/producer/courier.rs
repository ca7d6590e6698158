//! Brings signed lots to nodes, in order of sequence, and watches them until they are delivered.
//!
//! The same bytes are handed over again whenever a node does not know them: after a failure, a restart, a
//! reorganisation. A lot is signed anew only once another transaction stands at its sequence under so many blocks
//! that it will not come back.

use std::collections::BTreeMap;
use std::sync::Arc;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::limits::PROMISE_SLACK;
use dronechain_chain_spec::promise::{BrokenPromise, Promise, SignedPromise};
use dronechain_chain_spec::receipt::{AnchorProof, Receipt, ReceiptError};
use dronechain_chain_spec::transaction::{Action, Anchor, AnchorKind, Sender, Transaction};
use dronechain_chain_spec::wire::BatchBody;
use tokio::sync::{RwLock, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::config::ProducerConfig;
use super::delivery::Delivery;
use super::error::Rejection;
use super::lot::{Inclusion, Lot, Standing};
use super::place;
use super::writer::{Command, Cut, Stored};
use crate::error::ClientError;
use crate::headers::Headers;
use crate::limits::{
    BROKEN_PER_NODE_MAX, IDLE_BLOCKS, JUDGE_PAUSE, JUDGE_TRIES_MAX, JUDGING_MAX, LOST_DEPTH, PAUSE_MAX,
    PRODUCER_TICK, SEQUENCES_AHEAD_MAX,
};
use crate::node::{AnchorStatus, State, Submitted};
use crate::nodes::Nodes;
use crate::pause::Pause;
use crate::promise::{GatherError, gather};

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
    /// Own height when it was handed over first, or last to another node because of its age.
    handed_at: u64,
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
    /// What nodes promised before the start.
    pub(super) promises: Vec<SignedPromise>,
    /// Evidence, as the outbox has it.
    pub(super) broken: watch::Receiver<Vec<Arc<BrokenPromise>>>,
}

/// What one hand-over came to.
type Handed = (u64, Hash256, Result<Submitted, ClientError>);

/// A promise, with what it came to if that is known.
type Judged = (u64, PublicKey, Result<BrokenPromise, GatherError>);

/// A promise whose batch was not seen in time.
struct Due {
    promise: Arc<SignedPromise>,
    /// When evidence is looked for; none while it is.
    at: Option<Instant>,
    tries: u32,
}

struct Run {
    flights: BTreeMap<u64, Flight>,
    handing: JoinSet<Handed>,
    /// By sequence and node, until they are kept or judged.
    promises: BTreeMap<(u64, PublicKey), Due>,
    judging: JoinSet<Judged>,
    /// The ledger's next sequence of the sender.
    next: u64,
    last_anchor: Instant,
    /// A heartbeat is being signed.
    is_beating: bool,
    /// Nodes have said that they are asked too often: nothing is handed over before.
    resume: Instant,
    /// Batches handed over at a time: one after nodes have said so, then more with each that is taken.
    lanes: usize,
}

impl Courier {
    /// Runs until the producer is dropped.
    pub(super) async fn run(mut self) {
        let promises = std::mem::take(&mut self.promises)
            .into_iter()
            .map(|promise| ((promise.promise.sequence, promise.promise.node), Due::new(Arc::new(promise))));
        let mut run = Run {
            flights: BTreeMap::new(),
            handing: JoinSet::new(),
            promises: promises.collect(),
            judging: JoinSet::new(),
            next: 0,
            last_anchor: Instant::now(),
            is_beating: false,
            resume: Instant::now(),
            lanes: self.config.in_flight,
        };
        let mut tick = interval(PRODUCER_TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                stored = self.stored.recv() => {
                    let Some(stored) = stored else { return };
                    if let Some(rejection) = &*self.rejected.borrow() {
                        stored.lot.stands(Standing::Rejected(Arc::clone(rejection)));
                    }
                    run.take(stored);
                }
                Some(handed) = run.handing.join_next(), if !run.handing.is_empty() => {
                    // A task ends early only with the runtime.
                    let Ok(handed) = handed else { return };
                    self.handed(&mut run, handed).await;
                }
                Some(judged) = run.judging.join_next(), if !run.judging.is_empty() => {
                    let Ok(judged) = judged else { return };
                    self.judged(&mut run, judged).await;
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
        let (now, ahead) = (Instant::now(), run.next.saturating_add(SEQUENCES_AHEAD_MAX));
        if now < run.resume {
            return;
        }
        for (sequence, flight) in run.flights.range_mut(..ahead) {
            if run.handing.len() >= run.lanes {
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
                (sequence, txid, nodes.ask_until(submit, is_taken).await)
            });
        }
    }

    async fn handed(&self, run: &mut Run, (sequence, txid, result): Handed) {
        let height = self.headers.read().await.chain().height();
        let Some(flight) = run.flights.get_mut(&sequence).filter(|flight| flight.txid == txid) else {
            return;
        };
        // Handed over again, it is no younger.
        if flight.handed_at == 0 {
            flight.handed_at = height;
        }
        match result {
            Ok(submitted) => {
                run.lanes = self.config.in_flight.min(run.lanes + 1);
                flight.pause.reset();
                flight.stage = Stage::Promised;
                let lot = Arc::clone(&flight.lot);
                match submitted.promise {
                    Some(promise) => self.keep(run, lot, promise).await,
                    None => lot.stands(Standing::Promised),
                }
            }
            Err(error) if is_final(&error) => self.reject(run, sequence, error),
            Err(error) => {
                // One limit counts for all that this producer hands over.
                if let Some(wait) = error.retry_after() {
                    run.resume = run.resume.max(Instant::now() + wait.min(PAUSE_MAX));
                    run.lanes = 1;
                }
                // Perhaps another stands at its sequence: looking will tell.
                flight.stage = if is_taken(&error) && sequence < run.next {
                    Stage::Promised
                } else {
                    Stage::Waiting(Instant::now() + flight.pause.take())
                };
                tracing::debug!(sequence, %error, "a batch is handed over again");
            }
        }
    }

    /// Puts a node's promise into the outbox, which tells the lot.
    async fn keep(&self, run: &mut Run, lot: Arc<Lot>, promise: SignedPromise) {
        let Promise { sequence, node, .. } = promise.promise;
        let (checked, height) = {
            let headers = self.headers.read().await;
            (promise.promise.check_node(headers.chain()), headers.chain().height())
        };
        // One that is over already shows nothing, and one by a tip far above never falls due.
        let Promise { tip_height, deadline, .. } = promise.promise;
        if deadline <= height || tip_height > height.saturating_add(PROMISE_SLACK) {
            tracing::warn!(sequence, tip_height, deadline, height, "a promise of another time");
            lot.stands(Standing::Promised);
            return;
        }
        if let Err(error) = checked {
            tracing::warn!(sequence, %error, "a promise that binds nobody");
            lot.stands(Standing::Promised);
            return;
        }
        // A later promise of the same has a later deadline.
        let due = run.promises.entry((sequence, node)).or_insert_with(|| Due::new(Arc::new(promise)));
        let promise = Arc::clone(&due.promise);
        // Fails only when the writer is gone, which ends this too.
        let _ = self.commands.send(Command::Promised { lot, promise }).await;
    }

    /// Looks for evidence against nodes whose deadline passed so long ago that it stands.
    async fn judge(&self, run: &mut Run) {
        let height = self.headers.read().await.chain().height();
        let depth = self.config.confirmations;
        let now = Instant::now();
        for ((sequence, node), due) in &mut run.promises {
            let is_over = due.promise.promise.deadline.saturating_add(depth) <= height;
            if !is_over || due.at.is_none_or(|at| at > now) || run.judging.len() >= JUDGING_MAX {
                continue;
            }
            due.at = None;
            due.tries += 1;
            let (nodes, headers) = (Arc::clone(&self.nodes), Arc::clone(&self.headers));
            let (sequence, node, promise) = (*sequence, *node, Arc::clone(&due.promise));
            run.judging.spawn(async move {
                let asked = nodes.current();
                let gathered = gather(&asked, &*headers, &promise).await;
                if gathered.as_ref().is_err_and(|error| !error.is_final()) {
                    nodes.pass_over();
                }
                (sequence, node, gathered)
            });
        }
    }

    async fn judged(&self, run: &mut Run, (sequence, node, gathered): Judged) {
        // It may have been settled meanwhile.
        let Some(due) = run.promises.get_mut(&(sequence, node)) else { return };
        let broken = match gathered {
            Ok(_) if !self.is_wanted(sequence, &node) => None,
            Ok(broken) => {
                tracing::warn!(sequence, %node, deadline = broken.promise.promise.deadline, "a node broke its promise");
                Some(Arc::new(broken))
            }
            Err(error) if error.is_final() || due.tries >= JUDGE_TRIES_MAX => {
                tracing::debug!(sequence, %node, %error, "a promise comes to nothing");
                None
            }
            Err(error) => {
                tracing::debug!(sequence, %node, %error, "evidence is looked for again");
                due.at = Some(Instant::now() + JUDGE_PAUSE);
                return;
            }
        };
        run.promises.remove(&(sequence, node));
        let _ = self.commands.send(Command::Judged { sequence, node, broken }).await;
    }

    /// Whether more evidence is kept against that node.
    fn is_wanted(&self, sequence: u64, node: &PublicKey) -> bool {
        let broken = self.broken.borrow();
        let against =
            broken.iter().map(|broken| &broken.promise.promise).filter(|promise| promise.node == *node);
        let sequences: Vec<_> = against.map(|promise| promise.sequence).collect();
        sequences.len() < BROKEN_PER_NODE_MAX && !sequences.contains(&sequence)
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
        self.leave_idle_node(run).await;
        let next = |node: crate::NodeClient| async move { node.next_sequence(sender).await };
        let asked = self.nodes.ask_until(next, |_| false).await;
        if let Ok(sequences) = asked {
            run.next = sequences.next_sequence;
            let pending = sequences.pending_sequence.max(sequences.next_sequence);
            // Behind one that no node has yet, what a node says it has ends, whatever else it has.
            let is_gap = run
                .flights
                .get(&pending)
                .is_some_and(|flight| matches!(flight.stage, Stage::Waiting(_) | Stage::Under));
            for (_, flight) in run.flights.range_mut(pending..).filter(|_| !is_gap) {
                // The node that is asked does not have it: another had, and is gone or has another chain.
                if matches!(flight.stage, Stage::Promised) && flight.lost_at.is_none() {
                    flight.stage = Stage::Waiting(Instant::now());
                }
            }
            let open = |flight: &Flight| !matches!(flight.stage, Stage::Included(_) | Stage::Under);
            let mut due: Vec<u64> =
                run.flights.range(..run.next).filter(|(_, flight)| open(flight)).map(|(at, _)| *at).collect();
            if due.is_empty() {
                // The chain may be further than the node says.
                let first = run.flights.iter().find(|(_, flight)| open(flight) && flight.handed_at > 0);
                due.extend(first.map(|(at, _)| *at));
            }
            for sequence in due {
                if !self.find(run, sequence).await {
                    break;
                }
            }
        }
        self.deliver(run).await;
        self.judge(run).await;
        self.tip.send_replace(tip);
    }

    /// What one node does not bring into a block, another may.
    async fn leave_idle_node(&self, run: &mut Run) {
        let height = self.headers.read().await.chain().height();
        let mut is_idle = false;
        for flight in run.flights.values_mut() {
            let is_late = flight.handed_at + IDLE_BLOCKS <= height;
            if matches!(flight.stage, Stage::Promised) && flight.lost_at.is_none() && is_late {
                flight.stage = Stage::Waiting(Instant::now());
                flight.handed_at = height;
                is_idle = true;
            }
        }
        if is_idle {
            self.nodes.pass_over();
        }
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
            AnchorStatus { state: State::Included, proof: Some(proof), .. } if is_own(&proof) => {
                // What the node says beside the proof is its word alone.
                let height = proof.height;
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
            AnchorStatus { state: State::Unknown, .. } if sequence >= run.next => {}
            AnchorStatus { state: State::Included | State::Unknown, .. } => {
                return self.doubt(run, sequence).await;
            }
            AnchorStatus { .. } => flight.lost_at = None,
        }
        true
    }

    /// A node says that the chain has gone past a sequence without the batch. That is true once a block of the own chain
    /// shows another transaction there, and final under enough blocks; else it is that node's word. False if it is.
    async fn doubt(&self, run: &mut Run, sequence: u64) -> bool {
        let node = self.nodes.current();
        let shown = place::shown(&node, &self.headers, self.sender, sequence).await;
        let height = self.headers.read().await.chain().height();
        let Some(flight) = run.flights.get_mut(&sequence) else { return true };
        let other = shown.ok().flatten().filter(|standing| standing.txid != flight.txid);
        match other {
            Some(standing) => {
                flight.lost_at = Some(standing.height);
                if height >= standing.height.saturating_add(LOST_DEPTH) {
                    self.sign_anew(run, sequence);
                }
                true
            }
            None => {
                flight.lost_at = None;
                self.nodes.pass_over();
                false
            }
        }
    }

    /// Another transaction has the sequence for good.
    fn sign_anew(&self, run: &mut Run, sequence: u64) {
        let Some(flight) = run.flights.remove(&sequence) else { return };
        tracing::warn!(
            sequence,
            "another transaction of this key has the batch's sequence; it is signed anew"
        );
        let anchor = anchor_of(&flight.transaction);
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
            let kind = anchor_of(&flight.transaction).kind;
            let height = inclusion.height;
            if let Some(callback) = self.callback.clone() {
                let delivery = Delivery::new(Arc::clone(&lot), self.chain_id, inclusion);
                // It is the application's code, and may take its time.
                if tokio::task::spawn_blocking(move || callback(&delivery)).await.is_err() {
                    tracing::error!(sequence, "the delivery callback panicked; it is called again");
                    return;
                }
            }
            let kept = run.kept(sequence, height);
            if self.commands.send(Command::Delivered { sequence, lot, kind, kept }).await.is_err() {
                return;
            }
            run.flights.remove(&sequence);
        }
    }

    /// Anchors an empty batch when there was nothing to anchor.
    fn beat(&self, run: &mut Run) {
        let Some(heartbeat) = self.config.heartbeat else { return };
        if run.last_anchor.elapsed() < heartbeat || !run.flights.is_empty() || run.is_beating {
            return;
        }
        (run.last_anchor, run.is_beating) = (Instant::now(), true);
        let lot = Arc::new(Lot::new(0));
        lot.cut(Arc::new([]));
        let _ = self.more.send(Cut { lot, kind: AnchorKind::Data, times_ms: (0, 0), before: None });
    }
}

impl Run {
    fn take(&mut self, Stored { lot, transaction, .. }: Stored) {
        (self.last_anchor, self.is_beating) = (Instant::now(), false);
        let (txid, sequence) = (transaction.txid(), transaction.body.sequence);
        let stage = Stage::Waiting(Instant::now());
        let flight = Flight {
            lot,
            transaction: Arc::new(transaction),
            txid,
            stage,
            pause: Pause::new(),
            handed_at: 0,
            lost_at: None,
        };
        self.flights.insert(sequence, flight);
    }
}

impl Run {
    /// The nodes whose promise of a sequence was kept by its inclusion at `height`; they are let go of.
    fn kept(&mut self, sequence: u64, height: u64) -> Vec<PublicKey> {
        let of_sequence = (sequence, PublicKey([0; 32]))..=(sequence, PublicKey([0xff; 32]));
        let kept = |due: &Due| height <= due.promise.promise.deadline;
        let nodes: Vec<_> = self
            .promises
            .range(of_sequence)
            .filter(|(_, due)| kept(due))
            .map(|((_, node), _)| *node)
            .collect();
        for node in &nodes {
            self.promises.remove(&(sequence, *node));
        }
        nodes
    }
}

impl Due {
    fn new(promise: Arc<SignedPromise>) -> Self {
        Self { promise, at: Some(Instant::now()), tries: 0 }
    }
}

fn anchor_of(transaction: &Transaction) -> &Anchor {
    let Action::Anchor(anchor) = &transaction.body.action else { unreachable!("only anchors fly") };
    anchor
}

/// Whether another transaction has the sequence, or had.
fn is_taken(error: &ClientError) -> bool {
    error.is_refusal("tx-sequence") || error.is_refusal("sequence-taken")
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
    let anchor = anchor_of(&flight.transaction);
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
