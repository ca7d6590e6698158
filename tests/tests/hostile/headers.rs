//! Scenarios 9, 13 and 22: headers that break a rule, side headers without work, orphans.

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::target::{Bits, Target};
use dronechain_chain_spec::wire::{Request, Response, Status};
use dronechain_tests::cluster::now_ms;
use dronechain_tests::hostile::{Forge, Made, mined};
use dronechain_tests::raw::{Reply, Topic};

use super::scene::{Scene, key};

/// Headers of a flood: at a block's bytes each, far more than any queue holds.
const FLOOD: u64 = 5_000;

type Change = fn(&mut Header);

#[tokio::test]
async fn header_without_work_or_with_a_forged_signature_ends_in_a_ban_at_once() {
    let mut scene = Scene::new().await;
    let changes: [(Change, &str); 6] = [
        (|header| header.bits = Bits(0), "header-bits"),
        // The sign bit of the mantissa.
        (|header| header.bits = Bits(0x2080_0001), "header-bits"),
        (|header| header.bits = Bits(0xff7f_ffff), "header-bits"),
        // Easier than the network allows.
        (|header| header.bits = Bits(0x207f_ffff), "header-bits"),
        (|header| header.network = [0; 4], "header-network"),
        (|header| header.tx_count = 1, "header-tx-count"),
    ];
    let chain_id = scene.chain_id();
    let miner = scene.next_miner();
    let mut bad: Vec<_> =
        changes.into_iter().map(|(change, rule)| (scene.forge.child(&miner, change), rule)).collect();
    let mut lazy = scene.forge.child(&miner, |_| {});
    let target = Target::from_bits(lazy.header.header.bits).expect("the network's");
    while target.is_met_by(&lazy.header.header.hash()) {
        lazy.header.header.nonce += 1;
    }
    lazy.header = lazy.header.header.signed(&miner, &chain_id);
    bad.push((lazy, "header-work"));
    let mut forged = scene.forge.child(&miner, |_| {});
    forged.header = forged.header.header.signed(&key(99), &chain_id);
    let original = forged.clone();
    bad.push((forged, "header-signature"));
    for (link, rule) in bad {
        let peer = scene.hostile().await;
        peer.gossip(Topic::Header, codec::encode(&link)).await;
        scene.fault(&peer, rule).await;
        scene.banned(&peer).await;
        assert!(!scene.knows(link.header.header.hash()).await);
        scene.alive().await;
    }
    // The block under the forged signature is the very one that its miner signs now.
    let miner = scene.next_miner();
    scene.forge.block(&miner, vec![], vec![]);
    assert_eq!(scene.forge.tip(), original.header.header.hash());
    scene.told().await;
}

#[tokio::test]
async fn header_out_of_line_or_out_of_turn_is_refused_and_counts() {
    let mut scene = Scene::new().await;
    let miner = scene.next_miner();
    // The one that made the tip.
    let again = if miner == scene.cluster.keys[1] {
        scene.cluster.keys[2].clone()
    } else {
        scene.cluster.keys[1].clone()
    };
    let mut bad = vec![
        (scene.forge.child(&again, |_| {}), "miner-out-of-turn"),
        (scene.forge.child(&key(99), |_| {}), "miner-not-admitted"),
        (scene.forge.child(&key(50), |_| {}), "miner-not-ready"),
        (scene.forge.child(&miner, |header| header.height += 1), "header-height"),
        (scene.forge.child(&miner, |header| header.bits = Bits(0x2003_ffff)), "header-difficulty"),
        (scene.forge.child(&miner, |header| header.time_ms -= 1_000), "header-time"),
        (scene.forge.child(&miner, |header| header.time_ms = 0), "header-time"),
    ];
    let mut closed = scene.forge.child(&miner, |_| {});
    closed.commitments.nodes = Hash256([7; 32]);
    bad.push((closed, "header-opening"));
    for (link, rule) in bad {
        let peer = scene.hostile().await;
        peer.gossip(Topic::Header, codec::encode(&link)).await;
        scene.fault(&peer, rule).await;
        peer.status().await.expect("one such header is not a ban");
        if rule != "header-opening" {
            assert!(!scene.knows(link.header.header.hash()).await, "{rule}");
        }
    }
    scene.alive().await;
    scene.goes_on().await;
}

/// Made of a link without transactions.
fn made(link: Link) -> Made {
    let block = dronechain_chain_spec::block::Block { header: link.header.clone(), transactions: Vec::new() };
    Made { link, block }
}

#[tokio::test]
async fn header_ahead_of_the_clock_is_refused_without_blame_and_taken_once_its_time_has_come() {
    let mut scene = Scene::new().await;
    let miner = scene.next_miner();
    // 10 s is the limit.
    let link = scene.forge.child(&miner, |header| header.time_ms = now_ms() + 16_000);
    let hash = link.header.header.hash();
    let mut book = scene.forge.book();
    book.made.push(made(link));
    let peer = scene.hostile_with(Box::new(move |request| Reply::honest(&book.answer(request)))).await;
    // Asked once a second: it was shown, or will be within that time.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(!scene.knows(hash).await, "not yet");
    scene.blameless(&peer).await;
    let hash = hash.to_string();
    dronechain_tests::wait::until("the block in its time", async || {
        scene.cluster.tip(0).await.filter(|(_, tip)| *tip == hash)
    })
    .await;
    scene.blameless(&peer).await;
    scene.alive().await;
}

/// A side header at the height of `parent`'s child; each `number` gives another.
fn side(scene: &Scene, parent: &Header, number: u64) -> Link {
    let miner =
        &scene.cluster.keys[if parent.miner == PublicKey::of(&scene.cluster.keys[1]) { 2 } else { 1 }];
    let mut link = scene.forge.child(miner, |_| {});
    let header = Header {
        height: parent.height + 1,
        parent: parent.hash(),
        time_ms: parent.time_ms + 1_000 + number,
        ..link.header.header
    };
    link.header = mined(header).signed(miner, &scene.chain_id());
    link
}

#[tokio::test]
async fn light_side_headers_are_not_stored() {
    let mut scene = Scene::with(|scene| {
        for _ in 0..200 {
            let miner = scene.next_miner();
            scene.forge.block(&miner, vec![], vec![]);
        }
    })
    .await;
    let parent = scene.forge.book().made[1].link.header.header.clone();
    let peer = scene.hostile().await;
    let mut some = Vec::new();
    for number in 0..FLOOD {
        let link = side(&scene, &parent, number);
        if number % 500 == 0 {
            some.push(link.header.header.hash());
            scene.alive().await;
        }
        peer.gossip(Topic::Header, codec::encode(&link)).await;
    }
    // In answers as well: one key alone makes no longer chain.
    let (first, chain_id) = (side(&scene, &parent, FLOOD), scene.chain_id());
    some.push(first.header.header.hash());
    let shown = first.clone();
    let answers = move |request: &Request| match request {
        Request::Status => {
            let (tip, work) = (shown.header.header.hash(), dronechain_chain_spec::target::Work::ZERO);
            Reply::honest(&Response::Status(Status { chain_id, tip, height: 3, work, time_ms: now_ms() }))
        }
        Request::Headers { .. } => Reply::honest(&Response::Headers(vec![shown.clone()])),
        Request::Blocks { .. } => Reply::honest(&Response::Blocks(Vec::new())),
        Request::Body { .. } => Reply::honest(&Response::Body(None)),
    };
    let liar = scene.hostile_with(Box::new(answers)).await;
    scene.goes_on().await;
    scene.alive().await;
    for hash in some {
        assert!(!scene.knows(hash).await, "{hash} is stored");
    }
    // To show an old side header is what a node on another chain does.
    scene.blameless(&peer).await;
    scene.blameless(&liar).await;
}

#[tokio::test]
async fn flood_of_orphans_is_bounded_and_blameless() {
    let mut scene = Scene::new().await;
    let peer = scene.hostile().await;
    let mut some = Vec::new();
    for number in 0..FLOOD {
        let mut parent = Hash256([0xee; 32]);
        parent.0[..8].copy_from_slice(&number.to_le_bytes());
        let orphan = scene.forge.child(&key(99), |header| header.parent = parent);
        if number % 500 == 0 {
            some.push(orphan.header.header.hash());
            scene.alive().await;
        }
        peer.gossip(Topic::Header, codec::encode(&orphan)).await;
    }
    scene.goes_on().await;
    scene.alive().await;
    for hash in some {
        assert!(!scene.knows(hash).await, "{hash} is stored");
    }
    scene.blameless(&peer).await;
}

#[tokio::test]
async fn fork_by_one_key_ends_at_its_second_block() {
    // s = 2.
    let mut scene = Scene::new().await;
    let mut fork = Forge::new(&scene.cluster.spec);
    fork.block(&scene.cluster.keys[2], vec![], vec![]);
    fork.block(&scene.cluster.keys[2], vec![], vec![]);
    let (book, tip) = (fork.book(), fork.tip());
    let peer = scene.hostile_with(Box::new(move |request| Reply::honest(&book.answer(request)))).await;
    scene.fault(&peer, "miner-out-of-turn").await;
    assert!(!scene.knows(tip).await);
    scene.goes_on().await;
}
