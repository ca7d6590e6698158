//! What operators watch: `/metrics` and `/readyz?verbose` of real nodes.

use std::collections::BTreeMap;

use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_tests::anchored::text;
use dronechain_tests::cluster::Cluster;
use dronechain_tests::fleet::dronechain;
use dronechain_tests::http;
use dronechain_tests::process::run_json;
use serde_json::{Value, json};

async fn page(cluster: &Cluster, i: usize, path: &str) -> (u16, String) {
    let answer = http::client().get(format!("{}{path}", cluster.url(i))).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

/// Figures by name and labels.
async fn figures(cluster: &Cluster, i: usize) -> BTreeMap<String, f64> {
    let (status, text) = page(cluster, i, "/metrics").await;
    assert_eq!(status, 200);
    let mut figures = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            family = head.split(' ').next().expect("a name").to_owned();
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            assert!(name.starts_with(&family), "{line} stands under {family}");
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(figures.insert(name.to_owned(), value).is_none(), "{name} stands twice");
        }
    }
    figures
}

#[tokio::test]
async fn figures_follow_what_the_nodes_do() {
    let mut cluster = Cluster::started(3).await;
    cluster.reaches(0, 4).await;
    let admin = cluster.path("admin.key");
    let controller = PublicKey::of(&SigningKey::from_bytes(&[61; 32])).to_string();
    let mut admit = dronechain(&["admin", "admit", "--role", "controller", "--key", &controller]);
    admit.args(["--admin-key", text(&admin), "--node", cluster.url(0), "--wait", "1"]);
    run_json(&mut admit);
    let (height, _) = cluster.tip(0).await.expect("a tip");
    let call = |id: u64, method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let batch = [
        call(1, "chain.tip", json!({})),
        call(2, "chain.block", json!({ "name": u32::MAX.to_string() })),
        call(3, "chain.tip", json!({})),
    ];
    let asked = http::client().post(format!("{}/rpc", cluster.url(0))).json(&batch).send().await;
    assert!(asked.expect("an answer").status().is_success());
    let seen = figures(&cluster, 0).await;
    let documented = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../node/docs/metrics.md"));
    let documented = documented.expect("the document");
    for row in
        documented.lines().filter(|line| line.starts_with("| `dronechain_") && line.matches('|').count() == 4)
    {
        let name = row.split('`').nth(1).expect("a name");
        assert!(seen.keys().any(|figure| figure.starts_with(name)), "{name} is missing");
    }
    assert!(seen["dronechain_height"] >= height as f64);
    assert_eq!(seen["dronechain_peers"], 2.0);
    assert!(seen["dronechain_blocks_connected_total"] >= height as f64);
    assert!(seen["dronechain_work"] > 131_072.0 && seen["dronechain_store_bytes"] > 0.0, "{seen:?}");
    assert!(seen["dronechain_process_resident_memory_bytes"] > 1e6);
    assert_eq!(seen["dronechain_submissions_total{outcome=\"pending\"}"], 1.0);
    assert_eq!(seen["dronechain_mempool_bytes"], 0.0);
    let calls = |method: &str, class: &str| {
        seen[&format!("dronechain_rpc_calls_total{{method=\"{method}\",class=\"{class}\"}}")]
    };
    assert_eq!((calls("chain.tip", "2xx"), calls("chain.block", "4xx")), (2.0, 1.0));
    assert_eq!(seen["dronechain_rpc_call_seconds_count{method=\"chain.tip\"}"], 2.0);
    let tips = "dronechain_http_requests_total{call=\"/v1/tip\",class=\"2xx\"}";
    assert!(seen[tips] >= 2.0);
    assert_eq!(seen["dronechain_http_request_seconds_bucket{call=\"/v1/tip\",le=\"+Inf\"}"], seen[tips]);
    let mut mined = 0.0;
    for i in 0..3 {
        mined += figures(&cluster, i).await["dronechain_blocks_mined_total"];
    }
    assert!(mined >= height as f64, "{mined} blocks mined by three, {height} in the chain");
    page(&cluster, 0, "/nowhere").await;
    assert_eq!(
        figures(&cluster, 0).await["dronechain_http_requests_total{call=\"other\",class=\"4xx\"}"],
        1.0
    );

    let (status, checks) = page(&cluster, 0, "/readyz?verbose").await;
    assert_eq!(status, 200, "{checks}");
    let names = ["synced", "peers", "disk", "clock", "store"];
    for (line, name) in checks.lines().zip(names) {
        assert!(line.starts_with(&format!("[+] {name}: ")), "{checks}");
    }
    assert!(checks.ends_with("\nready\n"), "{checks}");
    cluster.kill(1);
    cluster.kill(2);
    dronechain_tests::wait::until("no peers", async || {
        let (_, checks) = page(&cluster, 0, "/readyz?verbose").await;
        checks.contains("[-] peers: 0 connected").then_some(())
    })
    .await;
}
