//! Miners that are no part of a node: they ask for templates and hand blocks in over HTTP.

use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::target::Target;
use dronechain_tests::cluster::Cluster;
use dronechain_tests::http;
use reqwest::StatusCode;
use serde_json::{Value, json};

/// A miner that knows of the network only what a node's HTTP port tells.
struct Elsewhere {
    http: reqwest::Client,
    url: String,
    chain_id: Hash256,
}

impl Elsewhere {
    fn at(cluster: &Cluster, node: usize) -> Self {
        let (http, url) = (http::client(), cluster.url(node).to_owned());
        Self { http, url, chain_id: cluster.chain_id() }
    }

    async fn template(&self, key: &SigningKey) -> (StatusCode, Value) {
        let miner = PublicKey::of(key);
        let url = format!("{}/v1/mining/template?miner={miner}", self.url);
        answer(self.http.get(url)).await
    }

    async fn submit(&self, header: &[u8]) -> (StatusCode, Value) {
        let url = format!("{}/v1/mining/blocks", self.url);
        answer(self.http.post(url).json(&json!({ "header": hex::encode(header) }))).await
    }

    /// Waits for the key's turn, and searches.
    async fn find(&self, key: &SigningKey) -> Header {
        let template = dronechain_tests::wait::until("a template", async || {
            let (status, template) = self.template(key).await;
            (status == StatusCode::OK).then_some(template)
        })
        .await;
        search(&template)
    }

    /// Finds a block and hands it in; gives its height and hash.
    async fn mine(&self, key: &SigningKey) -> (u64, String) {
        let signed = self.find(key).await.signed(key, &self.chain_id);
        let (status, taken) = self.submit(&signed.to_bytes()).await;
        assert_eq!(status, StatusCode::OK, "{taken}");
        assert_eq!(taken["hash"], signed.header.hash().to_string());
        (taken["height"].as_u64().expect("a height"), taken["hash"].as_str().expect("a hash").to_owned())
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.timeout(Duration::from_secs(60)).send().await.expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

/// By the template's own words: the last eight bytes are the nonce, the target is a number.
fn search(template: &Value) -> Header {
    let header: [u8; 168] =
        hex::decode(template["header"].as_str().expect("bytes")).expect("hex").try_into().expect("168 bytes");
    let target = hex::decode(template["target"].as_str().expect("bytes")).expect("hex");
    let target = Target::from_be_bytes(target.try_into().expect("32 bytes")).expect("a target");
    let mut header = Header::from_bytes(&header);
    assert_eq!((header.nonce, template["height"].as_u64()), (0, Some(header.height)));
    assert_eq!(template["parent"], header.parent.to_string());
    while !target.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    header
}

fn refused((status, answer): &(StatusCode, Value), expected: StatusCode, name: &str) {
    assert_eq!((*status, answer["error"]["name"].as_str()), (expected, Some(name)), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_of_miners_elsewhere_are_taken_in_turn_and_reach_every_node() {
    let mut cluster = Cluster::new(3, |_| {});
    for i in 0..2 {
        cluster.start(i, &["--mining-share", "0"]).await;
    }
    let keys = cluster.keys.clone();
    let mut tip = (0, String::new());
    for number in 0..6 {
        // One asks the first node, the next the second: each finds the other's blocks there.
        cluster.reaches(number % 2, tip.0).await;
        let miner = Elsewhere::at(&cluster, number % 2);
        tip = miner.mine(&keys[number % 3]).await;
        assert_eq!(tip.0, number as u64 + 1);
        refused(
            &miner.template(&keys[number % 3]).await,
            StatusCode::UNPROCESSABLE_ENTITY,
            "miner-out-of-turn",
        );
    }
    assert_eq!(cluster.one_tip().await, tip);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_that_are_of_no_template_or_break_a_rule_are_refused_by_name() {
    let mut cluster = Cluster::new(1, |_| {});
    cluster.start(0, &["--mining-share", "0"]).await;
    let (miner, key) = (Elsewhere::at(&cluster, 0), cluster.keys[0].clone());
    let stranger = SigningKey::from_bytes(&[99; 32]);
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    refused(&miner.template(&stranger).await, unprocessable, "miner-not-admitted");

    let found = miner.find(&key).await;
    let signed = |header: &Header, key: &SigningKey| header.clone().signed(key, &miner.chain_id).to_bytes();
    let (_, template) = miner.template(&key).await;
    let target = hex::decode(template["target"].as_str().expect("bytes")).expect("hex");
    let target = Target::from_be_bytes(target.try_into().expect("32 bytes")).expect("a target");
    let mut weak = found.clone();
    while target.is_met_by(&weak.hash()) {
        weak.nonce += 1;
    }
    refused(&miner.submit(&signed(&weak, &key)).await, unprocessable, "header-work");
    refused(&miner.submit(&signed(&found, &stranger)).await, unprocessable, "header-signature");
    // Good work and a good signature, on what the node never gave out.
    let mut other = Header { time_ms: found.time_ms + 1, ..found.clone() };
    while !target.is_met_by(&other.hash()) {
        other.nonce += 1;
    }
    refused(&miner.submit(&signed(&other, &key)).await, StatusCode::CONFLICT, "stale-template");
    let (status, cut) = miner.submit(&signed(&found, &key)[1..]).await;
    assert_eq!((status, cut["error"]["name"].as_str()), (StatusCode::BAD_REQUEST, Some("bad-params")));
    assert_eq!(cluster.tip(0).await.expect("a tip").0, 0);

    // It is taken once; a second block of the key on that parent would be evidence against it.
    let mut second = Header { nonce: found.nonce + 1, ..found.clone() };
    while !target.is_met_by(&second.hash()) {
        second.nonce += 1;
    }
    let (status, taken) = miner.submit(&signed(&found, &key)).await;
    assert_eq!(status, StatusCode::OK, "{taken}");
    for again in [&found, &second] {
        refused(&miner.submit(&signed(again, &key)).await, StatusCode::CONFLICT, "stale-template");
    }
    assert_eq!(cluster.tip(0).await, Some((1, found.hash().to_string())));

    // While the node mines with the key itself, nobody else is to.
    cluster.kill(0);
    cluster.start(0, &[]).await;
    let miner = Elsewhere::at(&cluster, 0);
    refused(&miner.template(&key).await, StatusCode::CONFLICT, "own-key");
    assert_eq!(cluster.get(0, "/v1/evidence").await, Some(json!([])));
}
