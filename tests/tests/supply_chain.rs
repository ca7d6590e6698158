//! What is built is what was chosen: crates above the versions with known flaws, pinned ones as pinned,
//! banned ones not at all.
//!
//! `cargo deny` knows the published advisories, but not all of them are published there, and it is not
//! everywhere. These lists need nothing but the files in the tree.

use std::collections::BTreeSet;
use std::process::Command;

/// A crate, and the version below which it must not be, in none of its copies.
struct Least {
    name: &'static str,
    version: &'static str,
    why: &'static str,
}

const fn least(name: &'static str, version: &'static str, why: &'static str) -> Least {
    Least { name, version, why }
}

/// In Cargo.lock, so also for features that are not built.
const LEAST: &[Least] = &[
    // What talks to peers.
    least(
        "libp2p-gossipsub",
        "0.50.1",
        "PRUNE for topics not joined (GHSA-vrx6-jcp8-vm7m), GRAFT without bound (GHSA-g3g5-x568-qvqx), crash by \
         PRUNE's backoff (GHSA-gc42-3jg7-rxr2, GHSA-xqmp-fxgv-xvq5); not in the RustSec database",
    ),
    least(
        "yamux",
        "0.14.1",
        "crashes by frames of any peer (CVE-2026-31814, CVE-2026-32314); not in the RustSec database",
    ),
    least("libp2p-core", "0.32.0", "peer records by others (RUSTSEC-2022-0009)"),
    least("libp2p-identity", "0.2.3", "double public key signing (RUSTSEC-2022-0093)"),
    least("snow", "0.9.5", "nonces counted on by unauthenticated messages (RUSTSEC-2024-0011)"),
    least("ring", "0.17.12", "AES panics where overflow is checked, as it is here (RUSTSEC-2025-0009)"),
    least("aes-gcm", "0.10.3", "plaintext left behind a failed decryption (RUSTSEC-2023-0096)"),
    least("quinn-proto", "0.11.14", "crash by transport parameters (RUSTSEC-2026-0037)"),
    least("libp2p-quic", "0.13.1", "GHSA-5hq8-qhww-jm7q"),
    least("rustls", "0.23.18", "endless loop and crash in the handshake (RUSTSEC-2024-0336, 0399)"),
    least(
        "rustls-webpki",
        "0.103.13",
        "name constraints, crash by revocation lists (RUSTSEC-2026-0098, 0099, 0104)",
    ),
    // What signs and hashes.
    least("curve25519-dalek", "4.1.3", "timing of scalar subtraction (RUSTSEC-2024-0344)"),
    least("ed25519-dalek", "2.0.0", "double public key signing (RUSTSEC-2022-0093)"),
    least("ruint", "1.17.1", "unsound reciprocals (RUSTSEC-2025-0137)"),
    // What serves HTTP.
    least("axum-core", "0.3.0", "bodies without a limit (RUSTSEC-2022-0055)"),
    least("hyper", "0.14.10", "request smuggling, overflow of chunk sizes (RUSTSEC-2021-0078, 0079)"),
    least("h2", "0.4.4", "flood of CONTINUATION frames (RUSTSEC-2024-0332)"),
    least("idna", "1.0.0", "names that differ and compare equal (RUSTSEC-2024-0421)"),
    // What stores.
    least("rocksdb", "0.19.0", "out-of-bounds read on opening column families (RUSTSEC-2022-0046)"),
    least("sqlx", "0.8.1", "lengths cut to 32 bits (RUSTSEC-2024-0363)"),
    least("libsqlite3-sys", "0.25.1", "SQLite's CVE-2022-35737 (RUSTSEC-2022-0090)"),
    // Below all of them.
    least("tokio", "1.44.2", "unsound broadcast channel (RUSTSEC-2025-0023)"),
    least("mio", "0.8.11", "tokens of closed pipes (RUSTSEC-2024-0019)"),
    least("bytes", "1.11.1", "overflow in BytesMut::reserve (RUSTSEC-2026-0007)"),
    least("tracing-subscriber", "0.3.20", "terminal escapes of others in the log (RUSTSEC-2025-0055)"),
    least("crossbeam-channel", "0.5.15", "double free (RUSTSEC-2025-0024)"),
    least("slab", "0.4.11", "out-of-bounds access (RUSTSEC-2025-0047)"),
    least("smallvec", "1.6.1", "overflow in insert_many (RUSTSEC-2021-0003)"),
    least("thread_local", "1.1.4", "race in its iterator (RUSTSEC-2022-0006)"),
    least("regex", "1.5.5", "patterns that take forever (RUSTSEC-2022-0013)"),
    least("time", "0.3.47", "stack exhausted by a date (RUSTSEC-2026-0009)"),
    least("zerocopy", "0.7.31", "unsound references (RUSTSEC-2023-0074)"),
    least("num-bigint", "0.4.3", "crash on multiplication (GHSA-v935-pqmr-g8v9)"),
];

/// Crates with one right version.
const EXACT: &[Least] = &[least("bincode", "2.0.1", "the last release that works; the layouts rest on it")];

/// Crates of which Cargo.lock must not even have a copy that is not built.
const ABSENT: &[&str] = &["openssl", "openssl-sys", "native-tls", "async-std", "libp2p-mplex", "zstd-sys"];

/// Crates by name and version.
type Packages = BTreeSet<(String, String)>;

/// All packages of a Cargo.lock.
fn packages(lock: &str) -> Packages {
    let value = |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_matches('"').to_owned());
    let package = |text: &str| {
        let name = text.lines().find_map(|line| value(line, "name = "))?;
        Some((name, text.lines().find_map(|line| value(line, "version = "))?))
    };
    lock.split("[[package]]").filter_map(package).collect()
}

/// Orders versions: numbers, then a release behind its candidates. What follows a `+` does not count.
fn rank(version: &str) -> (Vec<u64>, bool) {
    let version = version.split('+').next().expect("split gives at least one part");
    let (numbers, is_release) =
        version.split_once('-').map_or((version, true), |(numbers, _)| (numbers, false));
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{version} is no version"));
    (numbers.split('.').map(number).collect(), is_release)
}

fn versions<'a>(packages: &'a Packages, name: &str) -> Vec<&'a str> {
    packages.iter().filter(|(found, _)| found == name).map(|(_, version)| version.as_str()).collect()
}

/// What of `lock` breaks the lists, one line each.
fn faults(lock: &str, least: &[Least], exact: &[Least], absent: &[&str]) -> Vec<String> {
    let packages = packages(lock);
    let mut faults = Vec::new();
    for (Least { name, version, why }, is_exact) in
        least.iter().map(|one| (one, false)).chain(exact.iter().map(|one| (one, true)))
    {
        let found = versions(&packages, name);
        if found.is_empty() {
            faults.push(format!("{name} is listed but no longer in Cargo.lock: remove its line"));
        }
        for found in found {
            let (right, word) =
                if is_exact { (found == *version, "") } else { (rank(found) >= rank(version), " or above") };
            if !right {
                faults.push(format!("{name} {found} where {version}{word} is wanted: {why}"));
            }
        }
    }
    for name in absent {
        let found = versions(&packages, name);
        faults.extend(found.iter().map(|version| format!("{name} {version} is banned (deny.toml)")));
    }
    faults
}

fn read(path: &str) -> String {
    let path = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Crates that deny.toml bans in every version; each stands in a line of its own.
fn banned(deny: &str) -> Vec<&str> {
    let entries = deny.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \""));
    let names = entries.filter_map(|entry| Some(entry.split_once('"')?.0));
    names.filter(|name| !name.contains(':')).collect()
}

#[test]
fn locked_crates_are_above_known_flaws() {
    let faults = faults(&read("Cargo.lock"), LEAST, EXACT, ABSENT);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_fuzzed_is_what_is_built() {
    let ours = packages(&read("Cargo.lock"));
    let fuzzed = packages(&read("tests/fuzz/Cargo.lock"));
    // The fuzz crate itself and its engine.
    let own = ["dronechain-fuzz", "libfuzzer-sys", "arbitrary"];
    let other = fuzzed.difference(&ours).find(|(name, _)| !own.contains(&name.as_str()));
    assert_eq!(other, None, "copy Cargo.lock to tests/fuzz and run cargo metadata there");
}

#[test]
fn what_python_loads_is_what_is_built() {
    let ours = packages(&read("Cargo.lock"));
    let wheel = packages(&read("client/python/Cargo.lock"));
    // The package itself and what binds it to the interpreter.
    let is_own =
        |name: &str| name == "dronechain-python" || name == "target-lexicon" || name.starts_with("pyo3");
    let other = wheel.difference(&ours).find(|(name, _)| !is_own(name));
    assert_eq!(other, None, "copy Cargo.lock to client/python and run cargo metadata there");
    assert!(wheel.iter().any(|(name, _)| name == "pyo3"), "the list of crates is read");
    let found: Vec<_> = ABSENT.iter().flat_map(|name| versions(&wheel, name)).collect();
    assert!(found.is_empty(), "banned by deny.toml and locked: {found:?}");
}

#[test]
fn nothing_banned_is_built() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--workspace", "--locked", "--manifest-path", manifest]);
    // Outside tests, which may use what is banned elsewhere.
    command.args(["--target", "all", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names are text");
    let built: BTreeSet<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(built.contains("libp2p") && built.contains("dronechain-node"), "the list of crates is read");
    let deny = read("deny.toml");
    let banned = banned(&deny);
    for name in ABSENT {
        assert!(banned.contains(name), "{name} is missing in deny.toml");
    }
    let found: Vec<_> = banned.into_iter().filter(|name| built.contains(name)).collect();
    assert!(found.is_empty(), "banned by deny.toml and built: {found:?}");
}

/// A lock file with these packages.
fn lock(packages: &[(&str, &str)]) -> String {
    let package = |(name, version): &(&str, &str)| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = [\n \"other\",\n]\n\n"
        )
    };
    ["version = 4\n\n".to_owned()].into_iter().chain(packages.iter().map(package)).collect()
}

const WANTED: &[Least] = &[least("yamux", "0.14.1", "crashes")];

#[test]
fn a_version_below_the_least_is_named_with_the_reason() {
    let faults = |version| faults(&lock(&[("yamux", version)]), WANTED, &[], &[]);
    for good in ["0.14.1", "0.14.2", "0.15.0", "1.0.0", "0.14.10", "0.14.1+build"] {
        assert_eq!(faults(good), Vec::<String>::new(), "{good}");
    }
    for bad in ["0.14.0", "0.13.10", "0.9.0", "0.14.1-rc.1"] {
        assert_eq!(faults(bad), [format!("yamux {bad} where 0.14.1 or above is wanted: crashes")]);
    }
}

#[test]
fn every_copy_of_a_crate_counts() {
    let lock =
        lock(&[("yamux", "0.12.1"), ("yamux", "0.13.9"), ("yamux", "0.14.1"), ("yamux-extra", "0.1.0")]);
    assert_eq!(faults(&lock, WANTED, &[], &[]).len(), 2);
}

#[test]
fn a_listed_crate_that_vanished_is_a_stale_list() {
    let faults = faults(&lock(&[("yamux2", "9.0.0")]), WANTED, WANTED, &[]);
    let stale = "yamux is listed but no longer in Cargo.lock: remove its line";
    assert_eq!(faults, [stale, stale]);
}

#[test]
fn pinned_crates_have_just_their_version_and_banned_ones_none() {
    let pinned = &[least("bincode", "2.0.1", "works")];
    let faults =
        |version, other| faults(&lock(&[("bincode", version), (other, "1.0.0")]), &[], pinned, &["openssl"]);
    assert_eq!(faults("2.0.1", "hex"), Vec::<String>::new());
    assert_eq!(faults("3.0.0", "hex"), ["bincode 3.0.0 where 2.0.1 is wanted: works"]);
    assert_eq!(faults("2.0.1", "openssl"), ["openssl 1.0.0 is banned (deny.toml)"]);
}

#[test]
fn bans_are_read_line_by_line() {
    let deny =
        "deny = [\n    { crate = \"openssl\", reason = \"C\" },\n    { crate = \"bincode:<2.0.1\" },\n]\n";
    assert_eq!(banned(deny), ["openssl"]);
}
