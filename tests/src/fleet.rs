//! A controller, a cloud server and drones around a cluster, all by the command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dronechain_chain_spec::key::{PublicKey, SigningKey};
use serde_json::Value;

use crate::anchored::text;
use crate::cluster::{Cluster, write_key};
use crate::http;
use crate::process::{Running, program, run, run_json};
use crate::wait::until;

/// A running controller and cloud server.
pub struct Fleet {
    folder: PathBuf,
    nodes: Vec<String>,
    /// The controller's key.
    pub key: SigningKey,
    controller: Option<Service>,
    cloud: Option<Service>,
    http: reqwest::Client,
}

struct Service {
    process: Running,
    url: String,
}

/// The `dronechain` command.
pub fn dronechain(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("dronechain"));
    command.args(arguments).arg("--json");
    command
}

impl Fleet {
    /// Admits a controller on `cluster` and starts it with a cloud server.
    pub async fn start(cluster: &Cluster) -> Self {
        let key = SigningKey::from_bytes(&[100; 32]);
        let folder = cluster.folder.path().to_owned();
        write_key(&folder.join("controller.key"), &key);
        let nodes: Vec<_> = (0..cluster.keys.len()).map(|i| cluster.url(i).to_owned()).collect();
        let public = PublicKey::of(&key).to_string();
        let admin = folder.join("admin.key");
        let mut admit = dronechain(&["admin", "admit", "--role", "controller", "--wait", "1"]);
        run_json(admit.args(["--key", &public, "--admin-key", text(&admin), "--node", &nodes[0]]));
        let http = http::client();
        let mut fleet = Self { folder, nodes, key, controller: None, cloud: None, http };
        fleet.start_cloud().await;
        fleet.start_controller().await;
        fleet
    }

    async fn service(&self, name: &str, arguments: &[&str]) -> Service {
        let ready = self.folder.join(format!("{name}.ready"));
        // The file of an earlier start would be taken for this one's.
        let _ = std::fs::remove_file(&ready);
        let mut command = dronechain(&[name, "run", "--data", text(&self.folder.join(name))]);
        command.args(["--listen", "127.0.0.1:0", "--set", &format!("ready_file={:?}", text(&ready))]);
        for node in &self.nodes {
            command.args(["--node", node]);
        }
        command.args(arguments);
        let mut process = Running::start(&mut command, &self.folder.join(format!("{name}.log")));
        let url = until("a service that listens", async || {
            assert!(!process.has_ended(), "{name} ended: {}", process.log());
            let ready: Value = serde_json::from_slice(&std::fs::read(&ready).ok()?).ok()?;
            Some(format!("http://{}", ready["http"].as_str()?))
        })
        .await;
        Service { process, url }
    }

    /// Starts the cloud server.
    pub async fn start_cloud(&mut self) {
        self.cloud = Some(self.service("cloud", &["--set", "sweep_pause_ms=200"]).await);
    }

    /// Starts the controller.
    pub async fn start_controller(&mut self) {
        let key = self.folder.join("controller.key");
        let cloud = self.cloud_url().to_owned();
        self.controller = Some(self.service("controller", &["--key", text(&key), "--cloud", &cloud]).await);
    }

    /// Kills the controller at once.
    pub fn kill_controller(&mut self) {
        self.controller = None;
    }

    /// Uses these nodes from the next start of a service on.
    pub fn use_nodes(&mut self, nodes: Vec<String>) {
        self.nodes = nodes;
    }

    /// Base URL of the controller.
    pub fn controller_url(&self) -> &str {
        &self.controller.as_ref().expect("the controller runs").url
    }

    /// Base URL of the cloud server.
    pub fn cloud_url(&self) -> &str {
        &self.cloud.as_ref().expect("the cloud server runs").url
    }

    /// What controller and cloud server have logged since their start, in that order.
    pub fn logs(&self) -> [String; 2] {
        [&self.controller, &self.cloud].map(|service| service.as_ref().expect("it runs").process.log())
    }

    /// The cloud server's database file.
    pub fn database(&self) -> PathBuf {
        self.folder.join("cloud/cloud.sqlite")
    }

    /// GETs JSON; none while there is no success.
    pub async fn get(&self, url: &str) -> Option<Value> {
        self.http.get(url).send().await.ok()?.error_for_status().ok()?.json().await.ok()
    }

    /// A drone's key file, made from `number`; and its public key.
    pub fn drone(&self, number: u8) -> (PathBuf, PublicKey) {
        let key = SigningKey::from_bytes(&[number; 32]);
        let path = self.folder.join(format!("drone{number}.key"));
        if !path.exists() {
            write_key(&path, &key);
        }
        (path, PublicKey::of(&key))
    }

    /// Enrols the drone `number` and waits until it is on the ledger.
    pub fn enrol(&self, number: u8) -> PublicKey {
        let (key, public) = self.drone(number);
        let mut command =
            dronechain(&["device", "enrol", "--kind", "multicopter", "--area", "test", "--wait"]);
        run_json(command.args(["--device-key", text(&key)]).args(self.owner()));
        public
    }

    fn owner(&self) -> [String; 4] {
        let cookie = self.folder.join("controller/cookie");
        ["--controller".into(), self.controller_url().into(), "--cookie".into(), text(&cookie).into()]
    }

    /// Revokes a device and waits until that is on the ledger.
    pub fn revoke(&self, device: &PublicKey) {
        let mut command = dronechain(&["device", "revoke", "--wait"]);
        run_json(command.arg("--device").arg(device.to_string()).args(self.owner()));
    }

    /// The command that flies `log` with the drone `number`.
    pub fn replay(&self, number: u8, log: &str) -> Command {
        let (key, _) = self.drone(number);
        let mut command = dronechain(&["drone", "replay", "--log", log, "--key", text(&key)]);
        command.args(["--controller", self.controller_url()]);
        command
    }

    /// Flies `log` with the drone `number`; whatever comes of it.
    pub fn fly(&self, number: u8, log: &str) -> Output {
        run(&mut self.replay(number, log))
    }

    /// POSTs one record to the controller as it is; the status and the answer.
    pub async fn post_record(&self, record: &[u8]) -> (u16, Value) {
        let mut body = u32::try_from(record.len()).expect("a record is small").to_le_bytes().to_vec();
        body.extend_from_slice(record);
        let request = self.http.post(format!("{}/v1/records", self.controller_url()));
        let request = request.header("content-type", "application/vnd.dronechain.records").body(body);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// Fetches the receipts of the flight that begins at sequence `from` into `out`, which must succeed.
    pub fn receipts(&self, device: &PublicKey, from: u64, node: &str, out: &Path) {
        let mut command = dronechain(&["receipt", "get", "--follow", "--confirmations", "3"]);
        command.args(["--device", &device.to_string(), "--cloud", self.cloud_url(), "--node", node]);
        run_json(command.args(["--out", text(out), "--from-sequence", &from.to_string()]));
    }
}

/// Verifies a folder of evidence by a process without a network where root may make one.
pub fn verify_offline(folder: &Path, confirmations: u64) -> Output {
    let mut alone = Command::new("unshare");
    let can = alone.args(["-n", "true"]).status().is_ok_and(|status| status.success());
    let mut command = if can {
        let mut command = Command::new("unshare");
        command.arg("-n").arg(program("dronechain"));
        command
    } else {
        println!("skipped: no network namespace can be made; the process keeps its network");
        Command::new(program("dronechain"))
    };
    let confirmations = confirmations.to_string();
    command.args(["receipt", "verify", "--json", "--dir", text(folder), "--confirmations", &confirmations]);
    run(&mut command)
}
