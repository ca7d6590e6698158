//! What requests carry in path and query, parsed into valid types; what is unknown is refused.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::Sender;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The query. `T` refuses unknown fields.
pub(super) struct Params<T>(pub(super) T);

/// The path's parameters.
pub(super) struct Segments<T>(pub(super) T);

/// A query without keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoQuery {}

/// The query of whatever can show a device's registry path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithDevice {
    pub(super) device: Option<PublicKey>,
}

/// A block by hash, or by its height on the active chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum BlockName {
    Hash(Hash256),
    Height(u64),
}

impl TryFrom<String> for BlockName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hash = text.parse().map(Self::Hash);
        hash.or_else(|_| text.parse().map(Self::Height)).map_err(|_| "neither a block hash nor a height")
    }
}

/// A sender by key, or the admins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct SenderName(pub(super) Sender);

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

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = Query::try_from_uri(&parts.uri);
        query.map(|Query(value)| Self(value)).map_err(|error| ApiError::Query(error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|error| ApiError::Path(error.body_text()))
    }
}

/// Refuses a number above its bound.
pub(super) fn at_most(name: &'static str, found: u64, max: u64) -> Result<u64, ApiError> {
    if found > max { Err(ApiError::TooMuch { name, found, max }) } else { Ok(found) }
}
