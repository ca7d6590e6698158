//! Every read call of a node, as its own `openapi.json` names them, and the explorer's pages, asked about what is there.

use std::fmt::Write as _;

use reqwest::{Client, Method};
use serde_json::{Map, Value, json};

/// No reads: they write, wait, or have no end.
const APART: [&str; 4] = ["tx.submit", "tx.check", "mining.submit", "mining.template"];
/// Rows of a page, where a call answers with pages.
const PAGE: u32 = 20;

/// What requests are made of: an anchor on the active chain, its batch and its block.
#[derive(Debug, Clone)]
pub struct Names {
    /// Of the block.
    pub height: u64,
    /// Its hash.
    pub block: String,
    /// Of the anchor.
    pub txid: String,
    /// Of the batch.
    pub root: String,
    /// Of the batch.
    pub leaf_count: u64,
    /// Of the anchor.
    pub sequence: u64,
    /// A record of the batch.
    pub leaf: String,
    /// Its receipt.
    pub receipt: Value,
    /// Who anchored.
    pub key: String,
}

/// A call, or a page of the explorer.
#[derive(Debug)]
pub struct Target {
    /// The method of JSON-RPC; of a page its path behind `page `.
    pub name: String,
    /// Of HTTP.
    pub method: Method,
    /// With names of parameters in braces.
    path: String,
    /// Parameters of the query that must be given, and `limit`.
    query: Vec<String>,
}

impl Target {
    /// Where it is asked at the node with that URL.
    pub fn address(&self, url: &str, names: &Names) -> String {
        let text = |name: &str| match self.value(name, names) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut path = self.path.clone();
        while let Some((begin, rest)) = path.split_once('{') {
            let (name, end) = rest.split_once('}').expect("braces are closed");
            path = format!("{begin}{}{end}", text(name));
        }
        let mut address = format!("{url}{path}");
        for (at, name) in self.query.iter().enumerate() {
            let sign = if at == 0 { '?' } else { '&' };
            let _ = write!(address, "{sign}{name}={}", text(name));
        }
        address
    }

    /// The request's body, if it has one.
    pub fn body(&self, names: &Names) -> Option<Value> {
        match self.name.as_str() {
            "receipt.verify" => Some(json!({ "receipt": names.receipt })),
            "tx.states" => Some(json!({ "txids": [names.txid] })),
            _ => None,
        }
    }

    /// The parameters of the same call by JSON-RPC.
    pub fn params(&self, names: &Names) -> Value {
        self.body(names).unwrap_or_else(|| {
            let path = self.path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
            let all = path.chain(self.query.iter().map(String::as_str));
            Value::Object(all.map(|name| (name.to_owned(), self.value(name, names))).collect::<Map<_, _>>())
        })
    }

    /// A parameter's value; a call with another parameter is one that the tests do not know yet.
    fn value(&self, name: &str, names: &Names) -> Value {
        match name {
            "name" if self.path.contains("senders") => json!(names.key),
            "name" => json!(names.block),
            "txid" => json!(names.txid),
            "root" => json!(names.root),
            "leaf_count" => json!(names.leaf_count),
            "sequence" => json!(names.sequence),
            "hash" | "q" => json!(names.leaf),
            "host" => json!("node"),
            "key" => json!(names.key),
            "height" | "from" => json!(names.height),
            "limit" => json!(PAGE),
            "kind" => json!("anchor"),
            "roll" => json!("accounts"),
            other => panic!("{}: what is {other}?", self.name),
        }
    }
}

/// Every read call of the node with that URL.
pub async fn calls(http: &Client, url: &str) -> Vec<Target> {
    let document = json_of(http, &format!("{url}/openapi.json")).await;
    let mut targets = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("a name").to_owned();
            if APART.contains(&name.as_str()) || !name.contains('.') || path == "/v1/events" {
                continue;
            }
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let wanted =
                |it: &&Value| it["in"] == "query" && (it["required"] == true || it["name"] == "limit");
            let query = parameters.iter().filter(wanted);
            let query = query.map(|it| it["name"].as_str().expect("a name").to_owned()).collect();
            let method = if method == "post" { Method::POST } else { Method::GET };
            targets.push(Target { name, method, path: path.clone(), query });
        }
    }
    targets
}

/// The pages of the explorer.
pub fn pages() -> Vec<Target> {
    let paths = [
        "/",
        "/blocks",
        "/block/{name}",
        "/transactions",
        "/tx/{txid}",
        "/batch/{root}",
        "/receipt/{hash}",
        "/accounts",
        "/key/{key}",
        "/mempool",
        "/peers",
        "/forks",
        "/evidence",
    ];
    let page = |path: &str| Target {
        name: format!("page {path}"),
        method: Method::GET,
        path: path.to_owned(),
        query: Vec::new(),
    };
    paths.map(page).into()
}

/// GETs JSON from a URL that answers with success.
pub async fn json_of(http: &Client, url: &str) -> Value {
    let answer = http.get(url).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{url}: {}", answer.status());
    answer.json().await.expect("JSON")
}
