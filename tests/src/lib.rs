//! What the tests across crates share: processes that end with the test, clusters of real nodes on
//! free loopback ports, a fleet around them.
//!
//! Helpers panic with what went wrong: they are only called from tests.

pub mod anchored;
pub mod browser;
pub mod calls;
pub mod cluster;
pub mod disk;
pub mod events;
pub mod explored;
pub mod fleet;
pub mod guide;
pub mod hostile;
pub mod http;
pub mod ledger;
pub mod liar;
pub mod logs;
pub mod long;
pub mod made;
pub mod network;
pub mod plain;
pub mod process;
pub mod raw;
pub mod sim;
pub mod soak;
pub mod stream;
pub mod wait;
