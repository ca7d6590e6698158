//! Three real nodes: one tip, and no loss by kill -9, a late start or a day off.

use dronechain_chain_spec::key::SigningKey;
use dronechain_tests::cluster::{Cluster, write_key};
use dronechain_tests::process::{program, run};
use dronechain_tests::wait::until;

/// Blocks on which all nodes agreed at `height` and below.
async fn hash_at(cluster: &Cluster, i: usize, height: u64) -> Option<String> {
    let header = cluster.get(i, &format!("/v1/header/{height}")).await?;
    (header["active"] == true).then(|| header["hash"].as_str().expect("a hash").to_owned())
}

#[tokio::test]
async fn three_nodes_report_one_tip_and_take_turns() {
    let cluster = Cluster::started(3).await;
    cluster.reaches(0, 12).await;
    let (height, _) = cluster.one_tip().await;
    let mut miners = Vec::new();
    for height in 1..=height {
        let header = cluster.get(0, &format!("/v1/header/{height}")).await.expect("a block below the tip");
        miners.push(header["miner"].as_str().expect("a key").to_owned());
    }
    // Three ready nodes: s = 2, so that no miner makes two blocks in a row.
    assert!(miners.windows(2).all(|pair| pair[0] != pair[1]), "{miners:?}");
}

#[tokio::test]
async fn node_killed_in_the_middle_loses_nothing_and_catches_up() {
    let mut cluster = Cluster::started(3).await;
    cluster.reaches(1, 8).await;
    let (before, _) = cluster.tip(1).await.expect("a tip");
    let deep = before - 4;
    let hash = hash_at(&cluster, 1, deep).await;
    cluster.kill(1);
    cluster.reaches(0, before + 6).await;
    cluster.start(1, &[]).await;
    // What it had before is there at once, the rest follows.
    assert!(cluster.tip(1).await.expect("a tip").0 >= deep);
    assert_eq!(hash_at(&cluster, 1, deep).await, hash);
    cluster.reaches(1, before + 6).await;
    let (height, _) = cluster.one_tip().await;
    assert!(height >= before + 6);
}

#[tokio::test]
async fn node_that_starts_late_catches_up_by_itself() {
    let mut cluster = Cluster::new(3, |_| {});
    cluster.start(0, &[]).await;
    cluster.start(1, &[]).await;
    // Two of three keys: s = 2, they take turns.
    cluster.reaches(0, 30).await;
    cluster.start(2, &[]).await;
    cluster.reaches(2, 30).await;
    cluster.one_tip().await;
}

#[tokio::test]
async fn admitted_node_without_the_preshared_key_of_the_others_is_kept_out() {
    let mut cluster = Cluster::new(3, |_| {});
    for (name, secret) in [("theirs", [7; 32]), ("another", [8; 32])] {
        write_key(&cluster.path(name), &SigningKey::from_bytes(&secret));
    }
    let [theirs, another] = ["theirs", "another"].map(|name| cluster.path(name).display().to_string());
    let with = |file: &str| ["--preshared-key".to_owned(), file.to_owned()];
    for node in 0..2 {
        cluster.start(node, &with(&theirs).each_ref().map(String::as_str)).await;
    }
    cluster.reaches(0, 4).await;
    for extra in [vec![], with(&another).to_vec()] {
        let extra: Vec<_> = extra.iter().map(String::as_str).chain(["--mining-share", "0"]).collect();
        cluster.start(2, &extra).await;
        let (before, _) = cluster.tip(0).await.expect("a tip");
        cluster.reaches(0, before + 6).await;
        let status = cluster.get(2, "/v1/status").await.expect("a status");
        assert_eq!((&status["peers"], &status["tip"]["height"]), (&0.into(), &0.into()), "{status}");
        let status = cluster.get(0, "/v1/status").await.expect("a status");
        assert_eq!(status["peers"], 1, "{status}");
        cluster.kill(2);
    }
    cluster.start(2, &with(&theirs).each_ref().map(String::as_str)).await;
    cluster.reaches(2, 10).await;
    cluster.one_tip().await;
}

#[tokio::test]
async fn network_switched_off_for_a_day_goes_on_without_a_storm_of_blocks() {
    // The same as an outage: genesis lies a day back, so that the first block comes a day late.
    let mut cluster = Cluster::new(3, |spec| spec.genesis_time_ms -= 86_400_000);
    for i in 0..3 {
        cluster.start(i, &[]).await;
    }
    cluster.reaches(0, 3).await;
    let bits = |header: serde_json::Value| header["bits"].as_u64().expect("bits");
    let first = bits(cluster.get(0, "/v1/header/1").await.expect("block 1"));
    let second = bits(cluster.get(0, "/v1/header/2").await.expect("block 2"));
    // Counted as 12 T at most: the target grows by 2^(11/20), not by 2^(86,399/20).
    let mantissa = |bits: u64| bits & 0x00ff_ffff;
    let exponent = |bits: u64| i32::try_from(bits >> 24).expect("a byte");
    #[expect(clippy::cast_precision_loss, reason = "a mantissa has 23 bits")]
    let ratio =
        mantissa(second) as f64 / mantissa(first) as f64 * 256_f64.powi(exponent(second) - exponent(first));
    assert!((1.45..1.48).contains(&ratio), "the target grew by {ratio}");
}

#[tokio::test]
async fn alone_node_stops_after_its_own_block_instead_of_diverging() {
    let mut cluster = Cluster::new(3, |_| {});
    cluster.start(0, &[]).await;
    cluster.reaches(0, 1).await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(cluster.tip(0).await.expect("a tip").0, 1, "one key of three must not extend its own block");
    cluster.start(1, &[]).await;
    cluster.reaches(0, 4).await;
}

#[tokio::test]
async fn nodes_that_each_made_the_same_height_agree_and_go_on() {
    let mut cluster = Cluster::new(3, |_| {});
    for i in 0..3 {
        cluster.start(i, &[]).await;
        cluster.reaches(i, 1).await;
        cluster.kill(i);
    }
    // Three first blocks of equal work, each by a node that must not build on its own.
    for i in 0..2 {
        cluster.start(i, &[]).await;
    }
    cluster.reaches(0, 3).await;
    cluster.start(2, &[]).await;
    cluster.reaches(2, 5).await;
    cluster.one_tip().await;
}

#[tokio::test]
async fn second_start_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let cluster = Cluster::started(3).await;
    cluster.reaches(0, 2).await;
    let output = run(&mut cluster.command(0, &[]));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("node0") && message.contains("in use"), "{message}");
    let (height, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, height + 2).await;
}

#[tokio::test]
async fn other_chain_spec_on_a_data_folder_is_refused_and_nothing_is_harmed() {
    let mut cluster = Cluster::started(3).await;
    cluster.reaches(0, 3).await;
    cluster.kill_all();
    let ours = cluster.spec.to_toml();
    let mut other = cluster.spec.clone();
    other.genesis_time_ms += 1;
    std::fs::write(cluster.path("network.toml"), other.to_toml()).expect("a file");
    let output = run(&mut cluster.command(0, &[]));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{message}");
    let (found, expected) = (cluster.chain_id().to_string(), other.network().chain_id.to_string());
    assert!(
        message.contains("node0") && message.contains(&found) && message.contains(&expected),
        "{message}"
    );
    std::fs::write(cluster.path("network.toml"), ours).expect("a file");
    cluster.start(0, &[]).await;
    assert!(cluster.tip(0).await.expect("a tip").0 >= 2);
}

#[tokio::test]
async fn unknown_configuration_key_is_refused_with_file_line_and_key() {
    let cluster = Cluster::new(1, |_| {});
    let file = cluster.path("node.toml");
    std::fs::write(&file, "[mining]\nshare = 0.05\nshore = 1\n").expect("a file");
    let output = run(&mut cluster.command(0, &["--config", file.to_str().expect("a plain path")]));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(2 | 3)), "{:?} {message}", output.status);
    assert!(message.contains("node.toml") && message.contains("shore") && message.contains('3'), "{message}");
}

#[test]
fn malformed_chain_spec_is_refused_with_file_and_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("network.toml");
    std::fs::write(&file, "name = \"x\"\ngenesis_time_ms = 1\nnodez = []\n").expect("a file");
    let data = folder.path().join("data");
    let mut command = std::process::Command::new(program("dronechain-node"));
    let output = run(command.arg("init").arg("--spec").arg(&file).arg("--data").arg(&data));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("network.toml") && message.contains("nodez"), "{message}");
}

#[tokio::test]
async fn node_stays_below_its_memory_bound_after_a_minute_of_blocks() {
    let cluster = Cluster::started(3).await;
    cluster.reaches(0, 20).await;
    let bytes = cluster.resident_bytes(0);
    assert!(bytes < 150 << 20, "{bytes} bytes resident");
    until("a tip", async || cluster.tip(0).await).await;
}
