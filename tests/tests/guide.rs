//! The documents' commands do what the documents say.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use dronechain_tests::cluster::Cluster;
use dronechain_tests::guide::document;
use dronechain_tests::process::{program, run};

/// The ports that the documents name: nodes' for peers and for HTTP, the controller's, the cloud server's.
const PORTS: [u16; 8] = [7600, 7601, 7602, 7700, 7701, 7702, 7800, 7900];
/// Below what the system gives to those who ask for any port, so that no other test takes them.
const PORT_FIRST: u16 = 20_000;
const PORT_LAST: u16 = 32_000;

/// The lines of a document's fenced `sh` blocks, one after the other.
fn commands(document: &str) -> String {
    let mut blocks = document.split("```sh\n").skip(1);
    let inside = |block: &str| block.split("```").next().unwrap_or_default().to_owned();
    let commands: String = blocks.by_ref().map(inside).collect();
    assert!(!commands.is_empty(), "there are blocks of sh");
    commands
}

/// The same with ports that are free, each in place of one that is named.
fn on_free_ports(mut commands: String) -> String {
    // Another run of this test begins elsewhere.
    let span = u32::from(PORT_LAST - PORT_FIRST);
    let start = PORT_FIRST + u16::try_from(std::process::id() % span).expect("less than the span");
    let candidates = (start..PORT_LAST).chain(PORT_FIRST..start);
    let mut free = candidates.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    for named in PORTS {
        let named = named.to_string();
        commands = commands.replace(&named, &free.next().expect("a free port").to_string());
    }
    commands
}

#[test]
fn three_nodes_by_hand_lead_to_a_receipt_that_verifies() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = done(&on_free_ports(commands(&document("node/docs/three-nodes.md"))), folder.path());
    assert!(out.contains("anchored at height"), "{out}");
    let last: Vec<_> = out.lines().rev().take(5).collect();
    assert!(last.iter().any(|line| line.starts_with("verified: evidence.txt")), "{out}");
    assert!(last.iter().any(|line| line.contains("authority unchecked")), "{out}");
}

#[tokio::test]
async fn a_controller_is_set_up_and_its_drone_flies() {
    let cluster = Cluster::started(3).await;
    let mut commands = commands(&document("client/docs/controller-guide.md"));
    for i in [0, 1] {
        commands = commands.replace(&format!("http://127.0.0.1:770{i}"), &format!("$node{i}"));
    }
    let nodes = format!("node0={} node1={}\n", cluster.url(0), cluster.url(1));
    let out = done(&(nodes + &on_free_ports(commands)), cluster.folder.path());
    assert!(out.contains("\"blocked\":null"), "{out}");
    assert!(out.contains("records verify\n"), "{out}");
}

/// Runs commands in `folder`, which must succeed; what they print.
fn done(commands: &str, folder: &Path) -> String {
    // What the document leaves running ends with its shell, however that ends.
    let script =
        format!("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n{commands}");
    let programs = program("dronechain").parent().expect("a folder").to_owned();
    let path = std::env::var("PATH").expect("a path");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(folder);
    let output = run(shell.env("PATH", format!("{}:{path}", programs.display())));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    out.into_owned()
}
