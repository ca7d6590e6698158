//! What admins decide and keys hand on, by the command line against running nodes.

use std::path::{Path, PathBuf};

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_tests::anchored::text;
use dronechain_tests::cluster::{Cluster, write_key};
use dronechain_tests::fleet::dronechain;
use dronechain_tests::process::{run, run_json};
use dronechain_tests::wait::until;
use serde_json::Value;

fn key(cluster: &Cluster, number: u8) -> (PathBuf, String) {
    let key = SigningKey::from_bytes(&[number; 32]);
    let path = cluster.path(&format!("key-{number}"));
    write_key(&path, &key);
    (path, PublicKey::of(&key).to_string())
}

/// An admins' command, signed by the key at `admin`, awaited for one confirmation.
fn decide(cluster: &Cluster, admin: &Path, arguments: &[&str]) -> Value {
    let mut command = dronechain(&["admin"]);
    command.args(arguments).args(["--admin-key", text(admin), "--node", cluster.url(0), "--wait", "1"]);
    run_json(&mut command)
}

/// The light client's chain, verified from genesis.
fn headers(cluster: &Cluster, i: usize) -> HeaderChain {
    let out = cluster.path(&format!("headers-{i}"));
    run_json(dronechain(&["headers", "export"]).args(["--node", cluster.url(i), "--out", text(&out)]));
    HeaderChain::from_bytes(&std::fs::read(&out).expect("the file")).expect("a valid chain")
}

#[tokio::test]
async fn admins_and_parameters_change_and_light_clients_follow() {
    let cluster = Cluster::started(3).await;
    let admin = cluster.path("admin.key");
    let (height, _) = cluster.tip(0).await.expect("a tip");
    let from = (height + 6).to_string();
    decide(&cluster, &admin, &["set-parameters", "--block-time-ms", "700", "--height", &from]);
    let (next, next_key) = key(&cluster, 61);
    decide(&cluster, &admin, &["set-admins", "--threshold", "1", "--admin", &next_key]);
    // The old admin has no say any more, the new one has.
    let (_, controller) = key(&cluster, 62);
    let admit = ["admit", "--role", "controller", "--key", &controller];
    let mut refused = dronechain(&["admin"]);
    refused.args(admit).args(["--admin-key", text(&admin), "--node", cluster.url(0)]);
    let refused = run(&mut refused);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not an admin"), "{refused:?}");
    decide(&cluster, &next, &admit);
    cluster.reaches(0, height + 12).await;
    let (height, _) = cluster.one_tip().await;
    let governance = cluster.get(0, "/v1/governance").await.expect("an answer");
    assert_eq!(governance["planned"]["tuning"]["block_time_ms"], 700, "{governance}");
    assert_eq!(governance["admins"]["keys"][0], next_key);
    for i in 0..3 {
        let chain = headers(&cluster, i);
        assert!(chain.height() + 1 >= height);
        assert_eq!(chain.roster(chain.height()).block_time_ms(chain.height()), 700);
    }
}

#[tokio::test]
async fn nodes_stop_before_a_rule_that_they_do_not_know_and_say_so() {
    let cluster = Cluster::started(3).await;
    let (height, _) = cluster.tip(0).await.expect("a tip");
    let from = height + 8;
    let admin = cluster.path("admin.key");
    decide(&cluster, &admin, &["activate", "--rule", "7", "--height", &from.to_string()]);
    cluster.reaches(0, from - 1).await;
    let (tip, _) = cluster.one_tip().await;
    assert_eq!(tip, from - 1);
    let governance = cluster.get(1, "/v1/governance").await.expect("an answer");
    assert_eq!(governance["activations"][0]["rule"], 7);
    until("the alarm", async || {
        let status = cluster.get(0, "/v1/status").await?;
        (status["upgrade_needed"]["rule"] == 7).then_some(())
    })
    .await;
    assert_eq!(cluster.tip(0).await.expect("a tip").0, from - 1);
}

#[tokio::test]
async fn successor_of_a_controller_anchors_and_the_old_key_does_not() {
    let cluster = Cluster::started(3).await;
    let admin = cluster.path("admin.key");
    let ((old, old_key), (new, new_key)) = (key(&cluster, 63), key(&cluster, 64));
    decide(&cluster, &admin, &["admit", "--role", "controller", "--key", &old_key]);
    let mut succeed = dronechain(&["succeed", "--key", text(&old), "--successor", text(&new)]);
    run_json(succeed.args(["--node", cluster.url(1), "--wait", "1"]));
    let file = cluster.path("a-file");
    std::fs::write(&file, b"what is anchored").expect("writes");
    let submit = |key: &Path| {
        let mut command = dronechain(&["submit", text(&file), "--controller-key", text(key)]);
        command.args(["--node", cluster.url(2), "--wait", "1"]);
        command
    };
    let refused = run(&mut submit(&old));
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("tx-sender-revoked"), "{refused:?}");
    let sent = run_json(&mut submit(&new));
    assert!(sent["height"].as_u64().is_some(), "{sent}");
    let entry = cluster.get(0, &format!("/v1/registry/{new_key}")).await.expect("an answer");
    assert_eq!(
        (&entry["entry"]["role"], &entry["entry"]["owner"]),
        (&"controller".into(), &old_key.as_str().into())
    );
    // A key is admitted once, ever: that it is recorded again without effect is a no.
    let mut again = dronechain(&["--json", "admin", "admit", "--role", "controller", "--key", &old_key]);
    again.args(["--admin-key", text(&admin), "--node", cluster.url(0), "--wait", "1"]);
    let refused = run(&mut again);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said: Value = serde_json::from_slice(&refused.stdout).expect("JSON");
    assert_eq!(said["outcome"], "key-known");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("without effect"), "{refused:?}");
    // What named the keys is told with the transactions.
    let history = async |key: &str| {
        let told = cluster.get(0, &format!("/v1/registry/{key}/history")).await.expect("an answer");
        assert_eq!(told["line"], serde_json::json!([old_key, new_key]));
        let happened = told["history"].as_array().expect("a list").iter();
        let of = |it: &serde_json::Value| {
            let transaction = &it["transaction"];
            assert_eq!(it["height"], transaction["height"]);
            [&it["change"], &transaction["kind"]].map(|text| text.as_str().expect("a name").to_owned())
        };
        happened.map(of).collect::<Vec<_>>()
    };
    let pair = |change: &str, kind: &str| [change.to_owned(), kind.to_owned()];
    assert_eq!(history(&old_key).await, [pair("registered", "admit"), pair("succeeded", "succeed")]);
    assert_eq!(history(&new_key).await, [pair("registered", "succeed")]);
}
