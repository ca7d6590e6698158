//! One description of a call, from which come its REST route, its JSON-RPC method, and what `openapi.json`,
//! `rpc.discover` and the reference say of it.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawPathParams, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use jsonrpsee::RpcModule;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::api::{Api, json_text, octets};
use super::error::ApiError;
use super::jsonrpc;

/// Something that clients can ask.
pub(crate) trait Call: 'static {
    /// Its JSON-RPC name.
    const NAME: &'static str;
    /// Its REST path.
    const REST: Rest;
    /// What it answers, in a sentence or two.
    const ABOUT: &'static str;
    /// What it is asked with: by name from path and query, or from JSON.
    type Params: DeserializeOwned + JsonSchema + Send;
    /// What it answers.
    type Answer: Answer;

    /// Answers.
    fn call(
        api: Arc<Api>,
        params: Self::Params,
    ) -> impl Future<Output = Result<Self::Answer, ApiError>> + Send;
}

/// How REST asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rest {
    /// Parameters in path and query.
    Get(&'static str),
    /// Parameters in a JSON body.
    Post(&'static str),
}

impl Rest {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Get(path) | Self::Post(path) => path,
        }
    }
}

/// What a call answers: JSON, unless it says otherwise.
pub(crate) trait Answer: Serialize + JsonSchema + Send + Sized + 'static {
    /// Its media type over REST.
    const MEDIA: &'static str = "application/json";

    /// Over REST.
    fn respond(self) -> Response {
        Json(self).into_response()
    }
}

/// Bytes: as they are over REST, as hex in JSON.
#[derive(Debug)]
pub(crate) struct Octets(pub(super) Vec<u8>);

impl Answer for Octets {
    const MEDIA: &'static str = "application/octet-stream";

    fn respond(self) -> Response {
        octets(self.0)
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl JsonSchema for Octets {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Octets".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9a-f]{2})*$",
            "description": "Bytes in lower-case hex; where a call answers nothing else, the bytes themselves over REST.",
        })
    }
}

/// JSON that is text already: an object.
#[derive(Debug)]
pub(crate) struct JsonText(Box<RawValue>);

impl JsonText {
    /// Of text that a serializer of JSON wrote.
    pub(super) fn of(text: String) -> Self {
        Self(RawValue::from_string(text).expect("it is JSON"))
    }

    /// The text.
    pub(crate) fn get(&self) -> &str {
        self.0.get()
    }
}

impl Answer for JsonText {
    fn respond(self) -> Response {
        json_text(Box::<str>::from(self.0).into())
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for JsonText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Document".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "object" })
    }
}

/// A call as the tables hold it.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) rest: Rest,
    pub(super) about: &'static str,
    pub(super) media: &'static str,
    pub(super) route: fn() -> MethodRouter<Arc<Api>>,
    pub(super) register: fn(&mut RpcModule<Api>),
    pub(super) params: fn(&mut SchemaGenerator) -> Schema,
    pub(super) answer: fn(&mut SchemaGenerator) -> Schema,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("rest", &self.rest).finish_non_exhaustive()
    }
}

impl Entry {
    pub(super) fn of<C: Call>() -> Self {
        Self {
            name: C::NAME,
            rest: C::REST,
            about: C::ABOUT,
            media: C::Answer::MEDIA,
            route: || match C::REST {
                Rest::Get(_) => get(by_query::<C>),
                Rest::Post(_) => post(by_body::<C>),
            },
            register: jsonrpc::register::<C>,
            params: C::Params::json_schema,
            answer: |schemas| schemas.subschema_for::<C::Answer>(),
        }
    }
}

async fn by_query<C: Call>(
    State(api): State<Arc<Api>>,
    path: RawPathParams,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = by_name(&path, query.as_deref().unwrap_or_default())?;
    C::call(api, params).await.map(Answer::respond)
}

async fn by_body<C: Call>(
    State(api): State<Arc<Api>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body.map_err(|error| ApiError::BodyRead(error.body_text()))?;
    let mut json = serde_json::Deserializer::from_slice(&body);
    let params = named(&mut json).map_err(ApiError::Params)?;
    json.end().map_err(|error| ApiError::Params(error.to_string()))?;
    C::call(api, params).await.map(Answer::respond)
}

/// Reads parameters from a query alone: what is unknown or there twice is refused.
pub(crate) fn from_query<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    pairs(query).map_err(|error| ApiError::Query(told(&error)))
}

/// Reads parameters from the path and the query together.
fn by_name<T: DeserializeOwned>(path: &RawPathParams, query: &str) -> Result<T, ApiError> {
    let mut text = form_urlencoded::Serializer::new(query.to_owned());
    text.extend_pairs(path);
    pairs(&text.finish()).map_err(|error| {
        let name = error.path().to_string();
        let is_of_path = path.iter().any(|(known, _)| known == name);
        if is_of_path { ApiError::Path(told(&error)) } else { ApiError::Query(told(&error)) }
    })
}

fn pairs<T: DeserializeOwned>(
    text: &str,
) -> Result<T, serde_path_to_error::Error<serde_urlencoded::de::Error>> {
    let pairs = form_urlencoded::parse(text.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
}

/// Reads parameters from JSON; what is wrong is told by name.
pub(super) fn named<'de, T, D>(json: D) -> Result<T, String>
where
    T: DeserializeOwned,
    D: serde::Deserializer<'de, Error: fmt::Display>,
{
    serde_path_to_error::deserialize(json).map_err(|error| told(&error))
}

fn told<E: fmt::Display>(error: &serde_path_to_error::Error<E>) -> String {
    let path = error.path().to_string();
    if path == "." { error.inner().to_string() } else { format!("{path}: {}", error.inner()) }
}
