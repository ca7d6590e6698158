//! Scenarios 10, 11, 18 and 23: blocks whose transactions are not theirs, do not hold, or never come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::wire::{Request, Response};
use dronechain_tests::hostile::Book;
use dronechain_tests::raw::{Raw, Reply, Topic};
use dronechain_tests::wait::until;
use serde_json::Value;

use super::scene::{Scene, key};

/// What a block becomes on its way.
type Change = fn(&mut Block);

/// Serves the chain with the unknown block behind it; of that block first what `change` made of it, then the
/// original. Gives the chain as well.
async fn mutating(scene: &mut Scene, change: Change) -> (Raw, Book) {
    let made = scene.unknown();
    let mut mutant = made.block.clone();
    change(&mut mutant);
    let (hash, mut book) = (made.hash(), scene.forge.book());
    book.made.push(made);
    let original = book.clone();
    let served = Arc::new(AtomicUsize::new(0));
    let answers = move |request: &Request| match request {
        Request::Blocks { hashes }
            if hashes.contains(&hash) && served.fetch_add(1, Ordering::Relaxed) == 0 =>
        {
            Reply::honest(&Response::Blocks(vec![mutant.clone()]))
        }
        request => Reply::honest(&book.answer(request)),
    };
    (scene.hostile_with(Box::new(answers)).await, original)
}

#[tokio::test]
async fn mutated_block_is_refused_and_the_original_is_taken_afterwards() {
    let changes: [(Change, &str); 5] = [
        (|block| block.transactions[0].approvals[0].signature.0[0] ^= 1, "block-tx-root"),
        (|block| block.transactions[0].body.sequence += 1, "block-tx-root"),
        (|block| block.transactions.push(block.transactions[0].clone()), "block-tx-count"),
        (|block| block.transactions.clear(), "block-tx-count"),
        (|block| block.header.signature.0[40] ^= 1, "header-signature"),
    ];
    for (change, rule) in changes {
        let scene = &mut Scene::new().await;
        let (peer, original) = mutating(scene, change).await;
        scene.fault(&peer, rule).await;
        let hash = original.made.last().expect("blocks").hash().to_string();
        let mut another = None;
        if rule == "header-signature" {
            scene.banned(&peer).await;
            let answers = move |request: &Request| Reply::honest(&original.answer(request));
            another = Some(scene.hostile_with(Box::new(answers)).await);
        }
        until("the original", async || scene.cluster.tip(0).await.filter(|(_, tip)| *tip == hash)).await;
        drop(another);
        scene.alive().await;
    }
}

#[tokio::test]
async fn block_that_holds_a_transaction_twice_is_invalid_for_good_and_the_chain_goes_on() {
    let mut scene = Scene::new().await;
    let (anchor, _) = scene.anchor(&scene.controllers[0], 0, "twice");
    let mut fork = scene.forge.clone();
    fork.block(&scene.next_miner(), vec![anchor.clone()], vec![anchor]);
    invalid(&mut scene, fork.book(), "tx-sequence").await;
}

#[tokio::test]
async fn block_with_an_invalid_transaction_is_marked_and_the_chain_goes_on() {
    let mut scene = Scene::new().await;
    let (anchor, _) = scene.anchor(&key(99), 0, "of nobody");
    let mut fork = scene.forge.clone();
    fork.block(&scene.next_miner(), vec![], vec![anchor]);
    invalid(&mut scene, fork.book(), "tx-sender-unknown").await;
}

#[tokio::test]
async fn block_with_a_transaction_under_a_forged_signature_is_marked_and_the_chain_goes_on() {
    let mut scene = Scene::new().await;
    let (mut anchor, _) = scene.anchor(&scene.controllers[0], 0, "forged");
    anchor.approvals[0].signature.0[0] ^= 1;
    let mut fork = scene.forge.clone();
    fork.block(&scene.next_miner(), vec![], vec![anchor]);
    invalid(&mut scene, fork.book(), "tx-signature").await;
}

/// Serves a chain whose last block is invalid, then its own again: the block is fetched once.
async fn invalid(scene: &mut Scene, book: Book, rule: &str) {
    let hash = book.made.last().expect("blocks").hash();
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fetched);
    let answers = move |request: &Request| {
        if let Request::Blocks { hashes } = request
            && hashes.contains(&hash)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Reply::honest(&book.answer(request))
    };
    let peer = scene.hostile_with(Box::new(answers)).await;
    scene.fault(&peer, rule).await;
    let header: Value = scene.cluster.get(0, &format!("/v1/header/{hash}")).await.expect("a known header");
    assert_eq!(header["active"], false, "{header}");
    scene.goes_on().await;
    scene.goes_on().await;
    assert_eq!(fetched.load(Ordering::Relaxed), 1, "an invalid block is not asked for again");
    scene.alive().await;
}

#[tokio::test]
async fn announced_blocks_that_are_withheld_do_not_stop_the_others() {
    let mut scene = Scene::new().await;
    let mut withheld = scene.forge.clone();
    for number in 0..20 {
        let miner = &scene.cluster.keys[1 + withheld.book().made.len() % 2];
        let (anchor, _) = scene.anchor(&scene.controllers[0], number, &format!("withheld {number}"));
        withheld.block(miner, vec![anchor], vec![]);
    }
    let (book, tip) = (withheld.book(), withheld.tip());
    let answers = move |request: &Request| match request {
        Request::Blocks { .. } => Reply::Silence,
        request => Reply::honest(&book.answer(request)),
    };
    let peer = scene.hostile_with(Box::new(answers)).await;
    until("the headers", async || scene.knows(tip).await.then_some(())).await;
    for _ in 0..5 {
        scene.goes_on().await;
    }
    scene.alive().await;
    scene.blameless(&peer).await;
}

#[tokio::test]
async fn anchor_whose_body_never_comes_is_dropped_and_its_place_stays_free() {
    let mut scene = Scene::new().await;
    let controller = scene.controllers[0].clone();
    let mut honest = scene.honest_answers();
    let answers = move |request: &Request| match request {
        Request::Body { .. } => Reply::Silence,
        request => honest(request),
    };
    let peer = scene.hostile_with(Box::new(answers)).await;
    for number in 0..300 {
        let (anchor, _) = scene.anchor(&controller, number % 256, &format!("bodiless {number}"));
        peer.gossip(Topic::Transaction, codec::encode(&anchor)).await;
    }
    scene.alive().await;
    let (status, answer) = scene.submit(scene.anchor(&controller, 0, "with a body")).await;
    assert_eq!(status, 202, "{answer}");
    // An anchor that waited for its body takes it from whoever brings it.
    let (status, answer) = scene.submit(scene.anchor(&controller, 1, "bodiless 1")).await;
    assert_eq!(status, 202, "{answer}");
    scene.goes_on().await;
    scene.alive().await;
    scene.blameless(&peer).await;
}

#[tokio::test]
async fn body_that_is_another_is_refused_and_counts() {
    let mut scene = Scene::new().await;
    let mut honest = scene.honest_answers();
    let answers = move |request: &Request| match request {
        Request::Body { .. } => Reply::honest(&Response::Body(Some(vec![Hash256([5; 32])]))),
        request => honest(request),
    };
    let peer = scene.hostile_with(Box::new(answers)).await;
    for number in 0..2 {
        let (anchor, _) = scene.anchor(&scene.controllers[0], number, &format!("another {number}"));
        peer.gossip(Topic::Transaction, codec::encode(&anchor)).await;
    }
    scene.fault(&peer, "body-root").await;
    scene.banned(&peer).await;
    scene.goes_on().await;
}
