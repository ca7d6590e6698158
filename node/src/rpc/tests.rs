//! The server on a loopback listener over a real store, with a chain that a light client accepts.

mod jsonrpc;
mod receipts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use dronechain_chain_spec::chain::{HeaderChain, decode_links};
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::header::{Header, Parent};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::promise::SignedPromise;
use dronechain_chain_spec::receipt::{Authority, Receipt};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, Parameters};
use dronechain_chain_spec::state::{Draft, State};
use dronechain_chain_spec::target::{Bits, Target, Work};
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, CheckedTransaction, Sender, TransactionBody,
};
use dronechain_chain_spec::wire::{BatchBody, Submission};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Health, Rpc, Submit, TipView, serve};
use crate::core::MissingBody;
use crate::core::event::{SubmitError, Submitted};
use crate::core::view::{
    BatchId, Changes, Connected, Moved, Opening, Rival, Stage, StateChanges, StoredHeader,
};
use crate::store::{Options, Store};

const CONTROLLER: u8 = 20;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn leaves() -> Vec<Hash256> {
    (0..5).map(|n: u8| sha256(&[&[n]])).collect()
}

fn leaf_count() -> u32 {
    u32::try_from(leaves().len()).expect("few")
}

fn spec() -> ChainSpec {
    let easiest = Bits(0x2007_ffff);
    ChainSpec {
        name: "test".to_owned(),
        genesis_time_ms: 1_700_000_000_000,
        nodes: vec![PublicKey::of(&key(1)), PublicKey::of(&key(2))],
        parameters: Parameters {
            block_time_ms: 1_000,
            initial_bits: easiest,
            limit_bits: easiest,
            finality_depth: 0,
        },
        admins: AdminSet { threshold: 1, keys: vec![PublicKey::of(&key(9))] },
    }
}

fn checked(sender: Sender, by: u8, sequence: u64, action: Action) -> CheckedTransaction {
    let chain_id = spec().genesis().hash();
    let transaction = TransactionBody { sender, sequence, action }.signed(&[&key(by)], &chain_id);
    transaction.check(&chain_id).expect("well-formed")
}

fn anchor(sequence: u64, leaves: &[Hash256]) -> CheckedTransaction {
    let leaf_count = u32::try_from(leaves.len()).expect("few");
    anchor_by(CONTROLLER, sequence, merkle::root(leaves), leaf_count)
}

fn anchor_by(by: u8, sequence: u64, root: Hash256, leaf_count: u32) -> CheckedTransaction {
    let anchor = Anchor { kind: AnchorKind::Data, root, leaf_count, first_time: 0, last_time: 0 };
    checked(Sender::Key(PublicKey::of(&key(by))), by, sequence, Action::Anchor(anchor))
}

fn admission(sequence: u64, of: u8) -> CheckedTransaction {
    let admit = Action::Admit { role: Role::Controller, key: PublicKey::of(&key(of)) };
    checked(Sender::Admins, 9, sequence, admit)
}

/// Commits the next block, mined; gives its header and opening.
fn grow(
    store: &Store,
    state: &mut State,
    before: &[Header],
    list: &[CheckedTransaction],
) -> (Header, Opening) {
    let network = spec().network();
    let parent = before.last().expect("genesis at least");
    let height = parent.height + 1;
    let mut draft = Draft::new(state, height);
    for transaction in list {
        draft.apply(transaction).expect("valid");
    }
    let delta = draft.finish();
    let txids: Vec<_> = list.iter().map(CheckedTransaction::txid).collect();
    let bits = Parent {
        hash: parent.hash(),
        height: parent.height,
        time_ms: parent.time_ms,
        target: Target::from_bits(parent.bits).expect("strict"),
        grandparent_time_ms: before.iter().rev().nth(1).map(|header| header.time_ms),
    }
    .next_bits(&network, 1_000);
    let miner = key(if height.is_multiple_of(2) { 2 } else { 1 });
    let mut header = Header {
        height,
        parent: parent.hash(),
        tx_root: merkle::root(&txids),
        commitments: delta.commitments.hash(),
        tx_count: u32::try_from(list.len()).expect("few"),
        time_ms: parent.time_ms + 1_000,
        bits,
        miner: PublicKey::of(&miner),
        ..parent.clone()
    };
    let target = Target::from_bits(bits).expect("strict");
    while !target.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    let hash = header.hash();
    let (_, completed) = state.advance(&delta, hash);
    let accounts_since = if list.is_empty() { 1 } else { height };
    let opening = Opening { commitments: delta.commitments, accounts_since, live: 0 };
    let transactions: Vec<_> = list.iter().map(|checked| checked.get().clone()).collect();
    let stored = StoredHeader {
        signed: header.clone().signed(&miner, &network.chain_id),
        work: Work::ZERO,
        stage: Stage::Valid,
        commitments: delta.commitments,
        roster: network.chain_id,
        connected: Some(Connected { accounts_since, live: 0 }),
    };
    let at = |place| (place, state.registry.at(place).cloned());
    let changes = Changes {
        headers: [(hash, stored)].into(),
        blocks: [(hash, transactions.clone())].into(),
        active: [(height, Some(hash))].into(),
        bodies: BTreeMap::from([(
            BatchId { root: merkle::root(&leaves()), leaf_count: leaf_count() },
            leaves(),
        )]),
        connected: vec![Moved { hash, height, transactions, outcomes: delta.outcomes.clone() }],
        history_nodes: completed.iter().map(|node| ((node.level, node.position), node.hash)).collect(),
        state: StateChanges {
            accounts: delta.changes.keys().copied().map(at).collect(),
            admins: Some(state.admins.clone()),
            history: Some(state.history.clone()),
            tip: Some((hash, height)),
        },
        ..Changes::default()
    };
    store.commit(&changes).expect("commits");
    (header, opening)
}

struct Running {
    _folder: TempDir,
    address: std::net::SocketAddr,
    tips: watch::Sender<Arc<TipView>>,
    submitted: mpsc::Receiver<Submit>,
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// A chain of three blocks: a controller's admission, its anchor, and an empty one.
async fn running() -> Running {
    running_with(&[vec![admission(0, CONTROLLER)], vec![anchor(0, &leaves())], vec![]]).await
}

/// A chain of these blocks.
async fn running_with(blocks: &[Vec<CheckedTransaction>]) -> Running {
    let folder = tempfile::tempdir().expect("temp dir");
    let (store, loaded) = Store::open(folder.path(), &spec(), &Options::default()).expect("opens");
    let (mut state, mut headers) = (loaded.state, vec![spec().genesis()]);
    let mut last = None;
    for list in blocks {
        let (header, opening) = grow(&store, &mut state, &headers, list);
        headers.push(header);
        last = Some(opening);
    }
    let tip = headers.last().expect("three");
    let view = TipView {
        hash: tip.hash(),
        height: tip.height,
        time_ms: tip.time_ms,
        work: Work::ZERO,
        opening: last.expect("three"),
        registry: Arc::new(state.registry),
        mempool: 0,
        syncing: false,
        headers_height: tip.height,
        health: Health::default(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (tips, tip) = watch::channel(Arc::new(view));
    let (submit, submitted) = mpsc::channel(1);
    let (stop, stopped) = oneshot::channel::<()>();
    let rpc = Rpc {
        store: Arc::new(store),
        spec: Arc::new(spec()),
        key: key(1),
        tip,
        submit,
        miner_asks: mpsc::channel(1).0,
        limits: crate::rpc::Limits::default(),
        peers: Arc::new(AtomicUsize::new(2)),
        metrics: Arc::default(),
        met: watch::channel(Arc::default()).1,
    };
    let server = tokio::spawn(serve(listener, rpc, None, async { drop(stopped.await) }));
    Running { _folder: folder, address, tips, submitted, stop, server }
}

impl Running {
    /// Status and body of the answer to a request with this head and body.
    async fn ask(&self, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).await.expect("connects");
        let head = format!("{head}\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).await.expect("writes");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("reads");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let status = String::from_utf8_lossy(&answer[9..12]).parse().expect("a status");
        (status, answer.split_off(end))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.ask(&format!("GET {path} HTTP/1.1"), b"").await;
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    async fn refusal(&self, path: &str) -> (u16, String) {
        let (status, body) = self.get(path).await;
        (status, body["error"]["name"].as_str().expect("a name").to_owned())
    }
}

#[tokio::test]
async fn receipt_verifies_against_the_headers_served() {
    let node = running().await;
    let (status, bytes) = node.ask("GET /v1/headers?from=1 HTTP/1.1", b"").await;
    assert_eq!(status, 200);
    let mut chain = HeaderChain::new(spec()).expect("a sound spec");
    for link in decode_links(&bytes).expect("links") {
        chain.push(link).expect("valid");
    }
    assert_eq!(chain.height(), 3);
    for leaf in leaves() {
        let (status, json) = node.ask(&format!("GET /v1/receipts/{leaf} HTTP/1.1"), b"").await;
        assert_eq!(status, 200);
        let proven = Receipt::parse(&json).expect("a receipt").verify(&leaf, &chain, 2).expect("holds");
        assert_eq!((proven.height, proven.sender), (2, PublicKey::of(&key(CONTROLLER))));
    }
    let controller = PublicKey::of(&key(CONTROLLER));
    let (_, anchor) = node.get(&format!("/v1/anchors/{controller}/0?device={controller}")).await;
    assert_eq!((&anchor["state"], &anchor["confirmations"]), (&"included".into(), &2.into()));
    assert_eq!(anchor["proof"]["authority"]["device"]["entry"]["key"], controller.to_string());
    let (_, anchor) = node.get(&format!("/v1/anchors/{controller}/1")).await;
    assert_eq!(anchor["state"], "unknown");
    let (root, count) = (merkle::root(&leaves()), leaf_count());
    let (_, body) = node.ask(&format!("GET /v1/bodies/{root}/{count} HTTP/1.1"), b"").await;
    let (status, _) = node.ask(&format!("GET /v1/bodies/{root}/{} HTTP/1.1", count + 1), b"").await;
    assert_eq!(status, 404);
    assert_eq!(body, codec::encode(&BatchBody(leaves())));
}

#[tokio::test]
async fn what_an_operator_should_know_is_told() {
    let node = running().await;
    let (_, status) = node.get("/v1/status").await;
    assert_eq!((&status["bodies_missing"], &status["rivals"]), (&0.into(), &0.into()));
    assert_eq!((&status["headers_height"], &status["upgrade_needed"]), (&3.into(), &Value::Null));
    let batch = BatchId { root: merkle::root(&leaves()), leaf_count: 9 };
    let missing = MissingBody::new(Sender::Admins, 4, 5);
    let rival = Rival {
        fork_height: 1,
        head: merkle::root(&leaves()),
        height: 8,
        work: Work::ZERO,
        first_seen_ms: 6,
        last_seen_ms: 7,
    };
    node.tips.send_modify(|tip| {
        let mut changed = TipView::clone(tip);
        changed.health = Health {
            missing: (1, Arc::new(vec![(batch, missing)])),
            rivals: Arc::new([(batch.root, rival)].into()),
            upgrade_needed: Some((17, 200)),
        };
        *tip = Arc::new(changed);
    });
    let (_, status) = node.get("/v1/status").await;
    assert_eq!((&status["bodies_missing"], &status["rivals"]), (&1.into(), &1.into()));
    assert_eq!(status["upgrade_needed"]["rule"], 17);
    let (_, missing) = node.get("/v1/bodies/missing").await;
    assert_eq!((&missing["count"], &missing["bodies"][0]["leaf_count"]), (&1.into(), &9.into()));
    let (_, rivals) = node.get("/v1/rivals").await;
    assert_eq!(rivals[0]["first"], batch.root.to_string());
    assert_eq!(node.get("/v1/evidence").await, (200, Value::Array(Vec::new())));
    assert_eq!(node.refusal("/v1/evidence?limit=1001").await, (400, "too-much".to_owned()));
}

#[tokio::test]
async fn chain_registry_and_senders_are_told() {
    let node = running().await;
    let (_, status) = node.get("/v1/status").await;
    assert_eq!((&status["tip"]["height"], &status["peers"]), (&3.into(), &2.into()));
    let (_, block) = node.get("/v1/block/2").await;
    let txid = anchor(0, &leaves()).txid().to_string();
    assert_eq!(block["transactions"][0]["txid"], txid.as_str());
    assert_eq!((&block["active"], &block["confirmations"]), (&true.into(), &2.into()));
    let (_, by_hash) = node.get(&format!("/v1/header/{}", block["hash"].as_str().expect("hash"))).await;
    assert_eq!(by_hash["header"], block["header"]);
    let (_, transaction) = node.get(&format!("/v1/transactions/{txid}")).await;
    assert_eq!((&transaction["state"], &transaction["outcome"]), (&"included".into(), &"applied".into()));
    let (_, entries) = node.get("/v1/registry?roll=accounts&limit=10").await;
    assert_eq!((&entries["count"], &entries["entries"][0]["role"]), (&1.into(), &"controller".into()));
    let controller = PublicKey::of(&key(CONTROLLER));
    let (_, sender) = node.get(&format!("/v1/senders/{controller}")).await;
    assert_eq!((&sender["next_sequence"], &sender["pending_sequence"]), (&1.into(), &1.into()));
    assert_eq!(node.get("/v1/senders/admins").await.1["next_sequence"], 1);
    assert_eq!(node.get(&format!("/v1/registry/{controller}")).await.1["next_sequence"], 1);
}

#[tokio::test]
async fn every_registered_key_has_a_path_to_a_root_that_a_block_commits_to() {
    let node = running().await;
    for (by, role) in [(CONTROLLER, Role::Controller), (1, Role::Node), (2, Role::Node)] {
        let (_, shown) = node.get(&format!("/v1/registry/{}/proof", PublicKey::of(&key(by)))).await;
        let Authority { height, commitments, sender, device } =
            serde_json::from_value(shown).expect("a path of an entry");
        assert_eq!((sender.entry.key, sender.entry.role), (PublicKey::of(&key(by)), role));
        let root = if role == Role::Node { commitments.nodes } else { commitments.accounts };
        assert_eq!(merkle::climb(&sender.entry.leaf(), &sender.path), Some(root));
        let (_, header) = node.get(&format!("/v1/header/{height}")).await;
        assert_eq!(header["commitments"], commitments.hash().to_string());
        assert!(device.is_none());
    }
    let path = format!("/v1/registry/{}/proof", PublicKey::of(&key(77)));
    assert_eq!(node.refusal(&path).await, (404, "unknown".to_owned()));
}

#[tokio::test]
async fn refusals_have_status_and_name() {
    let node = running().await;
    let unknown = sha256(&[b"unknown"]);
    for (path, status, name) in [
        ("/v1/nothing".to_owned(), 404, "no-route"),
        ("/v1/status?verbose=1".to_owned(), 400, "bad-query"),
        ("/v1/headers?from=1&limit=2001".to_owned(), 400, "too-much"),
        ("/v1/headers?from=0".to_owned(), 400, "bad-query"),
        ("/v1/header/zz".to_owned(), 400, "bad-path"),
        ("/v1/header/4".to_owned(), 404, "unknown"),
        (format!("/v1/receipts/{unknown}"), 404, "unknown"),
        (format!("/v1/receipts/{}?device={unknown}", leaves()[0]), 404, "unknown"),
        ("/v1/transactions".to_owned(), 400, "bad-query"),
        ("/v1/transactions?kind=nothing".to_owned(), 400, "bad-query"),
        ("/v1/transactions/check".to_owned(), 405, "method-not-allowed"),
    ] {
        assert_eq!(node.refusal(&path).await, (status, name.to_owned()), "{path}");
    }
    let post = "POST /v1/transactions HTTP/1.1";
    for (head, body, status, rule) in [
        (format!("{post}\r\nTransfer-Encoding: chunked"), &b"0\r\n\r\n"[..], 411, Value::Null),
        (format!("{post}\r\nContent-Length: 3145729"), b"", 413, Value::Null),
        (format!("{post}\r\nContent-Length: 3"), b"abc", 422, "T1".into()),
    ] {
        let (found, body) = node.ask(&head, body).await;
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((found, &body["error"]["rule"]), (status, &rule), "{head}");
    }
}

#[tokio::test]
async fn submission_waits_for_its_answer() {
    let mut node = running().await;
    let transaction = anchor(1, &leaves()).get().clone();
    let submission = |leaves: Vec<Hash256>| {
        let body = Some(BatchBody(leaves));
        codec::encode(&Submission { transaction: transaction.clone(), body })
    };
    let head = |bytes: &[u8]| format!("POST /v1/transactions HTTP/1.1\r\nContent-Length: {}", bytes.len());
    let holder = sha256(&[b"another"]);
    let txid = transaction.txid();
    for (answer, status) in [
        (Ok(Submitted::Pending { txid, tip: Some((holder, 3)) }), 202),
        (Ok(Submitted::Pending { txid, tip: None }), 202),
        (Ok(Submitted::Included { txid, height: 7 }), 200),
        (Err(SubmitError::SequenceTaken { holder }), 409),
        (Err(SubmitError::MempoolFull), 503),
    ] {
        let bytes = submission(leaves());
        let promised = match &answer {
            Ok(Submitted::Pending { tip, .. }) => *tip,
            Ok(Submitted::Included { .. }) | Err(_) => None,
        };
        let (mut queue, reply) = (std::mem::replace(&mut node.submitted, mpsc::channel(1).1), answer);
        let core = async {
            let Submit { transaction, body, reply: to } = queue.recv().await.expect("a submission");
            assert_eq!((transaction.txid(), body.expect("a body").leaves().len()), (txid, 5));
            to.send(reply).expect("the asker waits");
        };
        let head = head(&bytes);
        let (found, ()) = tokio::join!(node.ask(&head, &bytes), core);
        node.submitted = queue;
        assert_eq!(found.0, status);
        let answer: Value = serde_json::from_slice(&found.1).expect("JSON");
        let promise: Option<SignedPromise> =
            answer.get("promise").map(|promise| serde_json::from_value(promise.clone()).expect("a promise"));
        let promise = promise.map(|promise| promise.check(&spec().genesis().hash()).expect("signed"));
        assert_eq!(promise.as_ref().map(|promise| promise.promise().tip_height), promised.map(|tip| tip.1));
        let checked = transaction.clone().check(&spec().genesis().hash()).expect("well-formed");
        assert!(promise.is_none_or(|promise| promise.promise().is_of(&checked)));
    }
    let bytes = submission(leaves()[1..].to_vec());
    let (status, body) = node.ask(&head(&bytes), &bytes).await;
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((status, &body["error"]["name"]), (422, &"body-size".into()));
}

#[tokio::test]
async fn tip_is_awaited_and_readiness_follows_it() {
    let node = running().await;
    let tip = TipView::clone(&node.tips.borrow());
    assert_eq!(node.ask("GET /readyz HTTP/1.1", b"").await, (200, b"ok".to_vec()));
    let page = async || node.ask("GET /receipt HTTP/1.1", b"").await.1;
    let is_told = |page: Vec<u8>| String::from_utf8(page).expect("text").contains("Catching up");
    assert!(!is_told(page().await));
    let path = format!("/v1/tip?after={}&wait_ms=30000", tip.hash);
    let moved =
        TipView { height: 4, hash: sha256(&[b"next"]), syncing: true, headers_height: 9, ..tip.clone() };
    let publish = async {
        tokio::task::yield_now().await;
        node.tips.send_replace(Arc::new(moved));
    };
    let ((_, told), ()) = tokio::join!(node.get(&path), publish);
    assert_eq!(told["height"], 4);
    assert_eq!(node.refusal("/readyz").await, (503, "syncing".to_owned()));
    assert!(is_told(page().await));
    let (_, same) = node.get(&format!("/v1/tip?after={}&wait_ms=10", sha256(&[b"next"]))).await;
    assert_eq!(same["height"], 4);
    node.stop.send(()).expect("the server runs");
    node.server.await.expect("no panic").expect("no failure");
}

impl Running {
    /// Status and answer of a JSON-RPC request.
    async fn rpc(&self, request: &str) -> (u16, Value) {
        let head = format!(
            "POST /rpc HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}",
            request.len()
        );
        let (status, body) = self.ask(&head, request.as_bytes()).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The result of a call.
    async fn call(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (status, answer) = self.rpc(&request.to_string()).await;
        assert_eq!((status, &answer["id"]), (200, &1.into()), "{answer}");
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Code of a refused call, and the name of why.
    async fn refused_call(&self, method: &str, params: Value) -> (i64, String) {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (_, answer) = self.rpc(&request.to_string()).await;
        let error = &answer["error"];
        (error["code"].as_i64().expect("a code"), error["data"]["name"].as_str().unwrap_or("").to_owned())
    }
}

#[tokio::test]
async fn lists_are_read_to_the_end_by_their_cursors() {
    let node = running().await;
    let (mut heights, mut path) = (Vec::new(), "/v1/blocks?limit=1".to_owned());
    loop {
        let (_, page) = node.get(&path).await;
        heights
            .extend(page["blocks"].as_array().expect("a list").iter().map(|block| block["height"].clone()));
        let Some(next) = page["next"].as_u64() else { break };
        path = format!("/v1/blocks?limit=1&before={next}");
    }
    assert_eq!(heights, [3, 2, 1, 0]);
    let (_, page) = node.get("/v1/transactions?kind=anchor&limit=1").await;
    assert_eq!(page["transactions"][0]["height"], 2);
    assert_eq!(page["next"], Value::Null, "there is one");
    let (_, page) = node.get("/v1/transactions?kind=admit").await;
    let first = &page["transactions"][0];
    assert_eq!(
        (&first["sender"], &first["height"], &first["outcome"]),
        (&"admins".into(), &1.into(), &"applied".into())
    );
    let (_, page) = node.get("/v1/transactions?kind=anchor&before=2-0").await;
    assert_eq!(page, json!({ "transactions": [], "next": null }), "below its place there is none");
    let (_, page) = node.get("/v1/senders/admins/transactions?from=1").await;
    assert_eq!(page["transactions"], json!([]));
    let txids = [anchor(0, &leaves()).txid(), sha256(&[b"unknown"])];
    let request = json!({ "txids": txids }).to_string();
    let head = format!("POST /v1/transactions/states HTTP/1.1\r\nContent-Length: {}", request.len());
    let (status, body) = node.ask(&head, request.as_bytes()).await;
    let states: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((status, &states["states"][0]["state"]), (200, &"included".into()));
    assert_eq!(states["states"][1]["state"], "unknown");
}

#[tokio::test]
async fn search_tells_what_a_name_may_mean() {
    let node = running().await;
    let found = async |name: &str| node.get(&format!("/v1/search?q={name}")).await.1["found"].clone();
    let block = found("2").await;
    assert_eq!((&block[0]["type"], &block[0]["height"]), (&"block".into(), &2.into()));
    let hash = block[0]["hash"].as_str().expect("a hash").to_uppercase();
    assert_eq!(found(&hash).await, block, "however it is written");
    for (name, kind) in [
        (anchor(0, &leaves()).txid().to_string(), "transaction"),
        (leaves()[4].to_string(), "record"),
        (merkle::root(&leaves()).to_string(), "batch"),
        (PublicKey::of(&key(CONTROLLER)).to_string(), "key"),
    ] {
        let hits = found(&name).await;
        assert_eq!((&hits[0]["type"], hits.as_array().map(Vec::len)), (&kind.into(), Some(1)), "{hits}");
    }
    for nothing in ["99", "zz", "", &sha256(&[b"unknown"]).to_string()] {
        assert_eq!(found(nothing).await, json!([]), "{nothing}");
    }
}

#[tokio::test]
async fn submission_is_checked_without_being_taken_in() {
    let node = running().await;
    let transaction = anchor(1, &leaves()).get().clone();
    let txid = transaction.txid();
    let submission = codec::encode(&Submission { transaction, body: Some(BatchBody(leaves())) });
    let expected = json!({ "txid": txid, "state": "unknown", "pending_sequence": 1 });
    assert_eq!(node.call("tx.check", json!({ "submission": hex::encode(&submission) })).await, expected);
    let head = format!("POST /v1/transactions/check HTTP/1.1\r\nContent-Length: {}", submission.len());
    let (status, body) = node.ask(&head, &submission).await;
    assert_eq!((status, serde_json::from_slice::<Value>(&body).expect("JSON")), (200, expected));
    assert_eq!(node.get(&format!("/v1/transactions/{txid}")).await.1["state"], "unknown");
}

#[tokio::test]
async fn descriptions_name_every_call_and_all_that_they_refer_to() {
    let node = running().await;
    let (status, openapi) = node.get("/openapi.json").await;
    assert_eq!((status, &openapi["openapi"]), (200, &"3.1.0".into()));
    let openrpc = node.call("rpc.discover", json!([])).await;
    let mut named: Vec<_> = openapi["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|path| path.as_object().expect("methods").values())
        .map(|operation| operation["operationId"].as_str().expect("a name").to_owned())
        .filter(|name| !["livez", "readyz", "events.stream"].contains(&name.as_str()))
        .collect();
    let mut methods: Vec<_> = openrpc["methods"]
        .as_array()
        .expect("methods")
        .iter()
        .map(|method| method["name"].as_str().expect("a name").to_owned())
        .filter(|name| name != "events.subscribe")
        .collect();
    named.sort();
    methods.sort();
    assert_eq!(named, methods);
    for document in [&openapi, &openrpc] {
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let name =
                reference.split('"').next().expect("a reference").trim_start_matches("#/components/schemas/");
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }
    // Each path's parameters are told, and that they must be given.
    for (path, methods) in openapi["paths"].as_object().expect("paths") {
        for name in path.split('{').skip(1).map(|rest| rest.split('}').next().expect("a name")) {
            let told = methods["get"]["parameters"].as_array().expect("parameters");
            let found =
                told.iter().find(|parameter| parameter["name"] == name).expect("the path's parameter");
            assert_eq!((&found["in"], &found["required"]), (&"path".into(), &true.into()), "{path}");
        }
    }
}

/// Set, the reference is written instead of compared.
const WRITE: &str = "DRONECHAIN_WRITE_REFERENCE";

#[tokio::test]
async fn reference_in_the_docs_is_that_of_the_code() {
    let node = running().await;
    let (_, openapi) = node.get("/openapi.json").await;
    let openrpc = node.call("rpc.discover", json!([])).await;
    let text = super::reference::markdown(&openapi, &openrpc);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rpc.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, &text).expect("writes");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == text,
        "{path} is not what the code says: run this test with {WRITE}=1 and look at the change"
    );
}
