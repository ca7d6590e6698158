//! A network that goes from an earlier version to this one, a node at a time, while records are anchored.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dronechain_client::{Client, ProducerConfig};
use dronechain_tests::cluster::{Cluster, Place};
use dronechain_tests::process::run;
use dronechain_tests::soak::{admit, controller, read_ledger, record};
use dronechain_tests::wait::until;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const NODES: usize = 5;
const WAIT: Duration = Duration::from_secs(90);

/// The node's program of an earlier version, which `scripts/test` builds from its commit; none where it is not there.
fn earlier() -> Option<PathBuf> {
    let mut shell = Command::new("bash");
    shell.args(["-c", ". scripts/lib.sh && earlier_program"]).current_dir(ROOT);
    let output = run(&mut shell);
    let path = PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim());
    if output.status.success() && path.exists() {
        return Some(path);
    }
    println!("skipped: no node of an earlier version; scripts/test builds it where git has its commit");
    None
}

async fn version(cluster: &Cluster, i: usize) -> String {
    let status = cluster.get(i, "/v1/status").await.expect("an answer");
    status["version"].as_str().expect("a version").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_nodes_are_upgraded_one_at_a_time_and_no_record_is_refused_or_lost() {
    let Some(earlier) = earlier() else { return };
    let mut cluster = Cluster::new(u8::try_from(NODES).expect("few"), |_| {});
    for i in 0..NODES {
        cluster.put(i, Place { program: Some(earlier.clone()), ..Place::default() });
        cluster.start(i, &[]).await;
    }
    let before = version(&cluster, 0).await;
    admit(&cluster, &controller()).await;
    let urls: Vec<_> = (0..NODES).map(|i| cluster.url(i).to_owned()).collect();
    let client = Client::builder(urls).open(cluster.path("client")).await.expect("a client");
    let mut config = ProducerConfig::default();
    (config.linger, config.confirmations) = (Duration::from_millis(50), 2);
    let producer = Arc::new(client.producer(controller()).config(config).open().expect("a producer"));
    let is_over = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (producer, is_over) = (Arc::clone(&producer), Arc::clone(&is_over));
        async move {
            let mut taken = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                let pending = producer.send(record(taken.len() as u64)).await;
                taken.push(pending.expect("no submission fails"));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            taken
        }
    });
    for i in 0..NODES {
        // As systemd does it: asked to stop, waited for, started from the new program on the same data and ports.
        let http = cluster.url(i).strip_prefix("http://").expect("an address").to_owned();
        let listen = cluster.p2p(i).split("/p2p/").next().expect("an address").to_owned();
        cluster.terminate(i);
        let ended = until("a node that has stopped", async || cluster.end(i)).await;
        assert!(ended.success(), "{ended:?}: {}", cluster.log(i));
        cluster.put(i, Place { http, listen, ..Place::default() });
        cluster.start(i, &[]).await;
        let (tip, _) = cluster.tip((i + 1) % NODES).await.expect("a tip");
        // It is with the others, and makes blocks that they take.
        cluster.reaches(i, tip + NODES as u64).await;
        until("a node that serves", async || {
            cluster.get(i, "/v1/status").await.filter(|it| it["syncing"] == false)
        })
        .await;
        assert_ne!(version(&cluster, i).await, before);
    }
    is_over.store(true, Ordering::SeqCst);
    let taken = load.await.expect("no submission fails");
    for pending in &taken {
        pending.confirmations_within(2, WAIT).await.expect("delivered");
    }
    cluster.one_tip().await;
    read_ledger(&cluster, &(0..taken.len() as u64).collect::<Vec<_>>()).await;
    println!("{} records while five nodes went from {before} to {}", taken.len(), version(&cluster, 0).await);
}
