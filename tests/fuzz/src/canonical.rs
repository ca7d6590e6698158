//! What holds for every canonical encoding, whatever the bytes.

use std::fmt::Debug;

use dronechain_chain_spec::codec::{self, Canonical};
use dronechain_chain_spec::limits::MESSAGE_BYTES_MAX;

use crate::memory;

/// What declared lengths alone may reserve: the codec's own limit.
const DECLARED_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 1024;
/// The most memory that one encoded byte stands for: the smallest transaction has 28 bytes and takes
/// less than ten times as much. The copy that is compared counts too.
const BYTES_PER_BYTE: usize = 16;

/// Decodes `bytes` in bounded memory. What decodes must encode to the same bytes, and those decode to an
/// equal value again.
pub fn decode<T: Canonical + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let bytes_max = DECLARED_BYTES_MAX + BYTES_PER_BYTE * bytes.len() + 4096;
    let value: T = memory::bounded(bytes_max, || codec::decode(bytes)).ok()?;
    let again = codec::encode(&value);
    assert_eq!(again, bytes, "another encoding of the same value was accepted");
    assert_eq!(codec::decode::<T>(&again).as_ref(), Ok(&value));
    Some(value)
}
