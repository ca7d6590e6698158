//! The receipts of a whole batch, as a node gives them, held against its header chain.

use dronechain_chain_spec::chain::{HeaderChain, decode_links};
use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::receipt::Document;
use dronechain_tests::anchored::anchor;
use dronechain_tests::cluster::Cluster;
use dronechain_tests::http;
use serde_json::{Value, json};

/// Leaves of a batch whose receipts fill two pages and a half.
const LEAVES: u32 = 250;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_a_large_batch_come_a_hundred_at_a_time_and_all_of_them_hold() {
    let cluster = Cluster::started(1).await;
    let leaves: Vec<_> = (0..LEAVES).map(|n| sha256(&[&n.to_be_bytes()])).collect();
    anchor(&cluster, &leaves).await;
    let links = http::client().get(format!("{}/v1/headers?from=1", cluster.url(0)));
    let links = links.send().await.expect("an answer").bytes().await.expect("bytes");
    let mut chain = HeaderChain::new(cluster.spec.clone()).expect("a sound spec");
    for link in decode_links(&links).expect("links") {
        chain.push(link).expect("valid");
    }
    let path = format!("/v1/bodies/{}/{LEAVES}/receipts", merkle::root(&leaves));
    for (format, list) in
        [("?", "receipts"), ("/v4?host=node&", "proofs"), ("/v4-binary?host=node&", "proofs")]
    {
        let mut found = Vec::new();
        for (from, next) in [(0, json!(100)), (100, json!(200)), (200, Value::Null)] {
            let page = cluster.get(0, &format!("{path}{format}from={from}")).await.expect("a page");
            assert_eq!(page["next"], next);
            found.extend(page[list].as_array().expect("a list").clone());
        }
        assert_eq!(found.len(), leaves.len());
        for (leaf, found) in leaves.iter().zip(found) {
            let bytes = found.as_str().map_or(found.to_string().into(), |hex| hex::decode(hex).expect("hex"));
            let shown = match Document::parse(&bytes).expect("a receipt") {
                Document::Receipt(receipt) => {
                    receipt.verify(leaf, &chain, 1).map(|proven| proven.existence())
                }
                Document::Existence(proof) => proof.verify(leaf, &chain, 1),
            };
            assert_eq!(shown.expect("it holds").target, *leaf);
        }
    }
}
