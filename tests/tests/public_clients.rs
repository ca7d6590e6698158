//! Receipts of a real node, read and verified by the public Chainpoint tools as they come from npm.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::merkle;
use dronechain_tests::anchored::{anchored, fetch, text};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::fleet::dronechain;
use dronechain_tests::process::{run, run_json};
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The folder with the tools, installed now if need be; none if that cannot be done here.
fn tools() -> Option<PathBuf> {
    let mut shell = Command::new("bash");
    shell.args(["-c", ". scripts/lib.sh && public_clients"]).current_dir(ROOT);
    let output = run(&mut shell);
    if !output.status.success() {
        println!("skipped: no public clients: {}", String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    Some(PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim()))
}

fn verify(cluster: &Cluster, file: &Path, receipt: &Path) -> Output {
    let headers = cluster.path("headers.bin");
    run(dronechain(&["receipt", "verify", text(file), text(receipt)]).args(["--headers", text(&headers)]))
}

/// The receipts of all files in every format, as the calls for whole batches give them.
async fn receipts_of_batch(cluster: &Cluster, files: &[PathBuf]) -> Vec<[Value; 3]> {
    let hash = |file| sha256(&[&std::fs::read(file).expect("a file")]);
    let root = merkle::root(&files.iter().map(hash).collect::<Vec<_>>());
    let path = format!("/v1/bodies/{root}/{}/receipts", files.len());
    let host = cluster.url(0).trim_start_matches("http://");
    let [v2, v4, binary] = [
        (path.clone(), "receipts"),
        (format!("{path}/v4?host={host}"), "proofs"),
        (format!("{path}/v4-binary?host={host}"), "proofs"),
    ]
    .map(async |(path, list)| {
        let page = cluster.get(0, &path).await.unwrap_or_else(|| panic!("no answer: {path}"));
        page[list].as_array().expect("a list").clone()
    });
    let (v2, v4, binary) = tokio::join!(v2, v4, binary);
    v2.into_iter().zip(v4).zip(binary).map(|((v2, v4), binary)| [v2, v4, binary]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn public_tools_read_the_proofs_and_verify_them_against_a_running_node() {
    let Some(tools) = tools() else { return };
    let (cluster, files) = anchored().await;
    let of_batch = receipts_of_batch(&cluster, &files).await;
    for at in [0, 3, 6] {
        let file = &files[at];
        let [v2, v4, binary] = ["v2", "v4", "v4-binary"].map(|format| fetch(&cluster, file, format));
        let read = |file| std::fs::read(file).expect("a receipt");
        let json = |file| serde_json::from_slice::<Value>(&read(file)).expect("JSON");
        assert_eq!(of_batch[at], [json(&v2), json(&v4), hex::encode(read(&binary)).into()]);
        let written = file.with_extension("written");
        let mut check = Command::new("node");
        check.arg(Path::new(ROOT).join("tests/clients/check.js")).arg(&tools);
        let found = run_json(check.args([&v2, &v4, &binary]).arg(cluster.url(0)).arg(&written));
        let height = found["anchors"][0]["anchor_id"].as_str().expect("a height").to_owned();
        let host = cluster.url(0);
        let block = cluster.get(0, &format!("/calendar/{height}/data")).await.expect("a block's hash");
        let anchor = json!({
            "type": "cal",
            "anchor_id": height,
            "uris": [format!("{host}/calendar/{height}/data")],
            "expected_value": block,
        });
        assert_eq!(found["anchors"], json!([anchor]));
        assert_eq!((&found["schema"], &found["read"]), (&true.into(), &true.into()), "{found}");
        assert_eq!(found["verified"], json!([true]), "{found}");
        assert_eq!(found["verified_binary"], json!([true]), "{found}");
        assert_eq!(found["verified_forged"], json!([false]), "{found}");
        // The v2 validator knows two blockchains and no other; all else of our receipts it accepts.
        assert_eq!(
            found["v2"],
            json!({"isValid": false, "error": "Invalid anchor type - DroneChain"}),
            "{found}"
        );
        assert_eq!(found["v2_known"]["isValid"], true, "{found}");
        assert_eq!(found["v2_broken"]["isValid"], false, "{found}");
        // And ours reads what the public codec writes.
        let mut export = dronechain(&["headers", "export", "--out", text(&cluster.path("headers.bin"))]);
        run_json(export.args(["--node", cluster.url(0)]));
        for receipt in [&v2, &v4, &binary, &written] {
            let output = verify(&cluster, file, receipt);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let verdict: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(verdict["verdict"], "authority-unchecked");
            let output = verify(&cluster, &files[1], receipt);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
        }
    }
}
