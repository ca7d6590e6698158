//! Every read call of a node, as its own `openapi.json` names them, and the explorer's pages, asked about what is there.

use std::fmt::Write as _;

use reqwest::{Client, Method, RequestBuilder};
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

impl Names {
    /// Those of the first batch of records in the block at `height`, and of its record with that `index`.
    pub async fn at(http: &Client, url: &str, height: u64, index: u64) -> Self {
        let block = json_of(http, &format!("{url}/v1/block/{height}")).await;
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text in {block}")).to_owned();
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no number in {block}"));
        let all = block["transactions"].as_array().expect("transactions");
        let anchor_of = |listed: &Value| listed["transaction"]["body"]["action"]["anchor"].clone();
        let listed = all.iter().find(|listed| anchor_of(listed)["leaf_count"].as_u64() > Some(0));
        let listed = listed.unwrap_or_else(|| panic!("no batch of records in {block}"));
        let (body, anchor) = (&listed["transaction"]["body"], anchor_of(listed));
        let (root, leaf_count) = (text(&anchor["root"]), number(&anchor["leaf_count"]));
        let leaves = format!("{url}/v1/bodies/{root}/{leaf_count}/leaves?from={index}&limit=1");
        let leaf = text(&json_of(http, &leaves).await["leaves"][0]);
        Self {
            height,
            block: text(&block["hash"]),
            txid: text(&listed["txid"]),
            root,
            leaf_count,
            sequence: number(&body["sequence"]),
            receipt: json_of(http, &format!("{url}/v1/receipts/{leaf}")).await,
            leaf,
            key: text(&body["sender"]["key"]),
        }
    }
}

/// A call, or a page of the explorer.
#[derive(Debug)]
pub struct Target {
    /// The method of JSON-RPC; of a page its path behind `page `.
    pub name: String,
    method: Method,
    /// With names of parameters in braces.
    path: String,
    /// Parameters of the query that must be given, and `limit`.
    query: Vec<String>,
}

impl Target {
    /// The request to the node with that URL.
    pub fn request(&self, http: &Client, url: &str, names: &Names) -> RequestBuilder {
        let request = http.request(self.method.clone(), self.address(url, names));
        match self.body(names) {
            Some(body) => request.json(&body),
            None => request,
        }
    }

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

    fn body(&self, names: &Names) -> Option<Value> {
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
