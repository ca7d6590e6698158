//! Every bound of the command line, in one place.

use std::time::Duration;

/// Bytes of a cookie file.
pub(crate) const COOKIE_BYTES_MAX: u64 = 4 << 10;
/// Bytes of a configuration file.
pub(crate) const CONFIG_BYTES_MAX: u64 = 256 << 10;
/// Bytes of a record's or any other anchored file that is held in memory; larger ones are streamed.
pub(crate) const FILE_BYTES_HELD: u64 = 1 << 20;
/// Subjects of a folder of evidence that are shown to people.
pub(crate) const SUBJECTS_SHOWN_MAX: usize = 20;
/// Seconds that `--wait` waits if nothing else is said.
pub(crate) const TIMEOUT_S: u64 = 120;
/// Between two looks at what is awaited.
pub(crate) const POLL: Duration = Duration::from_millis(250);

/// Requests of records that are signed ahead of the one under way.
pub(crate) const REQUESTS_AHEAD: usize = 2;
/// Tries of one request of records, and the pause before the second; it doubles up to the last.
pub(crate) const SEND_TRIES_MAX: u32 = 8;
/// Pause before the second try.
pub(crate) const SEND_PAUSE: Duration = Duration::from_millis(200);
/// How old the latest known block may be when records are signed.
pub(crate) const KNOWN_BLOCK_AGE: Duration = Duration::from_secs(1);

/// Records and placements asked for at a time.
pub(crate) const PAGE: u64 = 256;
/// Bytes of a page of records: that many of the longest, with their lengths.
pub(crate) const PAGE_BYTES_MAX: usize = 17 << 20;
/// Batches whose trees are kept while receipts are built.
pub(crate) const BATCHES_KEPT: usize = 8;
