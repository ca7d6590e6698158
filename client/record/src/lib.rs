//! The evidence format: signed, chained records and the keys that sign them.
//!
//! A [`Record`] is what a device says once: whose number it is in a gap-free sequence, what came
//! before it, when, where, and a body. [`Record::sign`] turns it into a [`SignedRecord`], whose bytes
//! are a COSE_Sign1 in deterministic CBOR (`FORMAT.md` beside this crate); bytes from elsewhere pass
//! through [`UnverifiedRecord`] first, so that an unchecked record has another type than a checked
//! one. [`Flight`] writes a subject's chain, [`Follower`] holds a received chain to its rules.
//!
//! Pure but for key files ([`keys`]): times and salts come in as arguments. Sealed bodies and
//! locations are carried and signed as opaque bytes; sealing and opening are not done here, and
//! neither is the question of who was entitled to sign.

mod cbor;
pub mod chain;
pub mod error;
pub mod flight;
pub mod keys;
pub mod limits;
pub mod location;
mod payload;
pub mod record;
pub mod signed;
pub mod verdict;

pub use chain::{ChainError, Follower, Position};
pub use error::RecordError;
pub use flight::{Closing, Draft, Flight};
pub use keys::{KeyFile, KeyFileError};
pub use location::{Fix, Location, NoLocation};
pub use record::{Attestation, Body, Clock, Kind, Record, Sealed};
pub use signed::{SignedRecord, UnverifiedRecord};
pub use verdict::{EntitlementError, Verdict, assess, assess_existence};
