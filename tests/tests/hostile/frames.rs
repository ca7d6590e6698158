//! Scenario 23: frames beyond their bound, lengths that lie, bytes left over, answers that never come.

use std::sync::Arc;

use dronechain_chain_spec::codec::{self, Canonical};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::wire::{Request, Response};
use dronechain_tests::raw::{Raw, Reply, Sent, Topic};

use super::scene::Scene;

/// A length that no machine could allocate.
const HUGE: [u8; 8] = (u64::MAX / 2).to_le_bytes();

/// `bytes` with the 8 bytes at `at` replaced by a huge length.
fn huge_at(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at..at + 8].copy_from_slice(&HUGE);
    bytes
}

fn declared(length: usize, message: &[u8]) -> Sent {
    Sent::declared(u32::try_from(length).expect("a frame's length"), message)
}

/// Bytes that are no request, each with what the log says of it.
fn bad_requests() -> Vec<(Sent, &'static str)> {
    let status = codec::encode(&Request::Status);
    let hashes = |len| vec![Hash256::ZERO; len];
    let headers = codec::encode(&Request::Headers { locator: hashes(1) });
    let blocks = codec::encode(&Request::Blocks { hashes: hashes(1) });
    let max = Request::MAX;
    vec![
        (Sent::frame(&vec![0; max + 1]), "16385 bytes where at most 16384"),
        (declared(u32::MAX as usize, &status), "4294967295 bytes where at most 16384"),
        (declared(u32::MAX as usize, &[]).held(), "4294967295 bytes where at most 16384"),
        (Sent::frame(&huge_at(headers, 4)), "malformed"),
        (Sent::frame(&huge_at(blocks, 4)), "malformed"),
        (Sent::frame(&codec::encode(&Request::Headers { locator: hashes(65) })), "65 hashes"),
        (Sent::frame(&codec::encode(&Request::Blocks { hashes: hashes(65) })), "65 hashes"),
        (Sent::frame(&[&status[..], &[0]].concat()), "1 bytes left over"),
        (Sent::frame(&[9, 0, 0, 0]), "malformed"),
        (Sent::frame(&[]), "malformed"),
    ]
}

#[tokio::test]
async fn frame_that_is_no_request_is_refused_and_the_second_one_ends_in_a_ban() {
    let mut scene = Scene::new().await;
    for (sent, why) in bad_requests() {
        let peer = scene.hostile().await;
        peer.send_in_vain(sent.clone()).await;
        scene.fault(&peer, why).await;
        peer.status().await.expect("once may be a mistake");
        peer.send_in_vain(sent).await;
        scene.banned(&peer).await;
        scene.alive().await;
    }
    scene.goes_on().await;
}

#[tokio::test]
async fn request_declared_and_withheld_times_out_without_blame_and_harms_nobody() {
    let mut scene = Scene::new().await;
    let peer = Arc::new(scene.hostile().await);
    // More streams than one connection has.
    for _ in 0..100 {
        let peer = Arc::clone(&peer);
        tokio::spawn(async move { peer.send_in_vain(declared(Request::MAX, &[0]).held()).await });
    }
    for _ in 0..3 {
        scene.alive().await;
        scene.goes_on().await;
    }
    assert!(!scene.has_logged(&["a peer's fault", &peer.id()]), "slowness is not known to be a fault");
}

/// A peer whose answers to what `which` picks are `bytes`; it claims a chain that nobody knows.
async fn answering(scene: &mut Scene, which: fn(&Request) -> bool, reply: Reply) -> Raw {
    let mut honest = scene.honest_answers();
    let mut longer = scene.forge.book();
    longer.made.push(scene.unknown());
    let answers = move |request: &Request| match request {
        request if which(request) => reply.clone(),
        Request::Status | Request::Headers { .. } => Reply::honest(&longer.answer(request)),
        request => honest(request),
    };
    scene.hostile_with(Box::new(answers)).await
}

#[tokio::test]
async fn answer_that_is_none_is_refused_and_the_second_one_ends_in_a_ban() {
    let mut scene = Scene::new().await;
    let book = scene.forge.book();
    let status = codec::encode(&book.answer(&Request::Status));
    let link = Response::Headers(vec![book.made[0].link.clone()]);
    let link = codec::encode(&link);
    let block = codec::encode(&Response::Blocks(vec![book.made[0].block.clone()]));
    let is_status: fn(&Request) -> bool = |request| *request == Request::Status;
    let is_headers: fn(&Request) -> bool = |request| matches!(request, Request::Headers { .. });
    let is_blocks: fn(&Request) -> bool = |request| matches!(request, Request::Blocks { .. });
    let max = Response::MAX;
    // The vector's length, then the link: header, commitments, then the length of its changes.
    let (headers_at, changes_at, transactions_at) = (4, 4 + 8 + 232 + 96, 4 + 8 + 232);
    let cases = [
        (is_status, declared(max + 1, &status), "4194305 bytes where at most 4194304"),
        (is_status, declared(u32::MAX as usize, &status).held(), "4294967295 bytes"),
        (is_status, Sent::frame(&[&status[..], &[0]].concat()), "1 bytes left over"),
        (is_status, Sent::frame(&[9, 0, 0, 0]), "malformed"),
        (is_headers, Sent::frame(&huge_at(link.clone(), headers_at)), "malformed"),
        (is_headers, Sent::frame(&huge_at(link, changes_at)), "malformed"),
        (is_blocks, Sent::frame(&huge_at(block.clone(), 4)), "malformed"),
        (is_blocks, Sent::frame(&huge_at(block, transactions_at)), "malformed"),
    ];
    for (which, sent, why) in cases {
        let peer = answering(&mut scene, which, Reply::Send(sent)).await;
        scene.fault(&peer, why).await;
        scene.banned(&peer).await;
        scene.alive().await;
    }
    scene.goes_on().await;
}

#[tokio::test]
async fn answer_declared_and_withheld_times_out_and_others_are_asked() {
    let mut scene = Scene::new().await;
    let mut peers = Vec::new();
    for reply in [Reply::Silence, Reply::Send(declared(Response::MAX, &[0; 1024]).held())] {
        for which in [
            (|request: &Request| *request == Request::Status) as fn(&Request) -> bool,
            |request: &Request| matches!(request, Request::Headers { .. }),
            |request: &Request| matches!(request, Request::Blocks { .. }),
        ] {
            peers.push(answering(&mut scene, which, reply.clone()).await);
        }
    }
    for _ in 0..3 {
        scene.goes_on().await;
        scene.alive().await;
    }
    for peer in &peers {
        scene.blameless(peer).await;
    }
}

#[tokio::test]
async fn gossip_that_is_no_message_is_refused() {
    let mut scene = Scene::new().await;
    let book = scene.forge.book();
    let header = codec::encode(&book.made[0].link);
    let (transaction, _) = scene.anchor(&scene.controllers[0], 0, "a record");
    let approvals_at = codec::encode(&transaction.body).len();
    let transaction = codec::encode(&transaction);
    let cases = [
        (Topic::Header, huge_at(header.clone(), 232 + 96), "malformed"),
        (Topic::Header, [&header[..], &[0]].concat(), "left over"),
        (Topic::Header, header[..100].to_vec(), "malformed"),
        (Topic::Transaction, huge_at(transaction.clone(), approvals_at), "malformed"),
        (Topic::Transaction, [&transaction[..], &[0]].concat(), "left over"),
        (Topic::Transaction, vec![0xff; 300], "malformed"),
    ];
    for (topic, bytes, why) in cases {
        let peer = scene.hostile().await;
        peer.gossip(topic, bytes).await;
        scene.fault(&peer, why).await;
        scene.alive().await;
    }
    // Beyond the bound it does not come through, nor does it take memory.
    let peer = scene.hostile().await;
    for fill in 0..20 {
        // The victim may have closed the stream by then.
        let _ = peer.try_gossip(Topic::Transaction, vec![fill; 512 << 10]).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    scene.alive().await;
    scene.goes_on().await;
}
