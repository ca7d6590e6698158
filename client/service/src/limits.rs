//! Every bound that the services share.

use std::time::Duration;

/// Bytes of one request with records, and of one answer with records.
pub const RECORDS_BODY_MAX: usize = 4 << 20;
/// Records of one request or answer.
pub const RECORDS_PER_REQUEST_MAX: usize = 4_096;
/// Requests with records that are held at the same time; more wait unread.
pub const INTAKE_MAX: usize = 16;

/// Connections at a time; more wait in the listener's queue.
pub const CONNECTIONS_MAX: usize = 256;
/// For a request's head, and between requests of a connection.
pub const HEAD_WAIT: Duration = Duration::from_secs(10);
/// For a whole request.
pub const REQUEST_MAX: Duration = Duration::from_secs(60);
/// For requests under way to finish at the end.
pub const GRACE: Duration = Duration::from_secs(5);
/// After a connection could not be accepted.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// One wait for another tip.
pub const TIP_WAIT: Duration = Duration::from_secs(5);
/// For a node to tell the network, at the first start.
pub const START_WAIT: Duration = Duration::from_secs(60);
