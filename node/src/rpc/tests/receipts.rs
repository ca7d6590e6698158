//! Receipts in every format, which leaf, whose, and whether they hold.

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
