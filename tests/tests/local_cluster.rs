//! `scripts/cluster`: nodes that outlive the command, killed, split and joined by it.

use std::process::{Command, Output};

use dronechain_tests::anchored::text;
use dronechain_tests::process::run;
use dronechain_tests::wait::until;
use serde_json::Value;

/// A cluster's folder; the nodes end with it.
struct Script(tempfile::TempDir);

impl Script {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn data(&self) -> std::path::PathBuf {
        self.0.path().join("cluster")
    }

    fn say(&self, words: &[&str]) -> Output {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/cluster"));
        run(command.args(words).args(["--data", text(&self.data())]))
    }

    fn done(&self, words: &[&str]) {
        let output = self.say(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn refused(&self, words: &[&str], code: i32, reason: &str) {
        let output = self.say(words);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {err}");
        assert!(err.contains(reason), "{err}");
    }

    fn status(&self) -> (i32, Value) {
        let output = self.say(&["status", "--json"]);
        let code = output.status.code().expect("it ended by itself");
        (code, serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// Heights of nodes in order; none while one does not answer.
    fn heights(&self) -> Option<Vec<u64>> {
        let (_, status) = self.status();
        status["nodes"].as_array()?.iter().map(|node| node["height"].as_u64()).collect()
    }

    async fn one_tip_above(&self, height: u64) {
        until("one tip", async || {
            let (_, status) = self.status();
            let nodes = status["nodes"].as_array()?.clone();
            let same = nodes.iter().all(|node| node["tip"] == nodes[0]["tip"]);
            (same && nodes[0]["height"].as_u64()? > height).then_some(())
        })
        .await;
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Says no where the test came to its end.
        let _ = self.say(&["down", "--purge"]);
    }
}

/// Whether it runs; one that ended may stay listed where nobody waits for orphans.
fn is_process(pid: &Value) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[tokio::test]
async fn nodes_are_started_killed_and_brought_back_and_no_other_process_is_ended() {
    let script = Script::new();
    script.refused(&["status"], 1, "no cluster in");
    script.refused(&["up", "-n", "0"], 2, "1 to 32 nodes");
    script.refused(&["kill"], 2, "a node's number");
    script.done(&["up", "-n", "3", "--ports", "auto"]);
    let (code, status) = script.status();
    assert_eq!((code, &status["n"], &status["mode"]), (0, &3.into(), &"loopback".into()));
    let node = |status: &Value, i: usize| status["nodes"][i].clone();
    assert!((0..3).all(|i| node(&status, i)["ready"] == true && node(&status, i)["peers"] == 2), "{status}");
    script.refused(&["partition"], 3, "which cannot be cut");
    script.refused(&["up", "-n", "4"], 1, "a cluster of 3 nodes");

    let killed = node(&status, 1)["pid"].clone();
    script.done(&["kill", "1"]);
    assert!(!is_process(&killed));
    let (code, status) = script.status();
    assert_eq!((code, &node(&status, 1)["running"]), (1, &false.into()));
    script.refused(&["kill", "1"], 1, "does not run");
    script.refused(&["kill", "3"], 2, "there is no node 3");
    // A process that has the id by now, and is not the node.
    std::fs::write(script.data().join("node1.pid"), format!("{} 1\n", std::process::id()))
        .expect("own folder");
    script.refused(&["kill", "1"], 1, "does not run");
    script.done(&["start", "1"]);
    let (code, status) = script.status();
    assert_eq!(code, 0, "{status}");

    let height = script.heights().expect("all run")[0];
    script.done(&["down"]);
    assert!((0..3).all(|i| !is_process(&node(&status, i)["pid"])), "{status}");
    script.done(&["up"]);
    script.one_tip_above(height).await;
    script.done(&["down", "--purge"]);
    assert!(!script.data().exists());
}

#[tokio::test]
async fn split_the_greater_side_goes_on_and_joined_there_is_one_chain() {
    let script = Script::new();
    script.done(&["up", "-n", "3"]);
    if script.status().1["mode"] != "namespaces" {
        println!("skipped: no network namespaces can be made here");
        return;
    }
    script.refused(&["partition", "3"], 2, "nobody would be on the other side");
    script.done(&["partition"]);
    assert_eq!(script.status().1["partition"], 2);
    let cut = script.heights().expect("all run");
    until("the two go on without the third", async || {
        let heights = script.heights()?;
        (heights[0] > cut[0] + 6 && heights[1] > cut[0] + 6).then_some(())
    })
    .await;
    let heights = script.heights().expect("all run");
    // One block of its own is all that a node alone can add.
    assert!(heights[2] <= cut[2].max(cut[0]) + 2, "{cut:?} became {heights:?}");
    script.done(&["heal"]);
    script.one_tip_above(heights[0]).await;
    script.done(&["down", "--purge"]);
}
