//! The own header chain: followed over HTTP, kept on disk, through reorganisations and crashes.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use common::{World, spec};
use dronechain_chain_spec::chain::{HeaderChain, encode_link};
use dronechain_client::{ClientError, Headers, HeadersError, NodeClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A node's `/v1/tip` and `/v1/headers` over a chain that the test exchanges.
struct Node {
    chain: Arc<Mutex<HeaderChain>>,
    client: NodeClient,
}

impl Node {
    async fn of(chain: &HeaderChain) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let chain = Arc::new(Mutex::new(chain.clone()));
        let served = Arc::clone(&chain);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, &served).await;
            }
        });
        Self { chain, client: NodeClient::new(&url).expect("an address") }
    }

    fn set(&self, chain: &HeaderChain) {
        *self.chain.lock().expect("no panics") = chain.clone();
    }
}

async fn answer(mut stream: TcpStream, chain: &Mutex<HeaderChain>) {
    let mut head = vec![0; 4096];
    let read = stream.read(&mut head).await.expect("a request");
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let path = head.split(' ').nth(1).expect("a request line").to_owned();
    let body = {
        let chain = chain.lock().expect("no panics");
        match path.split_once("from=") {
            Some((_, query)) => {
                let from = query.split('&').next().and_then(|from| from.parse().ok()).expect("a height");
                let mut bytes = Vec::new();
                // Few at a time, so that following takes several answers.
                for height in (from..=chain.height()).take(3) {
                    encode_link(chain.link(height).expect("there"), &mut bytes);
                }
                bytes
            }
            None => {
                let tip = serde_json::json!({
                    "hash": chain.tip(), "height": chain.height(), "time_ms": 0, "work": chain.work(),
                });
                tip.to_string().into_bytes()
            }
        }
    };
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.expect("the client waits");
    stream.write_all(&body).await.expect("the client waits");
}

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
