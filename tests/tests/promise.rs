//! Promises of real nodes: given, kept, and broken where anyone can check it.

use std::time::Duration;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::limits::PROMISE_BLOCKS;
use dronechain_chain_spec::promise::{BrokenPromise, BrokenPromiseError, SignedPromise};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, Enrolment, PossessionClaim, Sender, Transaction, TransactionBody,
};
use dronechain_chain_spec::wire::BatchBody;
use dronechain_client::{Client, GatherError, NodeClient, Producer, ProducerConfig, State, gather};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::hostile::Forge;
use dronechain_tests::wait::until;
use tokio::time::timeout;

/// Every hash meets it.
const EASIEST: Bits = Bits(0x2100_ffff);
/// So short that a deadline of 120 blocks is not ahead of any clock.
const BLOCK_TIME_MS: u64 = 10;
const WAIT: Duration = Duration::from_secs(60);

/// Nodes that do not mine, and what they are shown.
struct Scene {
    cluster: Cluster,
    controller: SigningKey,
    forge: Forge,
}

impl Scene {
    /// At height 1, which admits a controller, `age_ms` ago.
    async fn new(age_ms: u64) -> Self {
        let mut cluster = Cluster::new(3, |spec| {
            spec.parameters.limit_bits = EASIEST;
            spec.parameters.initial_bits = EASIEST;
            spec.parameters.block_time_ms = BLOCK_TIME_MS;
            spec.parameters.finality_depth = 0;
            spec.genesis_time_ms -= age_ms;
        });
        cluster.start(0, &["--mining-share", "0"]).await;
        let controller = SigningKey::from_bytes(&[100; 32]);
        let action = Action::Admit { role: Role::Controller, key: PublicKey::of(&controller) };
        let admit = TransactionBody { sender: Sender::Admins, sequence: 0, action };
        let admit = admit.signed(&[&cluster.admin], &cluster.chain_id());
        let mut forge = Forge::new(&cluster.spec);
        forge.block(&cluster.keys[1], vec![admit], vec![]);
        let scene = Self { cluster, controller, forge };
        scene.shows(&scene.forge).await;
        scene
    }

    fn node(&self) -> NodeClient {
        NodeClient::new(self.cluster.url(0)).expect("an address")
    }

    fn sent(&self, sequence: u64, action: Action) -> Transaction {
        let sender = Sender::Key(PublicKey::of(&self.controller));
        let body = TransactionBody { sender, sequence, action };
        body.signed(&[&self.controller], &self.cluster.chain_id())
    }

    fn anchor(&self, sequence: u64) -> (Transaction, BatchBody) {
        let root = sha256(&[&sequence.to_le_bytes()]);
        let anchor = Anchor { kind: AnchorKind::Data, root, leaf_count: 1, first_time: 1, last_time: 1 };
        (self.sent(sequence, Action::Anchor(anchor)), BatchBody(vec![root]))
    }

    fn enrol(&self, sequence: u64) -> Transaction {
        let device = SigningKey::from_bytes(&[110; 32]);
        let (controller, kind, area) = (PublicKey::of(&self.controller), "multicopter", "north");
        let claim = PossessionClaim { controller, device: PublicKey::of(&device), kind, area };
        let possession = claim.sign(&device, &self.cluster.chain_id());
        let (device, kind, area) = (claim.device, kind.to_owned(), area.to_owned());
        self.sent(sequence, Action::Enrol(Enrolment { device, kind, area, possession }))
    }

    async fn promised(&self, transaction: &Transaction, body: Option<BatchBody>) -> SignedPromise {
        let submitted = self.node().submit(transaction, body).await.expect("an answer");
        assert_eq!(submitted.state, State::Pending);
        submitted.promise.expect("a promise")
    }

    fn blocks(&self, forge: &mut Forge, count: u64) {
        for _ in 0..count {
            self.block(forge, vec![]);
        }
    }

    fn block(&self, forge: &mut Forge, transactions: Vec<Transaction>) {
        forge.block(&self.cluster.keys[1 + forge.height() % 2], transactions, vec![]);
    }

    async fn shows(&self, forge: &Forge) {
        let tip = forge.tip().to_string();
        let victim = PublicKey::of(&self.cluster.keys[0]);
        let peer = forge.clone().serve(&self.cluster.keys[1], self.cluster.p2p(0), victim).await;
        until("the tip served", async || self.cluster.tip(0).await.filter(|(_, hash)| *hash == tip)).await;
        peer.stop().await;
    }

    /// The header chain that the node tells, verified.
    async fn headers(&self) -> HeaderChain {
        let mut chain = HeaderChain::new(self.cluster.spec.clone()).expect("a sound spec");
        for link in self.node().headers(1, 2_000).await.expect("links") {
            chain.push(link).expect("a valid header");
        }
        chain
    }

    async fn gathered(&self, promise: &SignedPromise) -> Result<BrokenPromise, GatherError> {
        gather(&self.node(), &self.headers().await, promise).await
    }
}

#[track_caller]
fn kept(gathered: Result<BrokenPromise, GatherError>, at: u64) {
    match gathered {
        Err(GatherError::Unbroken(BrokenPromiseError::Kept { height })) => assert_eq!(height, at),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn kept_promise_is_no_evidence_and_broken_one_convinces_whoever_has_headers() {
    let scene = Scene::new(0).await;
    let (first, body) = scene.anchor(0);
    let promise = scene.promised(&first, Some(body.clone())).await;
    let told = &promise.promise;
    assert_eq!(
        (told.node, told.tip, told.tip_height),
        (PublicKey::of(&scene.cluster.keys[0]), scene.forge.tip(), 1)
    );
    assert_eq!((told.txid, told.root), (first.txid(), body.0[0]));
    told.check_node(&scene.headers().await).expect("a node of the network");
    // The same bytes again: a promise again.
    assert_eq!(scene.promised(&first, Some(body)).await, promise);
    let early = scene.gathered(&promise).await;
    assert!(matches!(early, Err(GatherError::Unbroken(BrokenPromiseError::Early { .. }))), "{early:?}");
    // The device's enrolment behind it, which no index knows, and an anchor behind that.
    let enrolment = scene.promised(&scene.enrol(1), None).await;
    let (third, body) = scene.anchor(2);
    let ahead = scene.promised(&third, Some(body)).await;

    let mut forge = scene.forge.clone();
    scene.block(&mut forge, vec![first.clone()]);
    scene.block(&mut forge, vec![scene.enrol(1)]);
    let (lost, mut found) = (forge.clone(), forge);
    let mut empty = lost;
    scene.blocks(&mut empty, PROMISE_BLOCKS);
    scene.shows(&empty).await;
    kept(scene.gathered(&promise).await, 2);
    kept(scene.gathered(&enrolment).await, 3);
    // Nobody included the third.
    let broken = scene.gathered(&ahead).await.expect("evidence");
    let chain = scene.headers().await;
    let bytes = codec::encode(&broken);
    let travelled: BrokenPromise = codec::decode(&bytes).expect("its own encoding");
    assert_eq!(travelled.check(&chain), Ok(()));
    println!("evidence of {PROMISE_BLOCKS} blocks: {} bytes", bytes.len());
    // Evidence of one promise is none of another.
    let mut turned = travelled;
    turned.promise = promise.clone();
    assert!(turned.check(&chain).is_err());

    // A heavier chain in which it was kept takes the evidence's ground away.
    scene.block(&mut found, vec![third]);
    scene.blocks(&mut found, PROMISE_BLOCKS + 1);
    scene.shows(&found).await;
    kept(scene.gathered(&ahead).await, 4);
    assert_eq!(broken.check(&scene.headers().await), Err(BrokenPromiseError::Txids { height: 4 }));
}

#[tokio::test]
async fn sender_that_signs_twice_cannot_accuse_the_node() {
    let scene = Scene::new(0).await;
    let (first, body) = scene.anchor(0);
    let promise = scene.promised(&first, Some(body)).await;
    let beat =
        Anchor { kind: AnchorKind::Data, root: Hash256::ZERO, leaf_count: 0, first_time: 0, last_time: 0 };
    let mut forge = scene.forge.clone();
    scene.block(&mut forge, vec![scene.sent(0, Action::Anchor(beat))]);
    scene.blocks(&mut forge, PROMISE_BLOCKS);
    scene.shows(&forge).await;
    let void = scene.gathered(&promise).await;
    assert!(matches!(void, Err(GatherError::Void { height: 2 })), "{void:?}");
}

#[tokio::test]
async fn nothing_is_promised_to_the_admins_or_by_an_old_tip() {
    let scene = Scene::new(0).await;
    let action =
        Action::Admit { role: Role::Operator, key: PublicKey::of(&SigningKey::from_bytes(&[101; 32])) };
    let admit = TransactionBody { sender: Sender::Admins, sequence: 1, action };
    let admit = admit.signed(&[&scene.cluster.admin], &scene.cluster.chain_id());
    let submitted = scene.node().submit(&admit, None).await.expect("an answer");
    assert_eq!((submitted.state, submitted.promise), (State::Pending, None));

    // A node that was away cannot know how far the others are.
    let scene = Scene::new(900_000).await;
    let (first, body) = scene.anchor(0);
    let submitted = scene.node().submit(&first, Some(body)).await.expect("an answer");
    assert_eq!((submitted.state, submitted.promise), (State::Pending, None));
}

impl Scene {
    async fn producer(&self) -> Producer {
        let opened = Client::builder([self.cluster.url(0)]).open(self.cluster.path("client")).await;
        let mut config = ProducerConfig::default();
        (config.linger, config.confirmations, config.heartbeat) = (Duration::from_millis(10), 2, None);
        let producer = opened.expect("a client").producer(self.controller.clone()).config(config);
        producer.open().expect("a producer")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producer_keeps_promises_over_a_restart_and_gathers_evidence_of_one_that_is_broken() {
    let scene = Scene::new(0).await;
    let producer = scene.producer().await;
    let pending = producer.send(b"a record".to_vec()).await.expect("taken");
    let first = timeout(WAIT, pending.promised()).await.expect("in time").expect("taken").expect("a promise");
    assert_eq!(first.promise.node, PublicKey::of(&scene.cluster.keys[0]));
    let client = producer.client().clone();
    producer.close(WAIT).await.expect("closed");
    client.close().await;
    drop(pending);

    let producer = scene.producer().await;
    let recovered = producer.recovered()[0].promised().await.expect("there");
    assert_eq!(recovered.as_ref(), Some(&first));
    let mut broken = producer.broken_promises();
    assert_eq!(*broken.borrow(), []);
    // The deadline passes, and what stands over it.
    let mut forge = scene.forge.clone();
    scene.blocks(&mut forge, PROMISE_BLOCKS + 1);
    scene.shows(&forge).await;
    let until_tip = async {
        let mut tip = producer.client().light().tip();
        tip.wait_for(|tip| *tip == forge.tip()).await.expect("it follows");
    };
    timeout(WAIT, until_tip).await.expect("in time");
    assert_eq!(*broken.borrow(), []);
    scene.blocks(&mut forge, 1);
    scene.shows(&forge).await;
    let found = timeout(WAIT, broken.wait_for(|broken| !broken.is_empty())).await.expect("in time");
    let evidence = found.expect("a producer")[0].clone();
    assert_eq!(evidence.promise, *first);
    assert_eq!(evidence.check(&scene.headers().await), Ok(()));
    let client = producer.client().clone();
    producer.close(WAIT).await.expect("closed");
    client.close().await;

    // The outbox keeps it.
    let producer = scene.producer().await;
    assert_eq!(*producer.broken_promises().borrow(), [evidence]);
}
