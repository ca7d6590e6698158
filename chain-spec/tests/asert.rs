//! The difficulty kernel against the published vectors and an independent reference, and the rule.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use dronechain_chain_spec::difficulty::{Asert, next_bits};
use dronechain_chain_spec::limits::{HALF_LIFE, SOLVE_TIME_CAP};
use dronechain_chain_spec::target::{Bits, Target};
use num_bigint::{BigInt, Sign};

fn target(bits: u32) -> Target {
    Target::from_bits(Bits(bits)).unwrap()
}

/// The parameters of the published vectors, in seconds.
fn published() -> Asert {
    Asert { block_time: 600, half_life: 172_800, limit: target(0x1d00_ffff) }
}

#[test]
fn published_vectors_hold_bit_for_bit() {
    let vectors = std::env::var_os("DRONECHAIN_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors")),
        PathBuf::from,
    );
    let Ok(folder) = std::fs::read_dir(vectors.join("asert")) else {
        println!("skipped: no published ASERT vectors in {}", vectors.join("asert").display());
        return;
    };
    let mut rows = 0;
    for path in folder.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("run") && name.ends_with(".txt") {
            rows += check_run(name, &std::fs::read_to_string(&path).unwrap());
        }
    }
    assert!(rows > 0, "{} holds no rows", vectors.join("asert").display());
    println!("{rows} rows");
}

/// Checks every row of one published file and returns how many there were.
fn check_run(name: &str, text: &str) -> usize {
    let head = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("##")?.trim().strip_prefix(key));
        line.unwrap_or_else(|| panic!("{name}: no {key}")).trim()
    };
    let height: i64 = head("anchor height:").parse().unwrap();
    let parent_time: i64 = head("anchor parent time:").parse().unwrap();
    let anchor = target(hex_u32(head("anchor nBits:")));
    let iterations: usize = head("iterations:").parse().unwrap();

    let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(rows.len(), iterations, "{name}");
    for row in &rows {
        let [_, at, time, bits] = row.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{name}: {row}");
        };
        let (at, time): (i64, i64) = (at.parse().unwrap(), time.parse().unwrap());
        let found = published().target(anchor, time - parent_time, at - height).to_bits();
        assert_eq!(found, Bits(hex_u32(bits)), "{name}: {row}");
    }
    rows.len()
}

fn hex_u32(text: &str) -> u32 {
    u32::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

#[test]
fn whole_half_lives_shift_the_target() {
    let reference = target(0x1a2b_3c4d);
    // Lag in half-lives, bits.
    for (lag, bits) in
        [(0, 0x1a2b_3c4d), (1, 0x1a56_789a), (2, 0x1b00_acf1), (-1, 0x1a15_9e26), (-8, 0x192b_3c4d)]
    {
        let found = published().target(reference, 172_800 * lag + 600, 0).to_bits();
        assert_eq!(found, Bits(bits), "{lag} half-lives");
        // The same as a difference of heights.
        let found = published().target(reference, 0, -288 * lag - 1).to_bits();
        assert_eq!(found, Bits(bits), "{lag} half-lives by height");
    }
}

#[test]
fn targets_stay_within_one_and_the_limit() {
    let kernel = published();
    assert_eq!(kernel.target(kernel.limit, 700, 0), kernel.limit);
    assert_eq!(kernel.target(Target::MIN, 500, 0), Target::MIN);
    assert_eq!(kernel.target(Target::MIN, i64::MAX, i64::MIN), kernel.limit);
    assert_eq!(kernel.target(kernel.limit, i64::MIN, i64::MAX), Target::MIN);
    assert_eq!(kernel.target(Target::MAX, 600, 0), kernel.limit);
    let open = Asert { limit: Target::MAX, ..kernel };
    assert_eq!(open.target(Target::MAX, 600, 0), Target::MAX);
    assert_eq!(open.target(Target::MAX, 700, 0), Target::MAX);
    assert!(open.target(Target::MAX, 500, 0) < Target::MAX);
}

/// splitmix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end` - 1.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Of either sign and any order of magnitude up to 2^(`bits` - 1).
    fn signed(&mut self, bits: u64) -> i64 {
        let shift = 64 - bits + self.below(bits);
        self.next().cast_signed() >> shift
    }

    fn target(&mut self) -> Target {
        let mut bytes = [0; 32];
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_be_bytes());
        }
        let zeros = usize::try_from(self.below(32)).unwrap();
        bytes[..zeros].fill(0);
        Target::from_be_bytes(bytes).unwrap_or(Target::MIN)
    }
}

fn number(target: Target) -> BigInt {
    BigInt::from_bytes_be(Sign::Plus, &target.to_be_bytes())
}

/// `floor(a / b)` for a positive `b`; `/` on big integers cuts toward zero.
fn floor_div(a: &BigInt, b: &BigInt) -> BigInt {
    let cut = a / b;
    if &cut * b > *a { cut - 1 } else { cut }
}

/// The published formula on big integers.
fn reference(kernel: &Asert, reference: Target, time_diff: i64, height_diff: i64) -> BigInt {
    let radix = BigInt::from(65_536);
    let lag = BigInt::from(time_diff) - BigInt::from(kernel.block_time) * (BigInt::from(height_diff) + 1);
    // Cut toward zero, then split with a fraction that is never negative.
    let exponent = lag * &radix / BigInt::from(kernel.half_life);
    let whole = floor_div(&exponent, &radix);
    let f = exponent - &whole * &radix;

    let cubic = BigInt::from(195_766_423_245_049_u64) * &f
        + BigInt::from(971_821_376_u64) * f.pow(2)
        + BigInt::from(5_127_u64) * f.pow(3)
        + BigInt::from(2).pow(47);
    let factor = &radix + floor_div(&cubic, &BigInt::from(2).pow(48));

    // Beyond 2^+-300 the bounds decide, whatever the reference.
    let next = match i32::try_from(&whole) {
        Ok(n @ -300..=300) => {
            let power = BigInt::from(2).pow(n.unsigned_abs());
            let (up, down) = if n < 0 { (BigInt::from(1), power) } else { (power, BigInt::from(1)) };
            floor_div(&(number(reference) * factor * up), &(radix * down))
        }
        _ if whole.sign() == Sign::Minus => BigInt::from(0),
        _ => return number(kernel.limit),
    };
    next.max(BigInt::from(1)).min(number(kernel.limit))
}

#[test]
fn kernel_equals_the_big_integer_reference() {
    let mut numbers = Numbers(1);
    let (mut floors, mut limits, mut between) = (0, 0, 0);
    for round in 0..100_000 {
        let limit = if round % 4 == 0 { numbers.target() } else { target(0x207f_ffff) };
        // Seconds; milliseconds; or anything at all.
        let (kernel, time_diff, height_diff) = match round % 3 {
            unit @ (0 | 1) => {
                let scale = if unit == 0 { 1 } else { 1_000 };
                let block_time = 1 + i64::try_from(numbers.below(600 * scale)).unwrap();
                let half_life = block_time * (1 + i64::try_from(numbers.below(300)).unwrap());
                let bits = if unit == 0 { 25 } else { 35 };
                (Asert { block_time, half_life, limit }, numbers.signed(bits), numbers.signed(16))
            }
            _ => {
                let half_life = numbers.signed(64).saturating_abs().max(1);
                let block_time = numbers.signed(64);
                (Asert { block_time, half_life, limit }, numbers.signed(64), numbers.signed(64))
            }
        };
        let start = numbers.target();
        let found = kernel.target(start, time_diff, height_diff);
        assert_eq!(
            number(found),
            reference(&kernel, start, time_diff, height_diff),
            "{kernel:?} {start} {time_diff} {height_diff}"
        );
        match found {
            Target::MIN => floors += 1,
            found if found == limit => limits += 1,
            _ => between += 1,
        }
    }
    println!("{floors} at 1, {limits} at the limit, {between} between");
    assert!(floors > 1_000 && limits > 1_000 && between > 10_000);
}

#[test]
fn kernel_is_defined_for_the_extremes() {
    let extremes = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    for block_time in extremes {
        for half_life in extremes {
            let kernel = Asert { block_time, half_life, limit: Target::MAX };
            let counted = Asert { half_life: half_life.max(1), ..kernel };
            for time_diff in extremes {
                for height_diff in extremes {
                    for start in [Target::MIN, target(0x1d00_ffff), Target::MAX] {
                        assert_eq!(
                            number(kernel.target(start, time_diff, height_diff)),
                            reference(&counted, start, time_diff, height_diff),
                            "{kernel:?} {start} {time_diff} {height_diff}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn rule_follows_the_solve_time_up_to_its_cap() {
    let (parent, limit) = (target(0x1e00_ffff), target(0x207f_ffff));
    for block_time_ms in [1_000, 5_000] {
        let next = |solve_time_ms| next_bits(parent, solve_time_ms, block_time_ms, limit);
        assert_eq!(next(block_time_ms), parent.to_bits());
        assert!(target(next(block_time_ms - 100).0) < parent);
        assert!(target(next(block_time_ms + 100).0) > parent);

        let kernel = Asert {
            block_time: block_time_ms.cast_signed(),
            half_life: (HALF_LIFE * block_time_ms).cast_signed(),
            limit,
        };
        let cap = SOLVE_TIME_CAP * block_time_ms;
        assert_eq!(next(cap), kernel.target(parent, cap.cast_signed(), 0).to_bits());
        assert!(target(next(cap - 100).0) < target(next(cap).0));
        for beyond in [cap + 1, cap + 100, 43_200_000, u64::MAX] {
            assert_eq!(next(beyond), next(cap));
        }
        // 2^(11 / 20) = 1.464.
        assert_eq!(next(cap), Bits(0x1e01_76c5));
    }
}

#[test]
fn rule_never_leaves_the_limit_and_survives_any_time() {
    let limit = target(0x207f_ffff);
    assert_eq!(next_bits(limit, 60_000, 5_000, limit), limit.to_bits());
    for time in [0, 1, u64::MAX / 20, u64::MAX] {
        for block_time in [0, 1, u64::MAX / 20, u64::MAX] {
            for parent in [Target::MIN, limit] {
                assert!(target(next_bits(parent, time, block_time, limit).0) <= limit);
            }
        }
    }
}
