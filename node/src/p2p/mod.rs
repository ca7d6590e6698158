//! The peers: libp2p over TCP, noise and yamux, behind a handle with a bounded queue.
//!
//! Promises: only admitted keys stay connected; what peers send reaches the core decoded and checked
//! statelessly, in each peer's order, after `Connected` and before `Closed`; every queue is bounded
//! and the swarm's task never waits for the core. Gossip is a shortcut that may be lost: whoever
//! needs a tip, block or body asks for it. Leaves out: what is right or wrong about chains, and
//! discovery of peers beyond those configured.

pub mod address;
mod behaviour;
mod codec;
mod dial;
mod error;
mod gossip;
mod inbox;
mod limits;
mod links;
mod lookup;
mod met;
mod peers;
mod serve;
mod task;
mod traffic;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::spec::Network;
use dronechain_chain_spec::transaction::Transaction;
use dronechain_chain_spec::wire::Request;
use libp2p::multiaddr::Protocol;
use libp2p::pnet::PreSharedKey;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use self::error::{P2pError, Stopped};
use self::gossip::Waiting;
use self::inbox::Checks;
use self::links::Links;
pub use self::met::{Claimed, Direction, Met};
use self::peers::Records;
use self::task::Task;
use crate::core::event::{Event, Fault, GossipId, Peer, RequestId, Verdict};
use crate::store::Store;

/// What the peer-to-peer layer needs.
pub struct Setup {
    /// The node's key, which is its libp2p identity.
    pub key: SigningKey,
    /// A secret that all nodes of the network share, if it has one: an outer filter, before keys are known.
    pub preshared_key: Option<PreSharedKey>,
    /// The network; its tag is part of every protocol's name.
    pub network: Network,
    /// Where to listen: `/ip4|ip6/ADDRESS/tcp/PORT`; port 0 takes a free one.
    pub listen: Multiaddr,
    /// Peers to keep connections to, each with or without `/p2p/ID`.
    pub static_peers: Vec<Multiaddr>,
    /// The ledger's nodes; all others are disconnected.
    pub allowed: watch::Receiver<Arc<NodeKeys>>,
}

/// Keys of the nodes that the ledger knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeKeys {
    /// Admitted and not revoked.
    pub admitted: BTreeSet<PublicKey>,
    /// Revoked.
    pub revoked: BTreeSet<PublicKey>,
}

/// What the peer-to-peer layer is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Ask a peer; nothing happens if it is gone.
    Request {
        /// Whom.
        peer: Peer,
        /// Under which number.
        id: RequestId,
        /// What.
        request: Request,
    },
    /// Gossip a transaction.
    GossipTransaction(Transaction),
    /// Gossip a header.
    GossipHeader(Link),
    /// Judge a gossiped message.
    Judge {
        /// Which.
        gossip: GossipId,
        /// How.
        verdict: Verdict,
    },
    /// Penalise a peer.
    Penalise {
        /// Whom.
        peer: Peer,
        /// For what.
        fault: Fault,
    },
    /// Close all connections and stop.
    Shutdown,
}

/// A handle to the running layer.
#[derive(Debug)]
pub struct P2p {
    commands: mpsc::Sender<Command>,
    connected: Arc<AtomicUsize>,
    met: watch::Receiver<Arc<Vec<Met>>>,
    id: PeerId,
    listen: Multiaddr,
    task: JoinHandle<()>,
}

/// Starts the layer and waits until it listens. Events of peers go to `events`; peers' requests are
/// answered from `store`.
///
/// # Errors
/// [`P2pError`], one variant per cause; nothing is left running then.
pub async fn spawn(setup: Setup, store: Arc<Store>, events: mpsc::Sender<Event>) -> Result<P2p, P2pError> {
    let Setup { key, preshared_key, network, listen, static_peers, allowed } = setup;
    let topics = behaviour::Topics::of(network.tag);
    let mut swarm = behaviour::swarm(&key, preshared_key, network.tag, &topics)?;
    let id = *swarm.local_peer_id();
    let dialer = dial::Dialer::new(&static_peers, id, Instant::now())?;
    free(&listen).map_err(|error| P2pError::Taken { address: listen.clone(), error })?;
    swarm.listen_on(listen.clone()).map_err(|error| P2pError::Listen { address: listen.clone(), error })?;

    let (reports, reports_in) = mpsc::channel(limits::REPORTS);
    let (commands, commands_in) = mpsc::channel(limits::COMMANDS);
    let (listening, listening_in) = oneshot::channel();
    let parallel = std::thread::available_parallelism().map_or(1, usize::from);
    let checks = Checks { network, events, reports, parallel: Arc::new(Semaphore::new(parallel)) };
    let connected = Arc::new(AtomicUsize::new(0));
    let (told, met) = watch::channel(Arc::default());
    let task = Task {
        swarm,
        topics,
        store,
        checks: Arc::new(checks),
        allowed,
        links: Links::new(connected.clone(), told),
        records: Records::default(),
        dialer,
        waiting: Waiting::default(),
        asked: HashMap::new(),
        served: HashMap::new(),
        listening: Some(listening),
    };
    let task = tokio::spawn(task.run(commands_in, reports_in));
    match tokio::time::timeout(limits::LISTEN_TIMEOUT, listening_in).await {
        Ok(Ok(bound)) => {
            let listen = bound.with(Protocol::P2p(id));
            Ok(P2p { commands, connected, met, id, listen, task })
        }
        Ok(Err(_)) | Err(_) => {
            task.abort();
            Err(P2pError::ListenTimeout(listen))
        }
    }
}

impl P2p {
    /// Hands a command over; waits while the queue is full.
    ///
    /// # Errors
    /// [`Stopped`] if the task is gone.
    pub async fn send(&self, command: Command) -> Result<(), Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)
    }

    /// Number of connected peers.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    /// The same number, to be read elsewhere.
    pub fn connected_counter(&self) -> Arc<AtomicUsize> {
        self.connected.clone()
    }

    /// The connected peers, by identity; published when one comes or goes.
    pub fn met(&self) -> watch::Receiver<Arc<Vec<Met>>> {
        self.met.clone()
    }

    /// This node's libp2p identity.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// An address that is listened on, with the port that was bound and `/p2p/ID`.
    pub fn listen(&self) -> &Multiaddr {
        &self.listen
    }

    /// Stops the task and waits for its end.
    pub async fn shutdown(self) {
        // Fails if the task ended by itself, which is what is wanted.
        let _ = self.commands.send(Command::Shutdown).await;
        let _ = self.task.await;
    }
}

/// Whether nobody listens at `address`: the transport shares a port with whoever listens there already.
fn free(address: &Multiaddr) -> io::Result<()> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) => TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}
