//! A node with a batch of files in a block, and their receipts: what a user has who anchors hashes.

use std::path::{Path, PathBuf};

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::SigningKey;
use dronechain_chain_spec::transaction::AnchorKind;
use dronechain_client::{Anchorer, Batch, NodeClient};

use crate::cluster::Cluster;
use crate::fleet::dronechain;
use crate::process::run_json;
use crate::soak::admit;
use crate::wait::until;

/// Files of one batch: the path of the last one is shorter than the others'.
const FILES: u8 = 7;

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A node with a batch of files in a block, and the files.
pub async fn anchored() -> (Cluster, Vec<PathBuf>) {
    let cluster = Cluster::started(1).await;
    let files: Vec<_> = (0..FILES).map(|at| cluster.path(&format!("file{at}"))).collect();
    for (at, file) in (0..FILES).zip(&files) {
        std::fs::write(file, [at; 100]).expect("a file");
    }
    let leaves: Vec<_> = (0..FILES).map(|at| sha256(&[&[at; 100]])).collect();
    anchor(&cluster, &leaves).await;
    (cluster, files)
}

/// Has a batch of these hashes in a block of the cluster, by a controller of its own.
pub async fn anchor(cluster: &Cluster, leaves: &[Hash256]) {
    let key = SigningKey::from_bytes(&[90; 32]);
    admit(cluster, &key).await;
    let mut batch = Batch::new();
    for leaf in leaves {
        batch.push(*leaf, 1).expect("all differ");
    }
    let node = NodeClient::new(cluster.url(0)).expect("an address");
    let mut anchorer = Anchorer::new(node, key, cluster.chain_id());
    anchorer.anchor(AnchorKind::Data, &batch).await.expect("a valid anchor");
    let path = format!("/v1/receipts/{}", leaves[0]);
    until("the batch in a block", async || cluster.get(0, &path).await).await;
}

/// Fetches the receipt of a file in `format`; gives the receipt's file.
pub fn fetch(cluster: &Cluster, file: &Path, format: &str) -> PathBuf {
    let hash = sha256(&[&std::fs::read(file).expect("a file")]).to_string();
    let out = file.with_extension(format);
    let mut get = dronechain(&["receipt", "get", &hash, "--format", format, "--out", text(&out)]);
    run_json(get.args(["--node", cluster.url(0)]));
    out
}
