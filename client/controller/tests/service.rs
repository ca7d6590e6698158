//! The controller as a process would run it, while no node answers.
#![allow(clippy::unwrap_used, missing_docs)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use axum::{Json, Router};
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::SigningKey;
use dronechain_client::frames;
use dronechain_controller::store::Store;
use dronechain_controller::{Config, ControllerError, run};
use dronechain_record::{
    Body, Clock, Draft, Flight, KeyFile, Kind, Location, NoLocation, Position, SignedRecord,
};
use dronechain_service::folder::FolderError;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::sleep;

fn chain_id() -> Hash256 {
    sha256(&[b"network"])
}

fn config(folder: &Path) -> Config {
    let text = serde_json::json!({
        "data": folder.join("data"),
        "listen": "127.0.0.1:0",
        "key": folder.join("key"),
        "nodes": ["http://127.0.0.1:1"],
        "ready_file": folder.join("ready"),
    });
    serde_json::from_value(text).unwrap()
}

/// A data folder that knows its network, and a key.
async fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let store = Store::open(&folder.path().join("data/controller.sqlite")).await.unwrap();
    store.remember("chain_id", &chain_id().to_string()).await.unwrap();
    KeyFile::create(folder.path().join("key")).unwrap();
    folder
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
    panic!("the controller does not listen");
}

fn record() -> SignedRecord {
    let draft = Draft {
        kind: Kind::Data,
        known_block: chain_id(),
        time_us: 1,
        clock: Clock::Simulated,
        location: Location::None(NoLocation::NoFix),
        content_type: "text/plain".into(),
        body: Body::Clear(b"a".to_vec()),
    };
    let key = SigningKey::from_bytes(&[5; 32]);
    Flight::new(key, chain_id(), Position::default()).append(draft, [0; 16]).unwrap()
}

#[tokio::test]
async fn it_serves_refuses_by_name_and_stops_when_told() {
    let folder = prepared().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(run(config(folder.path()), async { drop(stopped.await) }));
    let url = address(folder.path()).await;
    let http = http();

    let status: Value = http.get(format!("{url}/v1/status")).send().await.unwrap().json().await.unwrap();
    assert_eq!(status["chain_id"], chain_id().to_string());
    assert_eq!(status["records"], 0);

    let second = run(config(folder.path()), async {}).await;
    assert!(matches!(second, Err(ControllerError::Folder(FolderError::InUse { .. }))), "{second:?}");

    // A record whose signature does not hold is refused without asking a node.
    let mut bytes = record().into_bytes();
    *bytes.last_mut().unwrap() ^= 1;
    let mut body = Vec::new();
    frames::push(&bytes, &mut body);
    let post = || http.post(format!("{url}/v1/records")).header("content-type", frames::CONTENT_TYPE);
    let answer = post().body(body).send().await.unwrap();
    assert_eq!(answer.status(), 422);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!((&answer["accepted"], &answer["refused"]["name"]), (&0.into(), &"record-signature".into()));

    // Nobody can say whether this device is enrolled.
    let mut body = Vec::new();
    frames::push(record().bytes(), &mut body);
    let answer = post().body(body).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["error"]["name"], "node-unreachable");
    assert_eq!(post().body(vec![1, 2]).send().await.unwrap().status(), 400);
    let untyped = http.post(format!("{url}/v1/records")).body(vec![0]).send().await.unwrap();
    assert_eq!(untyped.status(), 415);

    let cookie = folder.path().join("data/cookie");
    assert_eq!(cookie.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let enrol = || http.post(format!("{url}/v1/devices")).header("content-type", "application/json");
    let answer = enrol().body("{}").header("authorization", "Bearer guess").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let bearer = format!("Bearer {}", std::fs::read_to_string(cookie).unwrap());
    let answer = enrol().body("{}").header("authorization", bearer.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let forged = serde_json::json!({
        "device": record().signer(), "kind": "k", "area": "a", "possession": "00".repeat(64),
    });
    let answer = enrol().body(forged.to_string()).header("authorization", bearer).send().await.unwrap();
    assert_eq!(answer.status(), 422);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["error"]["rule"], &answer["error"]["name"]),
        (&"T10".into(), &"tx-possession".into())
    );

    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_data_folder_belongs_to_one_key() {
    let folder = prepared().await;
    run(config(folder.path()), async { sleep(Duration::from_millis(300)).await }).await.unwrap();
    std::fs::remove_file(folder.path().join("key")).unwrap();
    KeyFile::create(folder.path().join("key")).unwrap();
    let end = run(config(folder.path()), std::future::pending()).await;
    assert!(matches!(end, Err(ControllerError::WrongKey { .. })), "{end:?}");
}

/// The address of a node that knows of nobody.
async fn empty_node() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let unknown = async || {
        (StatusCode::NOT_FOUND, Json(json!({ "error": { "name": "unknown", "message": "not here" } })))
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(unknown)).await });
    url
}

#[tokio::test]
async fn a_devices_position_is_told_with_its_records_in_flight() {
    let folder = prepared().await;
    let store = Store::open(&folder.path().join("data/controller.sqlite")).await.unwrap();
    assert_eq!(store.accept(&[record()], 1).await.unwrap().accepted, 1);
    let (stop, stopped) = oneshot::channel::<()>();
    let config = Config { nodes: vec![empty_node().await], ..config(folder.path()) };
    let running = tokio::spawn(run(config, async { drop(stopped.await) }));
    let url = address(folder.path()).await;

    let device = format!("{url}/v1/devices/{}", record().signer());
    let answer: Value = http().get(device).send().await.unwrap().json().await.unwrap();
    let previous = record().target_hash();
    let expected = json!({ "state": "unknown", "next_sequence": 1, "previous": previous, "in_flight": 1 });
    assert_eq!(answer, expected);

    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[test]
fn unknown_keys_of_the_configuration_are_refused() {
    let text = r#"{"data": "d", "key": "k", "nodes": [], "batch_size": 4}"#;
    let error = serde_json::from_str::<Config>(text).unwrap_err().to_string();
    assert!(error.contains("batch_size"), "{error}");
}
