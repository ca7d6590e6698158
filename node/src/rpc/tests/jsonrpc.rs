//! JSON-RPC over HTTP and WebSocket: the answers of REST, by its specification.

use super::*;

#[tokio::test]
async fn json_rpc_and_rest_give_the_same_answers() {
    let node = running().await;
    let controller = PublicKey::of(&key(CONTROLLER)).to_string();
    let (leaf, root) = (leaves()[0].to_string(), merkle::root(&leaves()).to_string());
    let txid = anchor(0, &leaves()).txid().to_string();
    let hash = node.get("/v1/header/2").await.1["hash"].clone();
    for (method, params, path) in [
        ("chain.status", json!({}), "/v1/status".to_owned()),
        ("chain.tip", json!({}), "/v1/tip".to_owned()),
        ("chain.spec", json!({}), "/v1/spec".to_owned()),
        ("chain.header", json!({ "name": 2 }), "/v1/header/2".to_owned()),
        ("chain.header", json!({ "name": hash }), "/v1/header/2".to_owned()),
        ("chain.block", json!({ "name": "2", "detail": "names" }), "/v1/block/2?detail=names".to_owned()),
        ("chain.block", json!({ "name": "2", "detail": "bytes" }), "/v1/block/2?detail=bytes".to_owned()),
        ("chain.block", json!({ "name": "2" }), "/v1/block/2".to_owned()),
        ("chain.blocks", json!({ "limit": 2 }), "/v1/blocks?limit=2".to_owned()),
        ("chain.tips", json!({}), "/v1/tips".to_owned()),
        ("chain.rivals", json!({}), "/v1/rivals".to_owned()),
        ("chain.governance", json!({}), "/v1/governance".to_owned()),
        ("tx.get", json!({ "txid": txid }), format!("/v1/transactions/{txid}")),
        ("tx.bySender", json!({ "name": controller }), format!("/v1/senders/{controller}/transactions")),
        ("tx.byKind", json!({ "kind": "anchor" }), "/v1/transactions?kind=anchor".to_owned()),
        ("tx.sequences", json!({ "name": "admins" }), "/v1/senders/admins".to_owned()),
        ("pool.list", json!({}), "/v1/pool".to_owned()),
        ("anchor.get", json!({ "key": controller, "sequence": 0 }), format!("/v1/anchors/{controller}/0")),
        ("receipt.get", json!({ "hash": leaf }), format!("/v1/receipts/{leaf}")),
        ("receipt.v4", json!({ "hash": leaf, "host": "node" }), format!("/v1/receipts/{leaf}/v4?host=node")),
        (
            "batch.leaves",
            json!({ "root": root, "leaf_count": leaf_count() }),
            format!("/v1/bodies/{root}/{}/leaves", leaf_count()),
        ),
        (
            "batch.receipts",
            json!({ "root": root, "leaf_count": leaf_count(), "from": 1 }),
            format!("/v1/bodies/{root}/{}/receipts?from=1", leaf_count()),
        ),
        (
            "batch.receipts_v4",
            json!({ "root": root, "leaf_count": leaf_count(), "host": "node" }),
            format!("/v1/bodies/{root}/{}/receipts/v4?host=node", leaf_count()),
        ),
        (
            "batch.receipts_v4_binary",
            json!({ "root": root, "leaf_count": leaf_count(), "host": "node" }),
            format!("/v1/bodies/{root}/{}/receipts/v4-binary?host=node", leaf_count()),
        ),
        ("batch.anchors", json!({ "root": root }), format!("/v1/roots/{root}")),
        ("batch.missing", json!({}), "/v1/bodies/missing".to_owned()),
        ("registry.list", json!({ "roll": "accounts" }), "/v1/registry?roll=accounts".to_owned()),
        ("registry.get", json!({ "key": controller }), format!("/v1/registry/{controller}")),
        ("registry.proof", json!({ "key": controller }), format!("/v1/registry/{controller}/proof")),
        ("registry.history", json!({ "key": controller }), format!("/v1/registry/{controller}/history")),
        ("evidence.list", json!({}), "/v1/evidence".to_owned()),
        ("search.find", json!({ "q": leaf }), format!("/v1/search?q={leaf}")),
        ("calendar.data", json!({ "height": 2 }), "/calendar/2/data".to_owned()),
    ] {
        let (status, rest) = node.get(&path).await;
        assert_eq!((status, node.call(method, params).await), (200, rest), "{path}");
    }
    // Bytes over REST are hex in JSON.
    for (method, params, path) in [
        ("chain.headers", json!({ "from": 1 }), "/v1/headers?from=1".to_owned()),
        (
            "batch.body",
            json!({ "root": root, "leaf_count": leaf_count() }),
            format!("/v1/bodies/{root}/{}", leaf_count()),
        ),
    ] {
        let (_, bytes) = node.ask(&format!("GET {path} HTTP/1.1"), b"").await;
        assert_eq!(node.call(method, params).await, hex::encode(bytes), "{path}");
    }
}

#[tokio::test]
async fn json_rpc_follows_its_specification() {
    let node = running().await;
    let tip = node.get("/v1/tip").await.1;
    let ok = |id: Value| json!({ "jsonrpc": "2.0", "id": id, "result": tip });
    let failed = |answer: &Value, code: i64| {
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert!(answer["result"].is_null(), "{answer}");
    };
    for (id, text) in [(json!(7), "7"), (json!("a"), "\"a\"")] {
        let request = format!(r#"{{"jsonrpc":"2.0","id":{text},"method":"chain.tip"}}"#);
        assert_eq!(node.rpc(&request).await, (200, ok(id)));
    }
    // Malformed, and not a request at all.
    failed(&node.rpc("{").await.1, -32_700);
    for bad in [
        "{}",
        "[]",
        "1",
        r#""text""#,
        r#"{"jsonrpc":"1.0","id":1,"method":"chain.tip"}"#,
        r#"{"id":1,"method":"chain.tip"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"chain.tip","params":"text"}"#,
    ] {
        let (_, answer) = node.rpc(bad).await;
        let code = answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{bad}: {answer}"));
        assert!([-32_600, -32_602, -32_700].contains(&code), "{bad}: {answer}");
    }
    failed(&node.rpc(r#"{"jsonrpc":"2.0","id":1,"method":"chain.nothing"}"#).await.1, -32_601);
    // Notifications have no answer, alone or among others.
    let (status, nothing) = node.rpc(r#"{"jsonrpc":"2.0","method":"chain.tip"}"#).await;
    assert!(status < 300 && nothing.is_null(), "{status}: {nothing}");
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"chain.tip"},{"jsonrpc":"2.0","method":"chain.tip"},
        {"jsonrpc":"2.0","id":2,"method":"chain.nothing"},3]"#;
    let (_, answers) = node.rpc(batch).await;
    let answers = answers.as_array().expect("a batch").clone();
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert!(answers.contains(&ok(1.into())), "{answers:?}");
    let many = format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"chain.tip"}"#; 101].join(","));
    assert!(node.rpc(&many).await.1["error"]["code"].is_i64(), "more than a batch may have");

    // Refusals have the code of their kind and the name that REST gives.
    let unknown = sha256(&[b"unknown"]).to_string();
    for (method, params, code, name) in [
        ("chain.header", json!({ "name": "zz" }), -32_602, "bad-params"),
        ("chain.header", json!({}), -32_602, "bad-params"),
        ("chain.header", json!({ "name": 1, "more": 2 }), -32_602, "bad-params"),
        ("chain.header", json!({ "name": -1 }), -32_602, "bad-params"),
        ("chain.blocks", json!({ "limit": 1_001 }), -32_602, "too-much"),
        ("chain.header", json!({ "name": 4 }), -32_001, "unknown"),
        ("receipt.get", json!({ "hash": unknown }), -32_001, "unknown"),
        ("tx.submit", json!({ "submission": "00" }), -32_002, "tx-malformed"),
        ("tx.submit", json!({ "submission": "zz" }), -32_602, "bad-params"),
        ("tx.check", json!({ "submission": "00" }), -32_002, "tx-malformed"),
    ] {
        assert_eq!(
            node.refused_call(method, params.clone()).await,
            (code, name.to_owned()),
            "{method} {params}"
        );
    }
}

/// A WebSocket by hand: frames of text, as much of it as the tests need.
struct Socket(TcpStream);

impl Socket {
    async fn connect(node: &Running) -> Self {
        let mut stream = TcpStream::connect(node.address).await.expect("connects");
        let head = "GET /rpc HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("writes");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("reads"));
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self(stream)
    }

    async fn send(&mut self, text: &Value) {
        let text = text.to_string().into_bytes();
        let len = u16::try_from(text.len()).expect("short").to_be_bytes();
        // A mask of zeros leaves the text as it is.
        let frame = [&[0x81, 0x80 | 126][..], &len, &[0; 4], &text].concat();
        self.0.write_all(&frame).await.expect("writes");
    }

    async fn receive(&mut self) -> Value {
        loop {
            let kind = self.0.read_u8().await.expect("reads");
            let len = match self.0.read_u8().await.expect("reads") {
                126 => usize::from(self.0.read_u16().await.expect("reads")),
                127 => usize::try_from(self.0.read_u64().await.expect("reads")).expect("fits"),
                short => usize::from(short),
            };
            let mut text = vec![0; len];
            self.0.read_exact(&mut text).await.expect("reads");
            // Pings are passed over.
            if kind == 0x81 {
                return serde_json::from_slice(&text).expect("JSON");
            }
            assert_eq!(kind, 0x89, "a frame of text, or a ping");
        }
    }
}

#[tokio::test]
async fn subscription_tells_from_its_cursor_and_ends_when_told() {
    let node = running().await;
    let mut socket = Socket::connect(&node).await;
    let genesis = spec().genesis().hash();
    let sender = PublicKey::of(&key(CONTROLLER));
    let leaf = leaves()[1];
    let params = json!({ "after": format!("{genesis}.0"), "senders": [sender], "hashes": [leaf] });
    socket.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "events.subscribe", "params": params })).await;
    let answer = socket.receive().await;
    let subscription = answer["result"].clone();
    assert!(answer["error"].is_null(), "{answer}");
    let mut told = Vec::new();
    while told.len() < 5 {
        let notice = socket.receive().await;
        assert_eq!(
            (&notice["method"], &notice["params"]["subscription"]),
            (&"events.event".into(), &subscription)
        );
        told.push(notice["params"]["result"].clone());
    }
    let events: Vec<_> = told.iter().map(|notice| notice["event"].as_str().expect("a name")).collect();
    assert_eq!(events, ["head", "head", "anchor", "head", "receipt"]);
    assert_eq!(told[2]["data"]["sender"], sender.to_string());
    assert_eq!(
        (&told[4]["data"]["hash"], &told[4]["data"]["state"]),
        (&leaf.to_string().into(), &"included".into())
    );
    // A call on the same connection, and the end of the subscription.
    socket.send(&json!({ "jsonrpc": "2.0", "id": 2, "method": "chain.tip" })).await;
    assert_eq!(socket.receive().await["result"]["height"], 3);
    let params = json!([subscription]);
    socket
        .send(&json!({ "jsonrpc": "2.0", "id": 3, "method": "events.unsubscribe", "params": params }))
        .await;
    assert_eq!(socket.receive().await["result"], true);
    // What is wrong is refused by name.
    let params = json!({ "after": "nonsense" });
    socket.send(&json!({ "jsonrpc": "2.0", "id": 4, "method": "events.subscribe", "params": params })).await;
    assert_eq!(socket.receive().await["error"]["data"]["name"], "bad-query");
    drop(socket);
    drop(node.stop);
    node.server.await.expect("ends").expect("in order");
}
