//! What requests are asked with, parsed into valid types from text and from JSON alike.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::Sender;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::error::ApiError;
use crate::store::SequencePlace;

/// Of a call that is asked nothing.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A block by hash, or by its height on the active chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockName {
    Hash(Hash256),
    Height(u64),
}

impl FromStr for BlockName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hash = text.parse().map(Self::Hash);
        hash.or_else(|_| text.parse().map(Self::Height)).map_err(|_| "neither a block hash nor a height")
    }
}

impl<'de> Deserialize<'de> for BlockName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = BlockName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a block hash or a height")
            }

            fn visit_u64<E: Error>(self, height: u64) -> Result<BlockName, E> {
                Ok(BlockName::Height(height))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<BlockName, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Name)
    }
}

impl JsonSchema for BlockName {
    fn schema_name() -> Cow<'static, str> {
        "BlockName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "pattern": "^[0-9a-f]{64}$" },
                { "type": "integer", "minimum": 0, "maximum": u64::MAX },
            ],
        })
    }
}

/// A sender by key, or the admins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SenderName(pub(super) Sender);

impl TryFrom<String> for SenderName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "admins" {
            return Ok(Self(Sender::Admins));
        }
        let key = text.parse().map_err(|_| "neither a key nor \"admins\"")?;
        Ok(Self(Sender::Key(key)))
    }
}

impl JsonSchema for SenderName {
    fn schema_name() -> Cow<'static, str> {
        "SenderName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(admins|[0-9a-f]{64})$" })
    }
}

/// A place in the active chain as a cursor: `HEIGHT-POSITION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Spot(pub(super) SequencePlace);

impl TryFrom<String> for Spot {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parsed = text.split_once('-').and_then(|(height, position)| {
            Some(SequencePlace { height: height.parse().ok()?, position: position.parse().ok()? })
        });
        parsed.map(Self).ok_or("no cursor, HEIGHT-POSITION")
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(SequencePlace { height, position }) = self;
        write!(f, "{height}-{position}")
    }
}

impl Serialize for Spot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Spot {
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{1,19}-[0-9]{1,9}$" })
    }
}

/// A list: separated by commas in a query, an array in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed<T>(pub(super) Vec<T>);

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(PhantomData<T>);

        impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for List<T> {
            type Value = Listed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Listed<T>, E> {
                let items = text.split(',').map(|item| item.parse().map_err(E::custom));
                items.collect::<Result<_, _>>().map(Listed)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Listed<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element::<Cow<'de, str>>()? {
                    list.push(item.parse().map_err(A::Error::custom)?);
                }
                Ok(Listed(list))
            }
        }

        deserializer.deserialize_any(List(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Listed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        <Vec<T>>::json_schema(schemas)
    }
}

/// Refuses a number above its bound.
pub(super) fn at_most(name: &'static str, found: u64, max: u64) -> Result<u64, ApiError> {
    if found > max { Err(ApiError::TooMuch { name, found, max }) } else { Ok(found) }
}
