//! Runs seeds of the simulation and tells what happened; see `scripts/sim --help`.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use dronechain_tests::sim::{self, Outcome, Tally};
use serde_json::json;

const USAGE: &str = "\
usage: scripts/sim [--seeds N] [--seed S] [--threads N] [--json] [--describe] [--keep-going] [--log]

Simulates clusters of 3 to 20 nodes on the real core, one for each seed, with faults in network, disk,
clock and power, lying nodes, and checkers for what must hold.

  --seeds N      seeds from the first on (default 20)
  --seed S       the first seed (default 1); alone it runs that one seed
  --threads N    seeds at a time (default: processors)
  --json         one JSON object on stdout instead of text
  --describe     show what the first seed draws, and run nothing
  --log          tell on stderr what happens to each node
  --keep-going   do not stop at the first seed that fails

Exit code 0: nothing found; 1: a seed failed (the line names seed, time, checker); 2: usage.";

struct Arguments {
    first: u64,
    seeds: u64,
    threads: usize,
    json: bool,
    describe: bool,
    keep_going: bool,
    log: bool,
}

fn arguments() -> Result<Arguments, String> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut first, mut seeds) = (None, None);
    let (mut threads, mut json, mut describe, mut keep_going) = (processors, false, false, false);
    let mut log = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64, String> {
            let value = words.next().ok_or(format!("{word} wants a number"))?;
            value.parse().map_err(|_| format!("{word} wants a number, not {value}"))
        };
        match word.as_str() {
            "--seeds" => seeds = Some(number()?),
            "--seed" => first = Some(number()?),
            "--threads" => threads = usize::try_from(number()?.clamp(1, 64)).expect("at most 64"),
            "--json" => json = true,
            "--describe" => describe = true,
            "--keep-going" => keep_going = true,
            "--log" => log = true,
            "-h" | "--help" => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            _ => return Err(format!("unknown argument {word}")),
        }
    }
    let seeds = seeds.unwrap_or(if first.is_some() { 1 } else { 20 });
    Ok(Arguments { first: first.unwrap_or(1), seeds, threads, json, describe, keep_going, log })
}

/// Everything that was run so far.
#[derive(Default)]
struct Summary {
    seeds: u64,
    time_ms: u64,
    trace: u64,
    tally: Tally,
    failed: Vec<Outcome>,
}

fn run(arguments: &Arguments) -> Summary {
    let next = AtomicU64::new(arguments.first);
    let end = arguments.first.saturating_add(arguments.seeds);
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let stop = !arguments.keep_going && !summary.lock().expect("no panics").failed.is_empty();
                    if seed >= end || stop {
                        return;
                    }
                    let outcome = sim::run_logged(seed, arguments.log);
                    let mut summary = summary.lock().expect("no panics");
                    summary.seeds += 1;
                    summary.time_ms += outcome.time_ms;
                    summary.trace ^= outcome.trace;
                    summary.tally.merge(&outcome.tally);
                    if let Some(violation) = &outcome.violation {
                        eprintln!("seed {seed} FAILED: {violation}");
                        summary.failed.push(outcome);
                    }
                }
            });
        }
    });
    let mut summary = summary.into_inner().expect("no panics");
    summary.failed.sort_by_key(|outcome| outcome.seed);
    summary
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if arguments.describe {
        println!("{}", sim::describe(arguments.first));
        return ExitCode::SUCCESS;
    }
    // A panic is told as a failed seed.
    std::panic::set_hook(Box::new(|_| {}));
    let start = Instant::now();
    let Summary { seeds, time_ms, trace, tally, failed } = run(&arguments);
    let (seconds, hours) = (start.elapsed().as_secs_f64(), time_ms as f64 / 3_600_000.0);
    if arguments.json {
        let failed: Vec<_> = failed
            .iter()
            .filter_map(|outcome| {
                let violation = outcome.violation.as_ref()?;
                Some(json!({
                    "seed": outcome.seed,
                    "time_ms": violation.time_ms,
                    "checker": violation.checker,
                    "node": violation.node,
                    "what": violation.what,
                }))
            })
            .collect();
        let summary = json!({
            "seeds": seeds,
            "simulated_hours": hours,
            "seconds": seconds,
            "trace": format!("{trace:016x}"),
            "failed": failed,
            "counts": tally.to_json(),
        });
        println!("{summary}");
    } else {
        println!(
            "{seeds} seeds, {hours:.1} simulated hours in {seconds:.1} s, trace {trace:016x}, {} failed",
            failed.len()
        );
        print!("{}", tally.to_text());
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
