//! The position in effect while a log is walked.

use dronechain_record::limits::{LAT_E7_MAX, LON_E7_MAX};
use dronechain_record::{Fix, Location, NoLocation};

use crate::limits::FIX_AGE_MAX_US;

/// The least `fix_type` with a position in three dimensions; PX4 and MAVLink count alike.
pub(crate) const FIX_3D: u8 = 3;

/// Holds the receiver's last word: a fix counts until the receiver loses it or falls silent.
pub(crate) struct FixTracker {
    last: Option<(Fix, u64)>,
    absent: NoLocation,
}

impl FixTracker {
    /// `absent` is the reason given while there is no fix.
    pub(crate) fn new(absent: NoLocation) -> Self {
        Self { last: None, absent }
    }

    /// The receiver spoke at `time_us`; `None` means that it has no fix.
    pub(crate) fn update(&mut self, fix: Option<Fix>, time_us: u64) {
        self.last = fix.map(|fix| (fix, time_us));
    }

    /// Whether a fix is in effect at `time_us`.
    pub(crate) fn has_fix(&self, time_us: u64) -> bool {
        matches!(self.location(time_us), Location::Fix(_))
    }

    /// Where the device is at `time_us`, on the clock of the updates.
    pub(crate) fn location(&self, time_us: u64) -> Location {
        match self.last {
            // Absolute: messages of different topics are logged slightly out of order.
            Some((fix, at)) if time_us.abs_diff(at) <= FIX_AGE_MAX_US => Location::Fix(fix),
            _ => Location::None(self.absent),
        }
    }
}

/// A fix that can be true: on the Earth, and not the 0, 0 that receivers report before they know.
pub(crate) fn plausible(fix: Fix) -> Option<Fix> {
    let on_earth = fix.lat_e7.unsigned_abs() <= LAT_E7_MAX.unsigned_abs()
        && fix.lon_e7.unsigned_abs() <= LON_E7_MAX.unsigned_abs();
    (on_earth && (fix.lat_e7, fix.lon_e7) != (0, 0)).then_some(fix)
}

/// `value` times `scale`, rounded, if it fits.
pub(crate) fn scaled<T: TryFrom<i64>>(value: f64, scale: f64) -> Option<T> {
    let scaled = (value * scale).round();
    // Within 2^53 every whole f64 is exact; NaN fails the comparison.
    if scaled.abs() > 9_007_199_254_740_992.0 || scaled.is_nan() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
    T::try_from(scaled as i64).ok()
}
