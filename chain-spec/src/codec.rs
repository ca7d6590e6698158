//! The canonical encoding of everything that is hashed, signed, stored or sent, apart from headers.
//!
//! bincode 2 with fixed little-endian integers, held to one encoding per value: no trailing bytes,
//! and what was decoded must encode to the same bytes. Lengths are bounded before anything is
//! allocated. Types hold no maps, floats, `usize` or zero-sized elements. Other crates
//! derive bincode's traits for rows of their own but encode and decode only here, so golden vectors in
//! SPEC.md are all that a replacement must meet.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::de::Decode;
use bincode::enc::Encode;

use crate::limits;

/// A type with one canonical encoding of at most `MAX` bytes.
pub trait Canonical: Encode + Decode<()> {
    /// The most bytes that an encoding may have.
    const MAX: usize;
}

/// Why bytes are not the canonical encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// More bytes than the type allows.
    #[error("{found} bytes where at most {max} are allowed")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// No value has this encoding.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Bytes are left over behind the value.
    #[error("{0} bytes left over")]
    Trailing(usize),
    /// The value has another encoding.
    #[error("not the canonical encoding")]
    NotCanonical,
}

/// No single value of the protocol is larger; bounds what a declared length may allocate.
const LIMIT: usize = limits::MESSAGE_BYTES_MAX + 1024;

fn config() -> Configuration<LittleEndian, Fixint, Limit<LIMIT>> {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<LIMIT>()
}

/// The canonical encoding of `value`.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    // Encoding into a growing buffer fails for no type of this crate.
    bincode::encode_to_vec(value, bincode::config::standard().with_little_endian().with_fixed_int_encoding())
        .expect("types without borrowed state always encode")
}

/// Decodes a value and insists that `bytes` is its canonical encoding.
pub fn decode<T: Canonical>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > T::MAX {
        return Err(CodecError::TooLong { found: bytes.len(), max: T::MAX });
    }
    let (value, read) = bincode::decode_from_slice::<T, _>(bytes, config())
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    if read != bytes.len() {
        return Err(CodecError::Trailing(bytes.len() - read));
    }
    if encode(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}
