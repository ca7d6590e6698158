//! `docs/rpc.md`, made of the same descriptions that the node gives of itself. A test holds the file to it.

use serde_json::{Map, Value};

/// The reference for people, of the documents that `openapi.json` and `rpc.discover` give.
pub(super) fn markdown(openapi: &Value, openrpc: &Value) -> String {
    let mut text = String::from(
        "# Calls of a node\n\nGenerated from the code: `rpc.discover` and `/openapi.json` of a node say the same to \
         programs. [http.md](http.md) has what holds for all of them: errors, limits, promises, events.\n\nEach call is a \
         JSON-RPC 2.0 method at `/rpc` (HTTP or WebSocket; parameters by name) and a REST request. Hashes, keys and signatures are lower-case hex.\n\n## Calls\n",
    );
    for method in list(&openrpc["methods"]) {
        let name = word(&method["name"]);
        text += &format!("\n### {name}\n\n{}\n", word(&method["summary"]));
        if let Some((verb, path, operation)) = operation(openapi, name) {
            let media = answer_media(operation);
            text += &format!("\n`{} {path}`{media}\n", verb.to_uppercase());
        }
        let params = list(&method["params"]);
        if !params.is_empty() {
            text += "\n| parameter | type | |\n|---|---|---|\n";
        }
        for param in params {
            let must = if param["required"] == true { "" } else { "may be left out. " };
            let about = about(&param["schema"]);
            text += &format!("| `{}` | {} | {must}{about} |\n", word(&param["name"]), kind(&param["schema"]));
        }
        text += &format!("\nAnswer: {}\n", kind(&method["result"]["schema"]));
    }
    text += "\n## Types\n";
    let none = Map::new();
    for (name, schema) in openrpc["components"]["schemas"].as_object().unwrap_or(&none) {
        text += &format!("\n### {name}\n\n{}", described(schema));
    }
    text += "\n## Codes of JSON-RPC errors\n\n`data` is `{name, message}`, and `rule` where a rule of the ledger \
             refused.\n\n| code | |\n|---|---|\n";
    for error in openrpc["components"]["errors"].as_object().unwrap_or(&none).values() {
        text += &format!("| {} | {} |\n", error["code"], word(&error["message"]));
    }
    text
}

fn described(schema: &Value) -> String {
    let mut text = about(schema);
    if !text.is_empty() {
        text += "\n\n";
    }
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    if properties.is_empty() {
        return format!("{text}{}\n", kind_of_parts(schema));
    }
    text += "| field | type | |\n|---|---|---|\n";
    for (name, schema) in properties {
        text += &format!("| `{name}` | {} | {} |\n", kind(schema), about(schema));
    }
    text
}

/// A type in a word or two; named ones as links.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_ascii_lowercase());
    }
    kind_of_parts(schema)
}

fn kind_of_parts(schema: &Value) -> String {
    for key in ["oneOf", "anyOf"] {
        if let Some(options) = schema[key].as_array() {
            return options.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    }
    if !schema["const"].is_null() {
        return format!("`{}`", schema["const"]);
    }
    if schema["items"].is_object() {
        return format!("list of {}", kind(&schema["items"]));
    }
    if let Some(properties) = schema["properties"].as_object() {
        let fields = properties.iter().map(|(name, schema)| format!("`{name}`: {}", kind(schema)));
        return format!("{{{}}}", fields.collect::<Vec<_>>().join(", "));
    }
    let types = match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(several) => several.iter().map(word).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    };
    match schema["pattern"].as_str() {
        // A bar would end a table's cell.
        Some(pattern) => format!("{types} `{}`", pattern.replace('|', "\\|")),
        None => types,
    }
}

fn about(schema: &Value) -> String {
    word(&schema["description"]).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn answer_media(operation: &Value) -> &'static str {
    let bytes = operation["responses"]["200"]["content"]["application/octet-stream"].is_object();
    if bytes { ", which answers the bytes themselves" } else { "" }
}

fn operation<'a>(openapi: &'a Value, name: &str) -> Option<(&'a str, &'a str, &'a Value)> {
    let paths = openapi["paths"].as_object()?;
    let all = paths.iter().flat_map(|(path, verbs)| {
        let verbs = verbs.as_object().into_iter().flatten();
        verbs.map(move |(verb, operation)| (verb.as_str(), path.as_str(), operation))
    });
    all.into_iter().find(|(_, _, operation)| operation["operationId"] == name)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
