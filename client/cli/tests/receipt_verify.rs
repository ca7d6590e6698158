//! `dronechain receipt verify` as a user runs it: exit codes, and the part that failed.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Flown, flown};
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
fn keygen_makes_a_private_file_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("key");
    let run = || dronechain().args(["keygen", "--json", "--out"]).arg(&file).output().expect("it runs");
    let output = run();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(json(&output)["public_key"].as_str().map(str::len), Some(64));
    assert_eq!(run().status.code(), Some(3));
}
