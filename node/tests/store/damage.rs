//! Folders that are another's, in use, damaged or half gone; and a process that is killed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use dronechain_node::store::{Options, Store, StoreError};

use crate::chain::{Chain, files, filled, open, refused, spec};

#[test]
fn second_open_is_refused_and_harms_nothing() {
    let (folder, mut chain, _) = filled();
    let (store, _) = open(folder.path()).expect("opens");
    assert!(matches!(refused(folder.path()), StoreError::InUse { .. }));
    let third = chain.grow(&[]);
    store.commit(&third.changes).expect("the first still commits");
    drop(store);
    assert_eq!(open(folder.path()).expect("opens").1.tip, third.moved.hash);
}

#[test]
fn other_network_is_refused_and_left_alone() {
    let (folder, _, second) = filled();
    let error = Store::open(folder.path(), &spec("two"), &Options::default()).expect_err("is refused");
    let (one, two) = (spec("one").genesis().hash(), spec("two").genesis().hash());
    assert!(
        matches!(error, StoreError::OtherNetwork { found, expected, .. } if (found, expected) == (one, two))
    );
    assert_eq!(open(folder.path()).expect("opens").1.tip, second.moved.hash);
}

#[test]
fn other_format_is_refused() {
    let (folder, ..) = filled();
    let marker = folder.path().join("CHAIN");
    let text = fs::read_to_string(&marker).expect("marker").replace("store 3", "store 4");
    fs::write(&marker, text).expect("writes");
    assert!(matches!(refused(folder.path()), StoreError::Format { found: 4, expected: 3, .. }));
    fs::write(&marker, "something else").expect("writes");
    assert!(matches!(refused(folder.path()), StoreError::Marker { .. }));
}

#[test]
fn foreign_folder_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("temp dir");
    fs::write(folder.path().join("holiday.jpg"), b"not ours").expect("writes");
    assert!(matches!(refused(folder.path()), StoreError::Foreign { .. }));
    assert_eq!(fs::read_dir(folder.path()).expect("reads").count(), 1);
}

#[test]
fn cut_short_creation_starts_anew() {
    let folder = tempfile::tempdir().expect("temp dir");
    drop(open(folder.path()).expect("opens"));
    let marker = folder.path().join("CHAIN");
    let text = fs::read_to_string(&marker).expect("marker").replace("ready", "new");
    fs::write(&marker, text).expect("writes");
    for log in files(folder.path(), "log") {
        fs::remove_file(log).expect("removes");
    }
    assert_eq!(open(folder.path()).expect("opens").1.tip, spec("one").genesis().hash());
}

type Damage = Box<dyn Fn(&Path)>;

#[test]
fn lost_files_are_named_and_never_an_empty_chain() {
    let remove_all = |extension: &'static str| {
        move |folder: &Path| {
            let found = files(folder, extension);
            assert!(!found.is_empty(), "there are {extension} files");
            found.into_iter().for_each(|file| fs::remove_file(file).expect("removes"));
        }
    };
    let remove =
        |name: &'static str| move |folder: &Path| fs::remove_file(folder.join(name)).expect("removes");
    let database = |folder: &Path| fs::remove_dir_all(folder.join("db")).expect("removes");
    let emptied = |folder: &Path| {
        files(folder, "log").into_iter().for_each(|log| fs::write(log, b"").expect("truncates"));
    };
    let manifest = |folder: &Path| {
        let list = fs::read_dir(folder.join("db")).expect("db").map(|entry| entry.expect("entry").path());
        let manifests = list.filter(|path| path.display().to_string().contains("MANIFEST"));
        manifests.for_each(|path| fs::remove_file(path).expect("removes"));
    };
    let cases: [(&str, Damage); 8] = [
        ("CHAIN", Box::new(remove("CHAIN"))),
        ("log", Box::new(remove_all("log"))),
        ("emptied log", Box::new(emptied)),
        ("tables", Box::new(remove_all("sst"))),
        ("CURRENT", Box::new(remove("db/CURRENT"))),
        ("commits", Box::new(remove("commits"))),
        ("MANIFEST", Box::new(manifest)),
        ("db", Box::new(database)),
    ];
    for (name, damage) in cases {
        let (folder, ..) = filled();
        damage(folder.path());
        // Refused again too: the first try repaired nothing in silence.
        for _ in 0..2 {
            let error = refused(folder.path());
            match name {
                "CHAIN" => assert!(matches!(error, StoreError::MarkerGone { .. }), "{error}"),
                _ => assert!(
                    matches!(error, StoreError::Lost { .. } | StoreError::Corrupt { .. }),
                    "{name}: {error}"
                ),
            }
        }
    }
}

#[test]
fn flipped_byte_in_the_log_is_named_or_harmless() {
    let (folder, _, second) = filled();
    let [log] = files(folder.path(), "log").try_into().expect("one log");
    let sound = fs::read(&log).expect("log");
    let copy = |bytes: &[u8]| {
        let other = tempfile::tempdir().expect("temp dir");
        fs::create_dir(other.path().join("db")).expect("creates");
        for name in ["CHAIN", "commits", "db"] {
            let from = folder.path().join(name);
            if from.is_file() {
                fs::copy(&from, other.path().join(name)).expect("copies");
                continue;
            }
            for entry in fs::read_dir(&from).expect("reads") {
                let entry = entry.expect("entry").path();
                let to = other.path().join("db").join(entry.file_name().expect("name"));
                fs::copy(&entry, to).expect("copies");
            }
        }
        fs::write(other.path().join("db").join(log.file_name().expect("name")), bytes).expect("writes");
        other
    };
    for step in 0..16 {
        let mut flipped = sound.clone();
        let at = step * (sound.len() - 1) / 15;
        flipped[at] ^= 0x10;
        let folder = copy(&flipped);
        match open(folder.path()) {
            Ok((_, loaded)) => assert_eq!(loaded.tip, second.moved.hash, "byte {at}"),
            Err(error) => assert!(
                matches!(error, StoreError::Lost { .. } | StoreError::Corrupt { .. }),
                "byte {at}: {error}"
            ),
        }
    }
    // A torn record behind the last acknowledged one was never acknowledged.
    let torn = copy(&[&sound[..], &sound[..20]].concat());
    assert_eq!(open(torn.path()).expect("opens").1.tip, second.moved.hash);
}

#[test]
fn flipped_byte_in_a_table_is_named() {
    let (folder, ..) = filled();
    drop(open(folder.path()).expect("reopening writes the log's rows to tables"));
    for table in files(folder.path(), "sst") {
        let mut bytes = fs::read(&table).expect("table");
        let middle = bytes.len() / 8;
        bytes[middle] ^= 0x10;
        fs::write(&table, bytes).expect("writes");
    }
    assert!(matches!(refused(folder.path()), StoreError::Corrupt { .. }));
}

/// Names the folder to the process that is to be killed.
const FOLDER: &str = "DRONECHAIN_TEST_FOLDER";

#[test]
fn killed_process_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("temp dir");
    let this = std::env::current_exe().expect("a path");
    let mut acknowledged = 0;
    for round in 1..=5 {
        let mut child = Command::new(&this)
            .args(["--exact", "damage::commits_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let heights = lines.filter_map(|line| line.ok()?.strip_prefix("height ")?.parse::<u64>().ok());
        acknowledged = heights.take(20 * round).last().expect("it commits");
        child.kill().expect("kills");
        child.wait().expect("ends");
        let (store, loaded) = open(folder.path()).expect("opens");
        let (tip, height) = store.tip().expect("reads");
        assert_eq!(tip, loaded.tip);
        assert!(height >= acknowledged, "{acknowledged} was acknowledged, the tip is {height}");
    }
    assert!(acknowledged >= 300);
}

#[test]
#[ignore = "runs as a process of its own, until killed"]
fn commits_until_killed() {
    let folder = std::env::var(FOLDER).expect("named by the test that starts this one");
    let (store, loaded) = open(Path::new(&folder)).expect("opens");
    let mut chain = Chain::new(&store, &loaded);
    loop {
        let grown = chain.grow(&[]);
        store.commit(&grown.changes).expect("commits");
        println!("\nheight {}", grown.moved.height);
    }
}
