//! The ledger of a node that does not run: `dronechain-node db`, copies, and damage.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::wire::BatchBody;
use rocksdb::{DB, Direction, IteratorMode, Options, WriteBatch};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::process::{program, run};

/// The command `dronechain-node db ARGUMENTS` for node `i` of `cluster`.
pub fn db(cluster: &Cluster, i: usize, arguments: &[&str]) -> Command {
    db_in(cluster, &cluster.path(&format!("node{i}")), arguments)
}

/// The same for a data folder.
pub fn db_in(cluster: &Cluster, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("dronechain-node"));
    command.arg("db").args(arguments).arg("--json").arg("--data").arg(data);
    command.arg("--spec").arg(cluster.path("network.toml"));
    command
}

/// Exit code, and what was printed as JSON: to stderr if it could not be done, else to stdout.
pub fn outcome(command: &mut Command) -> (Option<i32>, Value) {
    let Output { status, stdout, stderr } = run(command);
    let text = if stdout.is_empty() { stderr } else { stdout };
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().last().unwrap_or_default();
    let json = serde_json::from_str(line).unwrap_or_else(|_| panic!("{command:?} printed {text:?}"));
    (status.code(), json)
}

/// Asserts that the ledger of node `i` is fine; gives the report.
pub fn checked(cluster: &Cluster, i: usize) -> Value {
    let (code, report) = outcome(&mut db(cluster, i, &["check"]));
    assert_eq!((code, &report["fine"]), (Some(0), &Value::Bool(true)), "{report:#}");
    report
}

/// The state digest in a report or answer.
pub fn digest(report: &Value) -> String {
    report["digest"].as_str().expect("a digest").to_owned()
}

/// The folder of node `i`'s ledger.
pub fn ledger(cluster: &Cluster, i: usize) -> PathBuf {
    cluster.path(&format!("node{i}/ledger"))
}

/// Makes `to` a copy of the folder `from`; what was there is gone.
pub fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry").path();
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).expect("a copy");
        }
    }
}

/// The database's files whose name has `part` in it, by name.
pub fn files(ledger: &Path, part: &str) -> Vec<PathBuf> {
    let list = fs::read_dir(ledger.join("db")).expect("a database").map(|entry| entry.expect("entry").path());
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(part));
    let mut found: Vec<_> = list.filter(named).collect();
    found.sort();
    found
}

/// Number of an anchor among the kinds of transactions.
const ANCHOR: u8 = 9;

/// Makes of a ledger what the version before would have written, format 2: bodies and leaves under the whole name of
/// their batch; heights and kinds not found by, and of the sequences those of anchors alone.
pub fn make_older(ledger: &Path) {
    let path = ledger.join("db");
    let options = Options::default();
    let columns = DB::list_cf(&options, &path).expect("a database");
    let mut db = DB::open_cf(&options, &path, columns).expect("opens");
    db.create_cf("anchors", &options).expect("created");
    let mut batch = WriteBatch::default();
    {
        let [meta, bodies, leaves] =
            ["meta", "bodies", "leaves"].map(|name| db.cf_handle(name).expect("a column family"));
        for row in db.iterator_cf(leaves, IteratorMode::Start) {
            batch.delete_cf(leaves, row.expect("a row").0);
        }
        for row in db.iterator_cf(bodies, IteratorMode::Start) {
            let (key, value) = row.expect("a row");
            batch.delete_cf(bodies, key);
            let (hashes, _) = value.as_chunks();
            let (root, hashes) = hashes.split_first().expect("a root");
            let body: Vec<_> = hashes.iter().copied().map(Hash256).collect();
            let count = u32::try_from(body.len()).expect("few").to_be_bytes();
            let name = [&root[..], &count].concat();
            for (index, leaf) in (0_u32..).zip(&body) {
                batch.put_cf(leaves, [&leaf.0[..], &name].concat(), index.to_be_bytes());
            }
            batch.put_cf(bodies, name, codec::encode(&BatchBody(body)));
        }
        let [anchors, sequences, kinds] =
            ["anchors", "sequences", "kinds"].map(|name| db.cf_handle(name).expect("a column family"));
        let are_anchors: BTreeSet<_> = db
            .iterator_cf(kinds, IteratorMode::From(&[ANCHOR], Direction::Forward))
            .map(|row| row.expect("a row").0[1..].to_vec())
            .collect();
        for row in db.iterator_cf(sequences, IteratorMode::Start) {
            let (key, value) = row.expect("a row");
            // Encodings are little-endian, keys big-endian.
            let place = [value[..8].iter().rev(), value[8..].iter().rev()].into_iter().flatten();
            if are_anchors.contains(&place.copied().collect::<Vec<_>>()) {
                batch.put_cf(anchors, key, value);
            }
        }
        batch.put_cf(meta, b"format", 2_u32.to_be_bytes());
        batch.delete_cf(meta, b"next-batch");
    }
    db.write(batch).expect("written");
    for name in ["batches", "heights", "sequences", "kinds"] {
        db.drop_cf(name).expect("dropped");
    }
    let marker = ledger.join("CHAIN");
    let text = fs::read_to_string(&marker).expect("a marker");
    assert!(text.starts_with("dronechain store 3\n"), "{text}");
    fs::write(marker, text.replacen("store 3", "store 2", 1)).expect("written");
}

/// Flips a bit at `at` thousandths of a file.
pub fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("a file");
    let index = bytes.len() * at / 1_000;
    bytes[index] ^= 0x10;
    fs::write(file, bytes).expect("written");
}
