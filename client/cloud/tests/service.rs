//! The cloud server as a process would run it, over a folder that is full and nodes that are gone.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use std::path::Path;
use std::time::Duration;

use common::{House, RECORDS};
use dronechain_client::frames;
use dronechain_cloud::folder::FolderError;
use dronechain_cloud::{CloudError, Config, run};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::sleep;

fn config(folder: &Path) -> Config {
    let text = serde_json::json!({
        "data": folder,
        "listen": "127.0.0.1:0",
        "nodes": ["http://127.0.0.1:1"],
        "sweep_pause_ms": 20,
        "ready_file": folder.join("ready"),
    });
    serde_json::from_value(text).unwrap()
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
    reqwest::get(url).await.unwrap().json().await.unwrap()
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
    let running = tokio::spawn(run(config(&folder), async { drop(stopped.await) }));
    let url = address(&folder).await;
    let second = run(config(&folder), async {}).await;
    assert!(matches!(second, Err(CloudError::Folder(FolderError::InUse { .. }))), "{second:?}");

    let report = next_report(&url).await;
    assert_eq!(report["verified"], RECORDS, "{report}");
    let status = json(&format!("{url}/v1/status")).await;
    assert_eq!((&status["records"], &status["anchors"]), (&RECORDS.into(), &2.into()));

    let record = &closed.records[3];
    let one = reqwest::get(format!("{url}/v1/records/{}", record.target_hash())).await.unwrap();
    assert_eq!(one.headers()["content-type"], "application/cose");
    assert_eq!(one.bytes().await.unwrap(), record.bytes());
    let device = record.signer();
    let part = reqwest::get(format!("{url}/v1/records?device={device}&from=3&limit=2")).await.unwrap();
    let part = part.bytes().await.unwrap();
    assert_eq!(frames::split(&part, 10).unwrap(), [closed.records[3].bytes(), closed.records[4].bytes()]);
    let placements = json(&format!("{url}/v1/placements?device={device}")).await;
    assert_eq!(placements.as_array().unwrap().len(), RECORDS);
    assert_eq!((&placements[8]["anchor_sequence"], &placements[8]["index"]), (&1.into(), &1.into()));

    let mut body = Vec::new();
    frames::push(&record.bytes()[..record.bytes().len() - 1], &mut body);
    let post = reqwest::Client::new().post(format!("{url}/v1/records"));
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
