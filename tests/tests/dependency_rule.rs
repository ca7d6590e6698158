//! Dependencies point one way, and the crates that must stay pure do.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// For each crate of the house, the crates of the house that it may use outside its tests.
const MAY_USE: &[(&str, &[&str])] = &[
    ("dronechain-chain-spec", &[]),
    ("dronechain-node", &["dronechain-chain-spec"]),
    ("dronechain-record", &["dronechain-chain-spec"]),
    ("dronechain-client", &["dronechain-chain-spec", "dronechain-record"]),
    ("dronechain-drone", &["dronechain-chain-spec", "dronechain-record", "dronechain-client"]),
    ("dronechain-service", &["dronechain-chain-spec", "dronechain-record", "dronechain-client"]),
    (
        "dronechain-controller",
        &["dronechain-chain-spec", "dronechain-record", "dronechain-client", "dronechain-service"],
    ),
    (
        "dronechain-cloud",
        &["dronechain-chain-spec", "dronechain-record", "dronechain-client", "dronechain-service"],
    ),
    (
        "dronechain-cli",
        &[
            "dronechain-chain-spec",
            "dronechain-record",
            "dronechain-client",
            "dronechain-service",
            "dronechain-drone",
            "dronechain-controller",
            "dronechain-cloud",
        ],
    ),
];
/// Crates that do no IO of their own, and what they must not pull in, however indirectly.
const PURE: &[&str] = &["dronechain-chain-spec", "dronechain-record"];
const IMPURE: &[&str] = &["tokio", "rocksdb", "librocksdb-sys", "libp2p", "reqwest", "sqlx", "axum", "mio"];

struct Graph {
    names: BTreeMap<String, String>,
    uses: BTreeMap<String, Vec<String>>,
}

impl Graph {
    /// The resolved graph of normal and build dependencies.
    fn read() -> Self {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let mut command = Command::new(env!("CARGO"));
        command.args(["metadata", "--format-version", "1", "--locked", "--manifest-path", manifest]);
        let metadata = dronechain_tests::process::run_json(&mut command);
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let names = list(&metadata["packages"]).iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
        let of_node = |node: &Value| {
            let deps = list(&node["deps"]);
            let outside_tests =
                deps.iter().filter(|dep| list(&dep["dep_kinds"]).iter().any(|k| k["kind"] != "dev"));
            (text(&node["id"]), outside_tests.map(|dep| text(&dep["pkg"])).collect())
        };
        let uses = list(&metadata["resolve"]["nodes"]).iter().map(of_node).collect();
        Self { names, uses }
    }

    fn id(&self, name: &str) -> &String {
        let found = self.names.iter().find(|(_, found)| *found == name);
        found.unwrap_or_else(|| panic!("{name} is not in the workspace")).0
    }

    /// Names of everything that `name` pulls in.
    fn reach(&self, name: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![self.id(name)];
        while let Some(id) = open.pop() {
            for used in &self.uses[id] {
                if seen.insert(used) {
                    open.push(used);
                }
            }
        }
        seen.into_iter().map(|id| self.names[id].as_str()).collect()
    }
}

#[test]
fn dependencies_between_our_crates_point_one_way() {
    let graph = Graph::read();
    for (name, allowed) in MAY_USE {
        let ours = graph.reach(name).into_iter().filter(|used| used.starts_with("dronechain-"));
        for used in ours {
            assert!(allowed.contains(&used), "{name} must not depend on {used}");
        }
    }
}

#[test]
fn every_crate_of_ours_has_its_rule() {
    let graph = Graph::read();
    let ours =
        graph.names.values().filter(|name| name.starts_with("dronechain-") && *name != "dronechain-tests");
    for name in ours {
        assert!(MAY_USE.iter().any(|(with_rule, _)| with_rule == name), "{name} has no rule here");
    }
}

#[test]
fn pure_crates_pull_in_no_runtime_store_or_network() {
    let graph = Graph::read();
    for name in PURE {
        let reach = graph.reach(name);
        for impure in IMPURE {
            assert!(!reach.contains(impure), "{name} pulls in {impure}");
        }
    }
}
