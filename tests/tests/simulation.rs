//! A few seeds of the simulation; `scripts/sim --seeds 1000` runs many.

use std::thread;

use dronechain_tests::sim::{self, Outcome, Tally};

/// Enough that every kind of fault comes up.
const SEEDS: u64 = 60;

fn run(seeds: impl Iterator<Item = u64>) -> Vec<Outcome> {
    let seeds: Vec<_> = seeds.collect();
    let half = seeds.len().div_ceil(2);
    thread::scope(|scope| {
        let threads: Vec<_> = seeds
            .chunks(half)
            .map(|seeds| scope.spawn(|| seeds.iter().map(|seed| sim::run(*seed)).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("panics are outcomes")).collect()
    })
}

#[test]
fn seeds_find_nothing_and_every_kind_of_fault_comes_up() {
    let mut tally = Tally::default();
    for outcome in run(1..=SEEDS) {
        let Outcome { seed, violation, .. } = &outcome;
        assert_eq!(*violation, None, "see scripts/sim --seed {seed} --log");
        assert!(outcome.time_ms >= 600_000, "seed {seed} ran {} ms", outcome.time_ms);
        assert!(outcome.tally.of("blocks", "on the chain") >= 60, "seed {seed}: {}", outcome.tally.to_text());
        tally.merge(&outcome.tally);
    }
    for (group, name) in [
        ("events", "partitions"),
        ("events", "one-way links"),
        ("events", "cuts"),
        ("events", "crashes"),
        ("events", "crashes during a commit"),
        ("events", "slow disks"),
        ("events", "clock jumps"),
        ("events", "clock drifts"),
        ("events", "power changes"),
        ("events", "admissions of nodes"),
        ("events", "revocations of nodes"),
        ("events", "activations announced"),
        ("events", "keys succeeded"),
        ("events", "nodes' keys succeeded"),
        ("events", "revocations of controllers"),
        ("events", "penalties"),
        ("events", "equivocating blocks"),
        ("events", "equivocating transactions"),
        ("events", "schisms"),
        ("events", "finality alarms"),
        ("events", "deep forks healed by override"),
        ("messages", "lost"),
        ("messages", "doubled"),
        ("submissions", "acknowledged"),
        ("submissions", "included"),
        ("submissions", "answers lost"),
        ("reorganisations", "001"),
        ("reorganisations", "002"),
        ("reorganisations", "003"),
        ("refused headers", "H2 header-version"),
        ("refused headers", "H3 header-network"),
        ("refused headers", "H4 header-bits"),
        ("refused headers", "H5 header-tx-count"),
        ("refused headers", "H6 header-work"),
        ("refused headers", "H7 header-signature"),
        ("refused headers", "H9 header-height"),
        ("refused headers", "H10 header-difficulty"),
        ("refused headers", "H11 header-time"),
        ("refused headers", "H12 header-future"),
        ("refused headers", "H13 miner-not-admitted"),
        ("refused headers", "H15 miner-out-of-turn"),
        ("refused headers", "H16 header-opening"),
        ("refused headers", "H18 header-roster"),
        ("refused blocks", "B2 block-tx-count"),
        ("refused blocks", "B3 block-tx-root"),
        ("refused blocks", "B4 block-too-large"),
        ("refused blocks", "B5 block-admin-late"),
        ("refused blocks", "B6 T16 tx-sequence"),
        ("refused blocks", "B7 block-commitments"),
        ("refused transactions", "T3 tx-wrong-sender"),
        ("refused transactions", "T4 tx-device-admitted"),
        ("refused transactions", "T6 tx-leaf-count"),
        ("refused transactions", "T7 tx-admin-set"),
        ("refused transactions", "T8 tx-approvals"),
        ("refused transactions", "T9 tx-signature"),
        ("refused answers", "body-root"),
        ("refused answers", "body-size"),
        ("refused answers", "unasked"),
    ] {
        assert!(tally.of(group, name) > 0, "{group}, {name}: none in\n{}", tally.to_text());
    }
    let deep: u64 = (11..1_000).map(|depth| tally.of("reorganisations", &format!("{depth:03}"))).sum();
    assert!(deep > 0, "no reorganisation of more than 10 blocks in\n{}", tally.to_text());
}

#[test]
fn a_seed_replays_identically() {
    for seed in [3, 5, 8] {
        assert_eq!(sim::run(seed), sim::run(seed), "seed {seed}");
    }
}
