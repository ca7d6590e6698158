//! Real faults on real processes: killed at every point, damaged and deleted files, full disks; and the
//! commands that look after a ledger.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};

use dronechain_node::failpoint::{Failpoint, VARIABLE};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::disk::Disk;
use dronechain_tests::ledger::{checked, copy, db, db_in, digest, files, flip, ledger, make_older, outcome};
use dronechain_tests::process::run;
use dronechain_tests::stream::{Answer, Stream};
use dronechain_tests::wait::until;
use serde_json::Value;

const SIGKILL: i32 = 9;

/// The node of a network of one, with a controller admitted and anchors in the chain.
async fn one_node() -> (Cluster, Stream) {
    let mut cluster = Cluster::new(1, |_| {});
    cluster.start(0, &[]).await;
    let mut stream = Stream::admitted(&cluster, 0).await;
    while stream.acknowledged.len() < 8 {
        stream.submit(cluster.url(0)).await;
    }
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 2).await;
    (cluster, stream)
}

fn killed_at(command: &mut Command, point: Failpoint) {
    let output = run(command.env(VARIABLE, point.name()));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    was_killed(output.status, &message, point);
}

fn was_killed(status: ExitStatus, log: &str, point: Failpoint) {
    assert_eq!(status.signal(), Some(SIGKILL), "{point:?}: {log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains(&format!("killed at {}", point.name())), "{point:?}: {log}");
}

/// Submits to node 0 until it has ended.
async fn submit_until_end(cluster: &mut Cluster, stream: &mut Stream) -> ExitStatus {
    let url = cluster.url(0).to_owned();
    until("a node that ends", async || {
        // Refused: the sequence is too far ahead of the chain for the moment.
        if !matches!(stream.submit(&url).await, Answer::Acknowledged) {
            return cluster.end(0);
        }
        None
    })
    .await
}

#[tokio::test]
async fn killed_at_every_point_of_a_commit_and_again_while_opening_loses_nothing_acknowledged() {
    use Failpoint::{
        CommitCounted, CommitTold, CommitUnwritten, CommitWritten, OpenCounted, OpenLoaded, OpenLocked,
        OpenReplayed, OpenUnread,
    };
    let (mut cluster, mut stream) = one_node().await;
    let rounds = [
        (CommitUnwritten, OpenReplayed),
        (CommitWritten, OpenReplayed),
        (CommitWritten, OpenCounted),
        (CommitCounted, OpenLocked),
        (CommitCounted, OpenLoaded),
        (CommitTold, OpenUnread),
        (CommitTold, OpenReplayed),
    ];
    for (round, (commit, open)) in rounds.into_iter().enumerate() {
        cluster.kill(0);
        let point = format!("{}:{}", commit.name(), 10 + 7 * round);
        let before = stream.acknowledged.len();
        cluster.start_with(0, &[], &[(VARIABLE, &point)]).await;
        let end = submit_until_end(&mut cluster, &mut stream).await;
        was_killed(end, &cluster.log(0), commit);
        assert!(stream.acknowledged.len() > before, "{commit:?}: it took submissions before");
        cluster.kill(0);
        // And again while it recovers.
        killed_at(&mut cluster.command(0, &[]), open);
        cluster.start(0, &[]).await;
        stream.is_kept(&cluster, 0).await;
        cluster.kill(0);
        checked(&cluster, 0);
        cluster.start(0, &[]).await;
    }
    // All of it gets into the chain.
    until("everything in the chain", async || {
        (stream.is_kept(&cluster, 0).await == stream.acknowledged.len()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn killed_while_its_folder_is_filled_starts_anew() {
    for point in [
        Failpoint::CreateMarked,
        Failpoint::CreateDatabase,
        Failpoint::CreateWritten,
        Failpoint::CreateFlushed,
    ] {
        let mut cluster = Cluster::new(1, |_| {});
        fs::create_dir_all(cluster.path("node0")).expect("a folder");
        killed_at(&mut cluster.command(0, &[]), point);
        cluster.start(0, &[]).await;
        cluster.reaches(0, 1).await;
        cluster.kill(0);
        checked(&cluster, 0);
    }
}

#[test]
fn unknown_failpoint_is_refused() {
    let cluster = Cluster::new(1, |_| {});
    let output = run(cluster.command(0, &[]).env(VARIABLE, "commit-somewhere"));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("commit-somewhere") && message.contains("commit-written"), "{message}");
}

#[tokio::test]
async fn torn_tail_of_the_log_loses_only_what_was_not_acknowledged() {
    let (mut cluster, mut stream) = one_node().await;
    cluster.kill(0);
    let point = format!("{}:12", Failpoint::CommitWritten.name());
    cluster.start_with(0, &[], &[(VARIABLE, &point)]).await;
    let end = submit_until_end(&mut cluster, &mut stream).await;
    was_killed(end, &cluster.log(0), Failpoint::CommitWritten);
    cluster.kill(0);
    // The last record is whole and not counted: torn, it is as if the power had gone in the middle.
    let log = files(&ledger(&cluster, 0), ".log").pop().expect("a log");
    let bytes = fs::read(&log).expect("a log");
    fs::write(&log, &bytes[..bytes.len() - 7]).expect("written");
    cluster.start(0, &[]).await;
    stream.is_kept(&cluster, 0).await;
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 2).await;
    cluster.kill(0);
    checked(&cluster, 0);
}

type Damage = fn(&Path);

fn remove(ledger: &Path, part: &str) {
    let found = files(ledger, part);
    assert!(!found.is_empty(), "there are {part} files");
    found.iter().for_each(|file| fs::remove_file(file).expect("removed"));
}

fn cut(file: &Path, bytes: usize) {
    let content = fs::read(file).expect("a file");
    assert!(content.len() > bytes, "{} is longer", file.display());
    fs::write(file, &content[..content.len() - bytes]).expect("written");
}

/// What is done to a ledger whose node does not run, and whether its blocks survive.
const DAMAGES: [(&str, Damage); 13] = [
    ("torn log, acknowledged", |ledger| cut(&files(ledger, ".log").pop().expect("a log"), 40)),
    ("log cut in half", |ledger| {
        let log = files(ledger, ".log").pop().expect("a log");
        cut(&log, fs::read(&log).expect("a log").len() / 2);
    }),
    ("bit in the log", |ledger| flip(&files(ledger, ".log").pop().expect("a log"), 400)),
    ("bits in tables", |ledger| files(ledger, ".sst").iter().for_each(|table| flip(table, 120))),
    ("bit in the manifest", |ledger| flip(&files(ledger, "MANIFEST").pop().expect("a manifest"), 300)),
    ("log deleted", |ledger| remove(ledger, ".log")),
    ("log emptied", |ledger| fs::write(files(ledger, ".log").pop().expect("a log"), b"").expect("written")),
    ("tables deleted", |ledger| remove(ledger, ".sst")),
    ("manifest deleted", |ledger| remove(ledger, "MANIFEST")),
    ("CURRENT deleted", |ledger| remove(ledger, "CURRENT")),
    ("database deleted", |ledger| fs::remove_dir_all(ledger.join("db")).expect("removed")),
    ("count deleted", |ledger| fs::remove_file(ledger.join("commits")).expect("removed")),
    ("bit in the count", |ledger| flip(&ledger.join("commits"), 500)),
];

#[tokio::test]
async fn damaged_ledger_is_refused_by_name_and_recovered_only_when_asked() {
    let mut cluster = Cluster::started(3).await;
    let mut stream = Stream::admitted(&cluster, 1).await;
    for _ in 0..8 {
        stream.submit(cluster.url(1)).await;
    }
    cluster.reaches(0, 6).await;
    // What it has so far goes to table files, what follows stays in the log.
    cluster.kill(0);
    cluster.start(0, &[]).await;
    for _ in 0..8 {
        stream.submit(cluster.url(1)).await;
    }
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 5).await;
    cluster.one_tip().await;
    cluster.kill(0);
    let (height, _) = cluster.tip(1).await.expect("a tip");
    cluster.reaches(1, height + 2).await;
    cluster.kill_all();
    // From here on the chain stands still.
    let still = ["--mining-share", "0"];
    cluster.start(1, &still).await;
    cluster.start(2, &still).await;
    let (height, hash) = cluster.one_tip().await;
    cluster.kill(1);
    let wanted = checked(&cluster, 1);
    assert_eq!(wanted["tip"], hash.as_str());
    cluster.start(1, &still).await;

    let (folder, sound) = (ledger(&cluster, 0), cluster.path("sound"));
    copy(&folder, &sound);
    for (name, damage) in DAMAGES {
        copy(&sound, &folder);
        damage(&folder);
        let output = run(&mut cluster.command(0, &still));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{name}: {message}");
        let last = message.lines().last().unwrap_or_default();
        assert!(last.contains("node0") && last.contains("--recover"), "{name}: {message}");
        assert!(last.contains("corrupt") || last.contains("lost"), "{name}: {message}");
        let (code, report) = outcome(&mut db(&cluster, 0, &["check"]));
        assert_eq!((code, &report["fine"]), (Some(1), &serde_json::Value::Bool(false)), "{name}: {report}");

        cluster.start(0, &[&still[..], &["--recover"]].concat()).await;
        assert!(cluster.log(0).contains("RECOVERED"), "{name}: {}", cluster.log(0));
        cluster.reaches(0, height).await;
        let all = stream.acknowledged.len();
        until("blocks and bodies", async || (stream.standing(&cluster, 0).await == (all, all)).then_some(()))
            .await;
        cluster.kill(0);
        assert_eq!(digest(&checked(&cluster, 0)), digest(&wanted), "{name}");
    }
    // Not damaged: nothing is done.
    copy(&sound, &folder);
    cluster.start(0, &[&still[..], &["--recover"]].concat()).await;
    assert!(cluster.log(0).contains("the ledger is sound") && !cluster.path("node0/ledger.new").exists());
    cluster.reaches(0, height).await;
}

#[tokio::test]
async fn killed_while_recovering_recovers_the_next_time() {
    let (mut cluster, _) = one_node().await;
    cluster.kill(0);
    // From table files and log: what is salvaged is not nothing.
    cluster.start(0, &[]).await;
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 3).await;
    cluster.kill(0);
    let (folder, sound) = (ledger(&cluster, 0), cluster.path("sound"));
    copy(&folder, &sound);
    let log: Damage = |ledger| flip(&files(ledger, ".log").pop().expect("a log"), 600);
    let tables: Damage = |ledger| files(ledger, ".sst").iter().for_each(|table| flip(table, 120));
    let cases = [
        (Failpoint::RecoverRewound, log),
        (Failpoint::RecoverCounted, log),
        (Failpoint::RecoverBuilt, tables),
        (Failpoint::RecoverPlaced, tables),
    ];
    for (point, damage) in cases {
        copy(&sound, &folder);
        damage(&folder);
        killed_at(&mut cluster.command(0, &["--recover"]), point);
        cluster.start(0, &["--recover"]).await;
        let (height, _) = cluster.tip(0).await.expect("a tip");
        cluster.reaches(0, height + 2).await;
        cluster.kill(0);
        checked(&cluster, 0);
    }
}

#[tokio::test]
async fn table_that_cannot_be_opened_costs_nothing_that_is_in_the_log() {
    let mut cluster = Cluster::new(1, |_| {});
    // Genesis goes to tables, one of each column, all that follows stays in the log.
    cluster.start(0, &["--mining-share", "0"]).await;
    cluster.kill(0);
    cluster.start(0, &[]).await;
    cluster.reaches(0, 6).await;
    cluster.kill(0);
    let wanted = checked(&cluster, 0);
    let (folder, sound) = (ledger(&cluster, 0), cluster.path("sound"));
    copy(&folder, &sound);
    let tables = files(&sound, ".sst");
    assert!(tables.len() > 3, "{tables:?}");
    for table in tables {
        copy(&sound, &folder);
        let table = folder.join("db").join(table.file_name().expect("a name"));
        [150, 500, 850, 950].iter().for_each(|at| flip(&table, *at));
        cluster.start(0, &["--recover", "--mining-share", "0"]).await;
        assert!(cluster.log(0).contains("RECOVERED"), "{}: {}", table.display(), cluster.log(0));
        cluster.kill(0);
        assert_eq!(digest(&checked(&cluster, 0)), digest(&wanted), "{}", table.display());
    }
}

#[tokio::test]
async fn damaged_batch_bodies_are_not_left_out_silently() {
    let (mut cluster, mut stream) = one_node().await;
    // Each in a place of its own on disk; those of before are small and share one.
    stream.leaves = 400;
    for _ in 0..16 {
        stream.submit(cluster.url(0)).await;
    }
    let all = stream.acknowledged.len() as u64;
    until("all in the chain", async || (stream.standing(&cluster, 0).await.0 as u64 == all).then_some(()))
        .await;
    cluster.kill(0);
    cluster.start(0, &["--mining-share", "0"]).await;
    cluster.kill(0);
    let before = checked(&cluster, 0);
    assert_eq!((&before["counts"]["bodies"], &before["counts"]["bodies_missing"]), (&all.into(), &0.into()));
    // Where the names of the batches are damaged alone, all bodies are found again.
    let (names, sound) = (tables_of(&cluster, 0, "batches"), cluster.path("sound"));
    assert!(!names.is_empty(), "there is a table of batches");
    copy(&ledger(&cluster, 0), &sound);
    for repair in ["reindex", "recover"] {
        names.iter().for_each(|table| flip(table, 20));
        if repair == "recover" {
            cluster.start(0, &["--recover", "--mining-share", "0"]).await;
            assert!(cluster.log(0).contains("bodies_lost=0 "), "{}", cluster.log(0));
            cluster.kill(0);
        } else {
            assert_eq!(outcome(&mut db(&cluster, 0, &[repair])).0, Some(0));
        }
        let after = checked(&cluster, 0);
        let parts = |report: &Value| (report["counts"].clone(), digest(report));
        assert_eq!(parts(&after), parts(&before), "{repair}");
        copy(&sound, &ledger(&cluster, 0));
    }
    let tables = tables_of(&cluster, 0, "bodies");
    assert!(!tables.is_empty(), "there is a table of bodies");
    tables.iter().for_each(|table| flip(table, 20));
    let (code, error) = outcome(&mut db(&cluster, 0, &["reindex"]));
    assert_eq!(code, Some(3), "{error}");
    assert!(error.to_string().contains("bodies") && error.to_string().contains("--recover"), "{error}");

    cluster.start(0, &["--recover", "--mining-share", "0"]).await;
    let log = cluster.log(0);
    cluster.kill(0);
    let counts = checked(&cluster, 0)["counts"].clone();
    let (kept, lost) = (counts["bodies"].as_u64().expect("a count"), counts["bodies_missing"].as_u64());
    let lost = lost.expect("a count");
    assert!(lost > 0 && kept > lost && kept + lost == all, "{counts}");
    assert!(log.contains(&format!("bodies_lost={lost} ")), "{log}");
    let (code, error) = outcome(&mut db(&cluster, 0, &["reindex"]));
    assert_eq!(code, Some(0), "{error}");
}

#[tokio::test]
async fn lost_marker_is_told_in_the_same_words_by_each_command() {
    let (mut cluster, _) = one_node().await;
    cluster.kill(0);
    fs::remove_file(ledger(&cluster, 0).join("CHAIN")).expect("removed");
    let (out, mut told) = (cluster.path("out"), Vec::new());
    let out = out.to_str().expect("a plain path");
    for arguments in [&["check"][..], &["reindex"], &["backup", out], &["export", out]] {
        let (code, error) = outcome(&mut db(&cluster, 0, arguments));
        assert_eq!(code, Some(3), "{error}");
        told.push(error);
    }
    for more in [&["--json"][..], &["--json", "--recover"]] {
        let (code, error) = outcome(&mut cluster.command(0, more));
        assert_eq!(code, Some(3), "{error}");
        told.push(error);
    }
    assert!(told[0]["error"].as_str().is_some_and(|text| text.contains("CHAIN is gone")), "{}", told[0]);
    assert!(told.iter().all(|error| *error == told[0]), "{told:#?}");
}

#[tokio::test]
async fn block_to_follow_that_nobody_knows_is_told_and_the_node_goes_on() {
    let mut cluster = Cluster::new(1, |_| {});
    let unknown = "5".repeat(64);
    cluster.start(0, &["--follow", &unknown]).await;
    cluster.reaches(0, 2).await;
    let log = cluster.log(0);
    let told = |line: &str| ["WARN", &unknown, "/v1/rivals"].iter().all(|part| line.contains(part));
    assert!(log.lines().any(told), "{log}");
    // One that it knows is no reason to warn.
    let genesis = cluster.chain_id().to_string();
    cluster.kill(0);
    fs::remove_file(cluster.path("node0.log")).expect("removed");
    cluster.start(0, &["--follow", &genesis]).await;
    assert!(!cluster.log(0).contains("/v1/rivals"), "{}", cluster.log(0));
}

#[tokio::test]
async fn ledger_is_not_touched_while_its_node_runs() {
    let cluster = Cluster::started(1).await;
    cluster.reaches(0, 2).await;
    let out = cluster.path("out");
    let out = out.to_str().expect("a plain path");
    for arguments in [&["check"][..], &["reindex"], &["export", out]] {
        let (code, error) = outcome(&mut db(&cluster, 0, arguments));
        assert_eq!(code, Some(3), "{arguments:?}: {error}");
        assert!(error["error"].as_str().is_some_and(|text| text.contains("in use")), "{error}");
    }
    assert!(!cluster.path("out").exists());
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backup_of_a_node_that_runs_is_whole_and_the_node_goes_on() {
    let (mut cluster, mut stream) = one_node().await;
    let snapshot = cluster.path("node0/ledger.snapshot");
    let folder = cluster.path("");
    let text = |name: &str| folder.join(name).to_str().expect("a plain path").to_owned();
    let names = ["backup-0", "backup-1", "backup-2"].map(text);
    // What a killed one leaves is no backup, and in nobody's way.
    killed_at(&mut db(&cluster, 0, &["backup", &names[0]]), Failpoint::BackupCopied);
    assert!(snapshot.exists() && !Path::new(&names[0]).exists());
    let mut known = 0;
    for name in &names {
        known = stream.acknowledged.len();
        let (height, _) = cluster.tip(0).await.expect("a tip");
        let mut command = db(&cluster, 0, &["backup", name]);
        let made = tokio::task::spawn_blocking(move || outcome(&mut command));
        while !made.is_finished() {
            stream.submit(cluster.url(0)).await;
        }
        let (code, answer) = made.await.expect("it ends");
        assert_eq!((code, answer["running"].as_bool()), (Some(0), Some(true)), "{answer}");
        assert!(answer["height"].as_u64() >= Some(height) && !snapshot.exists(), "{answer}");
    }
    assert!(stream.acknowledged.len() > known, "the node went on");
    let (code, error) = outcome(&mut db(&cluster, 0, &["backup", &names[0]]));
    assert_eq!(code, Some(3), "there is one already: {error}");
    killed_at(&mut db(&cluster, 0, &["backup", &text("backup-3")]), Failpoint::BackupCopied);
    cluster.kill(0);
    cluster.start(0, &[]).await;
    assert!(!snapshot.exists(), "a start removes it");
    // In the ledger's place, a node has all that was acknowledged before the backup.
    cluster.kill(0);
    fs::remove_dir_all(ledger(&cluster, 0)).expect("own folder");
    assert_eq!(outcome(&mut db(&cluster, 0, &["restore", &names[2]])).0, Some(0));
    cluster.start(0, &[]).await;
    stream.acknowledged.truncate(known);
    stream.is_kept(&cluster, 0).await;
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 2).await;
}

#[tokio::test]
async fn backup_restore_export_import_and_reindex_give_the_same_digest() {
    let (mut cluster, stream) = one_node().await;
    cluster.kill(0);
    let before = checked(&cluster, 0);
    let wanted = digest(&before);
    let same = |command: &mut Command| {
        let (code, answer) = outcome(command);
        assert_eq!((code, digest(&answer)), (Some(0), wanted.clone()), "{command:?}: {answer}");
    };
    let text = |name: &str| cluster.path(name).to_str().expect("a plain path").to_owned();

    for point in [Failpoint::ReindexBuilt, Failpoint::ReindexPlaced] {
        killed_at(&mut db(&cluster, 0, &["reindex"]), point);
        same(&mut db(&cluster, 0, &["check"]));
    }
    same(&mut db(&cluster, 0, &["reindex"]));
    let after = checked(&cluster, 0);
    assert_eq!(after["counts"], before["counts"], "nothing is left out");

    let (backup, export) = (text("backup"), text("chain.export"));
    killed_at(&mut db(&cluster, 0, &["backup", &backup]), Failpoint::BackupCopied);
    assert!(!cluster.path("backup").exists());
    same(&mut db(&cluster, 0, &["backup", &backup]));
    same(&mut db(&cluster, 0, &["export", &export]));
    for (name, source, points) in [
        ("restore", &backup, &[Failpoint::RestoreCopied, Failpoint::RestoreChecked][..]),
        ("import", &export, &[Failpoint::ImportBuilt]),
    ] {
        let data = cluster.path(name);
        fs::create_dir_all(&data).expect("a folder");
        for point in points {
            killed_at(&mut db_in(&cluster, &data, &[name, source]), *point);
            assert!(!data.join("ledger").exists(), "{point:?}");
        }
        same(&mut db_in(&cluster, &data, &[name, source]));
        same(&mut db_in(&cluster, &data, &["check"]));
        let (code, error) = outcome(&mut db_in(&cluster, &data, &[name, source]));
        assert_eq!(code, Some(3), "there is one already: {error}");
    }
    // A node goes on from what was restored.
    copy(&cluster.path("restore/ledger"), &ledger(&cluster, 0));
    cluster.start(0, &[]).await;
    stream.is_kept(&cluster, 0).await;
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 2).await;
}

#[tokio::test]
async fn ledger_of_the_format_before_is_converted_when_asked_and_loses_nothing() {
    let (mut cluster, stream) = one_node().await;
    cluster.kill(0);
    let before = checked(&cluster, 0);
    make_older(&ledger(&cluster, 0));

    // Nothing else touches it, and each says what to do.
    for arguments in [&["check"][..], &["reindex"]] {
        let (code, error) = outcome(&mut db(&cluster, 0, arguments));
        assert_eq!(code, Some(3), "{error}");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("db upgrade")), "{error}");
    }
    for more in [&["--json"][..], &["--json", "--recover"]] {
        assert_eq!(outcome(&mut cluster.command(0, more)).0, Some(3));
    }
    killed_at(&mut db(&cluster, 0, &["upgrade"]), Failpoint::UpgradeBuilt);
    assert_eq!(outcome(&mut db(&cluster, 0, &["check"])).0, Some(3), "it is as it was");
    killed_at(&mut db(&cluster, 0, &["upgrade"]), Failpoint::UpgradePlaced);
    assert_eq!(checked(&cluster, 0), before, "it is converted");

    make_older(&ledger(&cluster, 0));
    let upgrade = || outcome(&mut db(&cluster, 0, &["upgrade"]));
    for from in [2, 3] {
        let (code, answer) = upgrade();
        assert_eq!((code, digest(&answer)), (Some(0), digest(&before)), "{answer}");
        assert_eq!((&answer["from_format"], &answer["format"]), (&from.into(), &3.into()), "{answer}");
    }
    assert_eq!(checked(&cluster, 0), before);
    let left = fs::read_dir(cluster.path("node0")).expect("a folder").map(|entry| entry.expect("an entry"));
    let left: Vec<_> = left.filter(|entry| entry.file_name() == "ledger.new").collect();
    assert!(left.is_empty(), "{left:?}");
    cluster.start(0, &[]).await;
    stream.is_kept(&cluster, 0).await;
}

#[tokio::test]
async fn damaged_ledger_of_the_format_before_is_left_as_it_was() {
    let (mut cluster, _) = one_node().await;
    cluster.kill(0);
    let ledger = ledger(&cluster, 0);
    make_older(&ledger);
    let whole = cluster.path("whole");
    copy(&ledger, &whole);
    let tables = files(&ledger, ".sst");
    let mut refused = 0;
    for table in &tables {
        flip(table, 200);
        let (code, error) = outcome(&mut db(&cluster, 0, &["upgrade"]));
        if code != Some(0) {
            assert_eq!(code, Some(3), "{error}");
            let marker = fs::read_to_string(ledger.join("CHAIN")).expect("a marker");
            assert!(marker.starts_with("dronechain store 2"), "{marker}");
            refused += 1;
        }
        copy(&whole, &ledger);
    }
    assert!(refused > 0, "of {} tables", tables.len());
}

#[tokio::test]
async fn damaged_backup_and_file_are_refused() {
    let (mut cluster, _) = one_node().await;
    cluster.kill(0);
    let text = |name: &str| cluster.path(name).to_str().expect("a plain path").to_owned();
    let (backup, export) = (text("backup"), text("chain.export"));
    assert_eq!(outcome(&mut db(&cluster, 0, &["backup", &backup])).0, Some(0));
    assert_eq!(outcome(&mut db(&cluster, 0, &["export", &export])).0, Some(0));
    let data = cluster.path("other");
    fs::create_dir_all(&data).expect("a folder");
    let refused = |arguments: &[&str], part: &str| {
        let (code, error) = outcome(&mut db_in(&cluster, &data, arguments));
        assert_eq!(code, Some(3), "{error}");
        assert!(error["error"].as_str().is_some_and(|text| text.contains(part)), "{part}: {error}");
        let left = fs::read_dir(&data).expect("a folder").count();
        assert_eq!(left, 0, "{part}: neither a ledger nor the beginning of one is left");
    };

    let bytes = fs::read(&export).expect("a file");
    for at in [3, 18, 30, 300, 500, 999] {
        let damaged = text("damaged.export");
        fs::write(&damaged, &bytes).expect("written");
        flip(Path::new(&damaged), at);
        refused(&["import", &damaged], "");
    }
    let cut = text("cut.export");
    fs::write(&cut, &bytes[..bytes.len() - 1]).expect("written");
    refused(&["import", &cut], "cut short");
    fs::write(&cut, [&bytes[..], b"x"].concat()).expect("written");
    refused(&["import", &cut], "follows its end");

    let (original, file) = (cluster.path("original"), Path::new(&backup));
    copy(file, &original);
    for table in files(file, ".sst") {
        flip(&table, 500);
    }
    refused(&["restore", &backup], "has the hash");
    copy(&original, file);
    fs::remove_file(file.join("commits")).expect("removed");
    refused(&["restore", &backup], "commits");
    copy(&original, file);
    fs::write(file.join("backup.json"), b"{}").expect("written");
    refused(&["restore", &backup], "backup.json");
    copy(&original, file);
    assert_eq!(outcome(&mut db_in(&cluster, &data, &["restore", &backup])).0, Some(0));
}

/// Table files in which a flipped bit is found as a fault of `column`.
fn tables_of(cluster: &Cluster, i: usize, column: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for table in files(&ledger(cluster, i), ".sst") {
        let sound = fs::read(&table).expect("a table");
        // Within the first rows: what is behind them in the file differs from table to table.
        flip(&table, 20);
        let (code, report) = outcome(&mut db(cluster, i, &["check"]));
        assert_eq!(code, Some(1), "{}: {report}", table.display());
        let faults = report["faults"].as_array().expect("a list").clone();
        assert!(!faults.is_empty(), "{}", table.display());
        // Further ones follow from it.
        if faults[0]["column"] == column {
            found.push(table.clone());
        }
        fs::write(&table, sound).expect("written");
    }
    found
}

#[tokio::test]
async fn scrub_finds_damage_that_nobody_reads_and_the_node_goes_on() {
    let (mut cluster, _) = one_node().await;
    cluster.kill(0);
    // What is in the log goes to table files.
    let scrub = ["--scrub-rows-per-s", "1000"];
    cluster.start(0, &scrub).await;
    let status = until("a walk to the end", async || {
        let status = cluster.get(0, "/v1/status").await?;
        (status["storage"]["scrub"]["passes"].as_u64()? >= 2).then_some(status)
    })
    .await;
    assert_eq!(status["storage"]["scrub"]["faults"], 0, "{status}");
    assert!(status["storage"]["scrub"]["rows"].as_u64() > Some(20), "{status}");
    assert_eq!(cluster.log(0).matches("scrub: came to the end").count(), 1, "passes are no news");
    cluster.kill(0);

    let tables = tables_of(&cluster, 0, "outcomes");
    assert!(!tables.is_empty(), "there is a table of outcomes");
    tables.iter().for_each(|table| flip(table, 20));
    cluster.start(0, &scrub).await;
    let status = until("a fault", async || {
        let status = cluster.get(0, "/v1/status").await?;
        (status["storage"]["scrub"]["faults"].as_u64()? >= 1).then_some(status)
    })
    .await;
    assert_eq!(status["storage"]["scrub"]["last_fault"]["column"], "outcomes", "{status}");
    assert!(cluster.log(0).contains("ERROR") && cluster.log(0).contains("FAULT"), "{}", cluster.log(0));
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 2).await;
}

#[tokio::test]
async fn low_on_space_refuses_submissions_and_resumes_with_room() {
    let mut cluster = Cluster::new(1, |_| {});
    let Some(disk) = Disk::mounted(&cluster.path("node0"), 128) else { return };
    let floor = ["--min-free-mib", "32"];
    cluster.start(0, &floor).await;
    let mut stream = Stream::admitted(&cluster, 0).await;
    assert_eq!(stream.submit(cluster.url(0)).await, Answer::Acknowledged);
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 1).await;

    disk.fill(31 << 10);
    let url = cluster.url(0).to_owned();
    until("a refusal", async || match stream.submit(&url).await {
        Answer::Refused(status, name) => {
            assert_eq!((status, name.as_str()), (503, "no-space"));
            Some(())
        }
        _ => None,
    })
    .await;
    let (height, _) = cluster.tip(0).await.expect("reads work");
    for _ in 0..4 {
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        let status = cluster.get(0, "/v1/status").await.expect("reads work");
        assert_eq!((&status["storage"]["low"], &status["tip"]["height"]), (&true.into(), &height.into()));
    }
    stream.is_kept(&cluster, 0).await;

    disk.clear();
    cluster.reaches(0, height + 2).await;
    until("a submission taken again", async || {
        (stream.submit(&url).await == Answer::Acknowledged).then_some(())
    })
    .await;
    stream.is_kept(&cluster, 0).await;
    cluster.kill(0);
    checked(&cluster, 0);
}

#[tokio::test]
async fn full_disk_ends_the_node_and_nothing_was_acknowledged_falsely() {
    let mut cluster = Cluster::new(1, |_| {});
    let Some(disk) = Disk::mounted(&cluster.path("node0"), 96) else { return };
    // Nothing watches the room here: writes fail.
    let unwatched = ["--min-free-mib", "0"];
    cluster.start(0, &unwatched).await;
    let mut stream = Stream::admitted(&cluster, 0).await;
    disk.fill(16);
    // Large batches: what the database has reserved of the disk is soon used up.
    stream.leaves = 20_000;
    let end = submit_until_end(&mut cluster, &mut stream).await;
    let log = cluster.log(0);
    assert_eq!(end.code(), Some(3), "{log}");
    assert!(log.contains("No space left") && log.contains("hint"), "{log}");
    cluster.kill(0);
    disk.clear();
    cluster.start(0, &unwatched).await;
    stream.is_kept(&cluster, 0).await;
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 2).await;
    cluster.kill(0);
    checked(&cluster, 0);
}
