//! A producer whose first node lies, with an honest one behind it: everything is delivered once all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::Sender;
use dronechain_client::{Client, Event, Holdup, Interest, NodeClient, ProducerConfig, Record};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::liar::{Change, Lie, forger, liar};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn height_beside_a_proof_makes_no_confirmations() {
    let cluster = started().await;
    // The proof as it is, and another height beside it.
    let change: Change = Arc::new(|line, body| {
        if !line.starts_with("GET /v1/anchors/") {
            return None;
        }
        let Ok(mut answer) = serde_json::from_str::<serde_json::Value>(body) else {
            return Some(String::new());
        };
        if answer["state"] == "included" {
            answer["height"] = 1.into();
        }
        Some(answer.to_string())
    });
    let url = forger(cluster.url(0), change).await;
    let client = Client::builder([url]).network(cluster.chain_id()).open(cluster.path("client")).await;
    let client = client.expect("a client");
    let mut config = ProducerConfig::default();
    (config.linger, config.confirmations, config.heartbeat) = (Duration::from_millis(50), 4, None);
    let producer = client.producer(controller()).config(config).open().expect("a producer");
    let pending = producer.send(record(0)).await.expect("taken");
    let receipt = pending.confirmations_within(3, WAIT).await.expect("confirmed");
    let headers = client.light().headers().read().await;
    receipt.verify(&pending.hash(), headers.chain(), 3).expect("it has the blocks that were waited for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequences_that_wait_but_are_not_shown_leave_no_gap() {
    let cluster = started().await;
    // The other one is out of reach.
    let ahead: Change = Arc::new(|line, body| {
        let is_asked = line.starts_with(SENDER) && !line.contains("/transactions");
        if !is_asked {
            return None;
        }
        let Ok(mut answer) = serde_json::from_str::<serde_json::Value>(body) else {
            return Some(String::new());
        };
        answer["pending_sequence"] = (answer["next_sequence"].as_u64().unwrap_or(0) + 7).into();
        Some(answer.to_string())
    });
    let urls = [forger(cluster.url(0), ahead).await, "http://127.0.0.1:1".to_owned()];
    let client = Client::builder(urls).network(cluster.chain_id()).open(cluster.path("client")).await;
    let client = client.expect("a client");
    let mut config = ProducerConfig::default();
    (config.linger, config.confirmations, config.heartbeat) = (Duration::from_millis(50), 2, None);
    let producer = client.producer(controller()).config(config).open().expect("a producer");
    let pending = producer.send(record(0)).await.expect("taken");
    let mut holdup = producer.holdup();
    let told = tokio::time::timeout(WAIT, holdup.wait_for(|why| *why == Some(Holdup::Foreign))).await;
    drop(told.expect("in time").expect("it is told"));
    pending.confirmations_within(1, WAIT).await.expect("included");
    assert_eq!(anchored(&cluster).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_does_not_know_the_newest_blocks_does_not_say_where_to_go_on() {
    let mut cluster = started().await;
    let tip = cluster.get(1, "/v1/tip").await.expect("a tip").to_string();
    let config = || {
        let mut config = ProducerConfig::default();
        (config.linger, config.confirmations, config.heartbeat) = (Duration::from_millis(50), 2, None);
        config
    };
    let folder = cluster.path("client");
    let urls = [liar(cluster.url(0), behind(tip)).await, cluster.url(1).to_owned()];
    {
        let honest = Client::builder([cluster.url(1)]).network(cluster.chain_id()).open(&folder).await;
        let client = honest.expect("a client");
        let producer = client.producer(controller()).config(config()).open().expect("a producer");
        for number in 0..2 {
            let pending = producer.send(record(number)).await.expect("taken");
            pending.confirmations_within(2, WAIT).await.expect("confirmed");
        }
        producer.close(WAIT).await.expect("closed");
        client.close().await;
    }
    // The outbox is lost, and the honest node down.
    std::fs::remove_dir_all(folder.join("outbox")).expect("own folder");
    let (height, _) = cluster.tip(1).await.expect("a tip");
    cluster.reaches(1, height + 5).await;
    cluster.kill(1);
    let client = Client::builder(urls).network(cluster.chain_id()).open(&folder).await.expect("a client");
    let producer = client.producer(controller()).config(config()).open().expect("a producer");
    let pending = producer.send(record(2)).await.expect("taken");
    let mut holdup = producer.holdup();
    let told = tokio::time::timeout(WAIT, holdup.wait_for(|why| *why == Some(Holdup::NoNode))).await;
    drop(told.expect("in time").expect("it is told"));
    cluster.start(1, &[]).await;
    pending.confirmations_within(1, WAIT).await.expect("included");
    cluster.one_tip().await;
    assert_eq!(anchored(&cluster).await, 3);
    for i in 0..3 {
        assert_eq!(
            cluster.get(i, "/v1/evidence").await,
            Some(serde_json::json!([])),
            "nothing against the key"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_from_another_node_where_one_refuses_or_tells_nothing() {
    let cluster = started().await;
    for (status, body) in [(404, refusal("no-route", None)), (200, String::new())] {
        let first = liar(cluster.url(0), to("GET /v1/events", status, body)).await;
        let opened = Client::builder([first, cluster.url(1).to_owned()]).network(cluster.chain_id());
        let client = opened.open(cluster.path(&format!("client-{status}"))).await.expect("a client");
        let mut events = client.events(Interest::default(), None);
        for _ in 0..2 {
            let told = tokio::time::timeout(WAIT, events.next()).await.expect("in time").expect("an event");
            assert!(matches!(told, Event::Head(_)), "{told:?}");
        }
        assert!(events.cursor().is_some());
    }
}

/// A node that stands at `tip`, when the key had sent nothing.
fn behind(tip: String) -> Lie {
    Arc::new(move |line| {
        if line.starts_with("GET /v1/tip") {
            return Some((200, tip.clone()));
        }
        let is_asked = line.starts_with(SENDER) && !line.contains("/transactions");
        is_asked.then(|| (200, r#"{"next_sequence":0,"pending_sequence":0}"#.to_owned()))
    })
}
