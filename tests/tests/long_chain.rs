//! Chains that are written without being verified are what nodes would have made, and serve as such.

use dronechain_tests::cluster::Cluster;
use dronechain_tests::fleet::dronechain;
use dronechain_tests::ledger::checked;
use dronechain_tests::long::{Long, leaf, record};
use dronechain_tests::process::run_json;

const BLOCKS: u64 = 3_000;

fn text(cluster: &Cluster, name: &str) -> String {
    cluster.path(name).to_str().expect("a plain path").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn written_chain_holds_every_rule_and_a_fresh_node_syncs_it() {
    let Long { mut cluster, per_block, .. } = Long::new(BLOCKS, 10 * BLOCKS);
    // Every block executed again, every row held against the others.
    let report = checked(&cluster, 0);
    assert_eq!((&report["height"], &report["counts"]["bodies_missing"]), (&BLOCKS.into(), &0.into()));
    assert!(report["counts"]["leaves"].as_u64() >= Some(10 * BLOCKS), "{per_block} a batch: {report}");
    // Every rule applied by a node that knows only its spec.
    for i in 0..2 {
        cluster.start(i, &["--mining-share", "0"]).await;
    }
    cluster.reaches(1, BLOCKS).await;
    assert_eq!(cluster.one_tip().await.0, BLOCKS);
    // Receipts of the first and the last records, by the headers that the other node verified. It has no old bodies.
    let headers = text(&cluster, "headers");
    run_json(dronechain(&["headers", "export"]).args(["--node", cluster.url(1), "--out", &headers]));
    for (height, index) in [(3, 0), (BLOCKS, per_block - 1)] {
        let hash = leaf(height, index).to_string();
        let [file, receipt] = ["record", "receipt"].map(|name| text(&cluster, &format!("{name}-{height}")));
        std::fs::write(&file, record(height, index)).expect("a file");
        let mut get = dronechain(&["receipt", "get", &hash, "--out", &receipt]);
        run_json(get.args(["--node", cluster.url(0)]));
        let verdict =
            run_json(dronechain(&["receipt", "verify", &file, &receipt]).args(["--headers", &headers]));
        assert_eq!(verdict["verified"], true, "{verdict}");
    }
    cluster.kill_all();
}
