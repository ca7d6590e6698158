//! What a node says of its calls, held against what it answers by a tool that we did not write: no server error, no answer
//! that is not as described, nothing refused that the description allows.

use std::process::Command;

use dronechain_tests::anchored::anchored;
use dronechain_tests::process::run;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Requests drawn for each call, beside those at the edges of what is described.
const EXAMPLES: &str = "10";

/// The tool, installed now if need be; none if that cannot be done here.
fn tool() -> Option<String> {
    let mut shell = Command::new("bash");
    shell.args(["-c", ". scripts/lib.sh && api_checker"]).current_dir(ROOT);
    let output = run(&mut shell);
    if !output.status.success() {
        println!("skipped: no schemathesis: {}", String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    Some(String::from_utf8(output.stdout).expect("a path").trim().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_answer_as_the_node_describes_them() {
    let Some(tool) = tool() else { return };
    let (cluster, _files) = anchored().await;
    let document = format!("{}/openapi.json", cluster.url(0));
    let check = |more: &[&str]| {
        let mut command = Command::new(&tool);
        command.args(["run", &document, "--max-examples", EXAMPLES, "--seed", "1", "--no-color"]);
        command.args(["--phases", "examples,coverage,fuzzing", "--generation-database", "none"]);
        command
            .args(["--request-timeout", "40", "--warnings", "off"])
            .args(more)
            .current_dir(cluster.path(""));
        let output = run(&mut command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        let cases = text.lines().find(|line| line.contains("generated")).unwrap_or_default();
        println!("{}", cases.trim());
    };
    // Streams have no end, and no schema says what the ledger's rules let through.
    let bodies = [
        "/v1/transactions",
        "/v1/transactions/check",
        "/v1/receipts/verify",
        "/v1/mining/template",
        "/v1/mining/blocks",
    ];
    let apart: Vec<_> =
        bodies.iter().chain(&["/v1/events"]).flat_map(|path| ["--exclude-path", path]).collect();
    check(&apart);
    let bodies: Vec<_> = bodies.iter().flat_map(|path| ["--include-path", path]).collect();
    check(&[&bodies[..], &["--exclude-checks", "positive_data_acceptance"]].concat());
}
