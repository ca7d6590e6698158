//! One thing that a device has to report, before it is signed.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_record::{Body, Clock, Draft, Kind, Location};

/// A message of a log (or several, after grouping) and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, in microseconds on `clock`.
    pub time_us: u64,
    /// What the time was read from.
    pub clock: Clock,
    /// Where the device was, as its receiver last said before this message ended.
    pub location: Location,
    /// What the body is, as a media type.
    pub content_type: &'static str,
    /// The bytes as logged.
    pub body: Vec<u8>,
    /// The message's name in its own format, if it is known there: `battery_status`, `HEARTBEAT`.
    pub topic: Option<Arc<str>>,
}

impl Entry {
    /// The entry as a record of data, not sealed. `known_block` is the latest block known.
    pub fn draft(self, known_block: Hash256) -> Draft {
        Draft {
            kind: Kind::Data,
            known_block,
            time_us: self.time_us,
            clock: self.clock,
            location: self.location,
            content_type: self.content_type.to_owned(),
            body: Body::Clear(self.body),
        }
    }
}
