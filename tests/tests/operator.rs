//! What operators do with a running node and its programs: the log's filter, an orderly end, completions, man pages.

use std::process::Command;

use dronechain_tests::anchored::text;
use dronechain_tests::cluster::Cluster;
use dronechain_tests::http;
use dronechain_tests::made::{dronechain_node, mode};
use dronechain_tests::process::{program, run, run_json};
use dronechain_tests::wait::until;
use serde_json::Value;

#[tokio::test]
async fn log_filter_changes_while_the_node_runs_for_who_has_the_cookie() {
    let mut cluster = Cluster::new(1, |_| {});
    cluster.start(0, &[]).await;
    let data = cluster.path("node0");
    let say = |more: &[&str]| {
        let mut command = dronechain_node(&["log", "--data", text(&data)]);
        run(command.args(more))
    };
    let told = |more: &[&str]| -> Value { serde_json::from_slice(&say(more).stdout).expect("JSON") };
    assert_eq!(told(&[])["filter"], "info");
    assert_eq!(told(&["warn"])["filter"], "warn");
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 2).await;
    let quiet = cluster.log(0).matches("new tip").count();
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 2).await;
    assert_eq!(cluster.log(0).matches("new tip").count(), quiet, "nothing below a warning is logged");
    told(&["info"]);
    until("lines again", async || (cluster.log(0).matches("new tip").count() > quiet).then_some(())).await;
    let refused = say(&["info,x=loud"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert_eq!(told(&[])["filter"], "info", "as before");

    let file = data.join("admin.json");
    assert_eq!(mode(&file), 0o600);
    let door: Value = serde_json::from_slice(&std::fs::read(&file).expect("written")).expect("JSON");
    let url = format!("http://{}/v1/admin/log", door["http"].as_str().expect("an address"));
    assert!(url.starts_with("http://127.0.0.1:"));
    let client = http::client();
    for cookie in ["", "00"] {
        let answer = client.get(&url).bearer_auth(cookie).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 401);
    }
    // Clients' port knows nothing of it.
    let answer = client.get(format!("{}/v1/admin/log", cluster.url(0))).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 404);

    cluster.terminate(0);
    let end = until("an orderly end", async || cluster.end(0)).await;
    assert_eq!(end.code(), Some(0));
    assert!(!file.exists(), "it goes with the node");
    assert_eq!(say(&[]).status.code(), Some(3));
}

#[test]
fn completions_are_scripts_and_every_command_has_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, pages) in [
        ("dronechain-node", &["", "-run", "-network-new", "-db-backup", "-log"][..]),
        ("dronechain", &["", "-admin-sign", "-receipt-verify", "-controller-run"]),
    ] {
        for shell in ["bash", "zsh", "fish"] {
            let output = run(Command::new(program(name)).args(["completions", shell]));
            let script = String::from_utf8(output.stdout).expect("a text");
            assert!(output.status.success() && script.contains(name), "{name} {shell}: {script}");
            if shell == "bash" {
                let file = folder.path().join(name);
                std::fs::write(&file, script).expect("own folder");
                assert!(run(Command::new("bash").arg("-n").arg(&file)).status.success());
            }
        }
        let man = folder.path().join(format!("{name}-man"));
        let refused = run(Command::new(program(name)).arg("man").arg(&man));
        assert_eq!(refused.status.code(), Some(3), "no such folder");
        std::fs::create_dir(&man).expect("own folder");
        run_json(Command::new(program(name)).args(["man", text(&man), "--json"]));
        for page in pages {
            let page = std::fs::read_to_string(man.join(format!("{name}{page}.1"))).expect("a page");
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{page}");
        }
    }
}
