//! Numbers for people.

use dronechain_chain_spec::target::{Bits, Target, Work};

/// A number with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The same with what is counted; `many` is more than one, or none.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Three digits and a prefix of the SI: `12.3 M`.
pub(super) fn scaled(number: f64) -> String {
    const PREFIXES: [&str; 9] = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
    let (mut scaled, mut at) = (number, 0);
    while scaled >= 999.5 && at + 1 < PREFIXES.len() {
        scaled /= 1_000.0;
        at += 1;
    }
    let digits = match scaled {
        _ if at == 0 && number.fract() == 0.0 => 0,
        scaled if scaled < 9.995 => 2,
        scaled if scaled < 99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.digits$} {}", PREFIXES[at]).trim_end().to_owned()
}

/// Bytes in powers of 1,024.
pub(super) fn bytes(number: u64) -> String {
    match number {
        ..0x400 => format!("{number} B"),
        0x400..0x10_0000 => format!("{} KiB", number >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", number >> 20),
        _ => format!("{} GiB", count(number >> 30)),
    }
}

/// A work as a number of hashes, near enough to be read.
pub(super) fn hashes(work: &Work) -> f64 {
    work.to_be_bytes().iter().fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte))
}

/// The hashes that a block of this target takes on average.
pub(super) fn difficulty(bits: Bits) -> f64 {
    Target::from_bits(bits).map_or(0.0, |target| hashes(&target.work()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 32.0, 999.0, 1_000.0].map(scaled), ["0", "32", "999", "1.00 k"]);
        assert_eq!([12_345.0, 999_600.0, 4.0e24].map(scaled), ["12.3 k", "1.00 M", "4.00 Y"]);
        assert_eq!([1_023, 2_048, 3 << 20, 5 << 30].map(bytes), ["1023 B", "2 KiB", "3 MiB", "5 GiB"]);
        assert_eq!(counted(1, "block", "blocks"), "1 block");
    }

    #[test]
    fn work_is_told_near_enough() {
        let work: Work = format!("{:064x}", 1_234_567_890_u64).parse().expect("hex");
        assert!((hashes(&work) - 1_234_567_890.0).abs() < 1.0);
        assert!((difficulty(Bits(0x1d00_ffff)) - 4_295_032_833.0).abs() < 1.0);
    }
}
