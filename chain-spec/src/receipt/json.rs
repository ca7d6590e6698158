//! How receipts stand in JSON: one spelling for each, nothing unknown.

use serde::Serialize;

use crate::hash::Hash256;
use crate::header::{HEADER_LEN, SignedHeader};
use crate::limits::PATH_MAX;
use crate::merkle::{Path, Step};

/// A struct that is read from a JSON object only.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Object<T>(pub(super) T);

/// What [`Object`] does, for fields: serde by itself reads a struct from a list of its fields too, and
/// a receipt would have several spellings.
pub(super) mod object {
    use serde::de::{Deserialize, Deserializer, Visitor};
    use serde::forward_to_deserialize_any;

    use super::Object;

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            T::deserialize(MapOnly(deserializer)).map(Self)
        }
    }

    pub(in crate::receipt) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        T::deserialize(MapOnly(deserializer))
    }

    /// For a field that is an object or left out, never null.
    pub(in crate::receipt) fn some<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        deserialize(deserializer).map(Some)
    }

    /// Asks for a map, whatever it is asked for.
    struct MapOnly<D>(D);

    impl<'de, D: Deserializer<'de>> Deserializer<'de> for MapOnly<D> {
        type Error = D::Error;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.deserialize_map(visitor)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
            unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }
}

/// A path as Chainpoint writes it: one `{"left": hex}` or `{"right": hex}` a step.
pub(super) mod path_json {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Hash256, PATH_MAX, Path, Step};

    #[derive(Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "lowercase", deny_unknown_fields)]
    pub(in crate::receipt) enum Item {
        Left(Hash256),
        Right(Hash256),
    }

    pub(in crate::receipt) fn serialize<S: Serializer>(
        path: &Path,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(path.iter().map(|step| match step {
            Step::Left(hash) => Item::Left(*hash),
            Step::Right(hash) => Item::Right(*hash),
        }))
    }

    pub(in crate::receipt) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Path, D::Error> {
        let items = Vec::<Item>::deserialize(deserializer)?;
        if items.len() > PATH_MAX {
            return Err(D::Error::custom(format!("a path of {} steps is too long", items.len())));
        }
        let steps = items.into_iter().map(|item| match item {
            Item::Left(hash) => Step::Left(hash),
            Item::Right(hash) => Step::Right(hash),
        });
        Ok(steps.collect())
    }
}

/// Bytes as lower-case hex.
pub(super) mod hex_bytes {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::receipt) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(in crate::receipt) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.bytes().any(|c| c.is_ascii_uppercase()) {
            return Err(D::Error::custom("upper-case hex"));
        }
        hex::decode(&text).map_err(D::Error::custom)
    }
}

/// A signed header as the hex of its 232 bytes.
pub(super) mod header_hex {
    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    use super::{HEADER_LEN, SignedHeader, hex_bytes};

    pub(in crate::receipt) fn serialize<S: Serializer>(
        header: &SignedHeader,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        hex_bytes::serialize(&header.to_bytes(), serializer)
    }

    pub(in crate::receipt) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SignedHeader, D::Error> {
        let bytes = hex_bytes::deserialize(deserializer)?;
        SignedHeader::from_bytes(&bytes).map_err(|_| {
            D::Error::custom(format!("a header has {} bytes, not {}", HEADER_LEN + 64, bytes.len()))
        })
    }
}
