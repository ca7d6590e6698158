//! Measures how fast a fresh node syncs a long chain of empty blocks from one peer over loopback, against
//! the rate at which one core verifies those blocks' signatures and does nothing else.
//!
//! Prints one JSON object a line, as `scripts/bench` does. Both nodes are real processes.

use std::time::{Duration, Instant};

use dronechain_chain_spec::header::SignedHeader;
use dronechain_chain_spec::target::Bits;
use dronechain_node::core::view::View as _;
use dronechain_node::store::{Options, Store};
use dronechain_tests::cluster::{Cluster, now_ms};
use dronechain_tests::hostile::Forge;
use serde_json::{Value, json};

/// Blocks of the chain, unless the first argument says otherwise.
const BLOCKS: u64 = 100_000;
/// Blocks written at once.
const BATCH: u64 = 2_000;
/// Every hash meets it: only the signatures cost.
const EASIEST: Bits = Bits(0x2100_ffff);
/// Headers whose signatures are verified for the baseline.
const VERIFIED: u64 = 20_000;
/// How often the syncing node is asked how far it is.
const POLL: Duration = Duration::from_millis(20);
/// The longest that a sync may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// A syncing node may have this many MB resident.
const RESIDENT_MB: f64 = 300.0;

#[tokio::main]
async fn main() {
    let blocks = std::env::args().nth(1).map_or(BLOCKS, |count| count.parse().expect("a number of blocks"));
    let mut cluster = Cluster::new(3, |spec| {
        spec.parameters.limit_bits = EASIEST;
        spec.parameters.initial_bits = EASIEST;
        spec.genesis_time_ms = now_ms() - (blocks + 60) * spec.parameters.block_time_ms;
    });
    eprintln!("making {blocks} blocks");
    let headers = make_chain(&cluster, blocks);

    cluster.start(0, &["--mining-share", "0"]).await;
    eprintln!("syncing");
    cluster.start(1, &["--mining-share", "0"]).await;
    let seconds = sync(&cluster, blocks).await;
    let resident = cluster.resident_peak_bytes(1);
    let served = cluster.resident_peak_bytes(0);
    cluster.kill_all();

    let verified = verify_rate(&cluster, headers);
    let rate = blocks as f64 / seconds;
    print("blocks_per_second", rate, "1/s", Some(verified));
    print("signatures_per_second_one_core", verified, "1/s", None);
    print("seconds", seconds, "s", None);
    print("resident_peak", resident as f64 / 1e6, "MB", Some(RESIDENT_MB));
    print("resident_peak_of_server", served as f64 / 1e6, "MB", None);
}

/// Fills node 0's store; gives the first headers.
fn make_chain(cluster: &Cluster, blocks: u64) -> Vec<SignedHeader> {
    let data = cluster.path("node0");
    std::fs::create_dir_all(&data).expect("a folder");
    let (store, _) = Store::open(&data.join("ledger"), &cluster.spec, &Options::default()).expect("a store");
    let mut forge = Forge::new(&cluster.spec);
    for (height, key) in (1..=blocks).zip(cluster.keys.iter().cycle()) {
        forge.block(key, Vec::new(), Vec::new());
        if height % BATCH == 0 || height == blocks {
            forge.write(&store);
        }
    }
    let header = |height| {
        let hash = store.active(height).expect("a readable store").expect("an active block");
        store.header(&hash).expect("a readable store").expect("its header").signed
    };
    (1..=blocks.min(VERIFIED)).map(header).collect()
}

/// Seconds from the first block that node 1 has to the last.
async fn sync(cluster: &Cluster, blocks: u64) -> f64 {
    let limit = Instant::now() + PATIENCE;
    let mut first = None;
    loop {
        assert!(Instant::now() < limit, "the sync takes too long: {}", cluster.log(1));
        let status = cluster.get(1, "/v1/status").await.unwrap_or(Value::Null);
        let height = status["tip"]["height"].as_u64().unwrap_or(0);
        let heard = status["headers_height"].as_u64().unwrap_or(0);
        if first.is_none() && heard > 0 {
            // What came before the first poll that sees it is counted as if it took no time.
            first = Some((Instant::now(), height));
        }
        if let Some((since, already)) = first
            && height >= blocks
        {
            let share = (blocks - already) as f64 / blocks as f64;
            return since.elapsed().as_secs_f64() / share;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Miners' signatures that this thread verifies in a second.
fn verify_rate(cluster: &Cluster, headers: Vec<SignedHeader>) -> f64 {
    let network = cluster.spec.network();
    let count = headers.len();
    let start = Instant::now();
    for header in headers {
        header.check(&network).expect("a valid header");
    }
    count as f64 / start.elapsed().as_secs_f64()
}

fn print(figure: &str, value: f64, unit: &str, baseline: Option<f64>) {
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    let (baseline, ratio) = (baseline.map(rounded), baseline.map(|baseline| rounded(value / baseline)));
    let value = rounded(value);
    let line = json!({
        "bench": "sync", "figure": figure, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio,
    });
    println!("{line}");
}
