//! Scenario 21: inbound places taken by one attacker.

use dronechain_tests::raw::Raw;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::scene::{Scene, key};

/// Bare connections: several times the handshakes that may go on.
const BARE: usize = 300;

fn socket(scene: &Scene) -> String {
    let parts: Vec<_> = scene.cluster.p2p(0).split('/').collect();
    format!("{}:{}", parts[2], parts[4])
}

#[tokio::test]
async fn handshakes_that_never_end_take_no_place_from_outbound_peers() {
    let mut scene = Scene::new().await;
    let address = socket(&scene);
    let mut bare = Vec::new();
    for _ in 0..BARE {
        bare.push(TcpStream::connect(&address).await.expect("the listener accepts"));
    }
    scene.alive().await;
    scene.goes_on().await;
    // The handshake's limit: those that were let in are cut off as well.
    let ends = bare.iter_mut().map(|stream| async move {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut rest).await;
    });
    let ended = tokio::time::timeout(dronechain_tests::wait::LONG, futures::future::join_all(ends)).await;
    ended.expect("the victim closes what never speaks");
    // And there is room for others again.
    scene.hostile().await.status().await.expect("an answer");
    scene.goes_on().await;
}

#[tokio::test]
async fn one_key_has_few_connections_and_many_strange_keys_have_none() {
    let mut scene = Scene::new().await;
    let own = scene.hostile_key();
    let mut same = Vec::new();
    for _ in 0..30 {
        let peer = Raw::new(&scene.cluster, 0, &own, scene.honest_answers());
        // Beyond its number it is closed after the handshake.
        let _ = peer.dial().await;
        same.push(peer);
    }
    let mut strange = Vec::new();
    for round in 0..3 {
        for number in 170..250 {
            let peer = Raw::new(&scene.cluster, 0, &key(number), scene.honest_answers());
            let _ = peer.dial().await;
            strange.push(peer);
        }
        scene.alive().await;
        assert!(round < 3);
    }
    let few = async || (same.iter().map(Raw::connections).sum::<usize>() <= 3).then_some(());
    dronechain_tests::wait::until("three connections of one key", few).await;
    for peer in &strange {
        peer.disconnected().await;
    }
    scene.goes_on().await;
    scene.alive().await;
    let status = scene.cluster.get(0, "/v1/status").await.expect("a status");
    // Its neighbour, the honest raw peer and the one key.
    assert_eq!(status["peers"], 3, "{status}");
}
