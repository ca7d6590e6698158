//! Every bound of the controller, in one place; those of any service are in `dronechain_service::limits`.

use std::time::Duration;

use dronechain_chain_spec::limits::LEAVES_MAX;

/// Bytes of any other request.
pub const JSON_BODY_MAX: usize = 16 << 10;
/// Requests whose signatures are checked at the same time.
pub const VERIFYING_MAX: usize = 4;

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
