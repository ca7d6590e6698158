//! Measures the difficulty and spacing rules on simulated chains: the rules are the node's own, the waits
//! are drawn, nothing is hashed. Repeats by its seeds.
//!
//! Prints one JSON object a line, as `scripts/bench` does; `--plot FILE` draws what is behind it.

mod cases;
mod plot;
mod simulation;

use std::process::ExitCode;

use cases::{Figure, measure};
use serde_json::json;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let plot = match arguments.as_slice() {
        [] => None,
        [flag, file] if flag == "--plot" => Some(file),
        _ => {
            eprintln!("usage: dronechain-difficulty [--plot FILE]");
            return ExitCode::from(2);
        }
    };
    let measured = measure();
    for Figure { name, value, unit, expected } in &measured.figures {
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        let ratio = expected.map(|expected| rounded(value / expected));
        let value = rounded(*value);
        let line = json!({
            "bench": "difficulty", "figure": name, "value": value, "unit": unit,
            "baseline": expected, "ratio": ratio,
        });
        println!("{line}");
    }
    if let Some(file) = plot
        && let Err(error) = std::fs::write(file, plot::svg(&measured.changes))
    {
        eprintln!("error: {file}: {error}");
        return ExitCode::from(3);
    }
    ExitCode::SUCCESS
}
