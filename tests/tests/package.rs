//! `scripts/deb`: the package's programs run from a scratch root, and its units are sound.

use std::path::Path;
use std::process::Command;

use dronechain_tests::anchored::text;
use dronechain_tests::process::run;

fn has(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
    found.is_ok_and(|output| output.status.success())
}

fn said(command: &mut Command) -> String {
    let output = run(command);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.into_owned()
}

#[test]
fn package_unpacks_into_programs_that_run() {
    if !has("dpkg-deb") {
        println!("skipped: no dpkg-deb here");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut make = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/deb"));
    let package = said(make.arg("--out").arg(folder.path()));
    let package = package.trim();
    let root = folder.path().join("root");
    said(Command::new("dpkg").args(["-x", package, text(&root)]));
    for (program, is) in [("dronechain-node", "dronechain-node "), ("dronechain", "dronechain ")] {
        let path = root.join("usr/bin").join(program);
        assert!(said(Command::new(&path).arg("--version")).starts_with(is));
    }
    let example = root.join("usr/share/doc/dronechain/examples/node.toml");
    let shown = said(
        Command::new(root.join("usr/bin/dronechain-node")).args(["config", "show", "--config"]).arg(example),
    );
    assert!(shown.contains("listen = \"/ip4/0.0.0.0/tcp/7600\""), "{shown}");
    for file in [
        "usr/lib/systemd/system/dronechain-node@.service",
        "usr/lib/systemd/system/dronechain-controller@.service",
        "usr/lib/systemd/system/dronechain-cloud@.service",
        "usr/lib/sysusers.d/dronechain.conf",
        "usr/share/man/man1/dronechain-node.1.gz",
        "usr/share/man/man1/dronechain-admin-sign.1.gz",
        "usr/share/bash-completion/completions/dronechain",
        "usr/share/doc/dronechain/operating.md",
        "usr/share/doc/dronechain/copyright",
    ] {
        assert!(root.join(file).exists(), "{file}");
    }
    let described = said(Command::new("dpkg-deb").args(["--field", package, "Depends", "Version"]));
    assert!(described.contains("libc6 (>= 2."), "{described}");
    let listed = said(Command::new("dpkg-deb").args(["--contents", package]));
    assert!(listed.lines().all(|line| line.contains("root/root")), "{listed}");
}

/// The most that systemd counts against a unit, of 10 (as 100); lower is better.
const EXPOSURE_MAX: u32 = 20;

#[test]
fn units_are_sound_and_hardened() {
    if !has("systemd-analyze") {
        println!("skipped: no systemd-analyze here");
        return;
    }
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/packaging");
    for unit in ["dronechain-node@.service", "dronechain-controller@.service", "dronechain-cloud@.service"] {
        let output =
            run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(packaging.join(unit)));
        let err = String::from_utf8_lossy(&output.stderr);
        // The programs are not installed where the test runs; of other units we do not judge.
        let ours = err.lines().filter(|line| line.contains(unit.trim_end_matches(".service")));
        let bad: Vec<_> = ours.filter(|line| !line.contains("is not executable")).collect();
        assert!(bad.is_empty(), "{bad:?}");
        let threshold = format!("--threshold={EXPOSURE_MAX}");
        said(
            Command::new("systemd-analyze")
                .args(["security", "--offline=true", &threshold])
                .arg(packaging.join(unit)),
        );
    }
}
