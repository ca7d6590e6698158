//! What `scripts/run` leaves running: every page and every read call of it answers.

use std::process::Command;
use std::time::Duration;

use dronechain_tests::calls::{Names, calls, json_of, pages};
use dronechain_tests::http;
use dronechain_tests::plain::{followed, links, plain};
use dronechain_tests::process::Group;
use dronechain_tests::wait::until_within;
use serde_json::{Value, json};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/run");
/// The longest that it may take with other tests beside it.
const RUN_MAX: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn every_page_and_read_call_answers_on_the_network_of_the_run_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(SCRIPT);
    command.args(["--json", "--ports", "auto", "--log", "simulated", "--every", "1s", "--data"]);
    let mut run = Group::start(command.arg(folder.path().join("data")), &folder.path().join("run.log"));
    let summary = until_within(RUN_MAX, "the summary of the run", async || {
        let log = run.log();
        serde_json::from_str::<Value>(log.lines().find(|line| line.starts_with('{'))?).ok()
    })
    .await;
    let (base, client) = (summary["urls"]["node"].as_str().expect("a URL"), http::client());
    let anchors = json_of(&client, &format!("{base}/v1/transactions?kind=anchor&limit=100")).await;
    let with_records =
        |listed: &&Value| listed["transaction"]["body"]["action"]["anchor"]["leaf_count"].as_u64() > Some(0);
    let listed = anchors["transactions"].as_array().expect("a list").iter().find(with_records);
    let height = listed.and_then(|listed| listed["height"].as_u64()).expect("an anchor of records");
    let names = Names::at(&client, base, height, 0).await;

    let calls = calls(&client, base).await;
    assert!(calls.len() > 30, "{calls:?}");
    for call in &calls {
        let answer = call.request(&client, base, &names).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{}", call.name);
        let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": call.name, "params": call.params(&names) });
        let told = client.post(format!("{base}/rpc")).json(&asked).send().await.expect("an answer");
        let told: Value = told.json().await.expect("JSON");
        assert!(told.get("result").is_some(), "{asked}: {told}");
    }
    let mut open = vec!["/receipt".to_owned()];
    for page in pages() {
        let path = page.address("", &names);
        let shown = plain(&format!("{base}{path}")).await;
        assert!(shown.status == 200 && shown.text.contains("<h1>"), "{path}: {}", shown.status);
        open.extend(links(&shown.text));
    }
    assert!(followed(base, open).await.len() > 100);
}
