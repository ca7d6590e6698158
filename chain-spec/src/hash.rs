//! SHA-256, the one hash of the protocol, and the 32-byte value it gives.
//!
//! Every step from a record to a block hash is a SHA-256 over a plain concatenation
//! (SPEC.md, "Hash path"). Hashes print as lower-case hex in byte order.

use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A SHA-256 value: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Hash256(pub [u8; 32]);

impl Hash256 {
    /// 32 zero bytes: "nothing here" in roots and parents.
    pub const ZERO: Self = Self([0; 32]);

    /// The bytes in the order in which they print.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// SHA-256 of the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> Hash256 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash256(hasher.finalize().into())
}

/// SHA-256 of SHA-256 of the concatenation of `parts`.
pub fn sha256d(parts: &[&[u8]]) -> Hash256 {
    sha256(&[&sha256(parts).0])
}

/// Why a text is not a hash, key or signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// The text has another length than twice the number of bytes.
    #[error("{found} characters where {expected} are wanted")]
    Length {
        /// Characters found.
        found: usize,
        /// Characters wanted.
        expected: usize,
    },
    /// A character other than 0-9 and a-f; upper case is refused too.
    #[error("character {at} is not a lower-case hex digit")]
    Digit {
        /// Position of the character, from 0.
        at: usize,
    },
}

/// Decodes exactly `N` bytes of lower-case hex.
pub fn decode_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    if text.len() != 2 * N {
        return Err(HexError::Length { found: text.len(), expected: 2 * N });
    }
    if let Some(at) = text.bytes().position(|c| !matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(HexError::Digit { at });
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).expect("length and digits were checked");
    Ok(bytes)
}

/// JSON schema of `min` to `max` digits of lower-case hex.
#[cfg(feature = "schema")]
pub(crate) fn hex_schema(min: usize, max: Option<usize>) -> schemars::Schema {
    let digits = match max {
        Some(max) if max == min => format!("{{{min}}}"),
        Some(max) => format!("{{{min},{max}}}"),
        None => format!("{{{min},}}"),
    };
    schemars::json_schema!({ "type": "string", "pattern": format!("^[0-9a-f]{digits}$") })
}

/// Text and serde (as lower-case hex) for a newtype over `[u8; N]`.
macro_rules! hex_newtype {
    ($name:ident, $n:expr) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = $crate::hash::HexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::hash::decode_hex::<$n>(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::hash::hex_schema(2 * $n, Some(2 * $n))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use hex_newtype;

hex_newtype!(Hash256, 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_in_byte_order_and_reads_back() {
        let hash = sha256(&[b"a"]);
        assert_eq!(hash.to_string(), "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }

    #[test]
    fn upper_case_and_wrong_length_are_refused() {
        let hash = sha256(&[b"a"]).to_string();
        assert_eq!(hash.to_uppercase().parse::<Hash256>(), Err(HexError::Digit { at: 0 }));
        assert_eq!(hash[1..].parse::<Hash256>(), Err(HexError::Length { found: 63, expected: 64 }));
    }
}
