//! Controller and cloud server as the binary starts them.

use std::process::Command;

fn dronechain() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dronechain"))
}

#[test]
fn service_with_a_wrong_configuration_ends_with_the_code_of_usage() {
    let dir = tempfile::tempdir().expect("a folder");
    let (data, key) = (dir.path().join("data"), dir.path().join("key"));
    let keygen = dronechain().args(["keygen", "--out"]).arg(&key).output().expect("it runs");
    assert!(keygen.status.success(), "{keygen:?}");
    let file = dir.path().join("service.toml");
    for (text, told) in [
        ("nodes = [\"http://127.0.0.1:1\"]\nnonsense = 1\n", "nonsense"),
        ("nodes = [\"http://127.0.0.1:1\"\n", "line 1"),
        ("nodes = [\"127.0.0.1\"]\n", "127.0.0.1"),
        ("nodes = [\"http://127.0.0.1:1\"]\nconfirmations = 0\n", "confirmations"),
    ] {
        std::fs::write(&file, text).expect("a file");
        for service in ["controller", "cloud"] {
            let mut run = dronechain();
            run.args([service, "run", "--config"]).arg(&file).arg("--data").arg(&data);
            if service == "controller" {
                run.arg("--key").arg(&key);
            }
            let output = run.output().expect("it runs");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(2) && error.contains(told), "{service}: {output:?}");
        }
    }
}
