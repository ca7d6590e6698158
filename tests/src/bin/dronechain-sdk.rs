//! Measures how fast the SDK's producer takes records, while one real node stores batches and transactions at the same
//! pace, against a bare loop of write and fdatasync on the same file system in the same run.
//!
//! `dronechain-sdk` prints one JSON object a line, as `scripts/bench` does; `dronechain-sdk batches [RECORDS]` does its
//! last part alone; `dronechain-sdk memory [RECORDS]` sends many and prints what is resident on the way.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dronechain_chain_spec::spec::ChainSpec;
use dronechain_client::{Client, Pending, Producer, ProducerConfig, Record};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::soak::{admit, controller, record};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Writes of the bare loop.
const BARE: usize = 1_000;
/// Records of one call, where they come in batches.
const TOGETHER: usize = 1_000;
/// Records of the run in batches.
const IN_BATCHES: u64 = 4_000_000;
/// Records that the memory run sends.
const MANY: u64 = 10_000_000;
/// For nodes to take everything.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let mut cluster = Cluster::new(1, |_: &mut ChainSpec| {});
    cluster.start(0, &[]).await;
    admit(&cluster, &controller()).await;
    let client = Client::builder([cluster.url(0)]).open(cluster.path("client")).await.expect("a client");
    let mut config = ProducerConfig::default();
    config.batch_records = 65_536;
    config.confirmations = 1;
    config.linger = Duration::from_millis(200);
    config.buffer_records = 4_000_000;
    config.buffer_bytes = 3 << 30;
    let producer = client.producer(controller()).config(config).open().expect("a producer");
    let producer = Arc::new(producer);
    match &arguments[..] {
        [word, rest @ ..] if word == "memory" => {
            let count = rest.first().map_or(MANY, |count| count.parse().expect("a number of records"));
            memory(&producer, &cluster, count).await;
        }
        [word, rest @ ..] if word == "batches" => {
            let count = rest.first().map_or(IN_BATCHES, |count| count.parse().expect("a number of records"));
            report("batches_of_1000", &in_batches(&producer, 0, count).await);
        }
        [] => rates(&producer, cluster.folder.path()).await,
        _ => panic!("nothing, or: batches [RECORDS], or: memory [RECORDS]"),
    }
}

async fn rates(producer: &Arc<Producer>, folder: &Path) {
    let mut next = 0;
    let mut bare = bare_syncs(folder);
    for (name, callers, count) in
        [("1_caller", 1, 2_000), ("64_callers", 64, 200_000), ("1024_callers", 1_024, 1_000_000)]
    {
        let figures = one_by_one(producer, next, callers, count).await;
        next += count;
        report(name, &figures);
        if callers == 1 {
            bare.extend(bare_syncs(folder));
            bare.sort_unstable();
            let (p50, p99) = (percentile(&bare, 50), percentile(&bare, 99));
            print("bare_fdatasync_p50", micros(p50), "us", None);
            print("bare_fdatasync_p99", micros(p99), "us", None);
            print("1_caller_p99_to_bare", micros(figures.p99), "us", Some(micros(p99)));
        }
    }
    report("batches_of_1000", &in_batches(producer, next, IN_BATCHES).await);
}

struct Figures {
    acknowledged: f64,
    promised: f64,
    p50: Duration,
    p99: Duration,
}

/// Each caller hands over one record after the other.
async fn one_by_one(producer: &Arc<Producer>, first: u64, callers: u64, count: u64) -> Figures {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let producer = Arc::clone(producer);
        tasks.spawn(async move {
            let mut taken = Vec::new();
            for number in (first + caller..first + count).step_by(usize::try_from(callers).expect("few")) {
                let before = Instant::now();
                drop(producer.send(record(number)).await.expect("taken"));
                taken.push(before.elapsed());
            }
            taken
        });
    }
    figures(producer, start, tasks, count).await
}

/// Four callers hand over a thousand at a time.
async fn in_batches(producer: &Arc<Producer>, first: u64, count: u64) -> Figures {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..4 {
        let producer = Arc::clone(producer);
        tasks.spawn(async move {
            let mut taken = Vec::new();
            for number in (first + caller * TOGETHER as u64..first + count).step_by(4 * TOGETHER) {
                let records: Vec<_> =
                    (number..number + TOGETHER as u64).map(|number| Record::new(record(number))).collect();
                let before = Instant::now();
                drop(producer.send_all(&records).await.expect("taken"));
                taken.push(before.elapsed());
            }
            taken
        });
    }
    figures(producer, start, tasks, count).await
}

async fn figures(producer: &Producer, start: Instant, tasks: JoinSet<Vec<Duration>>, count: u64) -> Figures {
    let mut taken = tasks.join_all().await.concat();
    let acknowledged = count as f64 / start.elapsed().as_secs_f64();
    producer.flush(PATIENCE).await.expect("the node takes everything");
    let promised = count as f64 / start.elapsed().as_secs_f64();
    taken.sort_unstable();
    Figures { acknowledged, promised, p50: percentile(&taken, 50), p99: percentile(&taken, 99) }
}

fn report(name: &str, figures: &Figures) {
    print(&format!("{name}_acknowledged"), figures.acknowledged, "1/s", None);
    print(&format!("{name}_stored_by_node"), figures.promised, "1/s", Some(figures.acknowledged));
    print(&format!("{name}_p50"), micros(figures.p50), "us", None);
    print(&format!("{name}_p99"), micros(figures.p99), "us", None);
}

async fn memory(producer: &Producer, cluster: &Cluster, count: u64) {
    let mut last: Option<Pending> = None;
    let start = Instant::now();
    for number in (0..count).step_by(TOGETHER) {
        if number % (count / 20).max(TOGETHER as u64) == 0 {
            let resident = resident_bytes();
            println!(
                "{}",
                json!({
                    "bench": "sdk-memory", "records": number, "seconds": start.elapsed().as_secs_f64().round(),
                    "resident_mb": (resident as f64 / 1e6).round(),
                    "node_resident_mb": (cluster.resident_bytes(0) as f64 / 1e6).round(),
                })
            );
        }
        let records: Vec<_> =
            (number..number + TOGETHER as u64).map(|number| Record::new(record(number))).collect();
        last = producer.send_all(&records).await.expect("taken").pop();
    }
    let last = last.expect("some record");
    last.confirmations_within(1, PATIENCE).await.expect("included");
    print("records_a_second_to_inclusion", count as f64 / start.elapsed().as_secs_f64(), "1/s", None);
    print("resident_at_the_end", resident_bytes() as f64 / 1e6, "MB", None);
}

/// How long each write of a record and its fdatasync takes.
fn bare_syncs(folder: &Path) -> Vec<Duration> {
    let mut file = std::fs::File::create(folder.join("bare")).expect("a file");
    let bytes = record(0);
    let sync = |_| {
        let before = Instant::now();
        file.write_all(&bytes).and_then(|()| file.sync_data()).expect("written");
        before.elapsed()
    };
    (0..BARE).map(sync).collect()
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1_024
}

fn print(figure: &str, value: f64, unit: &str, baseline: Option<f64>) {
    let round = |value: f64| (value * 10.0).round() / 10.0;
    let ratio = baseline.map_or(Value::Null, |baseline| json!((value / baseline * 100.0).round() / 100.0));
    let baseline = baseline.map_or(Value::Null, |baseline| json!(round(baseline)));
    println!(
        "{}",
        json!({
            "bench": "sdk", "figure": figure, "value": round(value), "unit": unit, "baseline": baseline, "ratio": ratio,
        })
    );
}
