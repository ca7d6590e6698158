//! A producer whose first node lies, with an honest one behind it: everything is delivered once all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::Sender;
use dronechain_client::{Client, NodeClient, ProducerConfig, Record};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::liar::{Lie, liar};
use dronechain_tests::soak::{controller, read_ledger, record, started};

const WAIT: Duration = Duration::from_secs(90);
const RECORDS: u64 = 40;

/// Hands records over in two parts while the first node lies; asserts that each is anchored once, in two batches.
async fn delivers_in_spite_of(lie: Lie) {
    let cluster = started().await;
    let urls = [liar(cluster.url(0), lie).await, cluster.url(1).to_owned()];
    let client = Client::builder(urls).network(cluster.chain_id()).open(cluster.path("client")).await;
    let client = client.expect("a client");
    let mut config = ProducerConfig::default();
    (config.linger, config.confirmations, config.heartbeat) = (Duration::from_millis(50), 8, None);
    let producer = client.producer(controller()).config(config).open().expect("a producer");
    let mut handles = Vec::new();
    for part in [0..RECORDS / 2, RECORDS / 2..RECORDS] {
        let records: Vec<_> = part.map(|number| Record::new(record(number))).collect();
        handles.extend(producer.send_all(&records).await.expect("taken"));
        handles.last().expect("some").confirmations_within(1, WAIT).await.expect("included");
    }
    for pending in &handles {
        // Long enough for a batch that is thought lost to be signed anew.
        pending.confirmations_within(8, WAIT).await.expect("confirmed");
    }
    producer.close(WAIT).await.expect("closed");
    cluster.one_tip().await;
    read_ledger(&cluster, &(0..RECORDS).collect::<Vec<_>>()).await;
    assert_eq!(anchored(&cluster).await, 2, "nothing is signed twice");
}

/// The controller's transactions on the ledger.
async fn anchored(cluster: &Cluster) -> u64 {
    let node = NodeClient::new(cluster.url(1)).expect("an address");
    let sender = Sender::Key(PublicKey::of(&controller()));
    node.next_sequence(sender).await.expect("an answer").next_sequence
}

/// Answers requests whose line begins so.
fn to(begin: &'static str, status: u16, body: impl Into<String>) -> Lie {
    let body = body.into();
    Arc::new(move |line| line.starts_with(begin).then(|| (status, body.clone())))
}

fn refusal(name: &str, rule: Option<&str>) -> String {
    serde_json::json!({ "error": { "name": name, "rule": rule, "message": "no" } }).to_string()
}

const SENDER: &str = "GET /v1/senders/";
const SUBMIT: &str = "POST /v1/transactions";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequence_far_ahead_is_not_believed() {
    delivers_in_spite_of(to(SENDER, 200, r#"{"next_sequence":0,"pending_sequence":1000}"#)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequence_that_is_claimed_to_be_past_is_not_believed() {
    delivers_in_spite_of(to(SENDER, 200, r#"{"next_sequence":900,"pending_sequence":900}"#)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chain_that_is_claimed_to_stand_still_is_not_believed() {
    delivers_in_spite_of(to(SENDER, 200, r#"{"next_sequence":0,"pending_sequence":0}"#)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_beyond_all_numbers_end_nothing() {
    let max = u64::MAX;
    let body = format!(r#"{{"next_sequence":{max},"pending_sequence":{max}}}"#);
    delivers_in_spite_of(to(SENDER, 200, body)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_that_a_node_denies_is_not_signed_again() {
    let unknown = r#"{"state":"unknown","height":null,"block":null,"confirmations":null,"proof":null}"#;
    delivers_in_spite_of(to("GET /v1/anchors/", 200, unknown)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_that_a_node_denies_with_a_sequence_to_match_is_not_signed_again() {
    let asked = AtomicU64::new(0);
    let lie: Lie = Arc::new(move |line| {
        let unknown = r#"{"state":"unknown","height":null,"block":null,"confirmations":null,"proof":null}"#;
        let ahead = r#"{"next_sequence":7,"pending_sequence":7}"#;
        if line.starts_with("GET /v1/anchors/") {
            return Some((200, unknown.to_owned()));
        }
        // The first answer, by which it is signed, is the node's own.
        let again = line.starts_with(SENDER) && asked.fetch_add(1, Ordering::Relaxed) > 0;
        again.then(|| (200, ahead.to_owned()))
    });
    delivers_in_spite_of(lie).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusal_of_one_node_is_that_nodes_word() {
    for (status, body) in [
        (422, refusal("tx-signature", Some("T11"))),
        (422, refusal("body-root", None)),
        (404, refusal("no-route", None)),
        (302, String::new()),
    ] {
        delivers_in_spite_of(to(SUBMIT, status, body)).await;
    }
    delivers_in_spite_of(to(SENDER, 404, refusal("unknown", None))).await;
}
