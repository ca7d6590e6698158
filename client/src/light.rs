//! The own header chain, kept up with several nodes: no node's word is taken for what it is.
//!
//! Every header is verified by chain-spec's rules before it counts: work, difficulty, signatures, spacing, the set of
//! miners. The heaviest valid chain that any of the nodes shows is the own one; nodes that show another are named.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use dronechain_chain_spec::hash::Hash256;
use tokio::sync::{Mutex, RwLock, broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::error::ClientError;
use crate::headers::{Headers, HeadersError, Moved, sync};
use crate::limits::{CHAIN_EVENTS_MAX, LOOKS_MAX, POLL_PAUSE, POLL_WAIT, SURVEY_EVERY};
use crate::node::NodeClient;
use crate::nodes::Nodes;
use crate::pause::Pause;

/// How a node's chain compares with the own one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeStanding {
    /// Its tip is the own one.
    Agrees,
    /// Its tip is an earlier block of the own chain.
    Behind {
        /// Height of its tip.
        height: u64,
    },
    /// It is on another branch, with less work.
    Weaker {
        /// Its tip.
        tip: Hash256,
        /// Height of its tip.
        height: u64,
    },
    /// It claims a heavier chain than the own one, and does not show its headers.
    Unshown {
        /// The tip that it claims.
        tip: Hash256,
        /// Height of that tip.
        height: u64,
    },
    /// It shows headers that break a rule: an outsider's, without work, or out of turn.
    Invalid {
        /// The place and the rule.
        reason: String,
    },
    /// It is of another network.
    OtherNetwork {
        /// The network that it names.
        found: Hash256,
    },
    /// It did not answer.
    Unreachable {
        /// Why.
        reason: String,
    },
}

/// What happens to the own header chain, and what it shows about nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainEvent {
    /// Blocks came on top.
    Advanced {
        /// The tip now.
        tip: Hash256,
        /// Its height.
        height: u64,
    },
    /// Another branch has more work: receipts of the blocks that left are pending again.
    Reorganised {
        /// The tip now.
        tip: Hash256,
        /// Its height.
        height: u64,
        /// Blocks that left.
        removed: u64,
        /// Blocks that came instead.
        added: u64,
    },
    /// A node compares otherwise than before.
    Node {
        /// Its address.
        url: String,
        /// How it compares now.
        standing: NodeStanding,
    },
}

/// Follows the chain of several nodes for as long as it lives.
#[derive(Debug, Clone)]
pub struct LightClient {
    headers: Arc<RwLock<Headers>>,
    tip: watch::Receiver<Hash256>,
    telling: Arc<Telling>,
    nodes: Arc<Nodes>,
    /// Aborted with the last clone.
    task: Arc<Mutex<JoinSet<()>>>,
    /// Tells it to end.
    stop: watch::Sender<bool>,
}

/// The task behind it.
struct Follower {
    headers: Arc<RwLock<Headers>>,
    nodes: Arc<Nodes>,
    telling: Arc<Telling>,
    standings: BTreeMap<String, NodeStanding>,
}

/// Who is told how the own chain moves.
#[derive(Debug)]
struct Telling {
    /// None once nobody follows any more.
    tip: StdMutex<Option<watch::Sender<Hash256>>>,
    events: broadcast::Sender<ChainEvent>,
}

impl Telling {
    /// Tells how the own chain moved.
    async fn tell(&self, headers: &RwLock<Headers>, moved: Moved) {
        if moved.is_nothing() {
            return;
        }
        let (tip, height) = {
            let headers = headers.read().await;
            (headers.chain().tip(), headers.chain().height())
        };
        let Moved { added, removed } = moved;
        let event = if removed > 0 {
            ChainEvent::Reorganised { tip, height, removed, added }
        } else {
            ChainEvent::Advanced { tip, height }
        };
        // Nobody may listen.
        let _ = self.events.send(event);
        if let Some(told) = &*self.tip.lock().unwrap_or_else(PoisonError::into_inner) {
            told.send_replace(tip);
        }
    }
}

impl Drop for Follower {
    /// Whoever waits for the next tip is told that there is none.
    fn drop(&mut self) {
        *self.telling.tip.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl LightClient {
    /// Begins to follow `nodes` into `headers`; ends when every clone is dropped.
    pub fn start(headers: Headers, nodes: Arc<Nodes>) -> Self {
        let (tip_sender, tip) = watch::channel(headers.chain().tip());
        let (events, _) = broadcast::channel(CHAIN_EVENTS_MAX);
        let headers = Arc::new(RwLock::new(headers));
        let telling = Arc::new(Telling { tip: StdMutex::new(Some(tip_sender)), events });
        let follower = Follower {
            headers: Arc::clone(&headers),
            nodes: Arc::clone(&nodes),
            telling: Arc::clone(&telling),
            standings: BTreeMap::new(),
        };
        let mut task = JoinSet::new();
        let (stop, stopped) = watch::channel(false);
        task.spawn(follower.run(stopped));
        Self { headers, tip, telling, nodes, task: Arc::new(Mutex::new(task)), stop }
    }

    /// Stops following, for every clone. The headers file is free for others once no clone, producer or handle is
    /// left.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut task = self.task.lock().await;
        while task.join_next().await.is_some() {}
    }

    /// The verified chain. Held for reading, it does not move on.
    pub fn headers(&self) -> &Arc<RwLock<Headers>> {
        &self.headers
    }

    /// The own tip.
    pub fn tip(&self) -> watch::Receiver<Hash256> {
        self.tip.clone()
    }

    /// What happens from now on. Who falls behind by more than 1,024 events is told how many were missed.
    pub fn events(&self) -> broadcast::Receiver<ChainEvent> {
        self.telling.events.subscribe()
    }

    /// Takes over what any node has more of and compares every node with the own chain, in the order of the
    /// configuration.
    ///
    /// # Errors
    /// When the headers file cannot be written; nodes' failures are their standings.
    pub async fn survey(&self) -> Result<Vec<(String, NodeStanding)>, HeadersError> {
        for node in self.nodes.each() {
            let mut moved = Moved::default();
            let taken = sync(&self.headers, node, &mut moved).await;
            self.telling.tell(&self.headers, moved).await;
            if let Err(error @ HeadersError::Io { .. }) = taken {
                return Err(error);
            }
        }
        let mut standings = Vec::new();
        for node in self.nodes.each() {
            let (moved, standing) = look_at(&self.headers, node).await;
            self.telling.tell(&self.headers, moved).await;
            standings.push((node.url().to_owned(), standing));
        }
        Ok(standings)
    }
}

impl Follower {
    /// Follows until it is told to stop; nothing of it has the headers any more then.
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        // Beside the following: a node that answers slowly holds up nobody but itself.
        let mut looks = JoinSet::new();
        tokio::select! {
            () = self.go(&mut looks) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
        looks.shutdown().await;
    }

    async fn go(&mut self, looks: &mut JoinSet<Look>) {
        let mut pause = Pause::new();
        let mut due = Instant::now();
        loop {
            if looks.is_empty() && Instant::now() >= due {
                due = Instant::now() + SURVEY_EVERY;
                for node in self.nodes.each().cloned() {
                    let headers = Arc::clone(&self.headers);
                    looks.spawn(async move {
                        let (moved, standing) = look_at(&headers, &node).await;
                        (node, moved, standing)
                    });
                }
            }
            let node = self.nodes.current();
            let mut moved = Moved::default();
            let followed = tokio::select! {
                followed = follow(&self.headers, &node, &mut moved) => followed,
                Some(look) = looks.join_next(), if !looks.is_empty() => {
                    self.telling.tell(&self.headers, moved).await;
                    // A task ends early only with the runtime.
                    let Ok(look) = look else { return };
                    self.looked(look, looks.is_empty()).await;
                    continue;
                }
            };
            self.telling.tell(&self.headers, moved).await;
            match followed {
                Ok(()) => pause.reset(),
                Err(error) => {
                    tracing::debug!(%error, url = node.url(), "following the next node");
                    self.nodes.pass_over();
                    let standing = standing(&self.headers, &node, Err(error)).await;
                    self.note(&node, standing);
                    pause.wait().await;
                }
            }
        }
    }

    async fn looked(&mut self, (node, moved, standing): Look, is_last: bool) {
        self.telling.tell(&self.headers, moved).await;
        self.note(&node, standing);
        if !is_last {
            return;
        }
        // Nothing that a node on another chain says about transactions holds on the own one.
        for _ in self.nodes.each() {
            match self.standings.get(self.nodes.current().url()) {
                Some(NodeStanding::Agrees | NodeStanding::Behind { .. }) | None => break,
                Some(_) => self.nodes.pass_over(),
            }
        }
    }

    fn note(&mut self, node: &NodeClient, standing: NodeStanding) {
        // Heights change with every block and say nothing new.
        let is_news = match (self.standings.get(node.url()), &standing) {
            (Some(NodeStanding::Behind { .. } | NodeStanding::Agrees), NodeStanding::Behind { .. }) => false,
            (Some(NodeStanding::Weaker { .. }), NodeStanding::Weaker { .. }) => false,
            (Some(NodeStanding::Unshown { .. }), NodeStanding::Unshown { .. }) => false,
            (known, standing) => known != Some(standing),
        };
        if is_news {
            let event = ChainEvent::Node { url: node.url().to_owned(), standing: standing.clone() };
            let _ = self.telling.events.send(event);
        }
        self.standings.insert(node.url().to_owned(), standing);
    }
}

/// A node, how the own chain moved by it, and how it compares.
type Look = (NodeClient, Moved, NodeStanding);

/// Waits for the node's next block, and takes over what it has.
async fn follow(headers: &RwLock<Headers>, node: &NodeClient, moved: &mut Moved) -> Result<(), HeadersError> {
    let own = headers.read().await.chain().tip();
    let asked = Instant::now();
    let tip = node.wait_tip(own, POLL_WAIT).await?;
    if tip.hash == own {
        if asked.elapsed() < POLL_WAIT / 2 {
            // It does not wait as it was asked to; asking on would never end.
            sleep(POLL_PAUSE).await;
        }
        return Ok(());
    }
    sync(headers, node, moved).await?;
    // It would tell of the same tip again at once.
    let is_own = headers.read().await.chain().height_of(&tip.hash).is_some();
    if is_own { Ok(()) } else { Err(HeadersError::Weaker { node: node.url().to_owned(), tip: tip.hash }) }
}

/// Takes over what `node` has more of, and compares it.
async fn look_at(headers: &RwLock<Headers>, node: &NodeClient) -> (Moved, NodeStanding) {
    let mut moved = Moved::default();
    for _ in 1..LOOKS_MAX {
        let synced = sync(headers, node, &mut moved).await;
        match standing(headers, node, synced).await {
            // It may have moved on since it was asked for headers.
            NodeStanding::Unshown { .. } => {}
            standing => return (moved, standing),
        }
    }
    let synced = sync(headers, node, &mut moved).await;
    let standing = standing(headers, node, synced).await;
    (moved, standing)
}

async fn standing(
    headers: &RwLock<Headers>,
    node: &NodeClient,
    synced: Result<(), HeadersError>,
) -> NodeStanding {
    match synced {
        Ok(()) | Err(HeadersError::Weaker { .. }) => {}
        Err(error) => return failure(&error),
    }
    let tip = match node.tip().await {
        Ok(tip) => tip,
        Err(error) => return failure(&error.into()),
    };
    let headers = headers.read().await;
    let chain = headers.chain();
    match chain.height_of(&tip.hash) {
        Some(height) if height == chain.height() => NodeStanding::Agrees,
        Some(height) => NodeStanding::Behind { height },
        None if tip.work > chain.work() => NodeStanding::Unshown { tip: tip.hash, height: tip.height },
        None => NodeStanding::Weaker { tip: tip.hash, height: tip.height },
    }
}

fn failure(error: &HeadersError) -> NodeStanding {
    match error {
        HeadersError::Client(ClientError::WrongNetwork { found, .. }) => {
            NodeStanding::OtherNetwork { found: *found }
        }
        HeadersError::Client(error @ ClientError::Malformed { .. }) => {
            NodeStanding::Invalid { reason: error.to_string() }
        }
        HeadersError::Header { .. } | HeadersError::OtherCheckpoint { .. } => {
            NodeStanding::Invalid { reason: error.to_string() }
        }
        error => NodeStanding::Unreachable { reason: error.to_string() },
    }
}
