//! The shell: the one task that feeds the core and carries out what it says.
//!
//! Events come through one bounded queue, submissions through another. Several events are handled
//! before one commit, so that many submissions share one sync of the disk; while it lasts, no event
//! is taken in. A failed commit or read ends the node: what is not on disk was never acknowledged.

mod announce;
mod progress;
mod ready;
mod room;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dronechain_chain_spec::evidence::Misbehaviour;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry::Roll;
use dronechain_chain_spec::spec::ChainSpec;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use self::announce::Announcer;
use self::progress::Progress;
use self::room::{Admitted, Room};
use crate::admin::{self, Admin};
use crate::config::Config;
use crate::core::event::{Action, Event, FoundBlock, MiningError, SubmitError, Submitted, Template, Ticket};
use crate::core::view::{Rival, View, ViewError};
use crate::core::{Core, Start};
use crate::failpoint::{self, Failpoint};
use crate::keyfile::{self, KeyFileError};
use crate::logging::LogFilter;
use crate::metrics::Metrics;
use crate::miner::{self, MinerError};
use crate::p2p::{self, Command, NodeKeys, P2p, P2pError};
use crate::rpc::{self, Health, MISSING_SHOWN_MAX, MinerAsks, Rpc, Submit, TipView, Tls, TlsError};
use crate::specfile::{self, SpecFileError};
use crate::store::{self, Options, Store, StoreError};

/// Events waiting for the core.
const EVENTS_MAX: usize = 1_024;
/// Submissions waiting for the core.
const SUBMITS_MAX: usize = 1_024;
/// Questions of miners elsewhere waiting for the core: each may cost the work of a selection.
const MINER_ASKS_MAX: usize = 16;
/// Events and submissions handled before one commit.
const GROUP_MAX: usize = 256;
/// How often the core hears that time passes.
const TICK: Duration = Duration::from_millis(200);
/// How long open connections may take to end at shutdown.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(3);

/// Why a node does not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The chain spec.
    #[error(transparent)]
    Spec(#[from] SpecFileError),
    /// The node's key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot be read any more.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Peers.
    #[error(transparent)]
    P2p(#[from] P2pError),
    /// The miner.
    #[error(transparent)]
    Miner(#[from] MinerError),
    /// The HTTP port.
    #[error("HTTP on {address}: {error}; is another process there? choose another with --http")]
    Http {
        /// Where it should listen.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// Certificate or key of the HTTP port.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The port and file of the calls for whoever runs the node.
    #[error("calls for the operator, {}: {error}", path.display())]
    Admin {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The ready file.
    #[error("{}: {error}", path.display())]
    Ready {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A part of the node ended without being asked to.
    #[error("{0} ended unexpectedly")]
    Ended(&'static str),
}

/// Runs a node until `shutdown` or until it cannot go on; `log` is the filter that the operator may change.
///
/// # Errors
/// [`NodeError`], one variant per cause.
pub async fn run(
    config: Config,
    log: LogFilter,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), NodeError> {
    let spec = specfile::load(&config.spec)?;
    let key = keyfile::load(&config.key)?;
    let preshared_key = config.preshared_key.as_deref().map(keyfile::load_preshared).transpose()?;
    if let Some(preshared_key) = &preshared_key {
        // The same at each node that has the same; it tells nothing of the secret.
        tracing::info!(fingerprint = %preshared_key.fingerprint(), "only peers with the same pre-shared key connect");
    }
    let network = spec.network();
    let (store, loaded) = open_store(&config, &spec).await?;
    let tls = config.tls.clone().map(Tls::load).transpose()?;
    let listener = listen(config.http).await?;
    let admin = Admin::open(&config.data)
        .await
        .map_err(|error| NodeError::Admin { path: config.data.join(admin::FILE_NAME), error })?;

    let (events_in, events) = mpsc::channel(EVENTS_MAX);
    let (submit_in, submits) = mpsc::channel(SUBMITS_MAX);
    let (miner_asks_in, miner_asks) = mpsc::channel(MINER_ASKS_MAX);
    let (templates_in, templates) = watch::channel(None);
    let mines = config.mining.share > 0.0;
    let start = Start {
        state: loaded.state,
        tip: loaded.tip,
        pool: loaded.pool,
        miner: mines.then(|| PublicKey::of(&key)),
        rivals: loaded.rivals,
        follow: config.follow,
    };
    for (first, rival) in &start.rivals {
        told_rival(first, rival);
    }
    if let Some(follow) = &config.follow {
        told_follow(&store, follow)?;
    }
    let core = Core::new(network.clone(), Arc::clone(&store), start)?;
    let keys = node_keys(&core);
    if !keys.admitted.contains(&PublicKey::of(&key)) {
        warn!(
            key = %PublicKey::of(&key),
            "as far as this node knows its key is not admitted, and peers refuse it: `dronechain admin admit`"
        );
    }
    let (allowed_in, allowed) = watch::channel(Arc::new(keys));
    let (tip_in, tip) = watch::channel(Arc::new(tip_view(&core, &store)?));

    let setup = p2p::Setup {
        key: key.clone(),
        preshared_key,
        network: network.clone(),
        listen: config.listen.clone(),
        static_peers: config.peers.clone(),
        allowed,
    };
    let peers = p2p::spawn(setup, Arc::clone(&store), events_in.clone()).await?;
    let miner = if mines {
        let found = events_in.clone();
        let (key, network, share) = (key.clone(), network.clone(), config.mining.share);
        Some(miner::spawn(miner::Setup { key, network, share, templates, found })?)
    } else {
        None
    };
    let metrics = Arc::<Metrics>::default();
    let rpc = Rpc {
        store: Arc::clone(&store),
        spec: Arc::new(spec),
        key: key.clone(),
        tip,
        submit: submit_in,
        miner_asks: miner_asks_in,
        limits: config.limits,
        peers: peers.connected_counter(),
        metrics: Arc::clone(&metrics),
        met: peers.met(),
    };
    let http = listener.local_addr().map_err(|error| NodeError::Http { address: config.http, error })?;
    let (stop_http, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(rpc::serve(listener, rpc, tls, async {
        // An error means that the sender is gone: stop as well.
        let _ = stopped.await;
    }));
    let (stop_admin, admin_stopped) = oneshot::channel::<()>();
    let admin = tokio::spawn(admin.serve(log, Arc::clone(&store), async {
        // As above.
        let _ = admin_stopped.await;
    }));
    let node = PublicKey::of(&key);
    info!(network = %network.chain_id, %node, p2p = %peers.listen(), %http, "node is up");
    if let Some(path) = &config.ready_file {
        ready::write(path, &peers, http).map_err(|error| NodeError::Ready { path: path.clone(), error })?;
    }

    let scrub = (config.storage.scrub_rows_per_s > 0)
        .then(|| tokio::spawn(store::scrub(Arc::clone(&store), config.storage.scrub_rows_per_s)));
    let floor = u64::from(config.storage.min_free_mib) << 20;
    let told_height = core.tip().1;
    let mut shell = Shell {
        core,
        room: Room::new(Arc::clone(&store), floor),
        store,
        peers,
        templates: templates_in,
        tip: tip_in,
        allowed: allowed_in,
        replies: BTreeMap::new(),
        templates_wanted: BTreeMap::new(),
        finds: BTreeMap::new(),
        tickets: 0,
        progress: Progress::default(),
        metrics,
        told_height,
        announcer: Announcer::new(mines.then(|| key.clone()), network.chain_id),
        own: node,
    };
    let outcome = shell.serve(events, submits, miner_asks, shutdown).await;
    if let Err(error) = &outcome {
        error!(%error, "the node stops");
    }
    if let Some(scrub) = scrub {
        scrub.abort();
    }
    drop(stop_http);
    drop(stop_admin);
    let Shell { peers, templates, .. } = shell;
    drop(templates);
    peers.shutdown().await;
    if tokio::time::timeout(SHUTDOWN_WAIT, server).await.is_err() {
        warn!("HTTP connections were cut off");
    }
    // A client may hold it up; the file goes at once.
    let _ = tokio::time::timeout(SHUTDOWN_WAIT, admin).await;
    if let Some(miner) = miner {
        // The thread looks for its end after each slice of work.
        let _ = tokio::task::spawn_blocking(move || miner.join()).await;
    }
    info!("node is down");
    outcome
}

async fn open_store(
    config: &Config,
    spec: &ChainSpec,
) -> Result<(Arc<Store>, crate::store::Loaded), NodeError> {
    let (path, spec) = (config.ledger(), spec.clone());
    let opened = tokio::task::spawn_blocking(move || Store::open(&path, &spec, &Options::default())).await;
    let (store, loaded) = opened.map_err(|_| NodeError::Ended("opening the store"))??;
    store.forget_snapshot();
    Ok((Arc::new(store), loaded))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|error| NodeError::Http { address, error })
}

/// Whom peers may be.
fn node_keys<V: View>(core: &Core<V>) -> NodeKeys {
    let mut keys = NodeKeys::default();
    for node in core.registry().accounts(Roll::Nodes) {
        let is_admitted = node.entry.revoked.is_none();
        if is_admitted { &mut keys.admitted } else { &mut keys.revoked }.insert(node.entry.key);
    }
    keys
}

fn tip_view<V: View>(core: &Core<V>, store: &Store) -> Result<TipView, ViewError> {
    let (hash, height, work, opening) = core.tip();
    let header = store.header(&hash)?.ok_or_else(|| ViewError(format!("header of tip {hash} is missing")))?;
    Ok(TipView {
        hash,
        height,
        time_ms: header.signed.header.time_ms,
        work,
        opening,
        registry: Arc::new(core.registry().clone()),
        mempool: core.pool_len(),
        syncing: core.is_behind(),
        headers_height: core.headers_height(),
        health: health(core, &Health::default()),
    })
}

/// What an operator should know; lists that did not change are shared with `shown`.
fn health<V: View>(core: &Core<V>, shown: &Health) -> Health {
    let missing = core.missing_bodies();
    let listed = || missing.iter().take(MISSING_SHOWN_MAX);
    let same = shown.missing.0 == missing.len()
        && listed().map(|(batch, _)| batch).eq(shown.missing.1.iter().map(|(batch, _)| batch));
    let list = if same {
        Arc::clone(&shown.missing.1)
    } else {
        Arc::new(listed().map(|(batch, missing)| (*batch, missing.clone())).collect())
    };
    let rivals = if *shown.rivals == *core.rivals() {
        Arc::clone(&shown.rivals)
    } else {
        Arc::new(core.rivals().clone())
    };
    Health { missing: (missing.len(), list), rivals, upgrade_needed: core.upgrade_needed() }
}

/// The clock, ms since 1970 UTC; 0 before.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

struct Shell {
    core: Core<Arc<Store>>,
    room: Room,
    store: Arc<Store>,
    peers: P2p,
    templates: watch::Sender<Option<Template>>,
    tip: watch::Sender<Arc<TipView>>,
    allowed: watch::Sender<Arc<NodeKeys>>,
    replies: BTreeMap<Ticket, oneshot::Sender<Result<Submitted, SubmitError>>>,
    templates_wanted: BTreeMap<Ticket, oneshot::Sender<Result<Template, MiningError>>>,
    finds: BTreeMap<Ticket, oneshot::Sender<Result<FoundBlock, MiningError>>>,
    tickets: u64,
    progress: Progress,
    metrics: Arc<Metrics>,
    /// Height of the tip that was told last.
    told_height: u64,
    announcer: Announcer,
    /// The node's key.
    own: PublicKey,
}

impl Shell {
    async fn serve(
        &mut self,
        mut events: mpsc::Receiver<Event>,
        mut submits: mpsc::Receiver<Submit>,
        mut miner_asks: mpsc::Receiver<MinerAsks>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), NodeError> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                _ = ticks.tick() => self.feed(Event::Tick).await?,
                event = events.recv() => self.feed(event.ok_or(NodeError::Ended("peer-to-peer"))?).await?,
                submit = submits.recv() => self.submit(submit.ok_or(NodeError::Ended("HTTP"))?).await?,
                asks = miner_asks.recv() => self.miner_asks(asks.ok_or(NodeError::Ended("HTTP"))?).await?,
            }
            for _ in 1..GROUP_MAX {
                if let Ok(event) = events.try_recv() {
                    self.feed(event).await?;
                } else if let Ok(submit) = submits.try_recv() {
                    self.submit(submit).await?;
                } else {
                    break;
                }
            }
            self.announce().await?;
            self.commit().await?;
            self.publish()?;
        }
    }

    async fn submit(&mut self, submit: Submit) -> Result<(), NodeError> {
        let Submit { transaction, body, reply } = submit;
        let ticket = self.ticket();
        self.replies.insert(ticket, reply);
        self.feed(Event::Submitted { ticket, transaction, body }).await
    }

    async fn miner_asks(&mut self, asks: MinerAsks) -> Result<(), NodeError> {
        let ticket = self.ticket();
        let event = match asks {
            MinerAsks::Template { miner, reply } => {
                self.templates_wanted.insert(ticket, reply);
                Event::TemplateWanted { ticket, miner }
            }
            MinerAsks::Block { header, reply } => {
                self.finds.insert(ticket, reply);
                Event::FoundElsewhere { ticket, header: *header }
            }
        };
        self.feed(event).await
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Announces this node, if that is due; nobody waits for the answer.
    async fn announce(&mut self) -> Result<(), NodeError> {
        if self.core.is_behind() || self.peers.connected() == 0 || self.store.disk().is_low() {
            return Ok(());
        }
        let Some(transaction) = self.announcer.due(self.core.registry()) else {
            return Ok(());
        };
        let ticket = self.ticket();
        self.feed(Event::Submitted { ticket, transaction, body: None }).await
    }

    async fn feed(&mut self, event: Event) -> Result<(), NodeError> {
        if event == Event::Tick && self.room.look() {
            self.templates.send_replace(None);
        }
        let event = match self.room.admit(event) {
            Admitted::Event(event) => event,
            Admitted::Instead(action) => return self.perform(action).await,
            Admitted::Nothing => return Ok(()),
        };
        if matches!(event, Event::Mined(_)) {
            self.metrics.blocks_mined.add(1);
        }
        for action in self.core.handle(now_ms(), event)? {
            self.perform(action).await?;
        }
        Ok(())
    }

    /// Writes what the core wants written, and lets out what waited for it.
    async fn commit(&mut self) -> Result<(), NodeError> {
        while let Some(changes) = self.core.take_changes() {
            let store = Arc::clone(&self.store);
            let written = tokio::task::spawn_blocking(move || store.commit(&changes)).await;
            written.map_err(|_| NodeError::Ended("the commit"))??;
            self.feed(Event::Committed).await?;
            failpoint::hit(Failpoint::CommitTold);
        }
        Ok(())
    }

    async fn perform(&mut self, action: Action) -> Result<(), NodeError> {
        let command = match action {
            Action::Request { peer, id, request } => Command::Request { peer, id, request },
            Action::GossipTransaction(transaction) => Command::GossipTransaction(transaction),
            Action::GossipHeader(header) => Command::GossipHeader(header),
            Action::Judge { gossip, verdict } => Command::Judge { gossip, verdict },
            Action::Penalise { peer, fault } => {
                warn!(peer = peer.0, %fault, "a peer is at fault");
                Command::Penalise { peer, fault }
            }
            Action::Answer { ticket, result } => {
                if let Some(reply) = self.replies.remove(&ticket) {
                    // The asker may be gone.
                    let _ = reply.send(result);
                }
                return Ok(());
            }
            Action::GiveTemplate { ticket, result } => {
                if let Some(reply) = self.templates_wanted.remove(&ticket) {
                    let _ = reply.send(result);
                }
                return Ok(());
            }
            Action::JudgeFound { ticket, result } => {
                if let Some(reply) = self.finds.remove(&ticket) {
                    let _ = reply.send(result);
                }
                return Ok(());
            }
            Action::Mine(template) => {
                // With room again the next template comes within a second.
                let template = template.filter(|_| !self.store.disk().is_low());
                self.templates.send_replace(template);
                return Ok(());
            }
            Action::TipMoved { hash, height, disconnected } => {
                self.metrics.moved(self.told_height, height, disconnected);
                self.told_height = height;
                told_tip(&hash, height, disconnected);
                return Ok(());
            }
            Action::FinalityAlarm { rival, known } => {
                told_rival(&rival, &known);
                return Ok(());
            }
            Action::Evidence { id, offenders, misbehaviour } => {
                if offenders.contains(&self.own) {
                    error!(%id, "ALARM: this node's own key contradicted itself: another process uses it, or an old copy of the data folder did");
                }
                let offenders = offenders.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                let what = match misbehaviour {
                    Misbehaviour::TwoBlocks => "two blocks on one parent",
                    Misbehaviour::TwoTransactions => "two transactions at one sequence",
                };
                warn!(%id, offenders, what, "somebody contradicted itself: the evidence is kept");
                return Ok(());
            }
            Action::UpgradeNeeded { rule, since } => {
                error!(rule, since, "ALARM: a rule holds from that height that this version does not know");
                return Ok(());
            }
            Action::ClockWarning { peer, difference_ms } => {
                self.metrics.clock_differs(now_ms(), difference_ms);
                warn!(peer = peer.0, difference_ms, "a peer's clock differs from ours: check both");
                return Ok(());
            }
        };
        self.peers.send(command).await.map_err(|_| NodeError::Ended("peer-to-peer"))
    }

    /// Shows clients and peers the durable tip.
    fn publish(&mut self) -> Result<(), NodeError> {
        let (hash, height, ..) = self.core.tip();
        let shown = Arc::clone(&self.tip.borrow());
        let moved = shown.hash != hash;
        let health = health(&self.core, &shown.health);
        let headers_height = self.core.headers_height();
        self.metrics.mempool_bytes.set(self.core.pool_bytes());
        self.progress.tell(self.core.is_behind(), height, headers_height);
        let counts = (self.core.pool_len(), self.core.is_behind(), headers_height);
        let same = (shown.mempool, shown.syncing, shown.headers_height) == counts && shown.health == health;
        if !moved && same {
            return Ok(());
        }
        let mut view = if moved { tip_view(&self.core, &self.store)? } else { TipView::clone(&shown) };
        let roots = |roll| view.registry.root(roll) == shown.registry.root(roll);
        if roots(Roll::Nodes) && roots(Roll::Accounts) {
            // Trees are cached by the registry's identity.
            view.registry = Arc::clone(&shown.registry);
        } else {
            self.allowed.send_replace(Arc::new(node_keys(&self.core)));
        }
        (view.mempool, view.syncing, view.headers_height) = counts;
        view.health = health;
        self.tip.send_replace(Arc::new(view));
        Ok(())
    }
}

fn told_rival(first: &Hash256, rival: &Rival) {
    let Rival { fork_height, head, height, .. } = rival;
    error!(
        %first, fork_height, %head, height,
        "ALARM: another chain leaves ours below the finality depth; ours stays. \
         Find out which is right; on the other side's nodes, or here: run --follow {first}"
    );
}

/// A block to follow that nobody has shown yet may be a slip of the hand.
fn told_follow(store: &Store, follow: &Hash256) -> Result<(), ViewError> {
    if store.header(follow)?.is_none() {
        warn!(
            %follow, hint = "see GET /v1/rivals",
            "--follow names a block that this node does not know; its chain is followed if a peer shows it"
        );
    }
    Ok(())
}

fn told_tip(hash: &Hash256, height: u64, disconnected: u64) {
    if disconnected > 0 {
        warn!(%hash, height, disconnected, "reorganised");
    } else {
        info!(%hash, height, "new tip");
    }
}
