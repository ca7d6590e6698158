//! The cloud server as a process would run it, over a folder that is full and nodes that are gone.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use std::path::Path;
use std::time::Duration;

use common::{House, RECORDS};
use dronechain_client::frames;
use dronechain_cloud::{CloudError, Config, run};
use dronechain_service::folder::FolderError;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// An address at which nobody answers.
const NOBODY: &str = "http://127.0.0.1:1";

fn config(folder: &Path, node: &str) -> Config {
    let text = serde_json::json!({
        "data": folder,
        "listen": "127.0.0.1:0",
        "nodes": [node],
        "sweep_pause_ms": 20,
        "ready_file": folder.join("ready"),
    });
    serde_json::from_value(text).unwrap()
}

/// A client that is none of ours. Without a provider of TLS, plain HTTP too would be refused.
fn http() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}

async fn address(folder: &Path) -> String {
    for _ in 0..200 {
        if let Ok(text) = std::fs::read_to_string(folder.join("ready")) {
            let ready: Value = serde_json::from_str(&text).unwrap();
            return format!("http://{}", ready["http"].as_str().unwrap());
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("the cloud server does not listen");
}

async fn json(url: &str) -> Value {
    http().get(url).send().await.unwrap().json().await.unwrap()
}

/// The report of a sweep that began after this call.
async fn next_report(url: &str) -> Value {
    let sweeps = json(&format!("{url}/v1/status")).await["sweeps"].as_u64().unwrap();
    loop {
        let report = json(&format!("{url}/v1/report")).await;
        if report["sweep"].as_u64() >= Some(sweeps + 2) {
            return report;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn it_serves_what_it_keeps_and_reports_what_is_altered_under_it() {
    let house = House::new().await;
    house.store.remember("spec", &house.spec_hex()).await.unwrap();
    let closed = house.closed();
    let folder = closed.folder.path().to_owned();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(run(config(&folder, NOBODY), async { drop(stopped.await) }));
    let url = address(&folder).await;
    let second = run(config(&folder, NOBODY), async {}).await;
    assert!(matches!(second, Err(CloudError::Folder(FolderError::InUse { .. }))), "{second:?}");

    let report = next_report(&url).await;
    assert_eq!(report["verified"], RECORDS, "{report}");
    let status = json(&format!("{url}/v1/status")).await;
    assert_eq!((&status["records"], &status["anchors"]), (&RECORDS.into(), &2.into()));

    let record = &closed.records[3];
    let one = http().get(format!("{url}/v1/records/{}", record.target_hash())).send().await.unwrap();
    assert_eq!(one.headers()["content-type"], "application/cose");
    assert_eq!(one.bytes().await.unwrap(), record.bytes());
    let device = record.signer();
    let part = http().get(format!("{url}/v1/records?device={device}&from=3&limit=2")).send().await.unwrap();
    let part = part.bytes().await.unwrap();
    assert_eq!(frames::split(&part, 10).unwrap(), [closed.records[3].bytes(), closed.records[4].bytes()]);
    let placements = json(&format!("{url}/v1/placements?device={device}")).await;
    assert_eq!(placements.as_array().unwrap().len(), RECORDS);
    assert_eq!((&placements[8]["anchor_sequence"], &placements[8]["index"]), (&1.into(), &1.into()));

    let mut body = Vec::new();
    frames::push(&record.bytes()[..record.bytes().len() - 1], &mut body);
    let post = http().post(format!("{url}/v1/records"));
    let answer = post.header("content-type", frames::CONTENT_TYPE).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 422);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["refused"]["name"], "record-malformed");

    let mut other = closed.other_connection().await;
    let hash = record.target_hash();
    sqlx::query("UPDATE records SET bytes = x'00' || substr(bytes, 2) WHERE hash = ?")
        .bind(&hash.0[..])
        .execute(&mut other)
        .await
        .unwrap();
    let report = next_report(&url).await;
    assert_eq!(report["totals"]["altered"], 1, "{report}");
    assert_eq!(report["altered"][0]["hash"], hash.to_string());
    assert_eq!(report["verified"], RECORDS - 1);

    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

/// The connection on which headers are asked for; any other is broken off.
async fn asked_for_headers(node: &TcpListener) -> TcpStream {
    loop {
        let (mut connection, _) = node.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && connection.read_buf(&mut head).await.unwrap() > 0 {}
        if head.starts_with(b"GET /v1/headers") {
            return connection;
        }
    }
}

#[tokio::test]
async fn it_serves_while_a_node_keeps_its_headers_waiting() {
    let house = House::new().await;
    house.store.remember("spec", &house.spec_hex()).await.unwrap();
    let closed = house.closed();
    let folder = closed.folder.path().to_owned();
    let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let config = config(&folder, &format!("http://{}", node.local_addr().unwrap()));
    let running = tokio::spawn(run(config, async { drop(stopped.await) }));
    let waiting = asked_for_headers(&node).await;

    let url = address(&folder).await;
    let status = json(&format!("{url}/v1/status")).await;
    assert_eq!(status["headers_height"], 3);
    assert_eq!(next_report(&url).await["verified"], RECORDS);
    // The server has not given up waiting: all this was answered meanwhile.
    let end = waiting.try_read(&mut [0]).unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::WouldBlock);

    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
