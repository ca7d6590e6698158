//! `dronechain receipt verify` as a user runs it: exit codes, and the part that failed.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Flown, flown};
use dronechain_chain_spec::receipt::ExistenceProof;
use dronechain_client::bundle;

/// Places of each file that are flipped; the SDK's tests flip every byte.
const SAMPLES: usize = 20;

struct Case {
    dir: tempfile::TempDir,
    flown: Flown,
}

impl Case {
    fn new() -> Self {
        let (dir, flown) = (tempfile::tempdir().expect("a folder"), flown());
        for (record, receipt) in flown.records.iter().zip(&flown.receipts) {
            bundle::write(dir.path(), record.record().sequence, record.bytes(), &receipt.to_json())
                .expect("writable");
        }
        fs::write(dir.path().join(bundle::HEADERS_FILE), flown.world.chain.to_bytes()).expect("writable");
        Self { dir, flown }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn verify(&self, record: &Path, receipt: &Path, headers: &Path) -> Output {
        let mut command = dronechain();
        command.args(["receipt", "verify"]).args([record, receipt]).arg("--headers").arg(headers);
        command.arg("--json").output().expect("the binary runs")
    }

    /// Verifies with one of the three files exchanged for another.
    fn verify_with(&self, exchanged: usize, other: &Path) -> Output {
        let mut files = ["00000001.cose", "00000001.receipt.json", "headers.bin"].map(|name| self.path(name));
        other.clone_into(&mut files[exchanged]);
        let [record, receipt, headers] = &files;
        self.verify(record, receipt, headers)
    }
}

fn dronechain() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dronechain"))
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn exported_files_verify() {
    let case = Case::new();
    let output = case.verify_with(0, &case.path("00000001.cose"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let value = json(&output);
    assert_eq!((&value["verified"], &value["verdict"]), (&true.into(), &"good".into()));
    assert_eq!(value["record"]["sequence"], 1);
    let output = dronechain().args(["--json", "receipt", "verify", "--dir"]).arg(case.dir.path()).output();
    let output = output.expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let value = json(&output);
    assert_eq!(
        (&value["records"], &value["verified"], &value["closed"]),
        (&7.into(), &7.into(), &true.into())
    );
}

#[test]
fn proofs_for_public_tools_verify_as_far_as_they_go() {
    let case = Case::new();
    let receipt = &case.flown.receipts[1];
    let proof = ExistenceProof::of(receipt, "localhost:7700").expect("a sound receipt");
    fs::write(case.path("v4.json"), proof.to_json()).expect("writable");
    fs::write(case.path("v4.chp"), proof.to_binary()).expect("writable");
    for name in ["v4.json", "v4.chp"] {
        let output = case.verify_with(1, &case.path(name));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let value = json(&output);
        assert_eq!((&value["verified"], &value["verdict"]), (&true.into(), &"authority-unchecked".into()));
        assert_eq!(value["record"]["sequence"], 1);
        let mut command = dronechain();
        command.args(["receipt", "verify", "--require-authority", "--json", "--headers"]);
        command.args(["headers.bin", "00000001.cose", name].map(|name| case.path(name)));
        let output = command.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(json(&output)["part"], "registry");
        // Another record's.
        let output = case.verify(&case.path("00000002.cose"), &case.path(name), &case.path("headers.bin"));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(json(&output)["part"], "record");
    }
}

#[test]
fn flipped_bytes_exit_1_and_name_the_part() {
    let case = Case::new();
    let mut unshown = case.flown.receipts[1].clone();
    unshown.anchor.authority.device = None;
    fs::write(case.path("unshown.json"), unshown.to_json()).expect("writable");
    let names = [(0, "00000001.cose"), (1, "00000001.receipt.json"), (1, "unshown.json"), (2, "headers.bin")];
    for (file, name) in names {
        let bytes = fs::read(case.path(name)).expect("there");
        for at in (0..bytes.len()).step_by(bytes.len() / SAMPLES) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            let other = case.path("flipped");
            fs::write(&other, flipped).expect("writable");
            let output = case.verify_with(file, &other);
            assert_eq!(output.status.code(), Some(1), "{name} byte {at}: {output:?}");
            let value = json(&output);
            let part = value["part"].as_str().expect("a part");
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(error.starts_with(&format!("error: {part}: ")), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
            match file {
                0 => assert_eq!(part, "record"),
                2 => assert!(error.starts_with("error: header: ") && error.contains(": height "), "{error}"),
                _ => assert_ne!(part, "record", "byte {at}"),
            }
        }
    }
}

#[test]
fn a_flipped_header_names_its_height() {
    let case = Case::new();
    let mut bytes = fs::read(case.path("headers.bin")).expect("there");
    // The nonce of the last header, before its signature.
    let at = bytes.len() - 70;
    bytes[at] ^= 1;
    fs::write(case.path("flipped"), bytes).expect("writable");
    let output = case.verify_with(2, &case.path("flipped"));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains(&format!("height {}", case.flown.world.chain.height())), "{error}");
}

#[test]
fn a_missing_file_exits_3_and_bad_usage_2() {
    let case = Case::new();
    for file in 0..3 {
        let output = case.verify_with(file, &case.path("missing"));
        assert_eq!(output.status.code(), Some(3), "{output:?}");
    }
    let output = dronechain().args(["receipt", "verify", "one"]).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn other_networks_and_unshown_authority_are_refused_when_asked_for() {
    let case = Case::new();
    let mut receipt = case.flown.receipts[1].clone();
    receipt.anchor.authority.device = None;
    fs::write(case.path("unshown.json"), receipt.to_json()).expect("writable");
    let run = |more: &[&str]| {
        let mut command = dronechain();
        command.args(["receipt", "verify"]).arg(case.path("00000001.cose")).arg(case.path("unshown.json"));
        command.arg("--headers").arg(case.path("headers.bin")).args(more);
        command.output().expect("the binary runs").status.code()
    };
    assert_eq!(run(&[]), Some(0));
    assert_eq!(run(&["--require-authority"]), Some(1));
    assert_eq!(run(&["--chain-id", &case.flown.world.chain_id().to_string()]), Some(0));
    assert_eq!(run(&["--chain-id", &"00".repeat(32)]), Some(1));
    assert_eq!(run(&["--confirmations", "100"]), Some(1));
}

#[test]
fn an_altered_folder_exits_1_and_names_the_file() {
    let case = Case::new();
    let path = case.path("00000004.cose");
    let mut bytes = fs::read(&path).expect("there");
    bytes[50] ^= 1;
    fs::write(&path, bytes).expect("writable");
    let output = dronechain().args(["receipt", "verify", "--json", "--dir"]).arg(case.dir.path()).output();
    let output = output.expect("the binary runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let value = json(&output);
    assert_eq!(value["verified"], 6);
    assert_eq!(value["failures"][0]["file"], "00000004.cose");
    assert_eq!(value["failures"][0]["part"], "record");
    assert_eq!(value["failures"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_folder_that_is_cut_short_says_how_far_it_reaches() {
    let case = Case::new();
    let verify = |more: &[&str]| {
        let mut command = dronechain();
        command.args(["receipt", "verify", "--dir"]).arg(case.dir.path()).args(more);
        let output = command.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        output
    };
    let text = |output: Output| String::from_utf8(output.stdout).expect("text");
    let whole = text(verify(&[]));
    assert!(whole.contains("records 0 to 6, closed"), "{whole}");
    for sequence in [0, 5, 6] {
        for name in [bundle::record_name(sequence), bundle::receipt_name(sequence)] {
            fs::remove_file(case.path(&name)).expect("there");
        }
    }
    let cut = text(verify(&[]));
    assert!(cut.contains("records 1 to 4, NOT CLOSED"), "{cut}");
    let value = json(&verify(&["--json"]));
    assert_eq!((&value["verified_all"], &value["closed"]), (&true.into(), &false.into()));
    let [reach] = &value["subjects"].as_array().expect("a list")[..] else { panic!("{value}") };
    assert_eq!((&reach["first_sequence"], &reach["last_sequence"]), (&1.into(), &4.into()));
    assert_eq!(reach["closed"], false);
}

/// Answers every request on a free loopback port with `answer`; the address.
fn stranger(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn receipt_that_no_node_was_asked_for_exits_3_and_one_that_it_lacks_1() {
    let dir = tempfile::tempdir().expect("a folder");
    let get = |node: &str| {
        let mut command = dronechain();
        command.args(["receipt", "get", &"00".repeat(32), "--node", node, "--out"]);
        let output = command.arg(dir.path().join("receipt")).output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("(hint: "), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        output.status.code()
    };
    let head = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n";
    let with = |body: &str| stranger(format!("{head}{body}").leak());
    assert_eq!(get(&with("<!DOCTYPE HTML>\n<html>\n  nothing   here</html>")), Some(3));
    // Another service of DroneChain's.
    assert_eq!(get(&with(r#"{"error": {"name": "no-route", "message": "nothing"}}"#)), Some(3));
    assert_eq!(get(&with(r#"{"error": {"name": "unknown", "message": "no receipt"}}"#)), Some(1));
    assert_eq!(get(&stranger("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}")), Some(3));
    assert_eq!(get(&stranger("SSH-2.0-OpenSSH_9.9\r\n")), Some(3));
    assert_eq!(get("http://127.0.0.1:1"), Some(3));
}

#[test]
fn mistakes_with_key_files_have_hints() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("a plain path");
    let missing = format!("{folder}/missing/a.key");
    let hash = "00".repeat(32);
    let submit = |key: &str| {
        let node = "http://127.0.0.1:1";
        dronechain().args(["submit", "--hash", &hash, "--node", node, "--controller-key", key]).output()
    };
    for (output, hint) in [
        (dronechain().args(["keygen", "--out", &missing]).output(), "make the folder first"),
        (submit(&missing), "dronechain keygen"),
        (submit(folder), "not its folder"),
        (
            dronechain()
                .args(["controller", "run", "--data", &format!("{folder}/data"), "--key", folder])
                .args(["--node", "http://127.0.0.1:1"])
                .output(),
            "not its folder",
        ),
    ] {
        let output = output.expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{error}");
        assert!(error.contains("(hint: ") && error.contains(hint), "{error}");
    }
}

#[test]
fn keygen_makes_a_private_file_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("key");
    let run = || dronechain().args(["keygen", "--json", "--out"]).arg(&file).output().expect("it runs");
    let output = run();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(json(&output)["public_key"].as_str().map(str::len), Some(64));
    assert_eq!(run().status.code(), Some(3));
}
