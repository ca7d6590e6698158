//! Clusters of real nodes: processes, RocksDB, libp2p on free loopback ports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, NetworkTemplate};
use dronechain_record::keys::KeyFile;
use serde_json::Value;

use crate::http;
use crate::process::{Running, program};
use crate::wait::until;

/// A network's keys and files in a folder of its own.
pub struct Cluster {
    /// Everything is in here.
    pub folder: tempfile::TempDir,
    /// The chain spec.
    pub spec: ChainSpec,
    /// The one admin.
    pub admin: SigningKey,
    /// The nodes' keys.
    pub keys: Vec<SigningKey>,
    nodes: Vec<Option<Node>>,
    places: BTreeMap<usize, Place>,
    http: reqwest::Client,
}

/// Where and how a node runs, other than on loopback.
#[derive(Debug, Clone)]
pub struct Place {
    /// The command that runs the node's own, with its arguments; nothing runs it directly.
    pub runner: Vec<String>,
    /// Environment of the node.
    pub environment: Vec<(String, String)>,
    /// Where it listens for peers.
    pub listen: String,
    /// Where its HTTP port is.
    pub http: String,
    /// Another program than this version's.
    pub program: Option<PathBuf>,
}

impl Default for Place {
    fn default() -> Self {
        let (listen, http) = ("/ip4/127.0.0.1/tcp/0".into(), "127.0.0.1:0".into());
        Self { runner: Vec::new(), environment: Vec::new(), listen, http, program: None }
    }
}

struct Node {
    process: Running,
    http: String,
    p2p: String,
}

impl Cluster {
    /// A network of `n` nodes, none of them started; parameters as in `dev`, changed by `change`.
    pub fn new(n: u8, change: impl FnOnce(&mut ChainSpec)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = |number: u8| SigningKey::from_bytes(&[number; 32]);
        let keys: Vec<_> = (1..=n).map(key).collect();
        let NetworkTemplate { name, parameters } = NetworkTemplate::dev();
        let mut spec = ChainSpec {
            name,
            genesis_time_ms: now_ms(),
            nodes: keys.iter().map(PublicKey::of).collect(),
            parameters,
            admins: AdminSet { threshold: 1, keys: vec![PublicKey::of(&key(200))] },
        };
        change(&mut spec);
        std::fs::write(folder.path().join("network.toml"), spec.to_toml()).expect("a file");
        write_key(&folder.path().join("admin.key"), &key(200));
        let nodes = keys.iter().map(|_| None).collect();
        let places = BTreeMap::new();
        Self { folder, spec, admin: key(200), keys, nodes, places, http: http::client() }
    }

    /// From its next start on node `i` runs there.
    pub fn put(&mut self, i: usize, place: Place) {
        self.places.insert(i, place);
    }

    /// A network of `n` nodes with `dev` parameters, all started.
    pub async fn started(n: u8) -> Self {
        let mut cluster = Self::new(n, |_| {});
        for i in 0..usize::from(n) {
            cluster.start(i, &[]).await;
        }
        cluster
    }

    /// A path in the cluster's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Genesis hash.
    pub fn chain_id(&self) -> Hash256 {
        self.spec.network().chain_id
    }

    /// The command that runs node `i`, connected to all that run.
    pub fn command(&self, i: usize, extra: &[&str]) -> Command {
        let key = self.path(&format!("node{i}.key"));
        if !key.exists() {
            write_key(&key, &self.keys[i]);
        }
        let data = self.path(&format!("node{i}"));
        let place = self.places.get(&i).cloned().unwrap_or_default();
        let node = place.program.unwrap_or_else(|| program("dronechain-node")).into_os_string();
        let mut words = place.runner.iter().map(Into::into).chain([node]);
        let mut command = Command::new(words.next().expect("the node's own at least"));
        command.args(words).envs(place.environment);
        command.arg("run").arg("--data").arg(&data).arg("--key").arg(&key);
        command.arg("--spec").arg(self.path("network.toml"));
        command.args(["--listen", &place.listen, "--http", &place.http]);
        for (_, node) in self.running() {
            command.args(["--peer", &node.p2p]);
        }
        command.args(extra);
        command
    }

    fn running(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter_map(|(i, node)| Some((i, node.as_ref()?)))
    }

    /// Starts node `i` and waits until it listens.
    pub async fn start(&mut self, i: usize, extra: &[&str]) {
        self.start_with(i, extra, &[]).await;
    }

    /// The same with environment variables.
    pub async fn start_with(&mut self, i: usize, extra: &[&str], env: &[(&str, &str)]) {
        let data = self.path(&format!("node{i}"));
        std::fs::create_dir_all(&data).expect("a folder");
        let ready = self.path(&format!("node{i}.ready"));
        // The file of an earlier start would be taken for this one's.
        let _ = std::fs::remove_file(&ready);
        let mut command = self.command(i, extra);
        command.arg("--ready-file").arg(&ready).envs(env.iter().copied());
        let mut process = Running::start(&mut command, &self.path(&format!("node{i}.log")));
        let addresses = until("a node that listens", async || {
            assert!(!process.has_ended(), "node {i} ended: {}", process.log());
            serde_json::from_slice::<Value>(&std::fs::read(&ready).ok()?).ok()
        })
        .await;
        let text = |name: &str| addresses[name].as_str().expect("an address").to_owned();
        self.nodes[i] = Some(Node { process, http: format!("http://{}", text("http")), p2p: text("p2p") });
    }

    /// How node `i` ended by itself; none while it runs.
    pub fn end(&mut self, i: usize) -> Option<ExitStatus> {
        self.nodes[i].as_mut().expect("the node was started").process.end()
    }

    /// Asks node `i` to stop, as an operator does.
    pub fn terminate(&self, i: usize) {
        self.nodes[i].as_ref().expect("the node runs").process.terminate();
    }

    /// Kills node `i` at once.
    pub fn kill(&mut self, i: usize) {
        self.nodes[i] = None;
    }

    /// Kills all nodes.
    pub fn kill_all(&mut self) {
        self.nodes.iter_mut().for_each(|node| *node = None);
    }

    /// Base URL of node `i`.
    pub fn url(&self, i: usize) -> &str {
        &self.nodes[i].as_ref().expect("the node runs").http
    }

    /// Where peers of node `i` connect.
    pub fn p2p(&self, i: usize) -> &str {
        &self.nodes[i].as_ref().expect("the node runs").p2p
    }

    /// What node `i` has logged.
    pub fn log(&self, i: usize) -> String {
        self.nodes[i].as_ref().expect("the node runs").process.log()
    }

    /// Resident memory of node `i`, in bytes.
    pub fn resident_bytes(&self, i: usize) -> u64 {
        self.memory_bytes(i, "VmRSS:")
    }

    /// The most that node `i` ever had resident, in bytes.
    pub fn resident_peak_bytes(&self, i: usize) -> u64 {
        self.memory_bytes(i, "VmHWM:")
    }

    fn memory_bytes(&self, i: usize, name: &str) -> u64 {
        let id = self.nodes[i].as_ref().expect("the node runs").process.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Processor time that each living thread of node `i` has taken, user and system, by its id.
    pub fn processor_times(&self, i: usize) -> BTreeMap<u32, Duration> {
        let id = self.nodes[i].as_ref().expect("the node runs").process.id();
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).expect("a running process");
        // One of them may end meanwhile.
        let of = |thread: std::fs::DirEntry| {
            let line = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            let taken = Duration::from_nanos(line.split(' ').next()?.parse().ok()?);
            Some((thread.file_name().to_str()?.parse().ok()?, taken))
        };
        threads.filter_map(|thread| of(thread.ok()?)).collect()
    }

    /// GETs JSON from node `i`; none while it does not answer with success.
    pub async fn get(&self, i: usize, path: &str) -> Option<Value> {
        serde_json::from_str(&self.text(i, path).await?).ok()
    }

    /// Reads `path` of node `i` as text; none if it does not answer or answers with an error.
    pub async fn text(&self, i: usize, path: &str) -> Option<String> {
        let answer = self.http.get(format!("{}{path}", self.url(i))).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }

    /// Whether node `i` answers that it is alive.
    pub async fn is_alive(&self, i: usize) -> bool {
        let answer = self.http.get(format!("{}/livez", self.url(i))).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The tip of node `i`: height and hash.
    pub async fn tip(&self, i: usize) -> Option<(u64, String)> {
        let tip = self.get(i, "/v1/tip").await?;
        Some((tip["height"].as_u64()?, tip["hash"].as_str()?.to_owned()))
    }

    /// Waits until node `i` is at `height` or above.
    pub async fn reaches(&self, i: usize, height: u64) {
        until(&format!("node {i} at height {height}"), async || {
            self.tip(i).await.filter(|(found, _)| *found >= height)
        })
        .await;
    }

    /// Waits until all running nodes have one tip, and gives it.
    pub async fn one_tip(&self) -> (u64, String) {
        let nodes: Vec<_> = self.running().map(|(i, _)| i).collect();
        until("one tip", async || {
            let mut tips = Vec::new();
            for i in &nodes {
                tips.push(self.tip(*i).await?);
            }
            tips.dedup();
            (tips.len() == 1).then(|| tips.remove(0))
        })
        .await
    }
}

/// Writes a key file with the mode that programs insist on.
pub fn write_key(path: &Path, key: &SigningKey) {
    KeyFile::create_from(path, key.clone()).expect("a new key file");
}

/// The clock, ms since 1970 UTC.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("before the year 500,000,000")
}
