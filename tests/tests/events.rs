//! Events of real nodes: nothing is missed or told twice, however often a reader is cut.

use std::collections::BTreeSet;
use std::time::Duration;

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::transaction::{Action, Anchor, AnchorKind, Sender, Transaction, TransactionBody};
use dronechain_client::events::{Cursor, Event, Events, Interest};
use dronechain_client::{ClientError, NodeClient};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::events::Told;
use dronechain_tests::hostile::Forge;
use dronechain_tests::http;
use dronechain_tests::wait::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::timeout;

/// Every hash meets it.
const EASIEST: Bits = Bits(0x2100_ffff);
/// Streams that a node serves at a time.
const STREAMS_MAX: usize = 256;
/// A reader that hears nothing for so long looks whether the node has moved.
const PATIENCE: Duration = Duration::from_secs(3);
/// Anchors of one block that is told to the slow reader, and such blocks: some 13 MB, more than sockets hold.
const CROWD: u64 = 500;
const CROWDED_BLOCKS: u64 = 60;

/// A node that does not mine, and the chain that it is shown.
struct Scene {
    cluster: Cluster,
    forge: Forge,
    controller: SigningKey,
}

impl Scene {
    /// The node is at height 1, which admits a controller.
    async fn new() -> Self {
        let mut cluster = Cluster::new(3, |spec| {
            spec.parameters.limit_bits = EASIEST;
            spec.parameters.initial_bits = EASIEST;
            spec.parameters.finality_depth = 0;
            spec.genesis_time_ms -= 1_000_000;
        });
        cluster.start(0, &["--mining-share", "0", "--log", "info,dronechain_node=debug"]).await;
        let controller = SigningKey::from_bytes(&[100; 32]);
        let action = Action::Admit { role: Role::Controller, key: PublicKey::of(&controller) };
        let admit = TransactionBody { sender: Sender::Admins, sequence: 0, action };
        let admit = admit.signed(&[&cluster.admin], &cluster.chain_id());
        let mut forge = Forge::new(&cluster.spec);
        forge.block(&cluster.keys[1], vec![admit], vec![]);
        let scene = Self { cluster, forge, controller };
        scene.shows(&scene.forge).await;
        scene
    }

    fn node(&self) -> NodeClient {
        NodeClient::new(self.cluster.url(0)).expect("an address")
    }

    fn sender(&self) -> PublicKey {
        PublicKey::of(&self.controller)
    }

    fn interest(&self, hashes: &[Hash256]) -> Interest {
        Interest { senders: vec![self.sender()], hashes: hashes.to_vec() }
    }

    fn events(&self, interest: Interest, cursor: Option<Cursor>) -> Events {
        Events::new(vec![self.node()], interest, cursor).expect("a node").of_network(self.cluster.chain_id())
    }

    fn anchor(&self, sequence: u64, leaves: &[Hash256]) -> Transaction {
        let leaf_count = u32::try_from(leaves.len()).expect("few");
        let (root, kind) = (merkle::root(leaves), AnchorKind::Data);
        let anchor = Anchor { kind, root, leaf_count, first_time: 1, last_time: 1 };
        let sender = Sender::Key(self.sender());
        let body = TransactionBody { sender, sequence, action: Action::Anchor(anchor) };
        body.signed(&[&self.controller], &self.cluster.chain_id())
    }

    /// The next block of `forge`; nodes mine in turn.
    fn block(&self, forge: &mut Forge, transactions: Vec<Transaction>) {
        let miner = &self.cluster.keys[1 + forge.height() % 2];
        forge.block(miner, transactions, vec![]);
    }

    fn extend(&self, forge: &mut Forge, blocks: usize) {
        for _ in 0..blocks {
            self.block(forge, vec![]);
        }
    }

    /// Serves `forge` to the node until it has its tip.
    async fn shows(&self, forge: &Forge) {
        let tip = forge.tip().to_string();
        let victim = PublicKey::of(&self.cluster.keys[0]);
        let peer = forge.clone().serve(&self.cluster.keys[1], self.cluster.p2p(0), victim).await;
        until("the tip served", async || self.cluster.tip(0).await.filter(|(_, hash)| *hash == tip)).await;
        peer.stop().await;
    }
}

/// Behind the genesis block.
fn genesis(cluster: &Cluster) -> (Cursor, Told) {
    let block = cluster.chain_id();
    (Cursor { block, step: 0 }, Told::behind(0, block))
}

/// Takes events until `told` is as wanted.
async fn take(events: &mut Events, told: &mut Told, what: &str, is_done: impl Fn(&Told) -> bool) {
    let all = async {
        while !is_done(told) {
            told.take(events.next().await.expect("events"));
        }
    };
    timeout(dronechain_tests::wait::LONG, all).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

/// Hashes of a made chain from genesis on.
fn chain(cluster: &Cluster, forge: &Forge) -> Vec<(u64, Hash256)> {
    let genesis = std::iter::once(cluster.chain_id());
    (0..).zip(genesis.chain(forge.book().made.iter().map(|made| made.hash()))).collect()
}

#[tokio::test]
async fn reader_cut_at_any_moment_hears_each_block_once_in_order() {
    let mut scene = Scene::new().await;
    let (cursor, told) = genesis(&scene.cluster);
    let (told_in, mut told_out) = tokio::sync::watch::channel(None);
    let (url_in, url) = tokio::sync::watch::channel(scene.cluster.url(0).to_owned());
    let interest = scene.interest(&[]);
    let reader = tokio::spawn(async move {
        let (mut cursor, mut told, mut cuts) = (cursor, told, 0_u32);
        loop {
            let node = NodeClient::new(&url.borrow()).expect("an address");
            let mut events = Events::new(vec![node], interest.clone(), Some(cursor)).expect("a node");
            // As good as random, and the same each time; sometimes cut before the first event.
            let few = sha256(&[&cuts.to_le_bytes()]).0[0] % 7;
            for _ in 0..few {
                let Ok(event) = timeout(PATIENCE, events.next()).await else { break };
                told.take(event.expect("an event"));
                cursor = events.cursor().expect("behind an event");
                told_in.send_replace(told.tip());
            }
            cuts += 1;
            if url.has_changed().is_err() {
                return (told, cuts);
            }
        }
    });

    let mut forge = scene.forge.clone();
    let mut heard = async |forge: &Forge| {
        let tip = forge.tip();
        let heard = timeout(dronechain_tests::wait::LONG, told_out.wait_for(|told| *told == Some(tip)));
        heard.await.expect("the reader hears of it").expect("the reader goes on");
    };
    let mut sequence = 0;
    for (back, on) in [(0, 12), (7, 9), (1, 30), (38, 45)] {
        let common = forge.height() - back;
        let mut next = scene.forge.clone();
        for made in &forge.book().made[1..common] {
            // The same blocks again: all that is in them is made anew alike.
            let transactions = made.block.transactions.clone();
            scene.block(&mut next, transactions);
        }
        assert_eq!(next.tip(), chain(&scene.cluster, &forge)[common].1, "the branches share {common} blocks");
        sequence = next.book().made[1..].iter().map(|made| made.block.transactions.len() as u64).sum();
        for number in 0..on {
            let leaf = sha256(&[&back.to_le_bytes(), &[number]]);
            let anchors = if number % 3 == 0 { vec![scene.anchor(sequence, &[leaf])] } else { vec![] };
            sequence += anchors.len() as u64;
            scene.block(&mut next, anchors);
        }
        scene.shows(&next).await;
        forge = next;
        // Not after each: some are heard of all at once.
        if on != 9 {
            heard(&forge).await;
        }
    }
    scene.cluster.kill(0);
    scene.cluster.start(0, &["--mining-share", "0"]).await;
    url_in.send_replace(scene.cluster.url(0).to_owned());
    scene.extend(&mut forge, 5);
    scene.shows(&forge).await;
    heard(&forge).await;
    drop(url_in);
    let (told, cuts) = reader.await.expect("no contradiction");
    assert!(cuts > 20, "{cuts} cuts");
    assert_eq!(told.resets, 0);
    assert!(told.reorganisations.iter().sum::<u64>() >= 39, "{:?}", told.reorganisations);
    assert_eq!(told.chain, chain(&scene.cluster, &forge));
    let anchors: Vec<_> =
        told.chain.iter().filter_map(|(_, hash)| told.anchors.get(hash)).flatten().collect();
    assert_eq!(anchors.len() as u64, sequence);
    assert!((0..).zip(anchors).all(|(sequence, anchor)| anchor.sequence == sequence));
}

#[tokio::test]
async fn streams_begin_at_the_tip_at_a_cursor_or_with_a_reset() {
    let scene = Scene::new().await;
    let mut forge = scene.forge.clone();
    scene.extend(&mut forge, 4);
    scene.shows(&forge).await;
    let first = scene.events(Interest::default(), None).next().await.expect("an event");
    let Event::Head(head) = first else { panic!("{first:?}") };
    assert_eq!((head.hash, head.height), (forge.tip(), 5));

    let unknown = Cursor { block: sha256(&[b"no block"]), step: 3 };
    let mut events = scene.events(Interest::default(), Some(unknown));
    let reset = events.next().await.expect("an event");
    let Event::Reset(head) = reset else { panic!("{reset:?}") };
    assert_eq!((head.hash, head.height), (forge.tip(), 5));
    scene.extend(&mut forge, 1);
    scene.shows(&forge).await;
    let next = events.next().await.expect("an event");
    assert!(matches!(&next, Event::Head(head) if head.hash == forge.tip()), "{next:?}");
    let text = events.cursor().expect("behind an event").to_string();
    assert_eq!(text.parse(), Ok(events.cursor().expect("behind an event")));

    let http = http::client();
    for query in ["after=5", "after=zz.0", "senders=", "hashes=zz", "from=1"] {
        let answer = http.get(format!("{}/v1/events?{query}", scene.cluster.url(0))).send().await;
        assert_eq!(answer.expect("an answer").status(), 400, "{query}");
    }
    let many = vec!["00".repeat(32); 65].join(",");
    let answer = http.get(format!("{}/v1/events?senders={many}", scene.cluster.url(0))).send().await;
    assert_eq!(answer.expect("an answer").status(), 400);
    let most = Interest {
        senders: (0..64).map(|number| PublicKey::of(&SigningKey::from_bytes(&[number; 32]))).collect(),
        hashes: (0..=255_u8).map(|number| sha256(&[&[number]])).collect(),
    };
    scene.events(most.clone(), None).next().await.expect("an event");
    let mut more = most;
    more.hashes.push(sha256(&[b"one more"]));
    let refused = scene.events(more, None).next().await;
    assert!(matches!(refused, Err(ClientError::Refused { status: 400, .. })), "{refused:?}");
    // The header is what browsers send; it wins.
    let request = http.get(format!("{}/v1/events?after={unknown}", scene.cluster.url(0)));
    let request = request.header("Last-Event-ID", format!("{}.0", scene.forge.tip()));
    let mut answer = request.send().await.expect("an answer");
    let chunk = answer.chunk().await.expect("bytes").expect("events");
    assert!(String::from_utf8_lossy(&chunk).contains("event: head"));

    let data = scene.cluster.get(0, "/calendar/5/data").await.expect("an answer");
    assert_eq!(data, chain(&scene.cluster, &forge)[5].1.to_string());
    let missing = http.get(format!("{}/calendar/99/data", scene.cluster.url(0))).send().await;
    assert_eq!(missing.expect("an answer").status(), 404);
}

#[tokio::test]
async fn receipts_are_told_when_their_body_comes_and_when_their_block_leaves() {
    let scene = Scene::new().await;
    let leaves: Vec<_> = (0..4_u8).map(|number| sha256(&[b"a record", &[number]])).collect();
    let (wanted, other) = (leaves[2], sha256(&[b"not anchored"]));
    let interest = scene.interest(&[wanted, other]);
    // Without a cursor, a stream begins when it is first asked.
    let began = Cursor { block: scene.forge.tip(), step: 0 };
    let mut events = scene.events(interest.clone(), Some(began));
    let mut told = Told::behind(1, scene.forge.tip());
    let mut forge = scene.forge.clone();
    scene.block(&mut forge, vec![scene.anchor(0, &leaves)]);
    let block = forge.tip();
    scene.extend(&mut forge, 1);
    scene.shows(&forge).await;
    let tip = forge.tip();
    take(&mut events, &mut told, "the block", |told| told.tip() == Some(tip)).await;
    assert_eq!(told.anchors[&block][0].root, merkle::root(&leaves));
    assert!(told.receipts.is_empty(), "nobody has the body");

    forge.body(leaves.clone());
    let victim = PublicKey::of(&scene.cluster.keys[0]);
    let peer = forge.clone().serve(&scene.cluster.keys[1], scene.cluster.p2p(0), victim).await;
    take(&mut events, &mut told, "the receipt", |told| told.receipts.contains_key(&wanted)).await;
    peer.stop().await;
    let place = told.receipts[&wanted];
    assert_eq!((place.block, place.height, place.sender, place.sequence), (block, 2, scene.sender(), 0));
    let cursor = events.cursor();
    // Known ones are told at the beginning.
    let mut again = Told::behind(1, scene.forge.tip());
    again.chain.push((2, block));
    let mut fresh = scene.events(interest.clone(), None);
    take(&mut fresh, &mut again, "the snapshot", |told| told.receipts.contains_key(&wanted)).await;
    assert_eq!(again.receipts[&wanted], place);

    let mut heavier = scene.forge.clone();
    scene.extend(&mut heavier, 4);
    scene.shows(&heavier).await;
    let on_heavier = |told: &Told| told.tip() == Some(heavier.tip());
    take(&mut events, &mut told, "the reorganisation", on_heavier).await;
    take(&mut fresh, &mut again, "the reorganisation", on_heavier).await;
    // One that was away meanwhile hears it too.
    let mut away = Told::behind(1, scene.forge.tip());
    away.chain.extend([(2, block), (3, tip)]);
    away.receipts.insert(wanted, place);
    let mut resumed = scene.events(interest, cursor);
    take(&mut resumed, &mut away, "the reorganisation", on_heavier).await;
    for told in [&told, &again, &away] {
        assert_eq!((told.orphaned.as_slice(), told.receipts.len()), (&[(wanted, place)][..], 0));
    }
    // It is included again, higher up.
    scene.block(&mut heavier, vec![scene.anchor(0, &leaves)]);
    scene.shows(&heavier).await;
    for (events, told) in [(&mut events, &mut told), (&mut resumed, &mut away)] {
        take(events, told, "the new receipt", |told| told.receipts.contains_key(&wanted)).await;
        assert_eq!((told.receipts[&wanted].block, told.receipts[&wanted].height), (heavier.tip(), 6));
    }
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_node() {
    let mut scene = Scene::new().await;
    let (http, url) = (http::client(), format!("{}/v1/events", scene.cluster.url(0)));
    let mut held = Vec::new();
    for _ in 0..STREAMS_MAX {
        let answer = http.get(&url).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        held.push(answer);
    }
    let refused = http.get(&url).send().await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(scene.cluster.is_alive(0).await);
    let mut last = held.pop().expect("some");
    drop(held);
    until("a place for another", async || {
        http.get(&url).send().await.ok().filter(|answer| answer.status() == 200)
    })
    .await;
    assert_eq!(last.headers()["content-type"], "text/event-stream");
    scene.cluster.terminate(0);
    // What was sent before, then the end in order.
    while last.chunk().await.expect("no broken stream").is_some() {}
    until("the node's end", async || scene.cluster.end(0)).await;
}

#[tokio::test]
async fn reader_that_is_too_slow_is_cut_and_goes_on_by_its_cursor() {
    let scene = Scene::new().await;
    let mut forge = scene.forge.clone();
    let beat = Vec::new();
    for block in 0..CROWDED_BLOCKS {
        let sequences = block * CROWD..(block + 1) * CROWD;
        scene.block(&mut forge, sequences.map(|sequence| scene.anchor(sequence, &beat)).collect());
    }
    scene.shows(&forge).await;
    let (cursor, mut told) = genesis(&scene.cluster);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let address = scene.cluster.url(0).trim_start_matches("http://").parse().expect("an address");
    let mut stream = socket.connect(address).await.expect("a connection");
    let query = format!("after={cursor}&senders={}", scene.sender());
    let head = format!("GET /v1/events?{query} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("a request");
    until("a cut", async || scene.cluster.log(0).contains("too slow").then_some(())).await;
    let mut bytes = Vec::new();
    // The cut may show as an end or as a reset.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes);
    let mut ids = text.lines().filter_map(|line| line.strip_prefix("id: ")).filter_map(|id| id.parse().ok());
    let last: Cursor = ids.next_back().expect("some events arrived");
    assert_ne!(last.block, forge.tip());

    let mut events = scene.events(scene.interest(&[]), Some(cursor));
    let tip = forge.tip();
    let all = |told: &Told| told.anchors.get(&tip).is_some_and(|anchors| anchors.len() as u64 == CROWD);
    take(&mut events, &mut told, "everything", all).await;
    let sequences: BTreeSet<_> = told.anchors.values().flatten().map(|anchor| anchor.sequence).collect();
    assert_eq!(sequences.len() as u64, CROWD * CROWDED_BLOCKS);
    let mut rest = scene.events(scene.interest(&[]), Some(last));
    let next = rest.next().await.expect("an event");
    let expected = match &next {
        Event::Anchor(anchor) => anchor.block == last.block,
        Event::Head(head) => head.parent == last.block,
        Event::Reset(_) | Event::Reorganisation(_) | Event::Receipt(_) => false,
    };
    assert!(expected, "{next:?} behind {last}");
}
