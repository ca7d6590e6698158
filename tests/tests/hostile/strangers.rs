//! The main attacks without an admitted key: refused at the door, and nothing reaches the core.

use dronechain_chain_spec::codec;
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::wire::Request;
use dronechain_tests::raw::{Raw, Reply, Sent, Topic};

use super::scene::{Scene, key};

#[tokio::test]
async fn attacks_under_a_key_that_is_not_admitted_end_at_the_door() {
    let mut scene = Scene::new().await;
    let miner = scene.next_miner();
    let bad = scene.forge.child(&miner, |header| header.bits = Bits(0));
    let (anchor, _) = scene.anchor(&scene.controllers[0], 0, "a record");
    let longer = scene.unknown().hash();
    let mut strangers = Vec::new();
    for number in 0..20 {
        let asked = |_: &Request| -> Reply { panic!("a stranger is never asked") };
        let peer = Raw::new(&scene.cluster, 0, &key(210 + number), Box::new(asked));
        // The handshake ends before the victim looks at the key; what is sent at once must not get in.
        let _ = peer.dial().await;
        let attacks = futures::future::join3(
            peer.send(Sent::declared(u32::MAX, &[0; 64]).held()),
            peer.try_gossip(Topic::Header, codec::encode(&bad)),
            peer.try_gossip(Topic::Transaction, codec::encode(&anchor)),
        );
        let (sent, header, transaction) = attacks.await;
        sent.expect_err("a stranger is not answered");
        header.expect_err("a stranger is not listened to");
        transaction.expect_err("a stranger is not listened to");
        peer.disconnected().await;
        peer.status().await.expect_err("a stranger is not answered");
        strangers.push(peer);
    }
    scene.alive().await;
    scene.goes_on().await;
    for peer in &strangers {
        for line in ["peer connected", "a peer's fault", "banned"] {
            assert!(!scene.has_logged(&[line, &peer.id()]), "{line}: {}", scene.cluster.log(0));
        }
    }
    assert!(!scene.knows(longer).await);
    let status = scene.cluster.get(0, "/v1/status").await.expect("a status");
    assert_eq!(status["mempool"], 0, "{status}");
}
