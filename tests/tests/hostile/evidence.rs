//! Scenario 17: who contradicts itself is found out, and the evidence checks.

use dronechain_chain_spec::codec;
use dronechain_chain_spec::evidence::{Evidence, Misbehaviour};
use dronechain_chain_spec::key::PublicKey;
use dronechain_tests::raw::Topic;
use dronechain_tests::wait::until;
use serde_json::Value;

use super::scene::Scene;

/// Waits for the one piece of evidence that the victim has, and checks it with the chain spec alone.
async fn evidence(scene: &Scene, misbehaviour: Misbehaviour, offender: PublicKey) -> Evidence {
    let list = until("evidence", async || {
        scene.cluster.get(0, "/v1/evidence").await.filter(|list| list[0].is_object())
    })
    .await;
    let [one] = list.as_array().expect("a list").as_slice() else { panic!("{list}") };
    assert_eq!(one["offenders"], Value::from(vec![offender.to_string()]));
    let bytes = hex::decode(one["evidence"].as_str().expect("hex")).expect("hex");
    let evidence: Evidence = codec::decode(&bytes).expect("canonical bytes");
    let checked = evidence.check(&scene.cluster.spec.network()).expect("evidence that holds");
    assert_eq!(checked.get().misbehaviour(), misbehaviour);
    assert_eq!(one["id"], checked.get().id().to_string());
    checked.get().clone()
}

#[tokio::test]
async fn two_blocks_by_one_miner_at_one_height_are_both_known_and_one_is_active() {
    let mut scene = Scene::new().await;
    let miner = scene.next_miner();
    let twins = [0, 1].map(|later| scene.forge.child(&miner, |header| header.time_ms += later));
    let peer = scene.hostile().await;
    for twin in &twins {
        peer.gossip(Topic::Header, codec::encode(twin)).await;
    }
    let mut active = 0;
    for twin in &twins {
        let hash = twin.header.header.hash();
        let path = format!("/v1/header/{hash}");
        let header = until("the twin", async || scene.cluster.get(0, &path).await).await;
        active += usize::from(header["active"] == true);
    }
    assert_eq!(active, 1);
    let found = evidence(&scene, Misbehaviour::TwoBlocks, PublicKey::of(&miner)).await;
    let [one, other] = &twins;
    assert_eq!(Some(found), Evidence::of_headers(&one.header, &other.header));
    // Whoever passes such headers on is no culprit.
    scene.blameless(&peer).await;
    scene.logged("contradicted itself").await;
    // The next block is built on either twin; here on the first, whichever is active.
    scene.forge.block(&miner, vec![], vec![]);
    assert_eq!(scene.forge.tip(), one.header.header.hash());
    scene.goes_on().await;
    scene.alive().await;
}

#[tokio::test]
async fn two_transactions_at_one_sequence_are_evidence_against_their_sender() {
    let scene = Scene::new().await;
    let controller = scene.controllers[0].clone();
    let (status, answer) = scene.submit(scene.anchor(&controller, 0, "one story")).await;
    assert_eq!(status, 202, "{answer}");
    let (other, body) = scene.anchor(&controller, 0, "another story");
    let (status, answer) = scene.submit((other.clone(), body)).await;
    assert_eq!((status, &answer["error"]["name"]), (409, &Value::from("sequence-taken")), "{answer}");
    let found = evidence(&scene, Misbehaviour::TwoTransactions, PublicKey::of(&controller)).await;
    let (one, _) = scene.anchor(&controller, 0, "one story");
    assert_eq!(Some(found), Evidence::of_transactions(&one, &other));
    scene.alive().await;
}

#[tokio::test]
async fn second_transaction_at_one_sequence_by_gossip_is_evidence_too() {
    let mut scene = Scene::new().await;
    let controller = scene.controllers[1].clone();
    let (status, answer) = scene.submit(scene.anchor(&controller, 0, "one story")).await;
    assert_eq!(status, 202, "{answer}");
    let (other, _) = scene.anchor(&controller, 0, "another story");
    let peer = scene.hostile().await;
    peer.gossip(Topic::Transaction, codec::encode(&other)).await;
    evidence(&scene, Misbehaviour::TwoTransactions, PublicKey::of(&controller)).await;
    scene.blameless(&peer).await;
    scene.alive().await;
}
