//! Scenario 24: one sender's flood does not hold up another's anchor.

use std::collections::BTreeSet;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::key::PublicKey;
use dronechain_tests::cluster::Cluster;
use dronechain_tests::raw::Topic;
use dronechain_tests::wait::until;
use serde_json::Value;

use super::scene::Scene;

/// Sequences that a sender may be ahead of the chain.
const AHEAD: u64 = 256;

#[tokio::test]
async fn mempool_flood_by_one_controller_is_bounded_and_others_enter() {
    let mut scene = Scene::new().await;
    let [flooder, other] = scene.controllers.clone();
    let mut refused = BTreeSet::new();
    for sequence in 0..AHEAD + 50 {
        let (status, answer) =
            scene.submit(scene.anchor(&flooder, sequence, &format!("flood {sequence}"))).await;
        if sequence < AHEAD {
            assert_eq!(status, 202, "{answer}");
        } else {
            refused.insert(answer["error"]["name"].as_str().expect("a name").to_owned());
        }
    }
    assert_eq!(refused, BTreeSet::from(["tx-sequence".to_owned()]));
    // The same by gossip, with gaps: nothing more comes in, and an honest node may do it.
    let peer = scene.hostile().await;
    for sequence in AHEAD..AHEAD + 2_000 {
        let (anchor, _) = scene.anchor(&flooder, sequence, &format!("flood {sequence}"));
        peer.gossip(Topic::Transaction, codec::encode(&anchor)).await;
    }
    let (status, answer) = scene.submit(scene.anchor(&other, 0, "not a flood")).await;
    assert_eq!(status, 202, "{answer}");
    let status = scene.cluster.get(0, "/v1/status").await.expect("a status");
    assert_eq!(status["mempool"], AHEAD + 1, "{status}");
    scene.blameless(&peer).await;
    scene.goes_on().await;
    scene.alive().await;
}

#[tokio::test]
async fn anchor_behind_a_flood_by_another_is_mined_before_the_flood_is() {
    let scene = Scene::new().await;
    let [flooder, other] = scene.controllers.clone();
    for sequence in 0..AHEAD {
        let (status, answer) =
            scene.submit(scene.anchor(&flooder, sequence, &format!("flood {sequence}"))).await;
        assert_eq!(status, 202, "{answer}");
    }
    let (anchor, body) = scene.anchor(&other, 0, "not a flood");
    let txid = anchor.txid();
    let (status, answer) = scene.submit((anchor, body)).await;
    assert_eq!(status, 202, "{answer}");
    let mut cluster = scene.cluster;
    // The victim alone mines now, and it is its turn once: no block before held any of these.
    cluster.kill(0);
    cluster.start(0, &["--mining-share", "0.05"]).await;
    let height = included(&cluster, &txid.to_string()).await;
    let block: Value = cluster.get(0, &format!("/v1/block/{height}")).await.expect("a block");
    let transactions = block["transactions"].as_array().expect("transactions");
    assert!((2..=65).contains(&transactions.len()), "{} transactions", transactions.len());
    let by = |key: &PublicKey| {
        let key = key.to_string();
        transactions.iter().filter(|transaction| transaction.to_string().contains(&key)).count()
    };
    assert_eq!((by(&PublicKey::of(&other)), by(&PublicKey::of(&flooder))), (1, 64));
}

async fn included(cluster: &Cluster, txid: &str) -> u64 {
    until("the other's anchor in a block", async || {
        let state = cluster.get(0, &format!("/v1/transactions/{txid}")).await?;
        state["height"].as_u64()
    })
    .await
}
