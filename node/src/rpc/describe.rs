//! What the interface says of itself: OpenAPI 3.1 for REST, OpenRPC 1.3 for JSON-RPC, both from the table of calls.

use schemars::JsonSchema as _;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::call::{Entry, Rest};
use super::error::{CODES, Envelope};
use super::{events, submit};

/// Begins a subscription.
pub(super) const SUBSCRIBE: &str = "events.subscribe";
/// What a subscription's notifications are named.
pub(super) const NOTIFICATION: &str = "events.event";
/// Ends a subscription.
pub(super) const UNSUBSCRIBE: &str = "events.unsubscribe";

const TITLE: &str = "DroneChain node";
const JSON: &str = "application/json";

/// What is asked and what is answered differ in what may be left out.
pub(super) struct Schemas {
    pub(super) asked: SchemaGenerator,
    pub(super) answered: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            asked: settings().for_deserialize().into_generator(),
            answered: settings().for_serialize().into_generator(),
        }
    }

    /// All that is referred to. What both name is the same.
    fn definitions(mut self) -> Map<String, Value> {
        let mut all = self.asked.take_definitions(true);
        all.extend(self.answered.take_definitions(true));
        all
    }
}

/// A parameter of a call: name, schema, and whether it must be given.
struct Parameter {
    name: String,
    schema: Value,
    required: bool,
}

fn parameters(schema: &Value) -> Vec<Parameter> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let of = |(name, schema): (&String, &Value)| Parameter {
        required: required.iter().any(|known| known == name),
        name: name.clone(),
        schema: without_null(schema.clone()),
    };
    schema["properties"].as_object().map(|all| all.iter().map(of).collect()).unwrap_or_default()
}

/// What may be left out is not sent as null.
fn without_null(mut schema: Value) -> Value {
    if let Some(types) = schema["type"].as_array() {
        let rest: Vec<_> = types.iter().filter(|kind| *kind != "null").cloned().collect();
        if let [one] = &rest[..] {
            schema["type"] = one.clone();
        }
    }
    let one = schema["anyOf"].as_array().and_then(|any| {
        let rest: Vec<_> = any.iter().filter(|option| option["type"] != "null").cloned().collect();
        <[Value; 1]>::try_from(rest).ok()
    });
    if let (Some([Value::Object(one)]), Some(schema)) = (one, schema.as_object_mut()) {
        schema.remove("anyOf");
        schema.extend(one);
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("default");
    }
    schema
}

/// Says of integers how large they may be: their Rust types do, schemas only by a name.
fn bounded(document: &mut Value) {
    match document {
        Value::Array(items) => items.iter_mut().for_each(bounded),
        Value::Object(fields) => {
            let max = match fields.get("format").and_then(Value::as_str) {
                Some("uint16") => Some(u16::MAX.into()),
                Some("uint32") => Some(u32::MAX.into()),
                Some("uint64") => Some(u64::MAX),
                _ => None,
            };
            if let Some(max) = max {
                fields.entry("maximum").or_insert_with(|| max.into());
            }
            fields.values_mut().for_each(bounded);
        }
        _ => {}
    }
}

fn refusals(schemas: &mut Schemas) -> Value {
    let schema = schemas.answered.subschema_for::<Envelope>();
    json!({
        "description": "Refused: the name says why.",
        "content": { JSON: { "schema": schema } },
    })
}

/// The document `openapi.json`.
pub(super) fn openapi(calls: &[Entry]) -> String {
    let mut schemas = Schemas::new();
    let refused = refusals(&mut schemas);
    let mut paths = Map::new();
    for call in calls {
        let params = Value::from((call.params)(&mut schemas.asked));
        let answer = (call.answer)(&mut schemas.answered);
        let schema = if call.media == JSON { json!(answer) } else { json!({}) };
        let mut operation = json!({
            "operationId": call.name,
            "summary": call.about,
            "tags": [call.name.split('.').next()],
            "responses": {
                "200": { "description": "The answer.", "content": { call.media: { "schema": schema } } },
                "default": refused,
            },
        });
        let path = call.rest.path();
        let method = match call.rest {
            Rest::Get(_) => {
                let listed = parameters(&params).into_iter().map(|Parameter { name, schema, required }| {
                    let in_path = path.contains(&format!("{{{name}}}"));
                    let place = if in_path { "path" } else { "query" };
                    // Lists are separated by commas.
                    let mut parameter =
                        json!({ "name": name, "in": place, "required": required || in_path, "schema": schema });
                    if schema["type"] == "array" && !in_path {
                        parameter["style"] = json!("form");
                        parameter["explode"] = json!(false);
                    }
                    parameter
                });
                operation["parameters"] = listed.collect();
                "get"
            }
            Rest::Post(_) => {
                operation["requestBody"] =
                    json!({ "required": true, "content": { JSON: { "schema": params } } });
                "post"
            }
        };
        paths.insert(path.to_owned(), json!({ method: operation }));
    }
    submit::openapi(&mut paths, &mut schemas, &refused);
    events::openapi(&mut paths, &refused);
    for (path, about) in
        [("/livez", "Whether the process runs."), ("/readyz", "Whether it serves: not while it syncs.")]
    {
        let fine =
            json!({ "description": about, "content": { "text/plain": { "schema": { "type": "string" } } } });
        paths.insert(
            path.to_owned(),
            json!({ "get": { "operationId": path.trim_start_matches('/'), "summary": about, "tags": ["health"],
                "responses": { "200": fine, "default": refused } } }),
        );
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": TITLE, "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "schemas": schemas.definitions() },
    });
    bounded(&mut document);
    document.to_string()
}

/// The answer to `rpc.discover`.
pub(super) fn openrpc(calls: &[Entry]) -> Value {
    let mut schemas = Schemas::new();
    let mut methods: Vec<_> = calls
        .iter()
        .map(|call| {
            let params = Value::from((call.params)(&mut schemas.asked));
            method(call.name, call.about, &params, &json!((call.answer)(&mut schemas.answered)))
        })
        .collect();
    methods.extend(submit::openrpc(&mut schemas, method));
    methods.push(method(
        SUBSCRIBE,
        "Over WebSocket: what happens on the active chain, as `events.event` notifications of `{event, cursor, data}`.",
        &Value::from(events::Follow::json_schema(&mut schemas.asked)),
        &json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }] }),
    ));
    let errors: Map<_, _> = CODES
        .iter()
        .map(|(code, about)| {
            (format!("code{}", code.unsigned_abs()), json!({ "code": code, "message": about }))
        })
        .collect();
    let mut document = json!({
        "openrpc": "1.3.2",
        "info": { "title": TITLE, "version": env!("CARGO_PKG_VERSION") },
        "methods": methods,
        "components": { "schemas": schemas.definitions(), "errors": errors },
    });
    bounded(&mut document);
    document
}

/// A method of OpenRPC.
fn method(name: &str, about: &str, params: &Value, answer: &Value) -> Value {
    let params: Vec<_> = parameters(params)
        .into_iter()
        .map(|Parameter { name, schema, required }| json!({ "name": name, "required": required, "schema": schema }))
        .collect();
    json!({
        "name": name,
        "summary": about,
        "paramStructure": "by-name",
        "params": params,
        "result": { "name": "answer", "schema": answer },
    })
}
