//! Every bound of a record, in one place. A value beyond its bound is refused, never cut.

pub use dronechain_chain_spec::limits::RECORD_BYTES_MAX;

/// The most bytes of a record that are not its body: envelope, key, signature, all other fields.
pub const OVERHEAD_BYTES_MAX: usize = 640;
/// Bytes of a clear body, or of a sealed body's ciphertext, that always fit into a record.
pub const BODY_BYTES_MAX: usize = RECORD_BYTES_MAX - OVERHEAD_BYTES_MAX;
/// Bytes of a content type.
pub const CONTENT_TYPE_BYTES_MAX: usize = 64;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// Bytes of the authentication tag that every ciphertext ends with.
pub const SEAL_TAG_BYTES: usize = 16;
/// Bytes of a sealed location's ciphertext: a location is far shorter, the rest is padding.
pub const SEALED_LOCATION_BYTES_MAX: usize = 64;
/// The last sequence number: databases and JSON readers hold it in a signed 64-bit integer.
pub const SEQUENCE_MAX: u64 = i64::MAX as u64;
/// The last time, in microseconds; for the same reason.
pub const TIME_US_MAX: u64 = i64::MAX as u64;
/// Latitude of the poles, in 1e-7 degrees.
pub const LAT_E7_MAX: i32 = 900_000_000;
/// Longitude of the antimeridian, in 1e-7 degrees.
pub const LON_E7_MAX: i32 = 1_800_000_000;
