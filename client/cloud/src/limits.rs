//! Every bound of the cloud server, in one place; those of any service are in `dronechain_service::limits`.

use std::time::Duration;

/// Placements of one answer.
pub const PLACEMENTS_MAX: usize = 10_000;
/// Bytes of any other request.
pub const JSON_BODY_MAX: usize = 16 << 10;
/// Requests whose signatures are checked at the same time.
pub const VERIFYING_MAX: usize = 4;

/// Connections that read the database.
pub const READERS_MAX: u32 = 4;
/// For another connection's write to end.
pub const BUSY_WAIT: Duration = Duration::from_secs(10);

/// Anchors waiting to be fetched.
pub const WANTED_MAX: u64 = 100_000;
/// Anchors fetched in one round.
pub const FETCH_MAX: u32 = 64;
/// An anchor that no node knows of is not asked for any longer than this, in ms.
pub const WANTED_AGE_MS_MAX: u64 = 24 * 3_600_000;
/// Leaves without a record that are remembered, to place records that come behind their anchor.
pub const VACANT_MAX: usize = 1 << 20;
/// Links that readers of the header chain wait for at a time.
pub const PUBLISH_LINKS_MAX: u64 = 256;

/// Rows that a sweep reads at a time.
pub const SWEEP_PAGE: u32 = 1_024;
/// Anchors that a sweep lists at a time.
pub const SWEEP_ANCHORS: u32 = 256;
/// Entries of each list of a report; the totals count all.
pub const FINDINGS_MAX: usize = 1_000;
/// Reports kept in the database.
pub const REPORTS_KEPT: u64 = 100;
/// A record without an anchor, or an anchor whose block left the chain, is pending for so long; in ms.
pub const PENDING_GRACE_MS: u64 = 120_000;
