//! Producers that are killed while nodes restart, and a reader of the ledger that shares no code with the SDK.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dronechain_chain_spec::chain::{HeaderChain, decode_links};
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::receipt::Receipt;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::transaction::{Action, Sender, TransactionBody};
use dronechain_chain_spec::wire::{BatchBody, Submission};
use reqwest::StatusCode;
use serde_json::Value;

use crate::cluster::{Cluster, Place};
use crate::http;
use crate::process::{Running, program};
use crate::wait::until;

/// The key that anchors.
pub fn controller() -> SigningKey {
    SigningKey::from_bytes(&[77; 32])
}

/// Bytes of a record.
const RECORD_BYTES: usize = 200;
/// Blocks above what is read.
const SETTLED: u64 = 6;
/// A node is restarted after so long.
const RESTART_EVERY: Duration = Duration::from_secs(3);
/// Of the acknowledged records' receipts, one in so many is asked for by the record's hash; of all others the path
/// is built here.
const ASKED: usize = 50;

/// The record of a number.
pub fn record(number: u64) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(RECORD_BYTES, 0xd0);
    bytes
}

/// Numbers in a plain file, appended to with one write each: what a killed process wrote is there.
pub struct Journal(File, Vec<u64>);

impl Journal {
    /// Opens the file at `path`, or makes it.
    pub fn open(path: &Path) -> Self {
        let numbers = read_numbers(path);
        let file = File::options().create(true).append(true).open(path).expect("a journal");
        Self(file, numbers)
    }

    /// What was in it when it was opened.
    pub fn numbers(&self) -> BTreeSet<u64> {
        self.1.iter().copied().collect()
    }

    /// Appends `number`.
    pub fn note(&self, number: u64) {
        (&self.0).write_all(&number.to_le_bytes()).expect("the journal is written");
    }
}

fn read_numbers(path: &Path) -> Vec<u64> {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect()
}

/// What a soak came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soaked {
    /// Producers killed.
    pub kills: u32,
    /// Of them, those with records that were handed over and not acknowledged.
    pub kills_amid: u32,
    /// Nodes killed and started again.
    pub restarts: u32,
    /// Records acknowledged.
    pub acknowledged: usize,
    /// Batches on the ledger.
    pub batches: usize,
    /// The most blocks that left a node's chain at once.
    pub deepest: u64,
}

/// Kills a producer under load `kills` times while three nodes are restarted in turn; then holds the ledger against what
/// was acknowledged. Panics with what is lost or twice there.
pub async fn soak(kills: u32) -> Soaked {
    let mut cluster = started().await;
    let folder = cluster.path("producer");
    std::fs::create_dir(&folder).expect("a folder");
    let nodes: Vec<_> = (0..3).map(|i| cluster.url(i).to_owned()).collect();
    let producer = |last: Option<&str>| {
        let mut command = Command::new(program("dronechain-producer"));
        command.arg(&folder).arg(nodes.join(",")).args(last);
        command
    };
    let log = cluster.path("producer.log");
    let (mut kills_amid, mut restarts, mut restarted, mut deepest) = (0, 0, Instant::now(), 0);
    for kill in 0..kills {
        let mut running = Running::start(&mut producer(None), &log);
        if restarted.elapsed() >= RESTART_EVERY {
            let node = restarts as usize % 3;
            deepest = deepest.max(deepest_at(&cluster, node).await);
            cluster.kill(node);
            cluster.start(node, &[]).await;
            restarts += 1;
            restarted = Instant::now();
        }
        // Spread over everything that a start and a run do, without a clock's help.
        let wait_ms = 50 + u64::from(kill) * 389 % 1_201;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        assert!(!running.has_ended(), "the producer ended: {}", running.log());
        running.kill();
        let unacknowledged = unacknowledged(&folder);
        kills_amid += u32::from(!unacknowledged.is_empty());
    }
    let mut last = Running::start(&mut producer(Some("finish")), &log);
    let ended = until("a producer that has delivered everything", async || last.end()).await;
    assert!(ended.success(), "{}", last.log());
    assert_eq!(unacknowledged(&folder), BTreeSet::new());
    // What is in the last blocks alone may leave them once more, and is in the mempool then.
    let (height, _) = cluster.one_tip().await;
    for node in 0..3 {
        cluster.reaches(node, height + SETTLED).await;
    }
    cluster.one_tip().await;
    for node in 0..3 {
        deepest = deepest.max(deepest_at(&cluster, node).await);
    }

    let acknowledged = read_numbers(&folder.join("acknowledged"));
    let batches = read_ledger(&cluster, &acknowledged).await;
    Soaked { kills, kills_amid, restarts, acknowledged: acknowledged.len(), batches, deepest }
}

/// The most blocks that left the node's chain at once since it was started.
async fn deepest_at(cluster: &Cluster, node: usize) -> u64 {
    let page = cluster.text(node, "/metrics").await.expect("metrics");
    let mut lines = page.lines();
    let value = lines.find_map(|line| line.strip_prefix("dronechain_reorganisation_depth_max "));
    value.expect("the metric").parse().expect("a number")
}

/// Three nodes whose addresses outlive them, and an admitted controller.
pub async fn started() -> Cluster {
    let mut cluster = Cluster::started(3).await;
    for i in 0..3 {
        let http = cluster.url(i).strip_prefix("http://").expect("an address").to_owned();
        cluster.put(i, Place { http, ..Place::default() });
    }
    admit(&cluster, &controller()).await;
    cluster
}

/// Admits `key` as a controller and waits until every node knows it.
pub async fn admit(cluster: &Cluster, key: &SigningKey) {
    admit_at(cluster, 0, key).await;
    for i in 1..cluster.keys.len() {
        admitted(cluster, i, key).await;
    }
}

/// Admits `key` as a controller at node `i` and waits until that node knows it.
pub async fn admit_at(cluster: &Cluster, i: usize, key: &SigningKey) {
    submit_admission(cluster, i, PublicKey::of(key)).await;
    admitted(cluster, i, key).await;
}

async fn admitted(cluster: &Cluster, i: usize, key: &SigningKey) {
    let path = format!("/v1/registry/{}", PublicKey::of(key));
    let known = async || cluster.get(i, &path).await.filter(|entry| entry["entry"].is_object());
    until("the controller's admission", known).await;
}

async fn submit_admission(cluster: &Cluster, i: usize, key: PublicKey) {
    let action = Action::Admit { role: Role::Controller, key };
    let body = TransactionBody { sender: Sender::Admins, sequence: 0, action };
    let transaction = body.signed(&[&cluster.admin], &cluster.chain_id());
    let submission = codec::encode(&Submission { transaction, body: None });
    let url = format!("{}/v1/transactions", cluster.url(i));
    let answer = http::client().post(url).body(submission).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
}

fn unacknowledged(folder: &Path) -> BTreeSet<u64> {
    let acknowledged: BTreeSet<_> = read_numbers(&folder.join("acknowledged")).into_iter().collect();
    let sent = read_numbers(&folder.join("sent"));
    sent.into_iter().filter(|number| !acknowledged.contains(number)).collect()
}

/// Where a leaf stands: the anchor's sequence and the leaf's index.
type Standing = (u64, u32);

/// Reads every batch of the controller off node 0, block by block, and holds it against what was acknowledged: every
/// record once, each with a receipt that verifies. Gives the number of batches.
pub async fn read_ledger(cluster: &Cluster, acknowledged: &[u64]) -> usize {
    let http = http::client();
    let (height, _) = cluster.tip(0).await.expect("a tip");
    let sender = PublicKey::of(&controller());
    let mut batches: BTreeMap<u64, Vec<Hash256>> = BTreeMap::new();
    for at in 1..=height {
        let block = cluster.get(0, &format!("/v1/block/{at}")).await.expect("a block");
        for transaction in block["transactions"].as_array().expect("transactions") {
            let Some((sequence, root, leaf_count)) = anchor(&transaction["transaction"], &sender) else {
                continue;
            };
            let leaves =
                if leaf_count == 0 { Vec::new() } else { body(&http, cluster, root, leaf_count).await };
            assert_eq!(merkle::root(&leaves), root, "the body of sequence {sequence}");
            assert_eq!(batches.insert(sequence, leaves), None, "sequence {sequence} is there twice");
        }
    }
    let mut places: HashMap<Hash256, Standing> = HashMap::new();
    for (sequence, leaves) in &batches {
        for (index, leaf) in (0..).zip(leaves) {
            let before = places.insert(*leaf, (*sequence, index));
            assert_eq!(before, None, "a record is anchored at sequence {sequence} again");
        }
    }
    let lost: Vec<_> =
        acknowledged.iter().filter(|number| !places.contains_key(&sha256(&[&record(**number)]))).collect();
    let of = acknowledged.len();
    assert!(
        lost.is_empty(),
        "lost of {of}: {} from {:?} to {:?}, chain {height}",
        lost.len(),
        lost.first(),
        lost.last()
    );
    let chain = headers(&http, cluster).await;
    let mut proofs: HashMap<u64, dronechain_chain_spec::receipt::AnchorProof> = HashMap::new();
    let mut trees = HashMap::new();
    for (count, number) in acknowledged.iter().enumerate() {
        let hash = sha256(&[&record(*number)]);
        let (sequence, index) = places[&hash];
        let receipt = if count % ASKED == 0 {
            let url = format!("{}/v1/receipts/{hash}", cluster.url(0));
            let json = http.get(url).send().await.expect("an answer").bytes().await.expect("a receipt");
            Receipt::parse(&json).expect("a receipt")
        } else {
            if let std::collections::hash_map::Entry::Vacant(entry) = proofs.entry(sequence) {
                let state =
                    cluster.get(0, &format!("/v1/anchors/{sender}/{sequence}")).await.expect("an anchor");
                entry.insert(serde_json::from_value(state["proof"].clone()).expect("a proof"));
                trees.insert(sequence, merkle::Tree::new(batches[&sequence].clone()));
            }
            let path = trees[&sequence].path(index.into()).expect("a path");
            let proof = proofs[&sequence].clone();
            Receipt::new(cluster.chain_id(), hash, index, path, proof).expect("a receipt of the anchor")
        };
        receipt.verify(&hash, &chain, 1).unwrap_or_else(|error| panic!("record {number}: {error}"));
    }
    batches.len()
}

fn anchor(transaction: &Value, sender: &PublicKey) -> Option<(u64, Hash256, u32)> {
    let body = &transaction["body"];
    let anchor = &body["action"]["anchor"];
    let by = serde_json::from_value::<Sender>(body["sender"].clone()).expect("a sender");
    if !anchor.is_object() || by != Sender::Key(*sender) {
        return None;
    }
    let root = serde_json::from_value(anchor["root"].clone()).expect("a root");
    let leaf_count = u32::try_from(anchor["leaf_count"].as_u64().expect("a count")).expect("a count");
    Some((body["sequence"].as_u64().expect("a sequence"), root, leaf_count))
}

/// A batch's body off node 0. A node that took the batch's block from peers may have it a little later than the block.
async fn body(http: &reqwest::Client, cluster: &Cluster, root: Hash256, leaf_count: u32) -> Vec<Hash256> {
    let url = format!("{}/v1/bodies/{root}/{leaf_count}", cluster.url(0));
    let found = async || {
        let answer = http.get(&url).send().await.expect("an answer");
        if answer.status() == StatusCode::NOT_FOUND {
            return None;
        }
        Some(answer.error_for_status().expect("a body").bytes().await.expect("a body"))
    };
    let bytes = until("the body of a batch", found).await;
    let BatchBody(leaves) = codec::decode(&bytes).expect("a batch body");
    leaves
}

/// The header chain of node 0, verified from the genesis on.
async fn headers(http: &reqwest::Client, cluster: &Cluster) -> HeaderChain {
    let mut chain = HeaderChain::new(cluster.spec.clone()).expect("a chain");
    loop {
        let url = format!("{}/v1/headers?from={}&limit=2000", cluster.url(0), chain.height() + 1);
        let bytes = http.get(url).send().await.expect("an answer").bytes().await.expect("links");
        let links = decode_links(&bytes).expect("links");
        if links.is_empty() {
            return chain;
        }
        links.into_iter().for_each(|link| chain.push(link).expect("a valid header"));
    }
}
