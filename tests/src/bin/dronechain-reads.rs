//! Measures every read call of a node on long chains: 200 requests a second of each, open-loop, with `/livez` in between at
//! the same rate. Latency counts from the moment at which a request was due. Then the processor time of the node for a
//! request, one after the other.
//!
//! The nodes of all chains run at the same time and are asked in turns, a second each, so that what else the machine does meets
//! all of them alike. Prints one JSON object a line, as `scripts/bench` does. The calls are those that the node's own
//! `openapi.json` names.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dronechain_tests::calls::{Names, Target, calls, pages};
use dronechain_tests::http;
use dronechain_tests::long::Long;
use reqwest::Client;
use serde_json::{Value, json};

/// Blocks of the chains, unless the arguments say otherwise; each with ten times as many records.
const BLOCKS: [u64; 2] = [100_000, 1_000_000];
/// Requests a second.
const RATE: u32 = 200;
/// Turns of each node with each call.
const ROUNDS: usize = 9;
/// The same where calls are named.
const ROUNDS_OF_NAMED: usize = 45;
/// Requests of each call in a turn, and as many to `/livez`: a second's worth.
const REQUESTS: usize = 200;
/// Requests of a turn whose processor time is taken.
const ALONE: usize = 200;
/// Blocks, spread over the chain, whose names requests are made of.
const SAMPLES: usize = 400;

/// A node with its chain.
struct Side {
    long: Long,
    url: String,
    samples: Vec<Names>,
}

/// What was measured of one call at one node.
#[derive(Default)]
struct Measured {
    /// Latencies in ms.
    call: Vec<f64>,
    /// Those of `/livez`.
    livez: Vec<f64>,
    /// p99 of each turn.
    p99: Vec<f64>,
    /// Processor time of the node for a request, in µs: at most one value a turn.
    processor: Vec<f64>,
    /// Answers that were errors.
    failed: usize,
}

#[tokio::main]
async fn main() {
    let (mut sizes, mut names) = (Vec::new(), Vec::new());
    for argument in std::env::args().skip(1) {
        match argument.parse::<u64>() {
            Ok(blocks) => sizes.push(blocks),
            Err(_) => names.push(argument),
        }
    }
    if sizes.is_empty() {
        sizes = BLOCKS.to_vec();
    }
    let rounds = if names.is_empty() { ROUNDS } else { ROUNDS_OF_NAMED };
    let http = http::client();
    let mut sides = Vec::with_capacity(sizes.len());
    for blocks in sizes {
        sides.push(side(&http, blocks).await);
    }
    let mut targets = calls(&http, &sides[0].url).await;
    targets.extend(pages());
    for name in &names {
        assert!(targets.iter().any(|target| target.name == *name), "there is no call or page {name}");
    }
    targets.retain(|target| names.is_empty() || names.contains(&target.name));
    for target in targets {
        report(&target, &sides, &measure(&http, &target, &sides, rounds).await);
    }
    for side in &sides {
        let resident = side.long.cluster.resident_peak_bytes(0);
        print(
            &json!({ "figure": "resident_peak_mb", "blocks": side.long.blocks, "value": round(resident as f64 / 1e6) }),
        );
    }
}

/// Writes a chain, and starts a node on it.
async fn side(http: &Client, blocks: u64) -> Side {
    let start = Instant::now();
    let mut long = Long::new(blocks, 10 * blocks);
    let seconds = start.elapsed().as_secs_f64();
    print(
        &json!({ "figure": "blocks_written_per_second", "blocks": blocks, "value": round(blocks as f64 / seconds) }),
    );
    let start = Instant::now();
    long.cluster.start(0, &["--mining-share", "0"]).await;
    print(
        &json!({ "figure": "seconds_to_start", "blocks": blocks, "value": round(start.elapsed().as_secs_f64()) }),
    );
    let url = long.cluster.url(0).to_owned();
    let samples = samples(&long, http, &url).await;
    counted(http, &url).await;
    Side { long, url, samples }
}

/// Waits until the explorer has counted the chain's records, which it does once, beside what it is asked for.
async fn counted(http: &Client, url: &str) {
    loop {
        let page = http.get(url).send().await.expect("an answer").text().await.expect("text");
        if !page.contains("counting on") {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Measures one call at each node in turns.
async fn measure(http: &Client, target: &Target, sides: &[Side], rounds: usize) -> Vec<Measured> {
    let mut measured: Vec<Measured> = sides.iter().map(|_| Measured::default()).collect();
    let mut asked = 0;
    for _ in 0..rounds {
        for (side, measured) in sides.iter().zip(&mut measured) {
            let names = |at: usize| &side.samples[at * 31 % side.samples.len()];
            let request = |at: usize| target.request(http, &side.url, names(at));
            timed(http, &side.url, |at| request(asked + at), measured).await;
            let before = side.long.cluster.processor_times(0);
            for at in 0..ALONE {
                let answer = request(asked + REQUESTS + at).send().await.expect("an answer");
                answer.bytes().await.expect("a body");
            }
            let after = side.long.cluster.processor_times(0);
            // A thread that ended took its time with it: such a turn tells nothing.
            if before.keys().all(|thread| after.contains_key(thread)) {
                let sum = |times: &BTreeMap<u32, Duration>| times.values().sum::<Duration>();
                let taken = sum(&after).saturating_sub(sum(&before));
                measured.processor.push(taken.as_secs_f64() * 1e6 / ALONE as f64);
            }
        }
        asked += REQUESTS + ALONE;
    }
    for measured in &mut measured {
        measured.call.sort_by(f64::total_cmp);
        measured.livez.sort_by(f64::total_cmp);
    }
    measured
}

/// Growth is against the first chain: the median of what it was in each turn. Processor time is that of the cheapest turn, since
/// what else the node and the machine do only adds to it.
fn report(target: &Target, sides: &[Side], measured: &[Measured]) {
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let first = &measured[0];
    for (side, of) in sides.iter().zip(measured) {
        let (p99, base) = (quantile(&of.call, 99), quantile(&of.livez, 99));
        let mut growth: Vec<f64> = of.p99.iter().zip(&first.p99).map(|(of, first)| of / first).collect();
        growth.sort_by(f64::total_cmp);
        print(&json!({
            "figure": target.name, "blocks": side.long.blocks,
            "p50_ms": round(quantile(&of.call, 50)), "p99_ms": round(p99), "processor_us": round(least(&of.processor)),
            "p50_livez_ms": round(quantile(&of.livez, 50)), "p99_livez_ms": round(base), "ratio": round(p99 / base),
            "p99_growth": round(quantile(&growth, 50)),
            "processor_growth": round(least(&of.processor) / least(&first.processor)),
            "failed": of.failed,
        }));
    }
}

/// Sends the call and `/livez` in turns, each when it is due, however long others take.
async fn timed(
    http: &Client,
    url: &str,
    request: impl Fn(usize) -> reqwest::RequestBuilder,
    measured: &mut Measured,
) {
    let (start, interval) = (Instant::now(), Duration::from_secs(1) / (2 * RATE));
    let mut waiting = Vec::with_capacity(2 * REQUESTS);
    for at in 0..2 * REQUESTS {
        let due = start + interval * u32::try_from(at).expect("few");
        let is_call = at % 2 == 0;
        let request = if is_call { request(at / 2) } else { http.get(format!("{url}/livez")) };
        tokio::time::sleep_until(due.into()).await;
        waiting.push(tokio::spawn(async move {
            let answer = request.send().await.expect("an answer");
            let is_fine = answer.status().is_success();
            answer.bytes().await.expect("a body");
            (is_call, due.elapsed().as_secs_f64() * 1e3, is_fine)
        }));
    }
    let mut turn = Vec::with_capacity(REQUESTS);
    for answered in waiting {
        let (is_call, ms, is_fine) = answered.await.expect("it ends");
        measured.failed += usize::from(!is_fine);
        if is_call { turn.push(ms) } else { measured.livez.push(ms) }
    }
    turn.sort_by(f64::total_cmp);
    measured.p99.push(quantile(&turn, 99));
    measured.call.append(&mut turn);
}

async fn samples(long: &Long, http: &Client, url: &str) -> Vec<Names> {
    let mut samples = Vec::with_capacity(SAMPLES);
    let range = long.anchored();
    let step = (range.end() - range.start()) / SAMPLES as u64;
    for at in 0..SAMPLES as u64 {
        // Not at the same place of each group of blocks that were written together.
        let height = range.start() + at * step + at * 7 % step.max(1);
        samples.push(Names::at(http, url, height, at % long.per_block).await);
    }
    samples
}

fn quantile(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn print(line: &Value) {
    let mut line = line.clone();
    line["bench"] = json!("reads");
    println!("{line}");
}
