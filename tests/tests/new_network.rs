//! `network new --dir`: everything for a new network, with keys from here and from elsewhere.

use dronechain_tests::anchored::text;
use dronechain_tests::made::{Made, dronechain_node, free_port, mode};
use dronechain_tests::process::{run, run_json};
use dronechain_tests::wait::until;

fn keygen(path: &std::path::Path) -> String {
    let made = run_json(&mut dronechain_node(&["keygen", "--out", text(path)]));
    made["public_key"].as_str().expect("hex").to_owned()
}

#[tokio::test]
async fn folders_of_three_hosts_start_as_they_are_and_become_one_chain() {
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = folder.path().join("elsewhere.key");
    let key = keygen(&elsewhere);
    let hosts: Vec<_> =
        ["a", "b", "c"].iter().map(|name| format!("{name}=127.0.0.1:{}", free_port())).collect();
    let host_key = format!("c={key}");
    let mut made = Made::new(
        folder,
        &[
            "--host",
            &hosts[0],
            "--host",
            &hosts[1],
            "--host",
            &hosts[2],
            "--host-key",
            &host_key,
            "--new-admin",
            "anna",
            "--new-admin",
            "ben",
            "--threshold",
            "1",
        ],
    );
    assert_eq!(made.said["name"], "dev", "one machine");
    assert_eq!(made.said["hosts"][2]["public_key"], key);
    assert!(!made.path("c/node.key").exists(), "its secret was never here");
    for secret in ["a/node.key", "b/node.key", "admins/anna.key", "admins/ben.key"] {
        assert_eq!(mode(&made.path(secret)), 0o600, "{secret}");
    }
    assert_eq!(mode(&made.path("")), 0o700);
    std::fs::rename(elsewhere, made.path("c/node.key")).expect("its owner puts it there");
    for name in ["a", "b", "c"] {
        made.start(name).await;
    }
    let chain_id = made.said["chain_id"].clone();
    for i in 0..3 {
        until("two peers and a block", async || {
            let status = made.get(i, "/v1/status").await?;
            assert_eq!(status["chain_id"], chain_id);
            (status["peers"].as_u64()? == 2 && status["tip"]["height"].as_u64()? > 0).then_some(())
        })
        .await;
    }
}

#[test]
fn what_is_unwise_is_said_and_what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("net");
    let new = |arguments: &[&str]| {
        let mut command = dronechain_node(&["network", "new", "--dir", text(&dir)]);
        run(command.args(arguments))
    };
    for (arguments, wanted) in [
        (&["--host", "a=10.0.0.1", "--host", "a=10.0.0.2"][..], "named twice"),
        (&["--host", "a=10.0.0.1", "--host-key", "b=00"], "--host-key"),
        (&["--host", "a=0.0.0.0"], "where do the others reach it"),
        (&["--host", "a=10.0.0.1", "--node", &"00".repeat(32)], "cannot be used with"),
        (&[], "--host"),
    ] {
        let refused = new(&[arguments, &["--new-admin", "anna", "--threshold", "1"]].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
    }
    let refused = new(&["--host", "a=10.0.0.1", "--new-admin", "anna", "--threshold", "2"]);
    assert_eq!(refused.status.code(), Some(2), "2 of 1");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing is left of refusals");

    let hosts = ["--host", "a=10.0.0.1", "--host", "b=10.0.0.2", "--http", "everyone", "--template", "dev"];
    let made = new(&[&hosts[..], &["--new-admin", "anna", "--threshold", "1"]].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let said: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let notes = said["notes"].to_string();
    for wanted in ["fewer than three nodes", "one admin alone", "is for one machine", "firewall"] {
        assert!(notes.contains(wanted), "{notes}");
    }
    let shown = run_json(&mut dronechain_node(&["config", "show", "--data", text(&dir.join("b"))]));
    assert_eq!(shown["listen"]["value"], "/ip4/0.0.0.0/tcp/7600");
    assert_eq!(shown["http"]["value"], "0.0.0.0:7700");
    let peers = shown["peers"]["value"].as_str().expect("a text");
    assert!(peers.starts_with("/ip4/10.0.0.1/tcp/7600/p2p/12D3"), "{peers}");
    let again = new(&["--host", "a=10.0.0.1", "--new-admin", "anna", "--threshold", "1"]);
    assert_eq!(again.status.code(), Some(3), "nothing is overwritten");
}
