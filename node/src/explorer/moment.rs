//! Times for people, and for machines in `datetime`.

use std::time::{SystemTime, UNIX_EPOCH};

use maud::{Markup, html};

const DAY_MS: u64 = 86_400_000;
/// The last ms of the year 9999: years have four digits, and claims may be any number.
const LAST_MS: u64 = 253_402_300_799_999;

/// The clock, ms since 1970 UTC.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A time in full.
pub(super) fn at(ms: u64) -> Markup {
    html! { time datetime=(machine(ms)) { (human(ms)) } }
}

/// A time that a sender claims; 0 is none.
pub(super) fn claimed(ms: u64) -> Markup {
    if ms == 0 {
        html! { "not told" }
    } else {
        at(ms)
    }
}

/// How long ago; the script keeps it up to date.
pub(super) fn ago(ms: u64, now: u64) -> Markup {
    html! { time datetime=(machine(ms)) title=(human(ms)) data-age=(ms) { (span(now.saturating_sub(ms))) " ago" } }
}

/// A length of time.
pub(super) fn span(ms: u64) -> String {
    let s = ms / 1_000;
    match s {
        ..10 => format!("{}.{} s", s, ms % 1_000 / 100),
        10..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {} min", s / 3_600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3_600 % 24),
    }
}

fn human(ms: u64) -> String {
    let text = machine(ms);
    let (day, rest) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", rest.get(..8).unwrap_or_default())
}

/// RFC 3339, in ms.
fn machine(ms: u64) -> String {
    let ms = ms.min(LAST_MS);
    let (year, month, day) = date(ms / DAY_MS);
    let (s, part) = (ms % DAY_MS / 1_000, ms % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{part:03}Z", s / 3_600, s / 60 % 60, s % 60)
}

/// Year, month and day by the Gregorian calendar. Years are counted from March, so that leap days end them.
fn date(days: u64) -> (u64, u64, u64) {
    // From the 1st of March of the year 0; 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(machine(ms), text);
        }
        assert_eq!(human(1_700_000_000_123), "2023-11-14 22:13:20 UTC");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let spans = [1_250, 59_999, 61_000, 7_260_000, 90_000_000].map(span);
        assert_eq!(spans, ["1.2 s", "59 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]);
    }
}
