//! The one thread that writes the outbox: whoever waits is synced together.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::promise::{BrokenPromise, SignedPromise};
use dronechain_chain_spec::transaction::{Anchor, AnchorKind, Transaction};
use foldhash::fast::RandomState;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::config::ProducerConfig;
use super::error::OutboxError;
use super::lot::{Found, Lot, Place, Standing};
use super::outbox::{Batched, Changes, Contents, Outbox};
use super::record::{Leaf, Record};
use super::room::Room;
use crate::limits::DISK_PAUSE;
use crate::pause::Pause;

/// Commands that wait for the thread.
pub(super) const COMMANDS_MAX: usize = 4_096;
/// Commands that are synced together.
const TOGETHER_MAX: usize = 4_096;

/// Records in a row that are next to each other in their lot.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) lot: Arc<Lot>,
    /// Place of the first in the lot.
    pub(super) index: u32,
    pub(super) count: u32,
}

/// Records that one caller hands over together.
pub(super) struct Handed {
    pub(super) leaves: Vec<Leaf>,
    pub(super) rows: Vec<u8>,
}

impl Handed {
    pub(super) fn of(records: &[Record]) -> Self {
        let mut rows = Vec::with_capacity(records.iter().map(Record::size).sum());
        records.iter().for_each(|record| record.encode(&mut rows));
        Self { leaves: records.iter().map(Record::leaf).collect(), rows }
    }
}

/// What the thread is told.
pub(super) enum Command {
    /// Records to store; the answer comes when they are durable.
    Take { handed: Handed, answer: oneshot::Sender<Vec<Span>> },
    /// The lot's transaction was signed; `before` is the sequence at which it lost its place.
    Signed { lot: Arc<Lot>, transaction: Transaction, before: Option<u64> },
    /// A node promised to include the lot's transaction.
    Promised { lot: Arc<Lot>, promise: Arc<SignedPromise> },
    /// A promise was not kept, or came to nothing.
    Judged { sequence: u64, node: PublicKey, broken: Option<Arc<BrokenPromise>> },
    /// The lot of that sequence was delivered, as these nodes promised.
    Delivered { sequence: u64, lot: Arc<Lot>, kind: AnchorKind, kept: Vec<PublicKey> },
    /// The ledger has records of the lot already, at their places in it; `before` is as above.
    Recalled { lot: Arc<Lot>, before: Option<u64>, found: Vec<Option<Arc<Found>>> },
    /// The key may not anchor such records: nothing will ever make them valid.
    Unfit { lot: Arc<Lot>, kind: AnchorKind, before: Option<u64> },
    /// The lot takes no more records; the answer is all lots that are not delivered.
    Cut { answer: oneshot::Sender<Vec<Arc<Lot>>> },
    /// The open lot may have waited long enough.
    Due,
}

/// A lot that is to be signed.
pub(super) struct Cut {
    pub(super) lot: Arc<Lot>,
    pub(super) kind: AnchorKind,
    /// Earliest and latest time that its records claim.
    pub(super) times_ms: (u64, u64),
    /// The sequence at which it lost its place, if it did.
    pub(super) before: Option<u64>,
}

/// A lot whose signed transaction is durable.
pub(super) struct Stored {
    pub(super) lot: Arc<Lot>,
    pub(super) transaction: Transaction,
    /// Whether another transaction of it lost its place.
    pub(super) is_anew: bool,
}

/// The lot that takes records.
struct Open {
    lot: Arc<Lot>,
    kind: AnchorKind,
    leaves: Vec<Hash256>,
    bytes: usize,
    times_ms: (u64, u64),
    due: Instant,
}

/// The whole hash: half of one can be had twice by whoever chooses both. The same bytes as another kind of record are
/// another record.
type Name = (Hash256, AnchorKind);

pub(super) struct Writer {
    outbox: Outbox,
    config: ProducerConfig,
    /// When the open lot is to be cut.
    due: watch::Sender<Option<Instant>>,
    commands: mpsc::Receiver<Command>,
    cuts: mpsc::UnboundedSender<Cut>,
    stored: mpsc::UnboundedSender<Stored>,
    room: Arc<Room>,
    /// Records that wait for room on the disk.
    held: VecDeque<Command>,
    /// Numbers of all records that are not delivered.
    known: HashMap<Name, u64, RandomState>,
    open: Option<Open>,
    /// Number of the next record.
    next: u64,
    /// Records before that one were here at the start. They are known for as long as this runs, delivered or not: an
    /// application that did not hear the answer before it was killed hands them over again.
    found: u64,
    /// Those of their lots that are delivered, by their first record.
    past: BTreeMap<u64, Arc<Lot>>,
    /// Groups in the outbox: number of the first record and number of records.
    groups: VecDeque<(u64, u64)>,
    /// The lots that are not delivered, with their bytes, by their first record.
    lots: BTreeMap<u64, (Arc<Lot>, usize)>,
    /// Evidence, told on once it is stored.
    broken: watch::Sender<Vec<Arc<BrokenPromise>>>,
}

/// Where the thread's results go.
pub(super) struct Ends {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) cuts: mpsc::UnboundedSender<Cut>,
    pub(super) stored: mpsc::UnboundedSender<Stored>,
    pub(super) due: watch::Sender<Option<Instant>>,
    pub(super) broken: watch::Sender<Vec<Arc<BrokenPromise>>>,
}

/// What a start took up: its records in order, where they are, and how many lots of them are to be signed.
pub(super) struct Recovered {
    pub(super) hashes: Vec<Hash256>,
    pub(super) spans: Vec<Span>,
    pub(super) cuts: usize,
}

/// What one pass gathers before its commit, and what follows it.
#[derive(Default)]
struct Pass {
    changes: Changes,
    rows: Vec<u8>,
    taken: u32,
    answers: Vec<(oneshot::Sender<Vec<Span>>, Vec<Span>)>,
    cuts: Vec<Cut>,
    cut_answers: Vec<oneshot::Sender<Vec<Arc<Lot>>>>,
    stored: Vec<Stored>,
    promised: Vec<(Arc<Lot>, Arc<SignedPromise>)>,
    dissolved: Vec<(Arc<Lot>, Arc<[Place]>)>,
    unfit: Vec<Arc<Lot>>,
    broken: Vec<Arc<BrokenPromise>>,
    freed: (usize, usize),
    /// Records that are to be moved cannot be read: what lies behind them must not pass them by.
    is_unreadable: bool,
}

impl Writer {
    pub(super) fn new(
        outbox: Outbox,
        found: Contents,
        config: ProducerConfig,
        ends: Ends,
        room: Arc<Room>,
    ) -> (Self, Recovered) {
        let Ends { commands, cuts, stored, due, broken } = ends;
        let mut writer = Self {
            outbox,
            config,
            due,
            commands,
            cuts,
            stored,
            room,
            held: VecDeque::new(),
            known: HashMap::default(),
            open: None,
            next: found.marks.next,
            found: found.marks.next,
            past: BTreeMap::new(),
            groups: found.groups.iter().map(|(first, count)| (*first, u64::from(*count))).collect(),
            lots: BTreeMap::new(),
            broken,
        };
        let recovered = writer.recover(found);
        (writer, recovered)
    }

    /// Takes up what was there before the start.
    fn recover(&mut self, found: Contents) -> Recovered {
        let (mut hashes, mut spans) = (Vec::new(), Vec::new());
        let mut promises = found.promises.into_iter().peekable();
        for (Batched { sequence, first, transaction, .. }, leaves) in found.batches {
            let lot = Arc::new(Lot::new(first));
            // Both are in the order of their sequences.
            while let Some(promise) = promises.next_if(|promise| promise.promise.sequence <= sequence) {
                if promise.promise.txid == transaction.txid() {
                    lot.promised(Arc::new(promise));
                }
            }
            let bytes = leaves.iter().map(|leaf| leaf.size).sum();
            self.room.take(leaves.len(), bytes);
            if !leaves.is_empty() {
                self.lots.insert(first, (Arc::clone(&lot), bytes));
            }
            self.known.extend((first..).zip(&leaves).map(|(number, leaf)| (name(leaf), number)));
            hashes.extend(leaves.iter().map(|leaf| leaf.hash));
            let count = u32::try_from(leaves.len()).expect("65,536 at most");
            spans.push(Span { lot: Arc::clone(&lot), index: 0, count });
            lot.cut(leaves.iter().map(|leaf| leaf.hash).collect());
            // The receiver lives until the writer ends.
            let _ = self.stored.send(Stored { lot, transaction, is_anew: false });
        }
        let mut pass = Pass::default();
        for (number, leaf) in (found.marks.batched..).zip(&found.loose) {
            self.room.take(1, leaf.size);
            self.known.insert(name(leaf), number);
            hashes.push(leaf.hash);
            let (lot, index) = self.place(&mut pass, leaf, number);
            add(&mut spans, lot, index);
        }
        // They have waited long enough.
        self.cut(&mut pass);
        let cuts = pass.cuts.len();
        self.tell(pass);
        Recovered { hashes, spans, cuts }
    }

    /// Runs until nobody can hand anything over any more.
    pub(super) fn run(mut self) {
        let mut commands = Vec::new();
        while self.commands.blocking_recv_many(&mut commands, TOGETHER_MAX) > 0 {
            let mut pass = Pass::default();
            let (takes, others): (Vec<_>, Vec<_>) =
                commands.drain(..).partition(|command| matches!(command, Command::Take { .. }));
            self.held.extend(takes);
            self.take_held(&mut pass);
            others.into_iter().for_each(|command| self.gather(&mut pass, command));
            if pass.is_unreadable {
                return;
            }
            if self.open.as_ref().is_some_and(|open| self.is_full(open) || open.due <= Instant::now()) {
                self.cut(&mut pass);
            }
            let retry = (!self.held.is_empty()).then(|| Instant::now() + DISK_PAUSE);
            let due = self.open.as_ref().map(|open| open.due).into_iter().chain(retry).min();
            self.due.send_if_modified(|told| std::mem::replace(told, due) != due);
            if pass.taken > 0 {
                let first = self.next - u64::from(pass.taken);
                self.groups.push_back((first, pass.taken.into()));
                pass.changes.records = Some((first, pass.taken, std::mem::take(&mut pass.rows)));
            }
            if !self.commit(&pass.changes) {
                return;
            }
            self.tell(pass);
            self.outbox.reclaim(!self.held.is_empty());
        }
    }

    /// Takes records that wait, as far as the disk has room. Everything else goes on without: it makes room, and has
    /// what stays free.
    fn take_held(&mut self, pass: &mut Pass) {
        if self.held.is_empty() {
            return;
        }
        let mut spare = self.outbox.spare_bytes();
        while let Some(Command::Take { handed, .. }) = self.held.front() {
            let Some(rest) = spare.checked_sub(handed.rows.len() as u64) else { break };
            spare = rest;
            let command = self.held.pop_front().expect("it is the front");
            self.gather(pass, command);
        }
        let is_full = !self.held.is_empty();
        if self.room.set_disk_full(is_full) {
            tracing::warn!(is_full, "room on the outbox's disk");
        }
    }

    fn gather(&mut self, pass: &mut Pass, command: Command) {
        match command {
            Command::Take { handed, answer } => {
                let spans = self.take(pass, &handed);
                pass.answers.push((answer, spans));
            }
            Command::Signed { lot, transaction, before } => {
                let count = u32::try_from(lot.leaves().len()).expect("65,536 at most");
                let (first, sequence) = (lot.first, transaction.body.sequence);
                pass.changes.batches.push(Batched {
                    sequence,
                    first,
                    count,
                    transaction: transaction.clone(),
                });
                pass.changes.gone.extend(before);
                pass.stored.push(Stored { lot, transaction, is_anew: before.is_some() });
            }
            Command::Promised { lot, promise } => {
                pass.changes.promises.push(SignedPromise::clone(&promise));
                pass.promised.push((lot, promise));
            }
            Command::Judged { sequence, node, broken } => {
                pass.changes.settle(sequence, node);
                pass.changes.broken.extend(broken.as_deref().cloned());
                pass.broken.extend(broken);
            }
            Command::Delivered { sequence, lot, kind, kept } => {
                kept.into_iter().for_each(|node| pass.changes.settle(sequence, node));
                self.delivered(pass, sequence, &lot, kind);
            }
            Command::Recalled { lot, before, found } => {
                if let Err(error) = self.dissolve(pass, &lot, before, found) {
                    tracing::error!(%error, "the outbox cannot be read: it is closed, and keeps all that it has");
                    pass.is_unreadable = true;
                }
            }
            Command::Unfit { lot, kind, before } => self.give_up(pass, &lot, kind, before),
            Command::Cut { answer } => {
                self.cut(pass);
                pass.cut_answers.push(answer);
            }
            // Whether it is due is looked at in every pass.
            Command::Due => {}
        }
    }

    fn take(&mut self, pass: &mut Pass, handed: &Handed) -> Vec<Span> {
        let mut rows = &handed.rows[..];
        let mut spans = Vec::new();
        for leaf in &handed.leaves {
            let (row, rest) = rows.split_at(leaf.size);
            rows = rest;
            match self.known.entry(name(leaf)) {
                Entry::Occupied(known) => {
                    // Handed over before: one record, one place.
                    let number = *known.get();
                    pass.freed.0 += 1;
                    pass.freed.1 += leaf.size;
                    let (lot, index) = self.find(number);
                    add(&mut spans, lot, index);
                }
                Entry::Vacant(unknown) => {
                    let number = *unknown.insert(self.next);
                    self.add(pass, row);
                    let (lot, index) = self.place(pass, leaf, number);
                    add(&mut spans, lot, index);
                }
            }
        }
        spans
    }

    /// Adds a record's row to those that the commit stores; gives its number.
    fn add(&mut self, pass: &mut Pass, row: &[u8]) -> u64 {
        let number = self.next;
        self.next += 1;
        pass.taken += 1;
        pass.rows.extend_from_slice(row);
        number
    }

    /// The lot of a known record, and its place there: a lot's records have numbers in a row.
    fn find(&self, number: u64) -> (&Arc<Lot>, u32) {
        let open = self.open.as_ref().map(|open| &open.lot).filter(|lot| lot.first <= number);
        let waiting = || self.lots.range(..=number).next_back().map(|(_, (lot, _))| lot);
        let past = || self.past.range(..=number).next_back().map(|(_, lot)| lot);
        // Of two, the one that begins later has it.
        let lot = open.or_else(|| waiting().into_iter().chain(past()).max_by_key(|lot| lot.first));
        let lot = lot.expect("a known record has a lot");
        (lot, u32::try_from(number - lot.first).expect("65,536 at most"))
    }

    /// A place in the open lot; lots that are full or of another kind are cut.
    fn place(&mut self, pass: &mut Pass, leaf: &Leaf, number: u64) -> (&Arc<Lot>, u32) {
        let fits = |open: &Open| {
            open.kind == leaf.kind
                && !self.is_full(open)
                && open.bytes + leaf.size <= self.config.batch_bytes.max(leaf.size)
        };
        if !self.open.as_ref().is_some_and(fits) {
            self.cut(pass);
        }
        let linger = self.config.linger;
        let open = self.open.get_or_insert_with(|| Open::new(number, leaf, linger));
        let index = u32::try_from(open.leaves.len()).expect("65,536 at most");
        open.leaves.push(leaf.hash);
        open.bytes += leaf.size;
        open.times_ms = (open.times_ms.0.min(leaf.time_ms), open.times_ms.1.max(leaf.time_ms));
        (&open.lot, index)
    }

    fn is_full(&self, open: &Open) -> bool {
        open.leaves.len() >= self.config.batch_records as usize
    }

    fn cut(&mut self, pass: &mut Pass) {
        let Some(Open { lot, kind, leaves, bytes, times_ms, .. }) = self.open.take() else { return };
        self.lots.insert(lot.first, (Arc::clone(&lot), bytes));
        lot.cut(leaves.into());
        pass.cuts.push(Cut { lot, kind, times_ms, before: None });
    }

    /// What the ledger has leaves the outbox; the others are as if handed over now.
    fn dissolve(
        &mut self,
        pass: &mut Pass,
        lot: &Arc<Lot>,
        before: Option<u64>,
        found: Vec<Option<Arc<Found>>>,
    ) -> Result<(), OutboxError> {
        let rows = self.outbox.rows(lot.first, found.len())?;
        let mut places = Vec::with_capacity(found.len());
        for (one, (leaf, row)) in found.into_iter().zip(rows) {
            if let Some(found) = one {
                pass.freed.0 += 1;
                pass.freed.1 += leaf.size;
                places.push(Place::Found(found));
                continue;
            }
            let number = self.add(pass, &row);
            self.known.insert(name(&leaf), number);
            let (other, index) = self.place(pass, &leaf, number);
            places.push(Place::Moved(Arc::clone(other), index));
        }
        // Known to the end, as they were before.
        self.found = self.next;
        pass.changes.gone.extend(before);
        pass.changes.passed = pass.changes.passed.max(lot.first + places.len() as u64);
        self.lots.remove(&lot.first);
        self.past.insert(lot.first, Arc::clone(lot));
        self.leave_groups(pass);
        pass.dissolved.push((Arc::clone(lot), places.into()));
        Ok(())
    }

    /// Records that cannot be anchored leave the outbox; whoever waits for them is told.
    fn give_up(&mut self, pass: &mut Pass, lot: &Arc<Lot>, kind: AnchorKind, before: Option<u64>) {
        pass.changes.gone.extend(before);
        self.forget(lot, kind);
        pass.changes.passed = pass.changes.passed.max(lot.first + lot.leaves().len() as u64);
        pass.freed.0 += lot.leaves().len();
        pass.freed.1 += self.lots.remove(&lot.first).map_or(0, |(_, bytes)| bytes);
        self.leave_groups(pass);
        pass.unfit.push(Arc::clone(lot));
    }

    fn delivered(&mut self, pass: &mut Pass, sequence: u64, lot: &Arc<Lot>, kind: AnchorKind) {
        pass.changes.gone.push(sequence);
        self.forget(lot, kind);
        let kept = if lot.leaves().is_empty() { None } else { self.lots.remove(&lot.first) };
        pass.freed.0 += lot.leaves().len();
        pass.freed.1 += kept.map_or(0, |(_, bytes)| bytes);
        self.leave_groups(pass);
    }

    /// A lot that does not wait any more: what it has may be handed over anew, unless it was here at the start.
    fn forget(&mut self, lot: &Arc<Lot>, kind: AnchorKind) {
        if lot.first >= self.found {
            for leaf in lot.leaves() {
                self.known.remove(&(*leaf, kind));
            }
        } else if !lot.leaves().is_empty() {
            self.past.insert(lot.first, Arc::clone(lot));
        }
    }

    /// Lets go of groups of which no record waits any more.
    fn leave_groups(&mut self, pass: &mut Pass) {
        let open = self.open.as_ref().map(|open| open.lot.first);
        let kept = self.lots.keys().next().copied().into_iter().chain(open).min().unwrap_or(self.next);
        while let Some((first, count)) = self.groups.front().copied() {
            if first + count > kept {
                break;
            }
            self.groups.pop_front();
            pass.changes.left = first + count;
        }
    }

    /// Commits, as often as it takes: a full disk holds everybody up and loses nothing. False when there is nobody
    /// left to wait for it.
    fn commit(&mut self, changes: &Changes) -> bool {
        if changes.is_empty() {
            return true;
        }
        let mut pause = Pause::new();
        while let Err(error) = self.outbox.commit(changes) {
            tracing::warn!(%error, "records wait for the outbox");
            if self.commands.is_closed() {
                return false;
            }
            std::thread::sleep(pause.take());
        }
        true
    }

    /// Tells what is durable now. Whoever does not listen any more has lost nothing.
    fn tell(&self, pass: Pass) {
        self.room.give_back(pass.freed.0, pass.freed.1);
        for (answer, places) in pass.answers {
            let _ = answer.send(places);
        }
        for cut in pass.cuts {
            let _ = self.cuts.send(cut);
        }
        // Before what was signed anew, which voids promises.
        for (lot, promise) in pass.promised {
            lot.promised(promise);
        }
        for (lot, places) in pass.dissolved {
            lot.stands(Standing::Dissolved(places));
        }
        for lot in pass.unfit {
            lot.stands(Standing::Unfit);
        }
        for stored in pass.stored {
            if stored.is_anew {
                stored.lot.starts_anew();
            }
            let _ = self.stored.send(stored);
        }
        if !pass.broken.is_empty() {
            self.broken.send_modify(|known| known.extend(pass.broken));
        }
        for answer in pass.cut_answers {
            let _ = answer.send(self.lots.values().map(|(lot, _)| Arc::clone(lot)).collect());
        }
    }
}

impl Open {
    fn new(first: u64, leaf: &Leaf, linger: Duration) -> Self {
        Self {
            lot: Arc::new(Lot::new(first)),
            kind: leaf.kind,
            leaves: Vec::new(),
            bytes: 0,
            times_ms: (leaf.time_ms, leaf.time_ms),
            due: Instant::now() + linger,
        }
    }
}

impl Cut {
    /// What anchors the lot.
    pub(super) fn anchor(&self) -> Anchor {
        let leaf_count = u32::try_from(self.lot.leaves().len()).expect("65,536 at most");
        let root = dronechain_chain_spec::merkle::root(self.lot.leaves());
        let (first_time, last_time) = if leaf_count == 0 { (0, 0) } else { self.times_ms };
        Anchor { kind: self.kind, root, leaf_count, first_time, last_time }
    }
}

/// Wakes the thread, which has no clock of its own, when the open lot is due. Ends with it.
pub(super) async fn wake(mut due: watch::Receiver<Option<Instant>>, commands: mpsc::WeakSender<Command>) {
    loop {
        let at = *due.borrow_and_update();
        let changed = match at {
            None => due.changed().await,
            Some(at) => tokio::select! {
                changed = due.changed() => changed,
                () = sleep_until(at) => {
                    let Some(commands) = commands.upgrade() else { return };
                    if commands.send(Command::Due).await.is_err() {
                        return;
                    }
                    due.changed().await
                }
            },
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Adds a record behind the last one of `spans`.
fn add(spans: &mut Vec<Span>, lot: &Arc<Lot>, index: u32) {
    match spans.last_mut() {
        Some(last) if Arc::ptr_eq(&last.lot, lot) && last.index + last.count == index => last.count += 1,
        _ => spans.push(Span { lot: Arc::clone(lot), index, count: 1 }),
    }
}

fn name(leaf: &Leaf) -> Name {
    (leaf.hash, leaf.kind)
}
