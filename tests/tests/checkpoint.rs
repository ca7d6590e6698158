//! Headers and receipts from a trusted checkpoint on, by the commands of a user.

use std::path::Path;
use std::process::Output;

use dronechain_tests::anchored::{anchored, fetch, text};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::fleet::dronechain;
use dronechain_tests::process::{run, run_json};
use serde_json::Value;

/// `dronechain headers checkpoint` at `height`: the file's id.
fn checkpoint(headers: &Path, height: u64, out: &Path, trust: &[&str]) -> String {
    let height = height.to_string();
    let mut make = dronechain(&["headers", "checkpoint", "--headers", text(headers), "--height", &height]);
    let made = run_json(make.args(["--out", text(out)]).args(trust));
    assert_eq!(made["height"].to_string(), height, "{made}");
    made["id"].as_str().expect("an id").to_owned()
}

fn export(cluster: &Cluster, out: &Path, more: &[&str]) -> Output {
    let mut export = dronechain(&["headers", "export", "--node", cluster.url(0), "--out", text(out)]);
    run(export.args(more))
}

fn verify(file: &Path, receipt: &Path, headers: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut verify =
        dronechain(&["receipt", "verify", text(file), text(receipt), "--headers", text(headers)]);
    let output = run(verify.args(more));
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn refused(output: &Output, part: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(part), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_verify_with_headers_that_begin_at_a_trusted_checkpoint_and_with_no_other() {
    let (cluster, files) = anchored().await;
    let receipts: Vec<_> = files.iter().map(|file| fetch(&cluster, file, "v2")).collect();
    let [whole, begun, later, below, above, further] =
        ["whole.bin", "begun.bin", "later.bin", "below.checkpoint", "above.checkpoint", "further.checkpoint"]
            .map(|name| cluster.path(name));
    assert!(export(&cluster, &whole, &[]).status.success());
    let mut verified = dronechain(&["receipt", "verify", text(&files[0]), text(&receipts[0])]);
    let height = run_json(verified.args(["--headers", text(&whole)]))["height"].as_u64().expect("a height");
    cluster.reaches(0, height + 3).await;
    assert!(export(&cluster, &whole, &[]).status.success());

    let id = checkpoint(&whole, height - 1, &below, &[]);
    assert_eq!(checkpoint(&whole, height - 1, &above, &[]), id, "the same of the same chain");
    let trust = ["--trust", &id];
    let begin = ["--checkpoint", text(&below), "--trust", &id];
    let output = export(&cluster, &begun, &begin);
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["chain_id"], cluster.chain_id().to_string());
    for (file, receipt) in files.iter().zip(&receipts) {
        assert_eq!(verify(file, receipt, &begun, &trust).0, Some(0));
    }

    // Trusted by its id alone: not unasked, not by another one, not a file that was altered.
    let other = checkpoint(&whole, height + 1, &above, &[]);
    assert_ne!(other, id);
    for trust in [&[][..], &["--trust", &other]] {
        let (code, error) = verify(&files[0], &receipts[0], &begun, trust);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains("header"), "{error}");
        refused(&export(&cluster, &begun, trust), "");
    }
    refused(&export(&cluster, &later, &["--checkpoint", text(&below), "--trust", &other]), "header");
    let bytes = std::fs::read(&below).expect("a checkpoint");
    for at in [bytes.len() / 4, bytes.len() / 2, bytes.len() - 1] {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let file = cluster.path("altered.checkpoint");
        std::fs::write(&file, altered).expect("written");
        refused(&export(&cluster, &later, &["--checkpoint", text(&file), "--trust", &id]), "");
    }
    assert!(!later.exists(), "nothing is begun by what is refused");

    // Brought up to date, it goes on from where it was; and a checkpoint may be made of it.
    let (tip, _) = cluster.tip(0).await.expect("a tip");
    cluster.reaches(0, tip + 2).await;
    assert!(export(&cluster, &begun, &trust).status.success());
    assert_eq!(checkpoint(&begun, height + 1, &further, &trust), other);
    // Receipts from below a checkpoint are beyond what its headers can show.
    let output = export(&cluster, &later, &["--checkpoint", text(&further), "--trust", &other]);
    assert!(output.status.success(), "{output:?}");
    let (code, error) = verify(&files[0], &receipts[0], &later, &["--trust", &other]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("header"), "{error}");
    // And a checkpoint that the headers do not reach is none.
    let mut none = dronechain(&["headers", "checkpoint", "--headers", text(&later), "--trust", &other]);
    none.args(["--height", "99999999", "--out", text(&above)]);
    refused(&run(&mut none), "99999999");
}
