//! Receipts in every format, which leaf, whose, and whether they hold.

use std::collections::BTreeSet;

use super::*;

/// What `receipt.verify` says of `receipt`, for the record `record` if one is given.
async fn verdict(node: &Running, receipt: &Value, record: Option<Hash256>, confirmations: u64) -> Value {
    let asked = json!({ "receipt": receipt, "record": record, "confirmations": confirmations });
    let body = asked.to_string();
    let head = format!("POST /v1/receipts/verify HTTP/1.1\r\ncontent-length: {}", body.len());
    let (status, answer) = node.ask(&head, body.as_bytes()).await;
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(node.call("receipt.verify", asked).await, answer);
    answer
}

#[tokio::test]
async fn receipts_of_every_format_are_given_and_verified() {
    let node = running().await;
    let leaf = leaves()[1];
    let (_, receipt) = node.get(&format!("/v1/receipts/{leaf}")).await;
    let (_, proof) = node.get(&format!("/v1/receipts/{leaf}/v4?host=node.example:7700")).await;
    assert_eq!(proof["@context"], "https://w3id.org/chainpoint/v4");
    for (document, shows_entitlement) in [(&receipt, true), (&proof, false)] {
        let found = verdict(&node, document, Some(leaf), 2).await;
        assert_eq!((&found["holds"], &found["failed"]), (&true.into(), &Value::Null), "{found}");
        assert_eq!(found["shows"]["record"], leaf.to_string());
        assert_eq!((&found["shows"]["height"], &found["shows"]["confirmations"]), (&2.into(), &2.into()));
        assert_eq!(found["shows"]["shows_entitlement"], shows_entitlement);
    }
    let (status, binary) =
        node.ask(&format!("GET /v1/receipts/{leaf}/v4.bin?host=node.example:7700 HTTP/1.1"), b"").await;
    let parsed = dronechain_chain_spec::receipt::ExistenceProof::parse_binary(&binary).expect("a proof");
    let parsed: Value = serde_json::from_str(&parsed.to_json()).expect("JSON");
    assert_eq!((status, parsed), (200, proof));
    assert_eq!(node.get(&format!("/v1/receipts/{leaf}/v4?host=a%20b")).await.0, 400);
    assert_eq!(node.get(&format!("/v1/receipts/{leaf}/v4")).await.0, 400);
}

#[tokio::test]
async fn receipts_that_do_not_hold_are_named_by_the_part_that_fails() {
    let node = running().await;
    let leaf = leaves()[0];
    let (_, receipt) = node.get(&format!("/v1/receipts/{leaf}")).await;
    let failed = async |receipt: &Value, record, wanted| {
        let found = verdict(&node, receipt, record, wanted).await;
        assert_eq!((&found["holds"], &found["shows"]), (&false.into(), &Value::Null), "{found}");
        assert!(!found["reason"].as_str().expect("words").is_empty());
        found["failed"].as_str().expect("a part").to_owned()
    };
    assert_eq!(failed(&receipt, Some(sha256(&[b"another"])), 1).await, "record");
    let mut altered = receipt.clone();
    altered["targetHash"] = sha256(&[b"another"]).to_string().into();
    assert_eq!(failed(&altered, None, 1).await, "proof");
    assert_eq!(failed(&json!({ "@context": "https://w3id.org/chainpoint/v2" }), None, 1).await, "format");
    assert_eq!(failed(&receipt, None, 9).await, "header");
}

#[tokio::test]
async fn receipts_are_found_by_sender_and_kind() {
    let node = running().await;
    let (leaf, controller) = (leaves()[0], PublicKey::of(&key(CONTROLLER)));
    let path = |query: &str| format!("/v1/receipts/{leaf}?{query}");
    let (_, any) = node.get(&path("")).await;
    for query in [format!("sender={controller}"), "kind=data".to_owned()] {
        assert_eq!(node.get(&path(&query)).await, (200, any.clone()), "{query}");
    }
    for query in [format!("sender={}", PublicKey::of(&key(1))), "kind=command".to_owned()] {
        assert_eq!(node.refusal(&path(&query)).await, (404, "unknown".to_owned()), "{query}");
    }
    assert_eq!(node.refusal(&path("kind=secret")).await, (400, "bad-query".to_owned()));
}

#[tokio::test]
async fn leaves_of_a_batch_come_in_pages() {
    let node = running().await;
    let (root, count, all) = (merkle::root(&leaves()), leaf_count(), leaves());
    let page = async |query: &str| node.get(&format!("/v1/bodies/{root}/{count}/leaves?{query}")).await;
    let (mut found, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        let (status, page) = page(&format!("from={at}&limit=2")).await;
        assert_eq!(status, 200);
        found.extend(page["leaves"].as_array().expect("a list").clone());
        from = page["next"].as_u64();
    }
    assert_eq!(found, all.iter().map(|leaf| json!(leaf)).collect::<Vec<_>>());
    let (_, behind) = page("from=4294967295").await;
    assert_eq!((&behind["leaves"], &behind["next"]), (&json!([]), &Value::Null));
    assert_eq!(page("limit=1001").await.1["error"]["name"], "too-much");
}

/// Every item of a call's pages.
async fn all_of(node: &Running, path: &str, list: &str) -> Vec<Value> {
    let (mut found, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        let (status, page) = node.get(&format!("{path}&from={at}")).await;
        assert_eq!(status, 200, "{page}");
        found.extend(page[list].as_array().expect("a list").clone());
        from = page["next"].as_u64();
        assert!(from.is_none_or(|from| from > at), "{page}");
    }
    found
}

/// A format of receipts.
struct Format {
    /// Of the call for a batch; parameters of the query go behind it.
    batch: String,
    /// The list in its answers.
    list: &'static str,
    /// Of the call for a record; its hash goes between.
    record: [&'static str; 2],
}

/// Every one, for the batch.
fn formats() -> [Format; 3] {
    let base = format!("/v1/bodies/{}/{}/receipts", merkle::root(&leaves()), leaf_count());
    let of = |query, list, record| Format { batch: format!("{base}{query}"), list, record };
    [
        of("?", "receipts", ["/v1/receipts/", ""]),
        of("/v4?host=node&", "proofs", ["/v1/receipts/", "/v4?host=node"]),
        of("/v4-binary?host=node&", "proofs", ["/v1/receipts/", "/v4.bin?host=node"]),
    ]
}

/// Asserts that the receipts of the batch in every format are those of its records; gives those in v2.
async fn receipts_of_batch(node: &Running) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for Format { batch, list, record: [before, behind] } in formats() {
        let found = all_of(node, &format!("{batch}limit=2"), list).await;
        assert_eq!(found.len(), leaves().len());
        for (leaf, found) in leaves().iter().zip(found) {
            let (status, bytes) = node.ask(&format!("GET {before}{leaf}{behind} HTTP/1.1"), b"").await;
            let wanted = match found {
                Value::String(_) => hex::encode(&bytes).into(),
                _ => serde_json::from_slice::<Value>(&bytes).expect("JSON"),
            };
            assert_eq!((status, found), (200, wanted), "{batch} {leaf}");
            receipts.extend(Receipt::parse(&bytes).ok());
        }
    }
    assert_eq!(receipts.len(), leaves().len());
    receipts
}

#[tokio::test]
async fn receipts_of_a_batch_are_those_of_its_records() {
    let node = running().await;
    receipts_of_batch(&node).await;
    for Format { batch, list, .. } in formats() {
        let (_, behind) = node.get(&format!("{batch}from=4294967295")).await;
        assert_eq!((&behind[list], &behind["next"]), (&json!([]), &Value::Null));
        assert_eq!(node.refusal(&format!("{batch}limit=101")).await, (400, "too-much".to_owned()));
    }
    let (root, count) = (merkle::root(&leaves()), leaf_count());
    for (root, count) in [(root, count + 1), (sha256(&[b"unknown"]), count), (root, 0)] {
        let path = format!("/v1/bodies/{root}/{count}/receipts");
        assert_eq!(node.refusal(&path).await, (404, "unknown".to_owned()));
    }
    let base = format!("/v1/bodies/{root}/{count}/receipts");
    for query in ["", "?host=a%20b"] {
        assert_eq!(node.refusal(&format!("{base}/v4{query}")).await, (400, "bad-query".to_owned()));
    }
}

#[tokio::test]
async fn receipts_are_of_the_lowest_anchor_and_of_a_sender_if_one_is_named() {
    // Anchors of a root are stored by sender: the one that comes first is higher here.
    let mut others = [CONTROLLER, CONTROLLER + 1];
    others.sort_by_key(|of| std::cmp::Reverse(PublicKey::of(&key(*of))));
    let [early, late] = others;
    let (root, count) = (merkle::root(&leaves()), leaf_count());
    let blocks = [
        vec![admission(0, early), admission(1, late)],
        vec![anchor_by(early, 0, root, count)],
        vec![anchor_by(late, 0, root, count)],
    ];
    let node = running_with(&blocks).await;
    let heights = async |query: &str| {
        let [Format { batch, list, .. }, ..] = formats();
        let mut found = all_of(&node, &format!("{batch}{query}"), list).await;
        found.push(node.get(&format!("/v1/receipts/{}?{query}", leaves()[0])).await.1);
        let receipt = |found: &Value| Receipt::parse(found.to_string().as_bytes()).expect("a receipt");
        found.iter().map(|found| receipt(found).anchor.height).collect::<BTreeSet<_>>()
    };
    let of = |by: u8| format!("sender={}", PublicKey::of(&key(by)));
    for (query, height) in [(String::new(), 2), (of(early), 2), (of(late), 3)] {
        assert_eq!(heights(&query).await, [height].into(), "{query}");
    }
    let path = format!("{}{}", formats()[0].batch, of(1));
    assert_eq!(node.refusal(&path).await, (404, "unknown".to_owned()));
}

#[tokio::test]
async fn anchors_of_a_root_with_another_number_of_leaves_give_no_receipts() {
    let (root, count) = (merkle::root(&leaves()), leaf_count());
    // The first leaf's path fits trees of 5 to 8 leaves.
    let blocks = [
        vec![admission(0, CONTROLLER)],
        vec![anchor_by(CONTROLLER, 0, root, count + 1), anchor_by(CONTROLLER, 1, root, count + 3)],
        vec![anchor_by(CONTROLLER, 2, root, count)],
    ];
    let node = running_with(&blocks).await;
    for receipt in receipts_of_batch(&node).await {
        assert_eq!((receipt.leaf_count, receipt.anchor.height), (count, 3));
    }
}
