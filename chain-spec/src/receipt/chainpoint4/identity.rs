//! A proof's id and time, which follow from the rest of it: whoever makes the proof of a record makes
//! the same one.

use crate::hash::{Hash256, sha256};

/// What the id is hashed with, besides target and txid.
const PURPOSE: &[u8] = b"dronechain/proof-id/1\0";
/// 100 ns from the beginning of the Gregorian calendar, 1582-10-15, to 1970-01-01 (RFC 9562, 5.1).
const GREGORIAN: u64 = 0x01b2_1dd2_1381_4000;
/// The last millisecond whose year has four digits.
const LAST_MS: u64 = 253_402_300_799_999;
const DAY_S: u64 = 86_400;

/// Id and time of a proof.
pub(super) struct Identity {
    /// A UUID of version 1.
    pub(super) proof_id: String,
    /// `YYYY-MM-DDTHH:MM:SSZ`.
    pub(super) hash_received: String,
}

impl Identity {
    /// Of the proof that `target` is anchored by the transaction `txid` in a block of `time_ms` since 1970
    /// UTC: the time is the block's, the id's clock sequence and node are those of a hash over both.
    pub(super) fn of(target: &Hash256, txid: &Hash256, time_ms: u64) -> Self {
        let time_ms = time_ms.min(LAST_MS);
        let ticks = time_ms * 10_000 + GREGORIAN;
        let (low, middle, high) = (ticks & 0xffff_ffff, ticks >> 32 & 0xffff, ticks >> 48 & 0x0fff);
        let digest = sha256(&[PURPOSE, &target.0, &txid.0]).0;
        // Variant 10; and the bit of a multicast address, since the node is no network card's.
        let (sequence, node) = (digest[0] & 0x3f | 0x80, digest[2] | 0x01);
        let (rest, nodes) = (digest[1], hex::encode(&digest[3..8]));
        let proof_id =
            format!("{low:08x}-{middle:04x}-1{high:03x}-{sequence:02x}{rest:02x}-{node:02x}{nodes}");
        Self { proof_id, hash_received: time_text(time_ms / 1000) }
    }
}

/// Seconds since 1970 UTC by the Gregorian calendar.
fn time_text(seconds: u64) -> String {
    let (mut year, mut day) = (1970, seconds / DAY_S);
    while day >= year_days(year) {
        day -= year_days(year);
        year += 1;
    }
    let mut month = 1;
    while day >= month_days(year, month) {
        day -= month_days(year, month);
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", day + 1)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn year_days(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_586_814_103, "2020-04-13T21:41:43Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST_MS / 1000, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(time_text(seconds), text);
        }
    }

    #[test]
    fn ids_are_of_version_1_and_hold_the_time() {
        let id = |time_ms| Identity::of(&sha256(&[b"target"]), &sha256(&[b"txid"]), time_ms).proof_id;
        // The example of RFC 9562, A.1, but for its tenths of microseconds.
        let id_at = id(1_645_557_742_000);
        assert!(id_at.starts_with("c232ab00-9414-11ec-"), "{id_at}");
        assert_ne!(id(0), id(1));
        assert_eq!(id(LAST_MS), id(u64::MAX));
        assert_eq!(id(0).as_bytes()[14], b'1');
        assert!(b"89ab".contains(&id(0).as_bytes()[19]));
    }
}
