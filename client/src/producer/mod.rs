//! Hands records over and loses none.
//!
//! [`Producer::send`] returns once a record is synced to the outbox; from there it goes by itself: into a batch, signed
//! at the key's next sequence, to a node, into a block, under enough others. A crash at any moment loses nothing:
//! whoever opens the same outbox goes on, with the same bytes at the same sequences, so that every record is anchored
//! once. A record that is handed over again while it is in the outbox is the same record.
//!
//! One producer per key: two that sign with the same key would take each other's sequences.

mod config;
mod courier;
mod delivery;
mod error;
mod holdup;
mod lot;
mod outbox;
mod pending;
mod place;
mod recall;
mod record;
mod room;
mod signer;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::promise::BrokenPromise;
use dronechain_chain_spec::transaction::Sender;
use tokio::sync::{AcquireError, SemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use config::ProducerConfig;
pub use delivery::Delivery;
pub use error::{OpenError, OutboxError, PendingError, Rejection, SendError};
pub use holdup::Holdup;
pub use lot::Inclusion;
pub use pending::Pending;
pub use record::Record;

use crate::client::Client;
use courier::{Callback, Courier};
use lot::{Lot, Place, Standing};
use outbox::{Outbox, Owner};
use pending::Sight;
use recall::Recall;
use room::Room;
use signer::Signer;
use writer::{COMMANDS_MAX, Command, Ends, Handed, Writer, wake};

/// What a producer is opened with.
pub struct ProducerBuilder {
    client: Client,
    key: SigningKey,
    outbox: PathBuf,
    config: ProducerConfig,
    callback: Option<Callback>,
    accept_loss: bool,
}

impl ProducerBuilder {
    pub(crate) fn new(client: Client, key: SigningKey, outbox: PathBuf) -> Self {
        Self { client, key, outbox, config: ProducerConfig::default(), callback: None, accept_loss: false }
    }

    /// Other settings than the defaults.
    #[must_use]
    pub fn config(self, config: ProducerConfig) -> Self {
        Self { config, ..self }
    }

    /// `told` is called with every batch that has enough blocks, before its records leave the outbox; after a crash in
    /// between, again. All but the taking of records waits for it, so it must not wait for the producer itself.
    #[must_use]
    pub fn on_delivery(self, told: impl Fn(&Delivery) + Send + Sync + 'static) -> Self {
        Self { callback: Some(Arc::new(told)), ..self }
    }

    /// Opens an outbox that lost what was acknowledged ([`OpenError::Shortened`]), with what is left. What was lost is
    /// to be handed over again by whoever has it.
    #[must_use]
    pub fn accept_loss(self) -> Self {
        Self { accept_loss: true, ..self }
    }

    /// Opens the outbox and goes on with what it holds, within a tokio runtime. One that was copied back from an earlier day is found out by
    /// the ledger: records that were anchored since are not anchored again.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(self) -> Result<Producer, OpenError> {
        let Self { client, key, outbox, config, callback, accept_loss } = self;
        config.check()?;
        let (public, chain_id) = (PublicKey::of(&key), client.chain_id());
        let owner = Owner { key: public, chain_id };
        let (outbox, found) = Outbox::open(&outbox, config.free_bytes, owner, accept_loss)?;
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (cuts_sender, cuts) = mpsc::unbounded_channel();
        let (more_sender, more) = mpsc::unbounded_channel();
        let (stored_sender, stored) = mpsc::unbounded_channel();
        let (rejected_sender, rejected) = watch::channel(None);
        let room = Arc::new(Room::new(&config));
        let next = found.marks.sequence;
        let (due_sender, due) = watch::channel(None);
        let (holdup_sender, holdup) = watch::channel(None);
        let (broken_sender, broken) = watch::channel(found.broken.iter().cloned().map(Arc::new).collect());
        let promises = found.promises.clone();
        let ends = Ends {
            commands: received,
            cuts: cuts_sender,
            stored: stored_sender,
            due: due_sender,
            broken: broken_sender,
        };
        let (writer, found) = Writer::new(outbox, found, config.clone(), ends, Arc::clone(&room));
        let followed = client.light().tip();
        let (tip_sender, tip) = watch::channel(*followed.borrow());
        let headers = Arc::clone(client.light().headers());
        let delivery_timeout = config.delivery_timeout;
        let sight = Arc::new(Sight { chain_id, headers: Arc::clone(&headers), tip, delivery_timeout });

        let mut tasks = JoinSet::new();
        let nodes = Arc::clone(client.nodes());
        let signer = Signer {
            key: Arc::new(key),
            chain_id,
            recall: Recall {
                nodes: Arc::clone(&nodes),
                headers: Arc::clone(&headers),
                sender: public,
                confirmations: config.confirmations,
            },
            next,
            held: found.cuts,
            cuts,
            more,
            commands: commands.clone(),
            callback: callback.clone(),
            holdup: holdup_sender,
            role: None,
        };
        tasks.spawn(signer.run());
        tasks.spawn(wake(due, commands.downgrade()));
        let courier = Courier {
            config,
            sender: Sender::Key(public),
            chain_id,
            nodes,
            headers,
            followed,
            tip: tip_sender,
            stored,
            commands: commands.clone(),
            more: more_sender,
            callback,
            rejected: rejected_sender,
            promises,
            broken: broken.clone(),
        };
        tasks.spawn(courier.run());
        let spawned = std::thread::Builder::new().name("outbox".into()).spawn(move || writer.run());
        let thread =
            spawned.map_err(|error| OpenError::Config { setting: "thread", reason: error.to_string() })?;
        let recovered = Pending::of(&found.hashes, found.spans, &sight);
        Ok(Producer {
            commands,
            room,
            sight,
            rejected,
            broken,
            holdup,
            recovered,
            sender: public,
            thread: Some(thread),
            tasks,
            client,
        })
    }
}

/// Hands records over. Calls may come from many tasks at once.
pub struct Producer {
    commands: mpsc::Sender<Command>,
    room: Arc<Room>,
    sight: Arc<Sight>,
    rejected: watch::Receiver<Option<Arc<Rejection>>>,
    broken: watch::Receiver<Vec<Arc<BrokenPromise>>>,
    holdup: watch::Receiver<Option<Holdup>>,
    recovered: Vec<Pending>,
    sender: PublicKey,
    thread: Option<JoinHandle<()>>,
    tasks: JoinSet<()>,
    /// Keeps the header chain up.
    client: Client,
}

impl Producer {
    /// Hands a record over: returns when it is synced to disk. Waits while the outbox has no room.
    ///
    /// # Errors
    /// [`SendError`]. The record is not in the outbox then, but for [`SendError::Unknown`], after which the same
    /// record may be handed over again.
    pub async fn send(&self, record: impl Into<Record>) -> Result<Pending, SendError> {
        let record = [record.into()];
        let mut pending = self.send_all(&record).await?;
        Ok(pending.pop().expect("one record, one handle"))
    }

    /// As [`Producer::send`] for several records, which are synced together. They have the order of the slice, and
    /// no other caller's between them, though perhaps not all in one batch.
    ///
    /// # Errors
    /// As [`Producer::send`]; none is taken if one is too long, or all together are more than the outbox ever has room
    /// for: [`SendError::TooMany`].
    pub async fn send_all(&self, records: &[Record]) -> Result<Vec<Pending>, SendError> {
        records.iter().try_for_each(Record::check)?;
        self.check_rejected()?;
        let handed = Handed::of(records);
        let (count, bytes) = sizes(&handed);
        let (found, max) = (handed.leaves.len(), self.room.records_max);
        if found > max || bytes as usize > self.room.bytes_max {
            return Err(SendError::TooMany { records: found, bytes: handed.rows.len() });
        }
        let closed = |_: AcquireError| SendError::Closed;
        // In this order everywhere, or two callers could wait for each other.
        let records = self.room.records.acquire_many(count).await.map_err(closed)?;
        let bytes = self.room.bytes.acquire_many(bytes).await.map_err(closed)?;
        self.hand(handed, records, bytes).await
    }

    /// As [`Producer::send`], but gives the record back if the outbox has no room for it now.
    ///
    /// # Errors
    /// [`SendError::Full`] with the record; otherwise as [`Producer::send`].
    pub async fn try_send(&self, record: impl Into<Record>) -> Result<Pending, SendError> {
        let record = record.into();
        record.check()?;
        self.check_rejected()?;
        if self.room.is_disk_full() {
            return Err(SendError::Full(Box::new(record)));
        }
        let handed = Handed::of(std::slice::from_ref(&record));
        let (count, bytes) = sizes(&handed);
        let Ok(places) = self.room.records.try_acquire_many(count) else {
            return Err(SendError::Full(Box::new(record)));
        };
        let Ok(bytes) = self.room.bytes.try_acquire_many(bytes) else {
            return Err(SendError::Full(Box::new(record)));
        };
        let mut pending = self.hand(handed, places, bytes).await?;
        Ok(pending.pop().expect("one record, one handle"))
    }

    /// The handles of what the outbox held when it was opened, in the order of its hand-over.
    pub fn recovered(&self) -> &[Pending] {
        &self.recovered
    }

    /// Lets go of those handles, and of the memory that they take.
    pub fn take_recovered(&mut self) -> Vec<Pending> {
        std::mem::take(&mut self.recovered)
    }

    /// Evidence of promises that nodes broke towards this producer, kept in its outbox: each holds for whoever has
    /// the headers, by [`BrokenPromise::check`]. Changes are told.
    pub fn broken_promises(&self) -> watch::Receiver<Vec<Arc<BrokenPromise>>> {
        self.broken.clone()
    }

    /// What holds its batches up at the moment, beyond what is usual; changes are told. Disks without room show in
    /// [`Producer::try_send`].
    pub fn holdup(&self) -> watch::Receiver<Option<Holdup>> {
        self.holdup.clone()
    }

    /// The key that anchors.
    pub fn sender(&self) -> PublicKey {
        self.sender
    }

    /// The client that it was made from.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Ends the open batch's wait, and waits until nodes have everything that was handed over before, but for records of a kind
    /// that the key may not anchor: these have left the outbox ([`PendingError::Unfit`] at their handles).
    ///
    /// # Errors
    /// [`PendingError`]; [`PendingError::TimedOut`] after `wait`.
    pub async fn flush(&self, wait: Duration) -> Result<(), PendingError> {
        let flushed = timeout(wait, self.flush_all()).await;
        flushed.unwrap_or(Err(PendingError::TimedOut { waited: wait }))
    }

    async fn flush_all(&self) -> Result<(), PendingError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Cut { answer }).await.map_err(|_closed| PendingError::Stopped)?;
        let mut lots: Vec<Arc<Lot>> = answered.await.map_err(|_closed| PendingError::Stopped)?;
        while let Some(lot) = lots.pop() {
            let mut standing = lot.subscribe();
            let settled = standing.wait_for(|standing| !matches!(standing, Standing::Stored)).await;
            match &*settled.map_err(|_closed| PendingError::Stopped)? {
                Standing::Rejected(rejection) => return Err(PendingError::Rejected(Arc::clone(rejection))),
                Standing::Dissolved(places) => {
                    let moved = places.iter().filter_map(|place| match place {
                        Place::Moved(lot, _) => Some(Arc::clone(lot)),
                        Place::Found(_) => None,
                    });
                    lots.extend(moved);
                    lots.dedup_by(|one, other| Arc::ptr_eq(one, other));
                }
                Standing::Stored | Standing::Promised | Standing::Included(_) | Standing::Unfit => {}
            }
        }
        Ok(())
    }

    /// Flushes, for at most `wait`, and stops. What is not delivered stays in the outbox.
    ///
    /// # Errors
    /// As [`Producer::flush`]; it is stopped in any case.
    pub async fn close(mut self, wait: Duration) -> Result<(), PendingError> {
        let flushed = self.flush(wait).await;
        self.tasks.shutdown().await;
        let (thread, commands) =
            (self.thread.take(), std::mem::replace(&mut self.commands, mpsc::channel(1).0));
        drop(commands);
        if let Some(thread) = thread {
            // A writer that panicked has told so.
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
        flushed
    }

    /// The room that the records take is given back if the caller leaves before the writer has them; then the writer
    /// gives it back.
    async fn hand(
        &self,
        handed: Handed,
        records: SemaphorePermit<'_>,
        bytes: SemaphorePermit<'_>,
    ) -> Result<Vec<Pending>, SendError> {
        let hashes: Vec<_> = handed.leaves.iter().map(|leaf| leaf.hash).collect();
        let (answer, answered) = oneshot::channel();
        let slot = self.commands.reserve().await.map_err(|_closed| SendError::Closed)?;
        slot.send(Command::Take { handed, answer });
        records.forget();
        bytes.forget();
        let spans = answered.await.map_err(|_closed| SendError::Unknown)?;
        Ok(Pending::of(&hashes, spans, &self.sight))
    }

    fn check_rejected(&self) -> Result<(), SendError> {
        // Nothing is delivered any more once the client was closed.
        if self.sight.tip.has_changed().is_err() {
            return Err(SendError::Closed);
        }
        match &*self.rejected.borrow() {
            Some(rejection) => Err(SendError::Rejected(Rejection::clone(rejection))),
            None => Ok(()),
        }
    }
}

fn sizes(handed: &Handed) -> (u32, u32) {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (count(handed.leaves.len()), count(handed.rows.len()))
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("sender", &self.sender).finish_non_exhaustive()
    }
}
