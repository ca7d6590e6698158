//! A node's `/v1/tip` and `/v1/headers`, over links that the test exchanges: also such as no honest node shows.

use std::sync::{Arc, Mutex};

use dronechain_chain_spec::chain::{HeaderChain, encode_link};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::target::Work;
use dronechain_client::NodeClient;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it shows.
struct Shown {
    /// From height 1 on.
    links: Vec<Link>,
    tip: Value,
    lowest_asked: Option<u64>,
    /// Requests for headers are left without an answer.
    is_stalled: bool,
    /// Such requests, and those of them that are still open.
    stalled: (usize, usize),
}

pub(crate) struct Node {
    shown: Arc<Mutex<Shown>>,
    pub(crate) url: String,
    pub(crate) client: NodeClient,
}

impl Node {
    pub(crate) async fn of(chain: &HeaderChain) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let shown = Shown {
            links: Vec::new(),
            tip: Value::Null,
            lowest_asked: None,
            is_stalled: false,
            stalled: (0, 0),
        };
        let shown = Arc::new(Mutex::new(shown));
        let served = Arc::clone(&shown);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = Arc::clone(&served);
                tokio::spawn(async move { answer(stream, &served).await });
            }
        });
        let node = Self { shown, client: NodeClient::new(&url).expect("an address"), url };
        node.set(chain);
        node
    }

    pub(crate) fn set(&self, chain: &HeaderChain) {
        let links = (1..=chain.height()).map(|height| chain.link(height).expect("there").clone());
        self.claim(links.collect(), chain.work());
    }

    /// Shows links whether they are valid or not, and claims so much work for them.
    pub(crate) fn claim(&self, links: Vec<Link>, work: Work) {
        let mut shown = self.shown.lock().expect("no panics");
        let hash = links.last().map(|link| link.header.header.hash());
        shown.tip = json!({ "hash": hash, "height": links.len(), "time_ms": 0, "work": work });
        shown.links = links;
    }

    /// Claims another tip than it shows headers of.
    pub(crate) fn claim_tip(&self, hash: Hash256, height: u64, work: Work) {
        let mut shown = self.shown.lock().expect("no panics");
        shown.tip = json!({ "hash": hash, "height": height, "time_ms": 0, "work": work });
    }

    /// Leaves requests for headers without an answer from now on.
    pub(crate) fn stall(&self) {
        self.shown.lock().expect("no panics").is_stalled = true;
    }

    /// Requests that were left so, and those that still wait.
    pub(crate) fn stalled(&self) -> (usize, usize) {
        self.shown.lock().expect("no panics").stalled
    }

    /// The lowest height from which on headers were asked for.
    pub(crate) fn lowest_asked(&self) -> Option<u64> {
        self.shown.lock().expect("no panics").lowest_asked
    }
}

async fn answer(mut stream: TcpStream, shown: &Mutex<Shown>) {
    let mut head = vec![0; 4096];
    let Ok(read) = stream.read(&mut head).await else { return };
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let Some(path) = head.split(' ').nth(1) else { return };
    let is_stalled = path.contains("from=") && {
        let mut shown = shown.lock().expect("no panics");
        let is_stalled = shown.is_stalled;
        if is_stalled {
            shown.stalled = (shown.stalled.0 + 1, shown.stalled.1 + 1);
        }
        is_stalled
    };
    if is_stalled {
        // Until the client leaves.
        let _ = stream.read(&mut [0; 1]).await;
        shown.lock().expect("no panics").stalled.1 -= 1;
        return;
    }
    let body = {
        let mut shown = shown.lock().expect("no panics");
        match path.split_once("from=") {
            Some((_, query)) => {
                let from: u64 = query.split('&').next().and_then(|from| from.parse().ok()).expect("a height");
                shown.lowest_asked = Some(shown.lowest_asked.map_or(from, |lowest| lowest.min(from)));
                let mut bytes = Vec::new();
                // Few at a time, so that following takes several answers.
                let skipped = usize::try_from(from - 1).expect("a height");
                for link in shown.links.iter().skip(skipped).take(3) {
                    encode_link(link, &mut bytes);
                }
                bytes
            }
            None => shown.tip.to_string().into_bytes(),
        }
    };
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    // A client that stopped waiting has gone.
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
}
