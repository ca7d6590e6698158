//! A victim with an honest neighbour, an honest raw peer and keys for the hostile ones.
//!
//! Nobody mines: every block is made by the test, so that each scene runs the same way.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::transaction::{Action, Anchor, AnchorKind, Sender, Transaction, TransactionBody};
use dronechain_chain_spec::wire::{BatchBody, Submission};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::hostile::{Book, Forge, Made};
use dronechain_tests::http;
use dronechain_tests::raw::{Answers, Raw, Reply};
use dronechain_tests::wait::until;
use serde_json::Value;

/// Resident memory that the victim never exceeds; it takes a tenth of it when nobody attacks.
const RESIDENT_MAX: u64 = 300 << 20;
/// How long an honest peer may wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Answers that may come late: the machine is shared, and may itself hold one up.
const LATE_MAX: usize = 2;
/// Keys admitted as nodes for hostile peers.
const HOSTILE: u8 = 24;
/// The admins' next sequence once all keys of a scene are admitted.
pub(super) const ADMITTED: u64 = 1 + HOSTILE as u64 + 2;

/// The key with this number.
pub(super) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub(super) struct Scene {
    /// Node 0 is the victim, node 1 honest; the key of node 2 is the test's.
    pub(super) cluster: Cluster,
    /// The honest chain.
    pub(super) forge: Forge,
    /// An honest peer of the victim that has it.
    pub(super) honest: Raw,
    /// Two admitted controllers.
    pub(super) controllers: [SigningKey; 2],
    book: Arc<Mutex<Book>>,
    hostile: u8,
    unknown: u8,
}

impl Scene {
    /// Both nodes at height 2.
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same; `forge` goes on with the chain that the nodes start with.
    pub(super) async fn with(forge: impl FnOnce(&mut Self)) -> Self {
        let mut cluster = Cluster::new(3, |spec| {
            spec.genesis_time_ms -= 900_000;
            spec.parameters.limit_bits = Bits(0x2007_ffff);
            spec.parameters.initial_bits = Bits(0x2007_ffff);
        });
        let quiet = ["--mining-share", "0", "--log", "info,dronechain_node=debug"];
        // The victim dials its neighbour.
        cluster.start(1, &quiet).await;
        cluster.start(0, &quiet).await;
        let mut made = Forge::new(&cluster.spec);
        let controllers = [key(100), key(101)];
        let nodes =
            std::iter::once(50).chain((0..HOSTILE).map(|at| 60 + at)).map(|node| (Role::Node, key(node)));
        let all = nodes.chain(controllers.iter().map(|key| (Role::Controller, key.clone())));
        let admits = all.zip(0..).map(|((role, key), sequence)| {
            let action = Action::Admit { role, key: PublicKey::of(&key) };
            let body = TransactionBody { sender: Sender::Admins, sequence, action };
            body.signed(&[&cluster.admin], &cluster.chain_id())
        });
        made.block(&cluster.keys[1], admits.collect(), vec![]);
        made.block(&cluster.keys[2], vec![], vec![]);
        let book = Arc::new(Mutex::new(made.book()));
        // Only genesis keys are admitted so far.
        let teacher = Raw::connected(&cluster, 0, &cluster.keys[2], serving(&book)).await;
        cluster.reaches(0, 2).await;
        drop(teacher);
        let honest = Raw::connected(&cluster, 0, &key(50), serving(&book)).await;
        let mut scene = Self { cluster, forge: made, honest, controllers, book, hostile: 0, unknown: 0 };
        forge(&mut scene);
        scene.goes_on().await;
        scene
    }

    pub(super) fn chain_id(&self) -> Hash256 {
        self.cluster.chain_id()
    }

    /// Another admitted key that has done nothing wrong yet.
    pub(super) fn hostile_key(&mut self) -> SigningKey {
        assert!(self.hostile < HOSTILE, "more keys are to be admitted");
        self.hostile += 1;
        key(60 + self.hostile - 1)
    }

    /// A hostile peer of the victim that answers as an honest one does.
    pub(super) async fn hostile(&mut self) -> Raw {
        let answers = self.honest_answers();
        self.hostile_with(answers).await
    }

    /// A hostile peer of the victim with its own answers.
    pub(super) async fn hostile_with(&mut self, answers: Answers) -> Raw {
        let key = self.hostile_key();
        Raw::connected(&self.cluster, 0, &key, answers).await
    }

    /// Answers from the honest chain as it stands at each request.
    pub(super) fn honest_answers(&self) -> Answers {
        serving(&self.book)
    }

    /// A valid block behind the honest tip that only its maker knows; it has a transaction, so that headers
    /// alone are not all of it.
    pub(super) fn unknown(&mut self) -> Made {
        self.unknown += 1;
        let key = PublicKey::of(&key(150 + self.unknown));
        let mut forge = self.forge.clone();
        let action = Action::Admit { role: Role::Operator, key };
        let admit = TransactionBody { sender: Sender::Admins, sequence: ADMITTED, action };
        let admit = admit.signed(&[&self.cluster.admin], &self.chain_id());
        forge.block(&self.next_miner(), vec![admit], vec![]);
        forge.book().made.pop().expect("the block just made")
    }

    /// Whose turn it is.
    pub(super) fn next_miner(&self) -> SigningKey {
        self.cluster.keys[1 + self.forge.book().made.len() % 2].clone()
    }

    /// Makes the next honest block of nobody's transactions, and waits until both nodes have it.
    pub(super) async fn goes_on(&mut self) {
        let miner = self.next_miner();
        self.forge.block(&miner, vec![], vec![]);
        self.told().await;
    }

    /// Shows the chain and waits until both nodes have it.
    pub(super) async fn told(&mut self) {
        *self.book.lock().expect("no test panics with it") = self.forge.book();
        let tip = self.forge.tip().to_string();
        for node in 0..2 {
            until(&format!("node {node} on the honest chain"), async || {
                self.cluster.tip(node).await.filter(|(_, hash)| *hash == tip)
            })
            .await;
        }
    }

    /// An honest peer and an HTTP client are answered, and memory is bounded.
    pub(super) async fn alive(&self) {
        let peer_ms = in_time("an honest peer", async || self.honest.status().await.is_ok()).await;
        in_time("an HTTP client", async || self.cluster.is_alive(0).await).await;
        let bytes = self.cluster.resident_bytes(0);
        println!("alive: an honest peer answered in {peer_ms} ms, {} MiB resident", bytes >> 20);
        assert!(bytes < RESIDENT_MAX, "{bytes} bytes resident");
    }

    /// Waits until the victim counts a fault with `rule` in its text against `peer`.
    pub(super) async fn fault(&self, peer: &Raw, rule: &str) {
        until(&format!("{rule} counted against {}", peer.id()), async || {
            self.has_logged(&["a peer's fault", &peer.id(), rule]).then_some(())
        })
        .await;
    }

    /// Waits until `peer` is banned and cut off, and sees that it stays out.
    pub(super) async fn banned(&self, peer: &Raw) {
        until("a ban", async || self.has_logged(&["banned", &peer.id()]).then_some(())).await;
        peer.disconnected().await;
        // The handshake succeeds before the key is looked at.
        let _ = peer.dial().await;
        peer.disconnected().await;
        peer.status().await.expect_err("banned peers are not answered");
    }

    /// `peer` is connected, and no fault is counted against it.
    pub(super) async fn blameless(&self, peer: &Raw) {
        assert!(!self.has_logged(&["a peer's fault", &peer.id()]), "{}", self.cluster.log(0));
        peer.status().await.expect("the connection stands");
    }

    /// Whether one line of the victim's log has all of these.
    pub(super) fn has_logged(&self, parts: &[&str]) -> bool {
        self.cluster.log(0).lines().any(|line| parts.iter().all(|part| line.contains(part)))
    }

    /// Waits for a line in the victim's log.
    pub(super) async fn logged(&self, part: &str) {
        until(part, async || self.has_logged(&[part]).then_some(())).await;
    }

    /// Whether the victim knows a header.
    pub(super) async fn knows(&self, hash: Hash256) -> bool {
        self.cluster.get(0, &format!("/v1/header/{hash}")).await.is_some()
    }

    /// An anchor of one record named `name`, and its body.
    pub(super) fn anchor(&self, sender: &SigningKey, sequence: u64, name: &str) -> (Transaction, BatchBody) {
        let root = sha256(&[name.as_bytes()]);
        let anchor = Anchor { kind: AnchorKind::Data, root, leaf_count: 1, first_time: 1, last_time: 1 };
        let sender_key = Sender::Key(PublicKey::of(sender));
        let body = TransactionBody { sender: sender_key, sequence, action: Action::Anchor(anchor) };
        (body.signed(&[sender], &self.chain_id()), BatchBody(vec![root]))
    }

    /// Submits at the victim's HTTP door: status and JSON.
    pub(super) async fn submit(&self, (transaction, body): (Transaction, BatchBody)) -> (u16, Value) {
        self.post(codec::encode(&Submission { transaction, body: Some(body) })).await
    }

    /// Posts bytes to the victim's HTTP door.
    pub(super) async fn post(&self, bytes: Vec<u8>) -> (u16, Value) {
        let request = http::client().post(format!("{}/v1/transactions", self.cluster.url(0)));
        let answer = request.body(bytes).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }
}

fn serving(book: &Arc<Mutex<Book>>) -> Answers {
    let book = Arc::clone(book);
    Box::new(move |request| Reply::honest(&book.lock().expect("no test panics with it").answer(request)))
}

/// Asserts that `who` is answered in time; gives the milliseconds it took.
async fn in_time(who: &str, mut is_answered: impl AsyncFnMut() -> bool) -> u128 {
    for _ in 0..=LATE_MAX {
        let start = Instant::now();
        if let Ok(answered) = tokio::time::timeout(PATIENCE, is_answered()).await {
            assert!(answered, "{who} is refused");
            return start.elapsed().as_millis();
        }
    }
    panic!("{who} waits for more than {PATIENCE:?}, {} times in a row", LATE_MAX + 1);
}
