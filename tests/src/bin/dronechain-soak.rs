//! Kills a producer under load many times while nodes restart, and counts the ledger afterwards.
//!
//! `dronechain-soak [KILLS]`: prints one JSON object a line, as `scripts/bench` does; panics with what is lost or twice
//! on the ledger.

use std::time::Instant;

use dronechain_tests::soak::soak;
use serde_json::json;

/// Kills, unless the first argument says otherwise.
const KILLS: u32 = 500;

#[tokio::main]
async fn main() {
    let kills = std::env::args().nth(1).map_or(KILLS, |count| count.parse().expect("a number of kills"));
    let start = Instant::now();
    let soaked = soak(kills).await;
    let print = |figure: &str, value: f64, unit: &str, baseline: Option<f64>| {
        let ratio = baseline.map(|baseline| (value / baseline * 100.0).round() / 100.0);
        println!(
            "{}",
            json!({"bench": "soak", "figure": figure, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio})
        );
    };
    let kills = f64::from(soaked.kills);
    print("kills_with_unacknowledged_records", f64::from(soaked.kills_amid), "", Some(kills));
    print("nodes_restarted", f64::from(soaked.restarts), "", None);
    print("acknowledged_and_anchored_once", soaked.acknowledged as f64, "", None);
    print("batches", soaked.batches as f64, "", None);
    print("deepest_reorganisation", soaked.deepest as f64, "blocks", None);
    print("seconds", start.elapsed().as_secs_f64().round(), "s", None);
}
