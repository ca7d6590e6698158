//! Tests across crates: real processes on loopback.
