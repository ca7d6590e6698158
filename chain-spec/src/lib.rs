//! What all parties of a DroneChain network must agree on, and nothing else.
//!
//! Pure: no IO, no clock, no randomness, no async. Bytes and times come in as arguments, verdicts go
//! out as values. `SPEC.md` beside this crate is the same in words, with golden vectors.

pub mod block;
pub mod chain;
pub mod checkpoint;
pub mod codec;
pub mod difficulty;
pub mod evidence;
pub mod governance;
pub mod hash;
pub mod header;
pub mod key;
pub mod limits;
pub mod link;
pub mod merkle;
pub mod mountain;
pub mod promise;
pub mod receipt;
pub mod registry;
pub mod roster;
pub mod rules;
pub mod spec;
pub mod state;
pub mod target;
pub mod transaction;
pub mod wire;
