//! What the fuzz targets share: a small network, properties of encodings, a bound on memory, seeds.
//!
//! A target is a file in `src/bin`; README.md says how to run them. Mutated bytes rarely carry a signature
//! that holds, so targets whose checks end with one also sign anew what they decoded ([`network`]).

#![deny(unsafe_code)]

pub mod canonical;
pub mod logs;
pub mod memory;
pub mod network;
pub mod proofs;
pub mod seeds;
