//! Scenarios 13 and 14: a node whose clock is wrong by two hours warns, and nothing is invalid for good.
//!
//! The clock is shifted under the process by libfaketime; without it these tests say so and pass.

use std::path::{Path, PathBuf};

use dronechain_tests::cluster::{Cluster, Place};
use dronechain_tests::wait::until;

/// libfaketime's library for threaded programs, where Debian has it.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let mut paths = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let found = paths.find(|path| path.exists());
    if found.is_none() {
        println!("skipped: no libfaketime (Debian's package faketime)");
    }
    found
}

fn shifted(library: &Path, shift: &str) -> Place {
    let environment = [
        ("LD_PRELOAD", library.to_str().expect("a plain path")),
        ("FAKETIME", shift),
        // Waits are not the matter here.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let environment = environment.map(|(name, value)| (name.into(), value.into())).into();
    Place { environment, ..Place::default() }
}

/// Two right nodes and one whose clock is off, then put right.
async fn wrong_clock(shift: &str) {
    let Some(library) = library() else { return };
    let mut cluster = Cluster::new(3, |_| {});
    cluster.start(0, &[]).await;
    cluster.start(1, &[]).await;
    cluster.reaches(0, 5).await;
    cluster.put(2, shifted(&library, shift));
    cluster.start(2, &[]).await;
    for node in 0..3 {
        until(&format!("a warning of node {node}"), async || {
            cluster.log(node).contains("a peer's clock differs from ours").then_some(())
        })
        .await;
    }
    // It has no effect on the others.
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 15).await;
    cluster.reaches(1, height + 15).await;
    assert!(cluster.is_alive(2).await, "{}", cluster.log(2));
    cluster.kill(2);
    cluster.put(2, Place::default());
    cluster.start(2, &[]).await;
    cluster.reaches(2, height + 20).await;
    let (height, _) = cluster.one_tip().await;
    // The one that was wrong makes blocks that the others take.
    let key = dronechain_chain_spec::key::PublicKey::of(&cluster.keys[2]).to_string();
    until("a block of the node put right", async || {
        let (tip, _) = cluster.tip(0).await?;
        for height in height..=tip {
            if cluster.get(0, &format!("/v1/header/{height}")).await?["miner"] == key.as_str() {
                return Some(());
            }
        }
        None
    })
    .await;
    for node in 0..3 {
        assert!(!cluster.log(node).contains("banned"), "{}", cluster.log(node));
    }
}

#[tokio::test]
async fn node_two_hours_ahead_warns_and_is_in_sync_once_its_clock_is_right() {
    wrong_clock("+7200s").await;
}

#[tokio::test]
async fn node_two_hours_behind_warns_and_is_in_sync_once_its_clock_is_right() {
    wrong_clock("-7200s").await;
}
