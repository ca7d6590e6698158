//! What breaks a rule is refused with the rule's name, whoever brings it.

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::transaction::{Action, Anchor, AnchorKind, Sender, Transaction, TransactionBody};
use dronechain_chain_spec::wire::{BatchBody, Submission};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::hostile::Forge;
use dronechain_tests::http;
use dronechain_tests::wait::until;
use serde_json::Value;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// One running node that does not mine, of a network of three with the easiest work.
async fn victim() -> Cluster {
    let mut cluster = Cluster::new(3, |spec| {
        spec.genesis_time_ms -= 60_000;
        spec.parameters.limit_bits = Bits(0x2007_ffff);
        spec.parameters.initial_bits = Bits(0x2007_ffff);
    });
    cluster.start(0, &["--mining-share", "0"]).await;
    cluster
}

fn anchor(sender: &SigningKey, sequence: u64, cluster: &Cluster) -> Transaction {
    let leaf = sha256(&[b"a record"]);
    let anchor = Anchor { kind: AnchorKind::Data, root: leaf, leaf_count: 1, first_time: 1, last_time: 1 };
    let sender_key = Sender::Key(PublicKey::of(sender));
    let body = TransactionBody { sender: sender_key, sequence, action: Action::Anchor(anchor) };
    body.signed(&[sender], &cluster.chain_id())
}

fn admit(role: Role, key: PublicKey, sequence: u64, cluster: &Cluster) -> Transaction {
    let body = TransactionBody { sender: Sender::Admins, sequence, action: Action::Admit { role, key } };
    body.signed(&[&cluster.admin], &cluster.chain_id())
}

/// Serves `forge` to node 0 and waits until the node's log names `rule`.
async fn refused(cluster: &Cluster, forge: Forge, rule: &str) {
    let peer = forge.serve(&cluster.keys[1], cluster.p2p(0), PublicKey::of(&cluster.keys[0])).await;
    until(&format!("refusal by {rule}"), async || cluster.log(0).contains(rule).then_some(())).await;
    peer.stop().await;
}

#[tokio::test]
async fn chain_of_admitted_miners_in_turn_is_accepted_from_a_peer() {
    let cluster = victim().await;
    let mut forge = Forge::new(&cluster.spec);
    let controller = key(77);
    forge.block(
        &cluster.keys[1],
        vec![admit(Role::Controller, PublicKey::of(&controller), 0, &cluster)],
        vec![],
    );
    forge.block(&cluster.keys[2], vec![anchor(&controller, 0, &cluster)], vec![]);
    let tip = forge.tip().to_string();
    let peer = forge.serve(&cluster.keys[1], cluster.p2p(0), PublicKey::of(&cluster.keys[0])).await;
    until("the forged but valid chain", async || cluster.tip(0).await.filter(|(_, hash)| *hash == tip)).await;
    peer.stop().await;
}

#[tokio::test]
async fn block_by_a_node_that_was_not_admitted_is_refused() {
    let cluster = victim().await;
    let mut forge = Forge::new(&cluster.spec);
    forge.block(&key(99), vec![], vec![]);
    refused(&cluster, forge, "miner-not-admitted").await;
    assert_eq!(cluster.tip(0).await.expect("a tip").0, 0);
}

#[tokio::test]
async fn block_by_a_node_out_of_turn_is_refused_and_the_one_before_stays() {
    let cluster = victim().await;
    let mut forge = Forge::new(&cluster.spec);
    forge.block(&cluster.keys[1], vec![], vec![]);
    let first = forge.tip().to_string();
    forge.block(&cluster.keys[1], vec![], vec![]);
    refused(&cluster, forge, "miner-out-of-turn").await;
    assert_eq!(cluster.tip(0).await.expect("a tip"), (1, first));
}

#[tokio::test]
async fn block_by_an_admitted_node_that_is_not_ready_is_refused() {
    let cluster = victim().await;
    let mut forge = Forge::new(&cluster.spec);
    let newcomer = key(55);
    forge.block(&cluster.keys[1], vec![admit(Role::Node, PublicKey::of(&newcomer), 0, &cluster)], vec![]);
    forge.block(&newcomer, vec![], vec![]);
    refused(&cluster, forge, "miner-not-ready").await;
    assert_eq!(cluster.tip(0).await.expect("a tip").0, 1);
}

#[tokio::test]
async fn block_with_an_anchor_of_an_unknown_controller_is_refused() {
    let cluster = victim().await;
    let mut forge = Forge::new(&cluster.spec);
    forge.block(&cluster.keys[1], vec![], vec![anchor(&key(99), 0, &cluster)]);
    refused(&cluster, forge, "tx-sender-unknown").await;
    assert_eq!(cluster.tip(0).await.expect("a tip").0, 0);
}

async fn submit(cluster: &Cluster, transaction: Transaction) -> (u16, Value) {
    let body = Some(BatchBody(vec![sha256(&[b"a record"])]));
    let bytes = codec::encode(&Submission { transaction, body });
    let url = format!("{}/v1/transactions", cluster.url(0));
    let request = http::client().post(url).header("content-type", "application/octet-stream");
    let answer = request.body(bytes).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn anchor_of_an_unknown_controller_is_refused_at_the_door() {
    let cluster = victim().await;
    let (status, answer) = submit(&cluster, anchor(&key(99), 0, &cluster)).await;
    assert_eq!((status, &answer["error"]["name"]), (422, &Value::from("tx-sender-unknown")), "{answer}");
    assert_eq!(answer["error"]["rule"], "T12");
}

#[tokio::test]
async fn anchor_of_a_revoked_controller_is_refused_at_the_door() {
    let cluster = victim().await;
    let controller = key(77);
    let public = PublicKey::of(&controller);
    let mut forge = Forge::new(&cluster.spec);
    forge.block(&cluster.keys[1], vec![admit(Role::Controller, public, 0, &cluster)], vec![]);
    let revoke = Action::Revoke { key: public, suspect_since: 1 };
    let revoke = TransactionBody { sender: Sender::Admins, sequence: 1, action: revoke };
    forge.block(&cluster.keys[2], vec![revoke.signed(&[&cluster.admin], &cluster.chain_id())], vec![]);
    let peer = forge.serve(&cluster.keys[1], cluster.p2p(0), PublicKey::of(&cluster.keys[0])).await;
    cluster.reaches(0, 2).await;
    let (status, answer) = submit(&cluster, anchor(&controller, 0, &cluster)).await;
    assert_eq!((status, &answer["error"]["name"]), (422, &Value::from("tx-sender-revoked")), "{answer}");
    peer.stop().await;
}

#[tokio::test]
async fn forged_signature_under_a_transaction_is_refused() {
    let cluster = victim().await;
    let mut transaction = admit(Role::Controller, PublicKey::of(&key(77)), 0, &cluster);
    transaction.approvals[0].signature.0[0] ^= 1;
    let bytes = codec::encode(&Submission { transaction, body: None });
    let url = format!("{}/v1/transactions", cluster.url(0));
    let answer = http::client().post(url).body(bytes).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 422);
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["error"]["name"], "tx-signature");
}

#[tokio::test]
async fn headers_whose_blocks_never_come_do_not_stop_the_others() {
    let mut cluster = Cluster::new(3, |spec| spec.genesis_time_ms -= 60_000);
    cluster.start(0, &[]).await;
    cluster.start(1, &[]).await;
    cluster.reaches(0, 3).await;
    // More work than the honest two have by then, and more than the few blocks that stop a miner.
    let mut forge = Forge::new(&cluster.spec);
    for i in 0..40 {
        // A block without transactions has nothing to withhold.
        let admitted = PublicKey::of(&key(100 + i));
        let admit = admit(Role::Controller, admitted, i.into(), &cluster);
        forge.block(&cluster.keys[1 + usize::from(i % 2)], vec![admit], vec![]);
    }
    forge.withhold_blocks();
    let tip = forge.tip().to_string();
    let peer = forge.serve(&cluster.keys[2], cluster.p2p(0), PublicKey::of(&cluster.keys[0])).await;
    until("the headers", async || cluster.get(0, &format!("/v1/header/{tip}")).await).await;
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 5).await;
    cluster.reaches(1, height + 5).await;
    peer.stop().await;
}
