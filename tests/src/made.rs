//! Networks as `dronechain-node network new --dir` makes them, on loopback.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::http;
use crate::process::{Running, program, run_json};
use crate::wait::until;

/// The `dronechain-node` command.
pub fn dronechain_node(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("dronechain-node"));
    command.args(arguments).arg("--json");
    command
}

/// A network's folder with its running nodes.
pub struct Made {
    /// Its parent is gone when this is dropped.
    pub folder: tempfile::TempDir,
    /// What `network new` said.
    pub said: Value,
    nodes: Vec<(Running, String)>,
}

impl Made {
    /// Makes a network in the folder `net` with these arguments; none of its nodes runs.
    pub fn new(folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let mut command = dronechain_node(&["network", "new"]);
        let said = run_json(command.arg("--dir").arg(folder.path().join("net")).args(arguments));
        Self { folder, said, nodes: Vec::new() }
    }

    /// A path in the network's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("net").join(name)
    }

    /// Starts the node of the host `name` as the folder has it, HTTP on a free port, and waits until it listens.
    pub async fn start(&mut self, name: &str) {
        let ready = self.folder.path().join(format!("{name}.ready"));
        let mut command = Command::new(program("dronechain-node"));
        command.arg("run").arg("--data").arg(self.path(name)).args(["--http", "127.0.0.1:0"]);
        command.arg("--ready-file").arg(&ready);
        let mut process = Running::start(&mut command, &self.folder.path().join(format!("{name}.log")));
        let http = until("a node that listens", async || {
            assert!(!process.has_ended(), "{name} ended: {}", process.log());
            let ready: Value = serde_json::from_slice(&std::fs::read(&ready).ok()?).ok()?;
            Some(format!("http://{}", ready["http"].as_str()?))
        })
        .await;
        self.nodes.push((process, http));
    }

    /// Base URL of the node that was started as number `i`.
    pub fn url(&self, i: usize) -> &str {
        &self.nodes[i].1
    }

    /// GETs JSON from that node; none while it does not answer with success.
    pub async fn get(&self, i: usize, path: &str) -> Option<Value> {
        let answer = http::client().get(format!("{}{path}", self.url(i))).send().await.ok()?;
        answer.error_for_status().ok()?.json().await.ok()
    }
}

/// A port for peers on loopback that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    listener.local_addr().expect("bound").port()
}

/// The mode of a file.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).expect("exists").permissions().mode() & 0o7777
}
