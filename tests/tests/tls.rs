//! Nodes whose HTTP port is encrypted, asked by clients that are ours and by one that is not.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use dronechain_client::{Client, ClientError, NodeClient, ProducerConfig, Roots};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::process::{program, run};
use dronechain_tests::soak::{admit, controller, record};
use dronechain_tests::wait::until;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

const WAIT: Duration = Duration::from_secs(60);
/// How curl ends when the sides do not agree on TLS.
const NOT_AGREED: i32 = 35;
/// How it ends when nobody vouches for a certificate.
const NOT_TRUSTED: i32 = 60;
/// The time that a node leaves for a handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Connections; a node keeps 1,024.
const MORE_THAN_ROOM: usize = 1_100;

/// An authority of the test's own, and where its certificate is.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    path: PathBuf,
}

impl Authority {
    fn new(path: PathBuf) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
        parameters.distinguished_name.push(DnType::CommonName, path.display().to_string());
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        std::fs::write(&path, parameters.self_signed(&key).expect("a certificate").pem()).expect("a file");
        Self { issuer: Issuer::new(parameters, key), path }
    }

    /// Writes a certificate for the loopback address and its key.
    fn vouch(&self, files: &Files) {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        parameters.distinguished_name.push(DnType::CommonName, "a node");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(&files.key, key.serialize_pem()).expect("a file");
        std::fs::write(&files.certificates, certificate.pem()).expect("a file");
    }

    fn roots(&self) -> Roots {
        Roots::read(&self.path).expect("a root")
    }
}

/// Where a node's certificate and key are.
struct Files {
    certificates: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(cluster: &Cluster) -> Self {
        Self { certificates: cluster.path("node.crt"), key: cluster.path("tls.key") }
    }
}

/// A node that has been started with these files.
async fn started(cluster: &mut Cluster, files: &Files) {
    let text = |path: &Path| path.display().to_string();
    let (certificates, key) = (text(&files.certificates), text(&files.key));
    cluster.start(0, &["--tls-certificates", &certificates, "--tls-key", &key]).await;
}

/// What curl says of the node's tip; the code it ended with if it did not get there.
fn curl(cluster: &Cluster, scheme: &str, words: &[&str]) -> Result<String, Option<i32>> {
    let url = format!("{scheme}://{}/v1/tip", address(cluster));
    let output = run(Command::new("curl").args(["-sS", "--fail", "--max-time", "20"]).args(words).arg(url));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { Err(output.status.code()) }
}

fn address(cluster: &Cluster) -> &str {
    cluster.url(0).strip_prefix("http://").expect("an address")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_trust_the_nodes_authority_are_served_and_nobody_else() {
    let mut cluster = Cluster::new(1, |_| {});
    let (ours, other) = (Authority::new(cluster.path("ours.crt")), Authority::new(cluster.path("other.crt")));
    let files = Files::of(&cluster);
    ours.vouch(&files);
    cluster.start(0, &[]).await;
    admit(&cluster, &controller()).await;
    cluster.kill(0);
    started(&mut cluster, &files).await;

    let ca = |authority: &Authority| authority.path.display().to_string();
    let told = curl(&cluster, "https", &["--cacert", &ca(&ours)]).expect("an answer");
    assert!(told.contains("\"height\""), "{told}");
    assert_eq!(curl(&cluster, "https", &["--cacert", &ca(&other)]), Err(Some(NOT_TRUSTED)));
    assert_eq!(curl(&cluster, "https", &[]), Err(Some(NOT_TRUSTED)));
    let old = ["--cacert", &ca(&ours), "--tls-max", "1.1"];
    assert_eq!(curl(&cluster, "https", &old), Err(Some(NOT_AGREED)));
    assert!(curl(&cluster, "http", &[]).is_err());

    // Ours: a record from the producer to its block, by calls, events and receipts.
    let url = format!("https://{}", address(&cluster));
    let builder = Client::builder([url.clone()]).roots(ours.roots());
    let client = builder.open(cluster.path("client")).await.expect("a client");
    let mut config = ProducerConfig::default();
    (config.linger, config.confirmations) = (Duration::from_millis(10), 2);
    let producer = client.producer(controller()).config(config).open().expect("a producer");
    let pending = producer.send(record(1)).await.expect("it is taken");
    let receipt = pending.confirmations_within(2, WAIT).await.expect("delivered");
    assert_eq!(receipt.chain_id, cluster.chain_id());
    producer.close(WAIT).await.expect("closed");

    for node in [NodeClient::trusting(&url, &other.roots()), NodeClient::new(&url)] {
        let refused = node.expect("an address").status().await.expect_err("nobody vouches for it");
        assert!(
            matches!(&refused, ClientError::Unreachable { reason, .. } if reason.contains("UnknownIssuer")),
            "{refused}"
        );
    }
    // The program takes the system's roots, which are those of the variable.
    let headers = |roots: &Authority| {
        let mut command = Command::new(program("dronechain"));
        command.args(["headers", "export", "--node", &url, "--out"]).arg(cluster.path("headers"));
        run(command.env("SSL_CERT_FILE", &roots.path))
    };
    let told = headers(&ours);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = headers(&other);
    let words = String::from_utf8_lossy(&told.stderr);
    assert!(!told.status.success() && words.contains("UnknownIssuer"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewed_certificate_needs_no_restart_and_one_that_cannot_be_used_changes_nothing() {
    let mut cluster = Cluster::new(1, |_| {});
    let (before, after) =
        (Authority::new(cluster.path("before.crt")), Authority::new(cluster.path("after.crt")));
    let files = Files::of(&cluster);
    before.vouch(&files);
    started(&mut cluster, &files).await;
    let is_served = |authority: &Authority| {
        let path = authority.path.display().to_string();
        curl(&cluster, "https", &["--cacert", &path]).is_ok()
    };
    assert!(is_served(&before) && !is_served(&after));
    after.vouch(&files);
    until("the new certificate", async || is_served(&after).then_some(())).await;
    assert!(!is_served(&before));

    let key = std::fs::read(&files.key).expect("a key");
    before.vouch(&files);
    std::fs::write(&files.key, key).expect("a file");
    until("a warning", async || cluster.log(0).contains("cannot be used").then_some(())).await;
    assert!(is_served(&after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_instead_of_beginning_with_tls_keeps_nobody_out() {
    let mut cluster = Cluster::new(1, |_| {});
    let ours = Authority::new(cluster.path("ours.crt"));
    let files = Files::of(&cluster);
    ours.vouch(&files);
    started(&mut cluster, &files).await;
    let path = ours.path.display().to_string();
    for _ in 0..5 {
        let begun = Instant::now();
        let mut silent: Vec<_> = (0..MORE_THAN_ROOM)
            .map(|_| TcpStream::connect(address(&cluster)).expect("a connection"))
            .collect();
        curl(&cluster, "https", &["--cacert", &path]).expect("an answer");
        let mut read = |at: usize| {
            let silent: &mut TcpStream = &mut silent[at];
            silent.set_read_timeout(Some(Duration::from_millis(500))).expect("a time limit");
            silent.read(&mut [0]).map_err(|error| error.kind())
        };
        let (first, last) = (read(0), read(MORE_THAN_ROOM - 1));
        // Later, all would be closed for want of a handshake.
        if begun.elapsed() < HANDSHAKE_MAX {
            // The one that had been silent longest made room, and one that had not is there.
            assert!(matches!(first, Ok(0) | Err(ErrorKind::ConnectionReset)), "{first:?}");
            assert!(matches!(last, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{last:?}");
            return;
        }
    }
    panic!("too slow to tell");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_that_is_signed_with_its_own_key_is_trusted_by_who_names_it() {
    let mut cluster = Cluster::new(1, |_| {});
    let files = Files::of(&cluster);
    let key = KeyPair::generate().expect("a key");
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = parameters.self_signed(&key).expect("a certificate").pem();
    std::fs::write(&files.key, key.serialize_pem()).expect("a file");
    std::fs::write(&files.certificates, &certificate).expect("a file");
    started(&mut cluster, &files).await;
    let url = format!("https://{}", address(&cluster));
    let roots = Roots::pem(certificate.as_bytes()).expect("a certificate");
    let node = NodeClient::trusting(&url, &roots).expect("an address");
    node.status().await.expect("an answer");
    assert!(NodeClient::new(&url).expect("an address").status().await.is_err());
}

#[test]
fn certificate_without_its_key_is_refused_at_the_start() {
    let cluster = Cluster::new(1, |_| {});
    let ours = Authority::new(cluster.path("ours.crt"));
    let files = Files::of(&cluster);
    ours.vouch(&files);
    let (certificates, key) = (files.certificates.display().to_string(), files.key.display().to_string());
    let refused = |words: &[&str]| {
        let output = run(&mut cluster.command(0, words));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = refused(&["--tls-certificates", &certificates]);
    assert!(code == Some(2) && told.contains("--tls-key"), "{code:?} {told}");
    let none = cluster.path("none").display().to_string();
    let (code, told) = refused(&["--tls-certificates", &certificates, "--tls-key", &none]);
    assert!(code == Some(3) && told.contains(&none), "{code:?} {told}");
    let (code, told) = refused(&["--tls-certificates", &key, "--tls-key", &key]);
    assert!(code == Some(3) && told.contains(&key), "{code:?} {told}");
    let foreign = Files { certificates: cluster.path("other.crt"), key: cluster.path("other.key") };
    ours.vouch(&foreign);
    let foreign = foreign.key.display().to_string();
    let (code, told) = refused(&["--tls-certificates", &certificates, "--tls-key", &foreign]);
    assert!(code == Some(3) && told.contains(&foreign), "{code:?} {told}");
}
