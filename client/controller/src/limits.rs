//! Every bound of the controller, in one place.

use std::time::Duration;

use dronechain_chain_spec::limits::LEAVES_MAX;

/// Bytes of one request with records.
pub const RECORDS_BODY_MAX: usize = 4 << 20;
/// Records of one request.
pub const RECORDS_PER_REQUEST_MAX: usize = 4_096;
/// Bytes of any other request.
pub const JSON_BODY_MAX: usize = 16 << 10;
/// Requests whose signatures are checked at the same time.
pub const VERIFYING_MAX: usize = 4;
/// Requests with records that are held at the same time; more wait unread.
pub const INTAKE_MAX: usize = 16;
/// Connections at a time; more wait in the listener's queue.
pub const CONNECTIONS_MAX: usize = 256;
/// For a request's head, and between requests of a connection.
pub const HEAD_WAIT: Duration = Duration::from_secs(10);
/// For a whole request.
pub const REQUEST_MAX: Duration = Duration::from_secs(60);
/// For requests and tasks under way to finish at the end.
pub const GRACE: Duration = Duration::from_secs(5);
/// After a connection could not be accepted.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Connections that read the database.
pub const READERS_MAX: u32 = 4;
/// For another connection's write to end.
pub const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Conflicting records kept as evidence per device.
pub const EVIDENCE_PER_DEVICE_MAX: i64 = 1_000;
/// Devices whose standing is kept in memory.
pub const STANDINGS_MAX: usize = 65_536;

/// Leaves of one batch, whatever the configuration says.
pub const BATCH_RECORDS_MAX: u32 = LEAVES_MAX;
/// Transactions that are not confirmed yet; no more batches are closed beyond it.
pub const IN_FLIGHT_MAX: usize = 64;
/// Requests at a time to a network that cannot be reached at the first start.
pub const START_WAIT: Duration = Duration::from_secs(60);
/// One wait for another tip.
pub const TIP_WAIT: Duration = Duration::from_secs(5);
/// First pause after a failure; doubles with each further one.
pub const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest pause after failures.
pub const PAUSE_MAX: Duration = Duration::from_secs(10);
