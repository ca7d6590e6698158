//! The own header chain: followed over HTTP, kept on disk, through reorganisations and crashes.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use common::node::Node;
use common::{World, spec};
use dronechain_chain_spec::chain::ChainError;
use dronechain_chain_spec::checkpoint::Checkpoint;
use dronechain_client::{Client, ClientError, Headers, HeadersError, NodeClient, OpenError};

fn file() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("headers.bin");
    (dir, path)
}

/// A chain of `common` blocks and a branch of `own` more, `step_ms` apart.
fn branch(common: u64, own: u64, step_ms: u64) -> World {
    let mut world = World::new();
    world.mine_empty(common);
    for _ in 0..own {
        world.mine(Vec::new(), step_ms);
    }
    world
}

#[tokio::test]
async fn a_chain_is_followed_and_kept() {
    let mut world = branch(8, 0, 0);
    let node = Node::of(&world.chain).await;
    let (_dir, path) = file();
    let mut headers = Headers::open(&path, Some(world.chain_id()), spec()).expect("a new file");
    let report = headers.sync(&node.client).await.expect("followed");
    assert_eq!((report.added, report.removed, report.tip), (8, 0, world.chain.tip()));
    world.mine_empty(1);
    node.set(&world.chain);
    assert_eq!(headers.sync(&node.client).await.expect("followed").added, 1);
    assert_eq!(headers.sync(&node.client).await.expect("nothing new").added, 0);
    drop(headers);
    assert_eq!(fs::read(&path).expect("there"), world.chain.to_bytes());
    let again = Headers::open(&path, None, spec()).expect("its own file");
    assert_eq!(again.chain().tip(), world.chain.tip());
}

#[tokio::test]
async fn a_heavier_branch_is_taken_and_a_lighter_one_is_not() {
    let (ours, heavier) = (branch(5, 3, 1_000), branch(5, 6, 1_001));
    let node = Node::of(&ours.chain).await;
    let (_dir, path) = file();
    let mut headers = Headers::open(&path, None, spec()).expect("a new file");
    headers.sync(&node.client).await.expect("followed");
    node.set(&branch(5, 2, 1_001).chain);
    let report = headers.sync(&node.client).await.expect("nothing better");
    assert_eq!((report.added, report.removed, report.tip), (0, 0, ours.chain.tip()));
    node.set(&heavier.chain);
    let report = headers.sync(&node.client).await.expect("followed");
    assert_eq!((report.added, report.removed, report.tip), (6, 3, heavier.chain.tip()));
    drop(headers);
    assert_eq!(fs::read(&path).expect("there"), heavier.chain.to_bytes());
}

#[tokio::test]
async fn links_that_a_crash_cut_off_are_fetched_again() {
    let world = branch(6, 0, 0);
    let node = Node::of(&world.chain).await;
    let (_dir, path) = file();
    let whole = world.chain.to_bytes();
    fs::write(&path, &whole[..whole.len() - 100]).expect("writable");
    let mut headers = Headers::open(&path, None, spec()).expect("repaired");
    assert_eq!(headers.chain().height(), 5);
    headers.sync(&node.client).await.expect("followed");
    assert_eq!(fs::read(&path).expect("there"), whole);
}

#[tokio::test]
async fn a_bad_header_is_refused_with_its_height_and_what_came_before_is_kept() {
    let world = branch(5, 0, 0);
    let mut future = branch(5, 0, 0);
    future.mine(Vec::new(), 1_000_000_000_000);
    let node = Node::of(&future.chain).await;
    let (_dir, path) = file();
    let mut headers = Headers::open(&path, None, spec()).expect("a new file");
    let error = headers.sync(&node.client).await.expect_err("ahead of every clock");
    assert!(matches!(error, HeadersError::Header { height: 6, .. }), "{error}");
    assert_eq!(headers.chain().tip(), world.chain.tip());
    assert_eq!(fs::read(&path).expect("there"), world.chain.to_bytes());
}

#[tokio::test]
async fn a_file_has_one_writer_and_one_network() {
    let (_dir, path) = file();
    let headers = Headers::open(&path, None, spec()).expect("a new file");
    assert!(matches!(Headers::open(&path, None, spec()), Err(HeadersError::InUse { .. })));
    drop(headers);
    let mut other = spec();
    other.name = "other".to_owned();
    assert!(matches!(Headers::open(&path, None, other), Err(HeadersError::WrongNetwork { .. })));
    let before = fs::read(&path).expect("there");
    OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(b"x")).expect("writable");
    assert!(matches!(Headers::open(&path, None, spec()), Err(HeadersError::Chain { .. })));
    assert_eq!(fs::read(&path).expect("there")[1..], before[1..], "a foreign file is left alone");
}

#[tokio::test]
async fn a_node_of_another_network_is_told_apart() {
    let world = branch(2, 0, 0);
    let mut other = spec();
    other.name = "other".to_owned();
    let node = Node::of(&world.chain).await;
    let (_dir, path) = file();
    let mut headers = Headers::open(&path, None, other).expect("a new file");
    let error = headers.sync(&node.client).await.expect_err("another genesis");
    assert!(matches!(error, HeadersError::Client(ClientError::WrongNetwork { .. })), "{error}");
    let gone = NodeClient::new("http://127.0.0.1:1").expect("an address");
    let error = headers.sync(&gone).await.expect_err("nobody listens");
    assert!(matches!(&error, HeadersError::Client(error) if error.is_retryable()), "{error}");
}

#[tokio::test]
async fn headers_begin_at_a_trusted_checkpoint_and_nothing_below_is_fetched() {
    let world = branch(12, 0, 0);
    let checkpoint = Checkpoint::of(&world.chain, 7).expect("it has all below");
    let id = checkpoint.id();
    let trusted = checkpoint.check(id).expect("it is trusted");
    let node = Node::of(&world.chain).await;
    let (_dir, path) = file();
    let mut headers = Headers::begin(&path, trusted.clone()).expect("a new file");
    let report = headers.sync(&node.client).await.expect("followed");
    assert_eq!((report.added, report.height, report.tip), (5, 12, world.chain.tip()));
    assert_eq!(node.lowest_asked(), Some(8));
    drop(headers);
    // The file opens for whoever trusts the same, and for nobody else.
    assert_eq!(Headers::begin(&path, trusted.clone()).expect("its own file").chain().height(), 12);
    for untrusting in
        [Headers::reopen(&path, None, None), Headers::reopen(&path, None, Some(world.chain_id()))]
    {
        assert!(matches!(untrusting, Err(HeadersError::Chain { error: ChainError::Checkpoint(_), .. })));
    }
    // A reorganisation above the checkpoint, and a node that left the chain below it.
    let mut headers = Headers::reopen(&path, None, Some(id)).expect("readable").expect("there");
    node.set(&branch(9, 5, 1_001).chain);
    let report = headers.sync(&node.client).await.expect("followed");
    assert_eq!((report.removed, report.added, report.height), (3, 5, 14));
    node.set(&branch(4, 30, 1_001).chain);
    let error = headers.sync(&node.client).await.expect_err("another chain");
    assert!(matches!(error, HeadersError::OtherCheckpoint { height: 7, .. }), "{error}");
    assert_eq!(headers.chain().height(), 14);
    assert!(node.lowest_asked() >= Some(8), "below the checkpoint nothing can be taken over");
    // One that has not come so far is only behind.
    node.set(&branch(5, 0, 0).chain);
    assert_eq!(headers.sync(&node.client).await.expect("nothing new").added, 0);
}

#[tokio::test]
async fn folder_on_another_branch_than_the_checkpoint_does_not_open() {
    let (ours, theirs) = (branch(4, 8, 1_000), branch(4, 9, 1_001));
    let dir = tempfile::tempdir().expect("a folder");
    let node = Node::of(&ours.chain).await;
    let mut headers = Headers::open(dir.path().join("headers"), None, spec()).expect("a new file");
    headers.sync(&node.client).await.expect("followed");
    drop(headers);
    let trusted = |world: &World| {
        let checkpoint = Checkpoint::of(&world.chain, 7).expect("it has all below");
        let id = checkpoint.id();
        checkpoint.check(id).expect("it is trusted")
    };
    let open = |checkpoint| Client::builder([node.url.clone()]).checkpoint(checkpoint).open(dir.path());
    let error = open(trusted(&theirs)).await.expect_err("another branch");
    let OpenError::Headers(HeadersError::OtherCheckpoint { height: 7, .. }) = error else {
        panic!("{error}")
    };
    open(trusted(&ours)).await.expect("its own branch");
}
