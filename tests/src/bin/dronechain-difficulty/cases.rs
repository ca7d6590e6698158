//! What is done to the simulated chain, and what is measured of it.

use crate::simulation::{Block, Chain};

/// Seeds that a median is taken of.
pub(super) const SEEDS: u64 = 12;
/// Blocks before anything is done or measured: the chain has forgotten how it began.
const WARM_UP: usize = 1_000;
/// Blocks over which a steady chain is measured.
const STEADY: usize = 5_500;
/// The stretch after a change that is looked at, in ms.
const AFTER_MS: u64 = 600_000;
/// How long nobody mines in the outage, in ms.
const OUTAGE_MS: u64 = 12 * 3_600_000;

/// A figure beside what was measured of the rule before it was built in.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    /// Its name.
    pub(super) name: &'static str,
    /// Median over the seeds.
    pub(super) value: f64,
    /// Its unit.
    pub(super) unit: &'static str,
    /// What was measured then; none where nothing was.
    pub(super) expected: Option<f64>,
}

/// A change of hash power, and how the chain took it with each seed.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// What happened.
    pub(super) title: &'static str,
    /// The difficulty that suits the hash power afterwards.
    pub(super) suits: f64,
    /// How long the chain was looked at afterwards, in ms.
    pub(super) length_ms: u64,
    /// With each seed, the blocks after the change; times count from it.
    pub(super) runs: Vec<Vec<Block>>,
}

impl Change {
    fn to(title: &'static str, power: f64, pause_ms: u64, length_ms: u64) -> Self {
        let run = |seed| {
            let mut chain = warm(seed, vec![1.0]);
            chain.set_power(vec![power]);
            let start_ms = chain.now_ms() + pause_ms;
            let mut blocks = Vec::new();
            let mut pause_ms = pause_ms;
            loop {
                let block = chain.mine(std::mem::take(&mut pause_ms));
                let time_ms = block.time_ms - start_ms;
                if time_ms > length_ms {
                    return blocks;
                }
                blocks.push(Block { time_ms, ..block });
            }
        };
        Self { title, suits: power, length_ms, runs: (0..SEEDS).map(run).collect() }
    }

    /// Seconds until the difficulty is below 1.5 times what suits.
    fn recovery(&self) -> f64 {
        median(self.runs.iter().map(|blocks| {
            let last = self.hard(blocks).last().expect("the first block comes before the difficulty falls");
            last.time_ms as f64 / 1_000.0
        }))
    }

    /// The longest wait, in seconds, while the difficulty was not yet below 1.5 times what suits.
    fn worst_gap(&self) -> f64 {
        median(self.runs.iter().map(|blocks| worst(self.hard(blocks))))
    }

    /// The blocks up to the one after which the difficulty first is below 1.5 times what suits.
    fn hard<'a>(&self, blocks: &'a [Block]) -> &'a [Block] {
        let soft = blocks.iter().position(|block| block.difficulty < 1.5 * self.suits);
        &blocks[..soft.expect("it recovers")]
    }

    /// Blocks within ten minutes of the change.
    fn count(&self) -> f64 {
        let soon = |blocks: &Vec<Block>| blocks.iter().filter(|block| block.time_ms <= AFTER_MS).count();
        median(self.runs.iter().map(|blocks| soon(blocks) as f64))
    }
}

/// Everything that is measured.
pub(super) struct Measured {
    /// The figures, in order of the tables.
    pub(super) figures: Vec<Figure>,
    /// The changes behind them, for the plot.
    pub(super) changes: Vec<Change>,
}

/// Runs every case.
pub(super) fn measure() -> Measured {
    let rise = Change::to("hash power x 10", 10.0, 0, AFTER_MS);
    let fall = Change::to("hash power / 10", 0.1, 0, 3 * AFTER_MS);
    let outage = Change::to("12 h outage", 1.0, OUTAGE_MS, AFTER_MS);
    let cliff = Change::to("hash power / 1,000", 0.001, 0, 80 * AFTER_MS);
    let figure = |name, value, unit, expected| Figure { name, value, unit, expected };
    let mut figures = vec![
        figure("deviation of difficulty", deviation(), "%", Some(13.0)),
        figure("hash power / 10: until difficulty < 1.5 x target", fall.recovery(), "s", Some(491.0)),
        figure("hash power / 10: worst gap", fall.worst_gap(), "s", Some(85.0)),
        figure("hash power x 10: blocks in 600 s", rise.count(), "blocks", Some(185.0)),
        figure("12 h outage: blocks in the next 600 s", outage.count(), "blocks", Some(133.0)),
        figure("hash power / 1,000: until difficulty < 1.5 x target", cliff.recovery(), "s", None),
        figure("hash power / 1,000: worst gap", cliff.worst_gap(), "s", None),
    ];
    figures.extend(spacing());
    Measured { figures, changes: vec![rise, fall, outage, cliff] }
}

fn warm(seed: u64, power: Vec<f64>) -> Chain {
    let mut chain = Chain::new(seed, power);
    for _ in 0..WARM_UP {
        chain.mine(0);
    }
    chain
}

/// The spread of a steady chain's difficulty, in per cent of its mean.
fn deviation() -> f64 {
    median((0..SEEDS).map(|seed| {
        let mut chain = warm(seed, vec![1.0]);
        let found: Vec<_> = (0..STEADY).map(|_| chain.mine(0).difficulty).collect();
        let mean = found.iter().sum::<f64>() / found.len() as f64;
        let variance = found.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / found.len() as f64;
        variance.sqrt() / mean * 100.0
    }))
}

/// The spacing rule among unequal miners.
fn spacing() -> Vec<Figure> {
    let figure = |name, value, expected| Figure { name, value, unit: "s", expected };
    let mut figures = Vec::new();
    let steady = [
        (["3 equal: mean", "3 equal: p99", "3 equal: worst of 5,500"], vec![1.0; 3], [5.0, 23.5, 49.5]),
        (
            ["5 equal, 2 down: mean", "5 equal, 2 down: p99", "5 equal, 2 down: worst of 5,500"],
            vec![1.0, 1.0, 1.0, 0.0, 0.0],
            [5.0, 23.5, 49.5],
        ),
        (["21 equal: mean", "21 equal: p99", "21 equal: worst of 5,500"], vec![1.0; 21], [5.0, 23.5, 49.5]),
        (
            ["3, one x 10: mean", "3, one x 10: p99", "3, one x 10: worst of 5,500"],
            vec![10.0, 1.0, 1.0],
            [5.01, 35.0, 80.0],
        ),
        (
            ["3, one x 1,000: mean", "3, one x 1,000: p99", "3, one x 1,000: worst of 5,500"],
            vec![1_000.0, 1.0, 1.0],
            [5.02, 41.0, 104.0],
        ),
    ];
    for (names, power, expected) in steady {
        for ((name, value), expected) in names.into_iter().zip(steadily(&power)).zip(expected) {
            figures.push(figure(name, value, Some(expected)));
        }
    }
    let leaves = twenty(&[1_000.0, 1.0, 1.0], &[0.0, 1.0, 1.0]);
    figures.push(figure("3, the one with x 1,000 leaves: first 20 blocks", leaves, Some(221.0)));
    let joins = twenty(&[0.0, 1.0, 1.0], &[1_000.0, 1.0, 1.0]);
    figures.push(figure("3, one with x 1,000 joins: first 20 blocks", joins, Some(32.0)));
    figures
}

/// Mean, 99th percentile and worst of a steady chain's waits, in seconds.
fn steadily(power: &[f64]) -> [f64; 3] {
    let mut found = [const { Vec::new() }; 3];
    for seed in 0..SEEDS {
        let mut chain = warm(seed, power.to_vec());
        let mut blocks: Vec<_> = (0..STEADY).map(|_| chain.mine(0)).collect();
        found[0].push(blocks.iter().map(|block| block.wait_ms as f64 / 1_000.0).sum::<f64>() / STEADY as f64);
        blocks.sort_by_key(|block| block.wait_ms);
        found[1].push(blocks[STEADY * 99 / 100].wait_ms as f64 / 1_000.0);
        found[2].push(worst(&blocks));
    }
    found.map(|values| median(values.into_iter()))
}

/// Seconds that the first 20 blocks take after hash power changed.
fn twenty(before: &[f64], after: &[f64]) -> f64 {
    median((0..SEEDS).map(|seed| {
        let mut chain = warm(seed, before.to_vec());
        chain.set_power(after.to_vec());
        (0..20).map(|_| chain.mine(0).wait_ms as f64 / 1_000.0).sum()
    }))
}

fn worst(blocks: &[Block]) -> f64 {
    blocks.iter().map(|block| block.wait_ms).max().unwrap_or(0) as f64 / 1_000.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_as_measured_before_the_rule_was_built_in() {
        for Figure { name, value, expected, .. } in measure().figures {
            if let Some(expected) = expected {
                assert!((value / expected - 1.0).abs() <= 0.2, "{name}: {value}, expected {expected}");
            }
        }
    }

    #[test]
    fn runs_repeat_by_their_seeds() {
        let waits = |seed| {
            let mut chain = Chain::new(seed, vec![3.0, 1.0, 1.0]);
            (0..100).map(|_| chain.mine(0).wait_ms).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }
}
