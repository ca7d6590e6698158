//! Scenario 25: idle, slow and greedy clients of a node's HTTP port hold up nobody but themselves.

use std::time::Duration;

use dronechain_tests::cluster::Cluster;
use dronechain_tests::http;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// More than a node keeps.
const IDLE: usize = 10_000;
const WAIT: Duration = Duration::from_secs(60);

/// Raises the own limit of open files; false if the machine does not allow enough.
fn enough_files() -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = IDLE as u64 + 1_000;
    if maximum.is_some_and(|maximum| maximum < wanted) {
        println!("skipped: {wanted} open files are wanted, {maximum:?} are allowed");
        return false;
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok()
}

async fn connect(cluster: &Cluster) -> TcpStream {
    let address = cluster.url(0).trim_start_matches("http://").to_owned();
    TcpStream::connect(address).await.expect("a connection")
}

/// Asks on a connection of its own; the answer's first line.
async fn ask(cluster: &Cluster, path: &str) -> String {
    let asked = async {
        let mut stream = connect(cluster).await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    };
    tokio::time::timeout(WAIT, asked).await.expect("an answer in time")
}

async fn is_served(cluster: &Cluster) {
    for path in ["/livez", "/v1/tip", "/v1/status"] {
        assert_eq!(ask(cluster, path).await, "HTTP/1.1 200 OK", "{path}");
    }
}

/// Whether the node ended the connection.
async fn is_ended(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = tokio::time::timeout(WAIT, stream.read(&mut byte)).await.expect("it is ended");
    matches!(read, Ok(0) | Err(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    if !enough_files() {
        return;
    }
    let cluster = Cluster::started(1).await;
    let mut idle = Vec::with_capacity(IDLE);
    for at in 0..IDLE {
        let mut stream = connect(&cluster).await;
        // Half of them begin a request that they never finish.
        if at % 2 == 1 {
            stream.write_all(b"GET /v1/tip HTTP/1.1\r\nhos").await.expect("written");
        }
        idle.push(stream);
        if at % 1_000 == 999 {
            is_served(&cluster).await;
        }
    }
    // The oldest made room, long before their time was up.
    assert!(is_ended(&mut idle[0]).await);
    assert!(is_ended(&mut idle[1]).await);
    is_served(&cluster).await;
    assert!(cluster.is_alive(0).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_takes_and_polls_that_wait_keep_nobody_out() {
    if !enough_files() {
        return;
    }
    let cluster = Cluster::started(1).await;
    let mut greedy = Vec::new();
    for at in 0..2_500 {
        let mut stream = connect(&cluster).await;
        let request = match at % 3 {
            // Many answers, none of which is read.
            0 => "GET /v1/headers?from=1&limit=2000 HTTP/1.1\r\nhost: node\r\n\r\n".repeat(40),
            1 => "GET /v1/events HTTP/1.1\r\nhost: node\r\n\r\n".to_owned(),
            _ => format!("GET /v1/tip?after={}&wait_ms=30000 HTTP/1.1\r\nhost: node\r\n\r\n", "0".repeat(64)),
        };
        stream.write_all(request.as_bytes()).await.expect("written");
        greedy.push(stream);
    }
    is_served(&cluster).await;
    drop(greedy);
    is_served(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giant_batches_and_bodies_are_refused_while_others_are_served() {
    let cluster = Cluster::started(1).await;
    let call =
        |id: usize| json!({ "jsonrpc": "2.0", "id": id, "method": "chain.block", "params": { "name": 0 } });
    let client = http::client();
    let url = format!("{}/rpc", cluster.url(0));
    let post = async |body: Vec<u8>| {
        let request = client.post(&url).header("content-type", "application/json").body(body);
        request.send().await.ok().map(|answer| answer.status().as_u16())
    };
    let calls: Vec<_> = (0..50_000).map(call).collect();
    let giant = serde_json::to_vec(&calls).expect("JSON");
    let answer = client.post(&url).header("content-type", "application/json").body(giant).send().await;
    let answer = answer.expect("an answer").text().await.expect("a text");
    assert!(answer.contains("error") && answer.len() < 10_000, "{}", &answer[..answer.len().min(300)]);
    is_served(&cluster).await;
    // Above the limit of bytes: refused, or the connection ends while it is sent.
    for bytes in [vec![b'['; 9 << 20], vec![b' '; 64 << 20]] {
        assert!(post(bytes).await.is_none_or(|status| status == 413));
        is_served(&cluster).await;
    }
    // The largest that is allowed, by many at a time.
    let calls: Vec<_> = (0..100).map(call).collect();
    let allowed = serde_json::to_vec(&calls).expect("JSON");
    let sent = (0..64).map(|_| {
        tokio::spawn({
            let request = client.post(&url).header("content-type", "application/json").body(allowed.clone());
            async move { request.send().await.expect("an answer").bytes().await.expect("all of it").len() }
        })
    });
    let sent: Vec<_> = sent.collect();
    is_served(&cluster).await;
    for answer in sent {
        assert!(answer.await.expect("it ends") > 100 * 100);
    }
}
