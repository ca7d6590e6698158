//! `run` and `config show`: the configuration gathered, shown, and a node run with it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use dronechain_node::config::{Config, Key, Setting, Settings};
use dronechain_node::logging::{self, LogError, LogFilter};
use dronechain_node::shell::{self, NodeError};
use dronechain_node::specfile;
use dronechain_node::store::{self, Options, Recovery};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::network::now_ms;
use super::{Code, Failure, Output, files};

/// Settings as flags; each wins over environment and file.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// The configuration file [default: node.toml in the data folder, if there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of everything that the node keeps.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// The chain spec [default: network.toml in the data folder].
    #[arg(long, value_name = "FILE")]
    spec: Option<String>,
    /// The node's key file [default: node.key in the data folder].
    #[arg(long, value_name = "FILE")]
    key: Option<String>,
    /// A secret that all nodes share, as 64 hex digits; who does not have it gets no further than TCP.
    #[arg(long, value_name = "FILE")]
    preshared_key: Option<String>,
    /// Where peers connect, e.g. /ip4/0.0.0.0/tcp/7600; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where the HTTP port is, e.g. 127.0.0.1:7700; port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT")]
    http: Option<String>,
    /// The HTTP port's certificate and those that lead to its root, in PEM, for TLS. Read again when it changes.
    #[arg(long, value_name = "FILE")]
    tls_certificates: Option<String>,
    /// The private key of that certificate, in PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// A peer to stay connected to, e.g. /dns4/node2/tcp/7600; once for each.
    #[arg(long = "peer", value_name = "ADDR")]
    peers: Vec<String>,
    /// Requests that one address may make a second, and twice as many at once; 0 does not limit them.
    #[arg(long, value_name = "NUMBER")]
    requests_per_s: Option<String>,
    /// Submissions that one key may make a second, and twice as many at once; 0 does not limit them.
    #[arg(long, value_name = "NUMBER")]
    submissions_per_s: Option<String>,
    /// Share of one thread to mine with, up to 1; 0 switches mining off.
    #[arg(long, value_name = "SHARE")]
    mining_share: Option<String>,
    /// Free space, in MiB, below which nothing is taken in; 0 does not watch it.
    #[arg(long, value_name = "MIB")]
    min_free_mib: Option<String>,
    /// Rows of the ledger that are read and checked a second; 0 switches that off.
    #[arg(long, value_name = "ROWS")]
    scrub_rows_per_s: Option<String>,
    /// What to log to stderr, e.g. info or info,dronechain_node=debug.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Log lines of JSON.
    #[arg(long)]
    log_json: bool,
    /// A file that gets a line of JSON with the addresses once both ports are bound.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<String>,
    /// A block whose chain to follow if it is heavier, however deep it leaves ours: the answer to a finality
    /// alarm.
    #[arg(long, value_name = "HASH")]
    follow: Option<String>,
}

/// How to run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Bring a damaged ledger back as far as it goes, and sync the rest from peers. What was acknowledged and
    /// is on no peer may be lost; the log tells.
    #[arg(long)]
    recover: bool,
}

impl Flags {
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let some = [
            (Key::Data, &self.data),
            (Key::Spec, &self.spec),
            (Key::Key, &self.key),
            (Key::PresharedKey, &self.preshared_key),
            (Key::Listen, &self.listen),
            (Key::Http, &self.http),
            (Key::TlsCertificates, &self.tls_certificates),
            (Key::TlsKey, &self.tls_key),
            (Key::LimitsRequests, &self.requests_per_s),
            (Key::LimitsSubmissions, &self.submissions_per_s),
            (Key::MiningShare, &self.mining_share),
            (Key::StorageMinFree, &self.min_free_mib),
            (Key::StorageScrub, &self.scrub_rows_per_s),
            (Key::LogFilter, &self.log),
            (Key::ReadyFile, &self.ready_file),
            (Key::Follow, &self.follow),
        ];
        let mut flags: BTreeMap<_, _> =
            some.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect();
        if !self.peers.is_empty() {
            flags.insert(Key::Peers, self.peers.join(","));
        }
        if self.log_json {
            flags.insert(Key::LogJson, true.to_string());
        }
        // Names and values that are no text cannot be settings.
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Ok(Settings::gather(&flags, &env.collect(), self.config.as_deref())?)
    }
}

/// Shows every setting and where its value came from.
pub(super) fn show(flags: &Flags) -> Result<Output, Failure> {
    let settings = flags.settings()?;
    settings.config()?;
    // A configuration file again, with comments.
    let line = |(key, setting): (Key, &Setting)| match setting.as_toml(key) {
        Some(value) => format!("{} = {value}  # {}", key.name(), setting.origin),
        None => format!("# {} is not set", key.name()),
    };
    let field = |(key, setting): (Key, &Setting)| {
        let origin = setting.origin.to_string();
        (key.name().to_string(), json!({ "value": setting.value, "origin": origin }))
    };
    let text = settings.iter().map(line).collect::<Vec<_>>().join("\n");
    Ok(Output::new(text, Value::Object(settings.iter().map(field).collect::<Map<_, _>>())))
}

/// Runs the node until SIGINT or SIGTERM.
pub(super) fn run(Args { flags, recover }: &Args) -> Result<Output, Failure> {
    let config = flags.settings()?.config()?;
    // Before anything is logged: the user has this one line.
    specfile::load(&config.spec)?;
    let log = logging::start(&config.log)?;
    files::raise_limit();
    if *recover {
        recovered(&config)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new(Code::CannotDo, &format!("no threads to run with: {error}"), "check the process limits")
    })?;
    runtime.block_on(serve(config, log))?;
    Ok(Output::new("", json!({ "stopped": true })))
}

/// Recovers the ledger and tells what was lost.
fn recovered(config: &Config) -> Result<(), Failure> {
    let spec = specfile::load(&config.spec)?;
    match store::recover(&config.ledger(), &spec, &Options::default(), now_ms())? {
        Recovery::NotNeeded => tracing::info!("--recover: the ledger is sound"),
        Recovery::Shortened { acknowledged, kept, height } => {
            let lost = acknowledged.map(|acknowledged| acknowledged.saturating_sub(kept));
            let commits_lost = or_unknown(lost);
            tracing::warn!(%commits_lost, height, "RECOVERED: the log was cut at its damage");
        }
        Recovery::Salvaged { height_before, height, left, aside } => {
            tracing::warn!(
                height_before = %or_unknown(height_before),
                height,
                bodies_lost = left.bodies,
                pool_lost = left.pool,
                aside = %aside.display(),
                "RECOVERED: readable blocks are in a new ledger, the damaged one is kept aside"
            );
        }
    }
    Ok(())
}

fn or_unknown(number: Option<u64>) -> String {
    number.map_or_else(|| "unknown".into(), |number| number.to_string())
}

async fn serve(config: Config, log: LogFilter) -> Result<(), Failure> {
    let shutdown = shutdown().map_err(|error| {
        Failure::new(
            Code::CannotDo,
            &format!("signals cannot be handled: {error}"),
            "check the process limits",
        )
    })?;
    shell::run(config, log, shutdown).await.map_err(|error| match error {
        NodeError::Spec(error) => error.into(),
        NodeError::Key(error) => error.into(),
        NodeError::Store(error) => error.into(),
        error => Failure::new(
            Code::CannotDo,
            &error,
            "the log above has the circumstances; `dronechain-node config show` tells the settings",
        ),
    })
}

/// Resolves on SIGINT or SIGTERM.
fn shutdown() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        }
    })
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let code = match &error {
            LogError::Filter { .. } => Code::Usage,
            LogError::Twice(_) | LogError::Gone => Code::CannotDo,
        };
        Self::new(code, &error, "e.g. info or info,dronechain_node=debug")
    }
}
