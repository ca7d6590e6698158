//! Nodes on the loopback, with real stores and port 0.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::limits::BLOCKS_PER_MESSAGE;
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_chain_spec::wire::{Request, Status};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use super::testing::{key, link, spec, transaction};
use super::{Command, NodeKeys, P2p, Setup, spawn};
use crate::core::event::{Answer, Event, Fault, Peer, RequestId, Verdict};
use crate::store::{Options, Store};

/// Longer than anything takes here, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Long enough to see that something does not happen.
const QUIET: Duration = Duration::from_millis(1500);

struct Node {
    p2p: P2p,
    events: mpsc::Receiver<Event>,
    allowed: watch::Sender<Arc<NodeKeys>>,
    _folder: TempDir,
}

/// All keys of the network.
fn all(spec: &ChainSpec) -> Arc<NodeKeys> {
    let admitted = spec.nodes.iter().copied().collect();
    Arc::new(NodeKeys { admitted, revoked: BTreeSet::new() })
}

async fn node(spec: &ChainSpec, number: u8, peers: &[Multiaddr]) -> Node {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) =
        Store::open(&folder.path().join("store"), spec, &Options::default()).expect("a new store");
    let (events, events_in) = mpsc::channel(16);
    let (allowed, allowed_in) = watch::channel(all(spec));
    let setup = Setup {
        key: key(number),
        preshared_key: None,
        network: spec.network(),
        listen: "/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddress"),
        static_peers: peers.to_vec(),
        allowed: allowed_in,
    };
    let p2p = spawn(setup, Arc::new(store), events).await.expect("port 0 is free");
    Node { p2p, events: events_in, allowed, _folder: folder }
}

impl Node {
    async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event.expect("an event comes in time").expect("the task runs")
    }

    async fn connected(&mut self) -> Peer {
        match self.event().await {
            Event::Connected(peer) => peer,
            other => panic!("not connected but {other:?}"),
        }
    }

    async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(QUIET, self.events.recv()).await.is_err()
    }

    async fn send(&self, command: Command) {
        self.p2p.send(command).await.expect("the task runs");
    }

    async fn ask(&mut self, peer: Peer, request: Request) -> Result<Answer, Option<Fault>> {
        self.send(Command::Request { peer, id: RequestId(7), request }).await;
        match self.event().await {
            Event::Answered { peer: from, request: RequestId(7), answer } if from == peer => Ok(answer),
            Event::RequestFailed { peer: from, request: RequestId(7), fault } if from == peer => Err(fault),
            other => panic!("no answer but {other:?}"),
        }
    }

    /// The address without the identity.
    fn address(&self) -> Multiaddr {
        self.p2p.listen().iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
    }
}

/// Two nodes that are connected, the second by the first's address.
async fn pair(spec: &ChainSpec) -> (Node, Peer, Node, Peer) {
    let mut a = node(spec, 0, &[]).await;
    let mut b = node(spec, 1, &[a.address()]).await;
    let (of_a, of_b) = (a.connected().await, b.connected().await);
    (a, of_a, b, of_b)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_from_the_store() {
    let spec = spec(2);
    let chain_id = spec.network().chain_id;
    let (_a, _, mut b, peer) = pair(&spec).await;
    match b.ask(peer, Request::Status).await {
        Ok(Answer::Status(Status { chain_id: found, tip, height: 0, .. })) => {
            assert_eq!((found, tip), (chain_id, chain_id));
        }
        other => panic!("{other:?}"),
    }
    let locator = vec![chain_id];
    assert_eq!(b.ask(peer, Request::Headers { locator }).await, Ok(Answer::Headers(Vec::new())));
    assert_eq!(b.ask(peer, Request::Body { root: chain_id, leaf_count: 1 }).await, Ok(Answer::Body(None)));
    let blocks = |len| Request::Blocks { hashes: vec![Hash256::ZERO; len] };
    assert_eq!(b.ask(peer, blocks(BLOCKS_PER_MESSAGE)).await, Ok(Answer::Blocks(Vec::new())));
    // More than a node may ask: no answer, and the connection stays for this time.
    assert_eq!(b.ask(peer, blocks(BLOCKS_PER_MESSAGE + 1)).await, Err(None));
    assert!(b.ask(peer, Request::Status).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_travels_on_once_it_is_accepted() {
    let spec = spec(3);
    let mut a = node(&spec, 0, &[]).await;
    let mut b = node(&spec, 1, &[a.p2p.listen().clone()]).await;
    a.connected().await;
    b.connected().await;
    let mut c = node(&spec, 2, &[b.address()]).await;
    b.connected().await;
    c.connected().await;
    let (sent, shown) = (transaction(&spec, 0), link(&spec, 1));
    // A subscription may arrive later than the connection: send until it is there.
    let gossip = loop {
        a.send(Command::GossipTransaction(sent.clone())).await;
        match tokio::time::timeout(Duration::from_millis(200), b.events.recv()).await {
            Ok(Some(Event::TransactionGossiped { gossip, transaction, .. })) => {
                assert_eq!(*transaction.get(), sent);
                break gossip;
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => {}
        }
    };
    assert!(c.is_quiet().await, "not judged yet");
    b.send(Command::Judge { gossip, verdict: Verdict::Accept }).await;
    match c.event().await {
        Event::TransactionGossiped { transaction, .. } => assert_eq!(*transaction.get(), sent),
        other => panic!("{other:?}"),
    }
    a.send(Command::GossipHeader(shown.clone())).await;
    match b.event().await {
        Event::HeaderGossiped { gossip, link, .. } => {
            assert_eq!(link.to_link(), shown);
            b.send(Command::Judge { gossip, verdict: Verdict::Ignore }).await;
        }
        other => panic!("{other:?}"),
    }
    assert!(c.is_quiet().await, "ignored gossip stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_gossip_ends_the_connection_without_the_core() {
    let spec = spec(2);
    let (a, _, mut b, peer) = pair(&spec).await;
    let mut forged = link(&spec, 1);
    forged.header.signature.0[0] ^= 1;
    let closed = async {
        loop {
            a.send(Command::GossipHeader(forged.clone())).await;
            match tokio::time::timeout(Duration::from_millis(200), b.events.recv()).await {
                Ok(Some(Event::Closed(gone))) => break assert_eq!(gone, peer),
                Ok(other) => panic!("{other:?}"),
                Err(_) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the forger is disconnected");
}

#[tokio::test(flavor = "multi_thread")]
async fn unlisted_key_is_refused_and_revoked_key_is_disconnected() {
    let network = spec(2);
    let mut a = node(&network, 0, &[]).await;
    // Knows the network but is not among its nodes.
    let mut stranger = node(&network, 9, &[a.address()]).await;
    assert!(a.is_quiet().await);
    assert_eq!(a.p2p.connected(), 0);
    drop(stranger.events.try_recv());

    let mut b = node(&network, 1, &[a.address()]).await;
    let (of_a, _) = (a.connected().await, b.connected().await);
    let admitted = BTreeSet::from([PublicKey::of(&key(0))]);
    a.allowed.send_replace(Arc::new(NodeKeys { admitted, revoked: BTreeSet::new() }));
    assert_eq!(a.event().await, Event::Closed(of_a));
    a.allowed.send_replace(all(&network));
    let again = a.connected().await;
    assert_ne!(again, of_a, "a reconnected peer has another number");
}

#[tokio::test(flavor = "multi_thread")]
async fn named_peer_that_the_ledger_does_not_know_yet_is_let_in_until_it_is_revoked() {
    let network = spec(2);
    // Its key came to stand for another while the node was away.
    let mut named = node(&network, 9, &[]).await;
    let mut a = node(&network, 0, std::slice::from_ref(named.p2p.listen())).await;
    let of_a = a.connected().await;
    named.connected().await;
    let revoked = BTreeSet::from([PublicKey::of(&key(9))]);
    a.allowed.send_replace(Arc::new(NodeKeys { revoked, ..NodeKeys::clone(&all(&network)) }));
    assert_eq!(a.event().await, Event::Closed(of_a));
    assert!(a.is_quiet().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn node_is_found_again_after_its_restart() {
    let spec = spec(2);
    let (mut a, of_a, b, _) = pair(&spec).await;
    b.p2p.shutdown().await;
    assert_eq!(a.event().await, Event::Closed(of_a));
    assert_eq!(a.p2p.connected(), 0);
    let _b = node(&spec, 1, &[a.address()]).await;
    a.connected().await;
    assert_eq!(a.p2p.connected(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_dial_each_other_are_one_peer_each() {
    let spec = spec(2);
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let later: Multiaddr =
        format!("/ip4/127.0.0.1/tcp/{}", port.expect("a free port").port()).parse().expect("a multiaddress");
    let mut a = node(&spec, 0, std::slice::from_ref(&later)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) =
        Store::open(&folder.path().join("store"), &spec, &Options::default()).expect("a new store");
    let (events, mut events_in) = mpsc::channel(16);
    let (_allowed, allowed) = watch::channel(all(&spec));
    let setup = Setup {
        key: key(1),
        preshared_key: None,
        network: spec.network(),
        listen: later,
        static_peers: vec![a.address()],
        allowed,
    };
    let b = spawn(setup, Arc::new(store), events).await.expect("the port is free still");
    a.connected().await;
    assert!(a.is_quiet().await, "a second connection is no second peer");
    assert!(matches!(events_in.recv().await, Some(Event::Connected(_))));
    assert_eq!((a.p2p.connected(), b.connected()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn node_that_is_told_its_own_address_does_not_mind() {
    let spec = spec(1);
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let own: Multiaddr =
        format!("/ip4/127.0.0.1/tcp/{}", port.expect("a free port").port()).parse().expect("a multiaddress");
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) =
        Store::open(&folder.path().join("store"), &spec, &Options::default()).expect("a new store");
    let (events, mut events_in) = mpsc::channel(16);
    let (_allowed, allowed) = watch::channel(all(&spec));
    let setup = Setup {
        key: key(0),
        preshared_key: None,
        network: spec.network(),
        listen: own.clone(),
        static_peers: vec![own],
        allowed,
    };
    let p2p = spawn(setup, Arc::new(store), events).await.expect("the port is free still");
    assert!(tokio::time::timeout(QUIET, events_in.recv()).await.is_err());
    assert_eq!(p2p.connected(), 0);
}
