//! Nodes that bound how often one identity may ask: others do not notice.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::transaction::{Action, Anchor, AnchorKind, Sender, TransactionBody};
use dronechain_chain_spec::wire::Submission;
use dronechain_client::{Client, ProducerConfig};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::http;
use dronechain_tests::soak::{admit, controller, read_ledger, record};
use dronechain_tests::wait::until;
use reqwest::StatusCode;
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(120);
/// More than come by in two seconds.
const MANY: usize = 400;

fn from(last: u8) -> reqwest::Client {
    let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    http::builder().local_address(address).build().expect("a client")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn address_that_asks_too_often_is_told_when_to_come_back_and_others_are_served() {
    let mut cluster = Cluster::new(1, |_| {});
    cluster.start(0, &["--requests-per-s", "5"]).await;
    let (url, greedy, modest) = (cluster.url(0).to_owned(), from(2), from(3));
    let tip =
        async |http: &reqwest::Client| http.get(format!("{url}/v1/tip")).send().await.expect("an answer");
    let mut told = None;
    for _ in 0..MANY {
        let answer = tip(&greedy).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            told = Some(answer);
        }
    }
    let told = told.expect("it is told");
    let wait: u64 = told.headers()["retry-after"].to_str().expect("a text").parse().expect("seconds");
    let refusal: Value = told.json().await.expect("JSON");
    assert_eq!(
        (&refusal["error"]["name"], &refusal["error"]["retry_after_s"]),
        (&json!("too-often"), &json!(wait))
    );
    // A browser gets a page.
    let page = until("a page that says so", async || {
        let page = greedy
            .get(format!("{url}/blocks"))
            .header("accept", "text/html")
            .send()
            .await
            .expect("an answer");
        (page.status() == StatusCode::TOO_MANY_REQUESTS).then_some(page)
    })
    .await;
    assert!(
        page.headers().contains_key("retry-after") && page.headers().contains_key("content-security-policy")
    );
    let text = page.text().await.expect("text");
    assert!(text.contains("<h1>Too often</h1>"), "{text}");
    // Others are served meanwhile, and whoever watches the node.
    for _ in 0..5 {
        assert_eq!(tip(&modest).await.status(), StatusCode::OK);
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = greedy.get(format!("{url}{path}")).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    // Each call of a batch counts.
    let batch: Vec<_> = (0..100)
        .map(|id| json!({ "jsonrpc": "2.0", "id": id, "method": "chain.tip", "params": {} }))
        .collect();
    let answer = from(4).post(format!("{url}/rpc")).json(&batch).send().await.expect("an answer");
    let answers: Vec<Value> = answer.json().await.expect("JSON");
    let refused = answers.iter().filter(|answer| answer["error"]["code"] == -32_006).count();
    assert!(answers.len() == 100 && (1..=90).contains(&refused), "{refused} of {}", answers.len());
    let data = answers.iter().find_map(|answer| answer["error"]["data"].as_object()).expect("data");
    assert!(data["retry_after_s"].as_u64() >= Some(1), "{data:?}");
    // It is served again after the time that it was told.
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(tip(&greedy).await.status(), StatusCode::OK);
    let metrics = greedy.get(format!("{url}/metrics")).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    let counted = metrics.lines().find(|line| line.contains("rate_limited_total{identity=\"address\"}"));
    assert!(counted.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
}

/// An empty batch of `key`, signed by `signer`.
fn heartbeat(chain_id: &Hash256, key: &SigningKey, signer: &SigningKey, sequence: u64) -> Vec<u8> {
    let anchor =
        Anchor { kind: AnchorKind::Data, root: Hash256::ZERO, leaf_count: 0, first_time: 0, last_time: 0 };
    let sender = Sender::Key(PublicKey::of(key));
    let body = TransactionBody { sender, sequence, action: Action::Anchor(anchor) };
    let mut transaction = body.signed(&[signer], chain_id);
    transaction.approvals[0].key = PublicKey::of(key);
    codec::encode(&Submission { transaction, body: None })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_that_submits_too_often_is_told_and_neither_forgeries_nor_others_use_up_its_share() {
    let mut cluster = Cluster::new(1, |_| {});
    cluster.start(0, &["--submissions-per-s", "10"]).await;
    let (one, other) = (SigningKey::from_bytes(&[60; 32]), SigningKey::from_bytes(&[61; 32]));
    let (http, url) = (http::client(), format!("{}/v1/transactions", cluster.url(0)));
    let chain_id = cluster.chain_id();
    let submit = async |key: &SigningKey, signer: &SigningKey| {
        let bytes = heartbeat(&chain_id, key, signer, 0);
        http.post(&url).body(bytes).send().await.expect("an answer").status()
    };
    // Nobody of that name is admitted: the same refusal each time, by a rule, and not by the limit.
    for _ in 0..50 {
        assert_eq!(submit(&one, &other).await, StatusCode::UNPROCESSABLE_ENTITY, "a forgery");
    }
    assert_eq!(submit(&one, &one).await, StatusCode::UNPROCESSABLE_ENTITY, "it has its share still");
    let mut told = 0;
    for _ in 0..MANY {
        told += usize::from(submit(&one, &one).await == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(told > 0, "the share is used up");
    assert_eq!(submit(&other, &other).await, StatusCode::UNPROCESSABLE_ENTITY, "another has its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producer_that_is_told_to_wait_leaves_the_node_alone_and_delivers_everything() {
    const RECORDS: u64 = 24;
    const IN_FLIGHT: usize = 24;
    let mut cluster = Cluster::new(1, |_| {});
    cluster.start(0, &["--submissions-per-s", "2"]).await;
    admit(&cluster, &controller()).await;
    let client = Client::builder([cluster.url(0)]).open(cluster.path("client")).await.expect("a client");
    let mut config = ProducerConfig::default();
    (config.linger, config.confirmations, config.batch_records) = (Duration::from_millis(1), 1, 1);
    config.in_flight = IN_FLIGHT;
    let producer = client.producer(controller()).config(config).open().expect("a producer");
    let mut taken = Vec::new();
    for number in 0..RECORDS {
        taken.push(producer.send(record(number)).await.expect("taken"));
    }
    for pending in &taken {
        pending.confirmations_within(1, WAIT).await.expect("delivered");
    }
    read_ledger(&cluster, &(0..RECORDS).collect::<Vec<_>>()).await;
    let metrics = cluster.text(0, "/metrics").await.expect("metrics");
    let refused = metrics.lines().find_map(|line| {
        line.strip_prefix("dronechain_rate_limited_total{identity=\"key\"} ")?.parse::<u64>().ok()
    });
    let refused = refused.expect("a figure");
    // Some thirty: with each second's share two are taken, and two or three that were under way are refused. One that
    // comes back with all that it may have in flight is refused a hundred times, one that does not wait two hundred.
    assert!((1..=2 * RECORDS).contains(&refused), "{refused} refusals of {RECORDS} batches");
}
