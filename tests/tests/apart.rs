//! Two of three admins decide from machines of their own: a file goes from one to the next.

use std::path::{Path, PathBuf};
use std::process::Output;

use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::spec::AdminSet;
use dronechain_tests::anchored::text;
use dronechain_tests::cluster::{Cluster, write_key};
use dronechain_tests::fleet::dronechain;
use dronechain_tests::process::{run, run_json};
use serde_json::Value;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn public(number: u8) -> String {
    PublicKey::of(&key(number)).to_string()
}

/// Three nodes, and the admins 201 to 203 of which two sign.
async fn cluster() -> Cluster {
    let admins = (201..=203).map(|number| PublicKey::of(&key(number))).collect();
    let mut cluster = Cluster::new(3, |spec| spec.admins = AdminSet { threshold: 2, keys: admins });
    for i in 0..3 {
        cluster.start(i, &[]).await;
    }
    for number in 201..=204 {
        write_key(&admin(&cluster, number), &key(number));
    }
    cluster
}

fn admin(cluster: &Cluster, number: u8) -> PathBuf {
    cluster.path(&format!("admin-{number}.key"))
}

/// `dronechain admin WORDS`, with the node.
fn said(cluster: &Cluster, words: &[&str], node: bool) -> Output {
    let mut command = dronechain(&["admin"]);
    command.args(words);
    if node {
        command.args(["--node", cluster.url(0)]);
    }
    run(&mut command)
}

fn refused(output: &Output, code: i32, words: &str) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{err}");
    assert!(err.contains(words), "{err}");
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Begun by the admin 202, signed by 201 on another machine, submitted; the transaction's place.
fn decide(cluster: &Cluster, name: &str, words: &[&str]) -> Value {
    let file = cluster.path(name);
    let (second, first) = (admin(cluster, 202), admin(cluster, 201));
    let begin = [words, &["--admin-key", text(&second), "--out", text(&file)]].concat();
    let begun = json(&said(cluster, &begin, true));
    assert_eq!((&begun["wanted"], &begun["complete"]), (&2.into(), &false.into()));
    let sign =
        ["sign", text(&file), "--admin-key", text(&first), "--chain-id", &cluster.chain_id().to_string()];
    assert_eq!(json(&said(cluster, &sign, false))["complete"], true);
    json(&said(cluster, &["submit", text(&file), "--wait", "1"], true))
}

async fn entry(cluster: &Cluster, key: &str) -> Value {
    cluster.get(0, &format!("/v1/registry/{key}")).await.expect("registered")["entry"].clone()
}

#[tokio::test]
async fn two_of_three_admit_and_revoke_by_files() {
    let cluster = cluster().await;
    for (number, role) in [(61, "node"), (62, "controller"), (63, "operator")] {
        let sent = decide(&cluster, role, &["admit", "--role", role, "--key", &public(number)]);
        assert_eq!(sent["outcome"], "applied", "{sent}");
        assert_eq!(entry(&cluster, &public(number)).await["role"], role);
    }
    let sent = decide(&cluster, "revoke", &["revoke", "--key", &public(62), "--suspect-since", "3"]);
    let revoked = entry(&cluster, &public(62)).await;
    assert_eq!((&revoked["revoked"], &revoked["suspect_since"]), (&sent["height"], &3.into()));
    let shown = json(&said(&cluster, &["show", text(&cluster.path("revoke"))], false));
    let decision = shown["decision"].as_str().expect("a text");
    assert!(decision.starts_with(&format!("revoke {} for good", public(62))), "{decision}");
    assert!(decision.contains("from height 3 on"), "{decision}");
    assert_eq!(shown["signed"], serde_json::json!([public(202), public(201)]));
    // Handing it over again tells the same.
    let again = json(&said(&cluster, &["submit", text(&cluster.path("revoke")), "--wait", "1"], true));
    assert_eq!((&again["txid"], &again["height"]), (&sent["txid"], &sent["height"]));
}

#[tokio::test]
async fn copies_signed_at_the_same_time_are_joined() {
    let cluster = cluster().await;
    let (one, other) = (cluster.path("one"), cluster.path("other"));
    let admit = ["admit", "--role", "controller", "--key", &public(64), "--out", text(&one)];
    assert_eq!(json(&said(&cluster, &admit, true))["signed"], serde_json::json!([]));
    std::fs::copy(&one, &other).expect("own folder");
    for (file, number) in [(&one, 203), (&other, 201)] {
        let key = admin(&cluster, number);
        json(&said(&cluster, &["sign", text(file), "--admin-key", text(&key)], false));
        refused(&said(&cluster, &["submit", text(file)], true), 1, "1 of 2 admins have signed");
    }
    let sent = json(&said(&cluster, &["submit", text(&one), text(&other), "--wait", "1"], true));
    assert_eq!(sent["outcome"], "applied");
}

#[tokio::test]
async fn what_cannot_become_a_decision_is_refused_in_plain_words() {
    let cluster = cluster().await;
    let file = cluster.path("file");
    let keys: Vec<_> = (201..=204).map(|number| admin(&cluster, number)).collect();
    let key = |i: usize| text(&keys[i]);
    let admit = ["admit", "--role", "controller", "--key", &public(65)];
    let begin = |more: &[&str]| said(&cluster, &[&admit[..], more].concat(), true);
    refused(&begin(&[]), 2, "--admin-key");
    refused(&begin(&["--admin-key", key(3), "--out", text(&file)]), 2, "is not an admin");
    refused(&begin(&["--admin-key", key(0), "--admin-key", key(0), "--out", text(&file)]), 2, "twice");
    json(&begin(&["--admin-key", key(0), "--out", text(&file)]));
    refused(&begin(&["--admin-key", key(0), "--out", text(&file)]), 3, "cannot write");

    let sign = |number: usize, more: &[&str]| {
        said(&cluster, &[&["sign", text(&file), "--admin-key", key(number)][..], more].concat(), false)
    };
    refused(&sign(0, &[]), 1, "has signed already");
    refused(&sign(3, &[]), 1, "is not an admin");
    refused(&sign(1, &["--chain-id", &"00".repeat(32)]), 1, "it is for the network with chain id");
    let other = Cluster::started(3).await;
    refused(&sign(1, &["--node", other.url(0)]), 1, "it is for the network with chain id");
    refused(&said(&other, &["submit", text(&file)], true), 1, "it is for the network with chain id");
    refused(&sign(1, &["--node", "http://127.0.0.1:1"]), 3, "127.0.0.1:1");
    changed(&cluster, &file, "\"controller\"", "\"operator\"", "was changed after it was signed");
    changed(&cluster, &file, "transaction/1", "transaction/2", "this program reads");
    refused(&said(&cluster, &["show", text(&cluster.path("none"))], false), 3, "cannot read");

    // Another decision takes its place.
    let mut faster = dronechain(&["admin", "admit", "--role", "operator", "--key", &public(66)]);
    faster.args(["--admin-key", key(1), "--admin-key", key(2), "--node", cluster.url(0), "--wait", "1"]);
    run_json(&mut faster);
    refused(&sign(1, &["--node", cluster.url(0)]), 1, "another decision took its place");
    json(&sign(1, &[]));
    refused(&said(&cluster, &["submit", text(&file)], true), 1, "another decision took its place");
}

/// A copy in which `from` became `to` is refused with these words.
fn changed(cluster: &Cluster, file: &Path, from: &str, to: &str, words: &str) {
    let copy = cluster.path("changed");
    let whole = std::fs::read_to_string(file).expect("own file");
    assert!(whole.contains(from), "{whole}");
    std::fs::write(&copy, whole.replace(from, to)).expect("own folder");
    refused(&said(cluster, &["show", text(&copy)], false), 1, words);
}
