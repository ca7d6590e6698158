//! Whole flights: every record has a receipt that verifies offline, and what is altered is found.

use std::path::Path;
use std::process::Command;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::SigningKey;
use dronechain_drone::Log;
use dronechain_record::{Body, Clock, Draft, Flight, Kind, Location, NoLocation, Position, SignedRecord};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::fleet::{Fleet, verify_offline};
use dronechain_tests::logs::flight;
use dronechain_tests::process::{run, run_json};
use dronechain_tests::wait::until;
use serde_json::Value;

/// Whole runs take turns: each has eight processes.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn scripts_run(arguments: &[&str]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/run"));
    command.args(arguments);
    command
}

/// One `scripts/run --once` over `log`; its summary and folder of evidence.
fn whole_run(log: &str, data: &Path) -> Value {
    let data = data.to_str().expect("a plain path");
    let mut command = scripts_run(&["--once", "--json", "--ports", "auto", "--data", data, "--log", log]);
    let output = run(&mut command);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    assert_eq!(out.lines().count(), 1, "the summary is the one line on stdout: {out}");
    serde_json::from_str(&out).expect("the summary is JSON")
}

fn assert_all_held(summary: &Value, data_records: u64) {
    let records = Value::from(data_records + 1);
    for name in ["records", "receipts", "verified"] {
        assert_eq!(summary[name], records, "{name}: {summary}");
    }
    assert!(summary["urls"]["node"].as_str().is_some_and(|url| url.starts_with("http://")), "{summary}");
    for (name, expected) in [("nodes", 3), ("altered", 1), ("altered_found", 1)] {
        assert_eq!(summary[name], expected, "{name}: {summary}");
    }
}

/// The bodies of the folder's data records, in order, put together.
fn stored_bodies(folder: &Path, chain_id: &Hash256) -> Vec<u8> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of evidence")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cose"))
        .collect();
    files.sort();
    let mut bodies = Vec::new();
    for file in files {
        let record = SignedRecord::from_bytes(std::fs::read(file).expect("a record"), chain_id);
        match &record.expect("a genuine record").record().body {
            Body::Clear(bytes) => bodies.extend_from_slice(bytes),
            Body::Closing { .. } => {}
            Body::Sealed(_) => panic!("nothing is sealed yet"),
        }
    }
    bodies
}

fn chain_id_of(data: &Path) -> Hash256 {
    let text = std::fs::read_to_string(data.join("network.toml")).expect("the chain spec");
    dronechain_chain_spec::spec::ChainSpec::from_toml(&text).expect("a chain spec").network().chain_id
}

async fn real_log(name: &str, data_records: u64) {
    let Some(log) = flight(name) else { return };
    let _turn = ONE_AT_A_TIME.lock().await;
    let data = tempfile::tempdir().expect("a folder");
    let summary = whole_run(log.to_str().expect("a plain path"), data.path());
    assert_all_held(&summary, data_records);
    // The run has ended and with it every node, controller and cloud server.
    let mut logged = Vec::new();
    for entry in dronechain_drone::open(&log).map(|log: Log| log).expect("a log").entries() {
        logged.extend_from_slice(&entry.body);
    }
    let stored = stored_bodies(&data.path().join("export"), &chain_id_of(data.path()));
    assert!(stored == logged, "the raw bytes of the stored records are the log's data messages");
    let output = verify_offline(&data.path().join("export"), 3);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(report["verified"], data_records + 1);
}

#[tokio::test]
async fn outdoor_flight_has_a_receipt_for_every_record() {
    real_log("esc_status_log.ulg", 8_200).await;
}

#[tokio::test]
async fn simulator_flight_has_a_receipt_for_every_record() {
    real_log("sample_px4_events.ulg", 29_480).await;
}

#[tokio::test]
async fn telemetry_log_has_a_receipt_for_every_record() {
    real_log("rust-mavlink_log.tlog", 1_426).await;
}

#[tokio::test]
async fn simulated_flight_has_a_receipt_for_every_record_and_a_second_one_goes_on() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let data = tempfile::tempdir().expect("a folder");
    let first = whole_run("simulated", data.path());
    let records = first["records"].as_u64().expect("a number");
    assert!(records > 1_000, "{first}");
    assert_all_held(&first, records - 1);
    let second = whole_run("simulated", data.path());
    assert_all_held(&second, records - 1);
    assert!(second["height"].as_u64() > first["height"].as_u64(), "{first} {second}");
}

#[tokio::test]
async fn port_in_use_is_one_clear_line_and_nothing_is_left_running() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let held = ["127.0.0.1:7900", "127.0.0.1:7701"].map(std::net::TcpListener::bind);
    let data = tempfile::tempdir().expect("a folder");
    let path = data.path().to_str().expect("a plain path");
    let output = run(&mut scripts_run(&["--once", "--log", "simulated", "--data", path]));
    drop(held);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(
        message.lines().last().is_some_and(|line| line.contains("in use") && line.contains("--ports auto"))
    );
    assert!(!path_in_use(path), "a process of the run is left");
}

#[tokio::test]
async fn bad_log_is_one_clear_line_before_anything_starts() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let data = tempfile::tempdir().expect("a folder");
    let path = data.path().to_str().expect("a plain path").to_owned();
    let empty = data.path().join("empty.ulg");
    std::fs::write(&empty, b"").expect("a file");
    let foreign = data.path().join("foreign.tlog");
    std::fs::write(&foreign, b"these are no telemetry frames, whatever they are called").expect("a file");
    let missing = data.path().join("missing.ulg");
    for log in [&empty, &foreign, &missing] {
        let name = log.to_str().expect("a plain path");
        let folder = format!("{path}/run");
        let mut command = scripts_run(&["--once", "--ports", "auto", "--log", name, "--data", &folder]);
        let output = run(&mut command);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{name}: {message}");
        assert!(message.contains(name), "{message}");
        assert!(!message.contains("starting"), "{message}");
    }
    assert!(!path_in_use(&path), "a process of the run is left");
}

#[test]
fn wrong_argument_of_a_script_is_told_at_once() {
    let data = tempfile::tempdir().expect("a folder");
    let missing = data.path().join("missing");
    for (script, arguments, named) in [
        ("run", &["--once", "--every", "x"][..], "--every"),
        ("run", &["--once", "--every", "1h"], "--every"),
        ("run", &["--once"], missing.to_str().expect("a plain path")),
        ("test", &["--foo"], "--foo"),
        ("test", &["one", "two"], "two"),
    ] {
        let mut command = Command::new(format!("{}/../scripts/{script}", env!("CARGO_MANIFEST_DIR")));
        let output = run(command.args(arguments).env("DRONECHAIN_FLIGHTS", &missing));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{script} {arguments:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(message.contains(named), "{message}");
    }
}

/// Whether some process names `path` in its arguments, this test apart.
fn path_in_use(path: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
    let mut lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(path))
}

#[tokio::test]
async fn flight_survives_the_loss_of_a_node_and_verifies_after_all_nodes_are_stopped() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::started(3).await;
    let fleet = Fleet::start(&cluster).await;
    let drone = fleet.enrol(60);
    // The others know of the drone too.
    cluster.one_tip().await;
    let mut replay = fleet.replay(60, "simulated");
    let flying = tokio::task::spawn_blocking(move || run(&mut replay));
    // The controller's first node goes in the middle of it.
    cluster.kill(0);
    let output = flying.await.expect("the drone");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = cluster.path("evidence");
    fleet.receipts(&drone, 0, cluster.url(1), &folder);
    cluster.start(0, &[]).await;
    let (height, _) = cluster.tip(1).await.expect("a tip");
    cluster.reaches(0, height).await;
    cluster.one_tip().await;
    cluster.kill_all();
    let output = verify_offline(&folder, 3);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report["verified"].as_u64().expect("a number") > 1_000);
    assert_eq!(report["closed"], true);
}

#[tokio::test]
async fn record_altered_in_the_database_is_named_by_the_daemon_and_no_other() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::started(3).await;
    let fleet = Fleet::start(&cluster).await;
    let drone = fleet.enrol(60);
    assert!(fleet.fly(60, "simulated").status.success());
    fleet.receipts(&drone, 0, cluster.url(1), &cluster.path("evidence"));
    let report_url = format!("{}/v1/report", fleet.cloud_url());
    let findings = |report: &Value| -> Vec<String> {
        let lists = ["altered", "missing", "unanchored", "surplus", "unverifiable"];
        let each = lists.iter().flat_map(|list| report[list].as_array().expect("a list").iter());
        each.map(|finding| finding["hash"].as_str().expect("a hash").to_owned()).collect()
    };
    let clean = until("a sweep that verifies everything", async || {
        let report = fleet.get(&report_url).await?;
        (report["verified"].as_u64()? > 1_000 && report["verified"] == report["records"]).then_some(report)
    })
    .await;
    assert_eq!(findings(&clean), Vec::<String>::new());
    let sql = "CREATE TEMP TABLE pick AS SELECT hash FROM records ORDER BY random() LIMIT 1;
        UPDATE records SET bytes = zeroblob(length(bytes)) WHERE hash IN (SELECT hash FROM pick);
        SELECT lower(hex(hash)) FROM pick;";
    let mut sqlite = Command::new("sqlite3");
    let output = run(sqlite.args(["-cmd", ".timeout 10000"]).arg(fleet.database()).arg(sql));
    let altered = String::from_utf8(output.stdout).expect("hex").trim().to_owned();
    assert_eq!(altered.len(), 64, "{}", String::from_utf8_lossy(&output.stderr));
    let found = until("a finding", async || {
        let found = findings(&fleet.get(&report_url).await?);
        (!found.is_empty()).then_some(found)
    })
    .await;
    assert_eq!(found, [altered]);
}

/// A genuine record by the drone `number`, the first of its chain.
fn first_record(number: u8, cluster: &Cluster) -> SignedRecord {
    let key = SigningKey::from_bytes(&[number; 32]);
    let mut flight = Flight::new(key, cluster.chain_id(), Position::default());
    let draft = Draft {
        kind: Kind::Data,
        known_block: cluster.chain_id(),
        time_us: 1,
        clock: Clock::UtcHost,
        location: Location::None(NoLocation::NoReceiver),
        content_type: "text/plain".into(),
        body: Body::Clear(b"here I am".to_vec()),
    };
    flight.append(draft, [7; 16]).expect("a record")
}

#[tokio::test]
async fn record_of_an_unenrolled_drone_is_refused_by_name() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::started(3).await;
    let fleet = Fleet::start(&cluster).await;
    let (status, answer) = fleet.post_record(first_record(61, &cluster).bytes()).await;
    assert_eq!((status, &answer["refused"]["name"]), (422, &Value::from("device-unknown")), "{answer}");
    let output = fleet.fly(61, "simulated");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("device-unknown"), "{message}");
    // The same record is taken once its drone is enrolled.
    fleet.enrol(61);
    let (status, answer) = fleet.post_record(first_record(61, &cluster).bytes()).await;
    assert_eq!((status, &answer["accepted"]), (200, &Value::from(1)), "{answer}");
    for log in fleet.logs() {
        assert!(log.contains("INFO") && !log.contains('\u{1b}'), "a file has no colours: {log:?}");
    }
}

#[tokio::test]
async fn record_of_a_revoked_drone_is_refused_by_name_and_earlier_ones_still_verify() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::started(3).await;
    let fleet = Fleet::start(&cluster).await;
    let drone = fleet.enrol(62);
    assert!(fleet.fly(62, "simulated").status.success());
    let folder = cluster.path("evidence");
    fleet.receipts(&drone, 0, cluster.url(0), &folder);
    fleet.revoke(&drone);
    let refused = until("refusal of a revoked drone's record", async || {
        let (status, answer) = fleet.post_record(first_record(62, &cluster).bytes()).await;
        (status == 422).then(|| answer["refused"]["name"].clone())
    })
    .await;
    assert_eq!(refused, "device-revoked");
    let output = fleet.fly(62, "simulated");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("device-revoked"), "{message}");
    // Fetched anew, the receipts show the revocation, and that the records came before it.
    let after = cluster.path("evidence-after");
    fleet.receipts(&drone, 0, cluster.url(2), &after);
    for folder in [&folder, &after] {
        let output = verify_offline(folder, 3);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[tokio::test]
async fn controller_killed_in_the_middle_anchors_every_record_exactly_once() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::started(3).await;
    let mut fleet = Fleet::start(&cluster).await;
    let drone = fleet.enrol(63);
    let first = run_json(&mut fleet.replay(63, "simulated"));
    let first_flight = first["records"].as_u64().expect("a number");
    fleet.kill_controller();
    fleet.start_controller().await;
    assert!(fleet.fly(63, "simulated").status.success());
    fleet.kill_controller();
    fleet.start_controller().await;
    let mut records = 0;
    for (name, from) in [("first", 0), ("second", first_flight)] {
        let folder = cluster.path(name);
        fleet.receipts(&drone, from, cluster.url(1), &folder);
        let output = verify_offline(&folder, 3);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        records += report["records"].as_u64().expect("a number");
    }
    // Counted on the ledger itself: leaves of all anchors of this controller.
    let (height, _) = cluster.one_tip().await;
    let mut leaves = 0;
    for height in 1..=height {
        let block = cluster.get(1, &format!("/v1/block/{height}")).await.expect("a block below the tip");
        for transaction in block["transactions"].as_array().expect("a list") {
            let anchor = &transaction["transaction"]["body"]["action"]["anchor"];
            leaves += anchor["leaf_count"].as_u64().unwrap_or(0);
        }
    }
    assert_eq!(records, leaves);
}
