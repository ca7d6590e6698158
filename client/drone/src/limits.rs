//! Every bound of this crate, in one place.

/// Bytes of a log: it is held in memory while it is flown.
pub const LOG_BYTES_MAX: u64 = 1 << 30;
/// The longest message that becomes an entry: what fits into one record.
pub const MESSAGE_BYTES_MAX: usize = dronechain_record::limits::BODY_BYTES_MAX;
/// A position counts for this long, in microseconds; after that the receiver is taken for lost.
pub const FIX_AGE_MAX_US: u64 = 10_000_000;
/// How deep the types of a ULog format may nest.
pub const NESTING_MAX: usize = 16;
/// UTC times from here on are believed: 2000-01-01, in microseconds since 1970.
pub const UTC_US_MIN: u64 = 946_684_800_000_000;
/// UTC times before this are believed: 2100-01-01, in microseconds since 1970.
pub const UTC_US_MAX: u64 = 4_102_444_800_000_000;
