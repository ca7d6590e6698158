//! Scenario 20: real nodes in network namespaces, split and joined again.

use std::time::Duration;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::transaction::{Action, Anchor, AnchorKind, Sender, Transaction, TransactionBody};
use dronechain_chain_spec::wire::{BatchBody, Submission};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::http;
use dronechain_tests::network::Network;
use dronechain_tests::wait::until;

/// s of five ready nodes.
const SPACING: u64 = 3;

async fn submit(cluster: &Cluster, node: usize, transaction: &Transaction, body: Option<BatchBody>) {
    let bytes = codec::encode(&Submission { transaction: transaction.clone(), body });
    let url = format!("{}/v1/transactions", cluster.url(node));
    let answer = http::client().post(url).body(bytes).send().await.expect("an answer");
    let status = answer.status().as_u16();
    assert_eq!(status, 202, "{}", answer.text().await.expect("a text"));
}

fn anchor(cluster: &Cluster, controller: &SigningKey, sequence: u64) -> (Transaction, BatchBody) {
    let root = sha256(&[&sequence.to_le_bytes()]);
    let anchor = Anchor { kind: AnchorKind::Data, root, leaf_count: 1, first_time: 1, last_time: 1 };
    let sender = Sender::Key(PublicKey::of(controller));
    let body = TransactionBody { sender, sequence, action: Action::Anchor(anchor) };
    (body.signed(&[controller], &cluster.chain_id()), BatchBody(vec![root]))
}

async fn included(cluster: &Cluster, node: usize, transaction: &Transaction) -> u64 {
    let path = format!("/v1/transactions/{}", transaction.txid());
    until(&format!("inclusion on node {node}"), async || cluster.get(node, &path).await?["height"].as_u64())
        .await
}

/// The hash of a node's active block.
async fn active(cluster: &Cluster, node: usize, height: u64) -> Option<String> {
    let header = cluster.get(node, &format!("/v1/header/{height}")).await?;
    Some(header["hash"].as_str()?.to_owned())
}

/// The highest block that both nodes have active.
async fn last_common(cluster: &Cluster, one: usize, other: usize) -> u64 {
    let mut height = cluster.tip(other).await.expect("a tip").0;
    while active(cluster, one, height).await != active(cluster, other, height).await {
        height -= 1;
    }
    height
}

#[tokio::test]
async fn minority_stops_majority_goes_on_and_healed_they_agree_and_lose_nothing() {
    let Some(network) = Network::halves(5, 3) else { return };
    let mut cluster = Cluster::new(5, |_| {});
    for node in 0..5 {
        cluster.put(node, network.place(node));
        cluster.start(node, &[]).await;
    }
    let controller = SigningKey::from_bytes(&[100; 32]);
    let action = Action::Admit { role: Role::Controller, key: PublicKey::of(&controller) };
    let admit = TransactionBody { sender: Sender::Admins, sequence: 0, action };
    let admit = admit.signed(&[&cluster.admin], &cluster.chain_id());
    submit(&cluster, 4, &admit, None).await;
    for node in 0..5 {
        included(&cluster, node, &admit).await;
    }

    network.cut();
    let (at, _) = cluster.tip(0).await.expect("a tip");
    // One that the minority may still mine, on a branch that will be lost, and one that it cannot.
    let (early, body) = anchor(&cluster, &controller, 0);
    submit(&cluster, 3, &early, Some(body)).await;
    cluster.reaches(0, at + 8).await;
    let (late, body) = anchor(&cluster, &controller, 1);
    submit(&cluster, 4, &late, Some(body)).await;
    let (stopped, _) = cluster.tip(3).await.expect("a tip");
    let fork = last_common(&cluster, 0, 3).await;
    assert!(stopped - fork < SPACING, "the minority went from {fork} to {stopped}");
    cluster.reaches(0, at + 16).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for node in [3, 4] {
        let (height, _) = cluster.tip(node).await.expect("a tip");
        assert!(height - last_common(&cluster, 0, node).await < SPACING, "node {node} at {height}");
    }
    for node in 0..3 {
        let path = format!("/v1/transactions/{}", early.txid());
        let state = cluster.get(node, &path).await.expect("an answer");
        assert_eq!(state["state"], "unknown", "the majority cannot have heard of it");
    }

    network.heal();
    for node in 0..5 {
        included(&cluster, node, &early).await;
        included(&cluster, node, &late).await;
        cluster.reaches(node, at + 18).await;
    }
    let (height, _) = cluster.one_tip().await;
    let mut found = Vec::new();
    for height in 1..=height {
        let block = cluster.get(0, &format!("/v1/block/{height}")).await.expect("a block").to_string();
        for transaction in [&early, &late] {
            found.extend(block.contains(&root_of(transaction)).then(|| transaction.txid()));
        }
    }
    found.sort_unstable();
    let mut once = [early.txid(), late.txid()];
    once.sort_unstable();
    assert_eq!(found, once, "each in one block");
    for node in 0..5 {
        assert!(!cluster.log(node).contains("banned"), "a partition is nobody's fault");
    }
}

/// How an anchor shows in a block's JSON.
fn root_of(transaction: &Transaction) -> String {
    match &transaction.body.action {
        Action::Anchor(anchor) => anchor.root.to_string(),
        other => panic!("{other:?}"),
    }
}
