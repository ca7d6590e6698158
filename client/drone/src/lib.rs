//! The drone's side: flight logs and simulated flights into entries, ready to be signed as records.
//!
//! [`open`] reads a PX4 log (`.ulg`) or a MAVLink telemetry log (`.tlog`); each message becomes one
//! [`Entry`] whose body is the message as it stands in the file, so that the bodies together give
//! the log's messages back byte for byte. Decoding only annotates: it adds time, location and topic,
//! and a message that is not understood loses its annotation, never its place. A log that is cut,
//! empty or foreign is refused with the offset. [`group()`] puts the messages of a while together,
//! [`simulated`] invents a flight and says so.
//!
//! No network, no keys, no clock: [`Entry::draft`] hands over to `dronechain_record::Flight`.

pub mod entry;
pub mod fault;
mod fix;
pub mod group;
pub mod limits;
pub mod log;
pub mod simulated;
pub mod tlog;
pub mod ulog;

pub use entry::Entry;
pub use fault::{Fault, LogError};
pub use group::group;
pub use log::{Log, open};
pub use simulated::SimulatedFlight;
