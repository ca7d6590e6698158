//! `db`: care for the ledger of a node that does not run; a backup is made of one that runs, too.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dronechain_chain_spec::spec::ChainSpec;
use dronechain_node::admin::{SNAPSHOT_PATH, SnapshotBody};
use dronechain_node::specfile;
use dronechain_node::store::{self, CareError, Manifest, Options, Report, Standing, StoreError};
use serde_json::{Value, json};

use super::door::Running;
use super::network::now_ms;
use super::run::Flags;
use super::{Code, Failure, Output};

/// For a running node's snapshot: what waits in memory is written first.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(120);

/// What to do with the ledger.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Read every row and hold it against the others; show counts and the state digest. Changes nothing.
    Check(Flags),
    /// Copy the ledger, after a check, into a new folder. A node that runs is asked for a snapshot, and goes on.
    Backup {
        /// The new folder.
        #[arg(value_name = "DIR")]
        to: PathBuf,
        #[command(flatten)]
        flags: Flags,
    },
    /// Verify a backup and put it into a data folder without a ledger.
    Restore {
        /// The backup.
        #[arg(value_name = "DIR")]
        from: PathBuf,
        #[command(flatten)]
        flags: Flags,
    },
    /// Write the active chain with its batch bodies to a new file.
    Export {
        /// The new file.
        #[arg(value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        flags: Flags,
    },
    /// Make a ledger of a chain's file, every rule applied, in a data folder without one.
    Import {
        /// The file.
        #[arg(value_name = "FILE")]
        from: PathBuf,
        #[command(flatten)]
        flags: Flags,
    },
    /// Build indexes and state anew from the stored blocks, every rule applied.
    Reindex(Flags),
    /// Convert a ledger of the format before this program's, and check it.
    Upgrade(Flags),
}

/// The ledger and its network, as `run` would find them.
struct Ledger {
    path: PathBuf,
    data: PathBuf,
    spec: ChainSpec,
}

impl Ledger {
    fn find(flags: &Flags) -> Result<Self, Failure> {
        let config = flags.settings()?.config()?;
        let spec = specfile::load(&config.spec)?;
        Ok(Self { path: config.ledger(), data: config.data, spec })
    }
}

/// A snapshot, gone with this.
struct Snapshot(PathBuf);

impl Drop for Snapshot {
    fn drop(&mut self) {
        // The node's next start removes what stays.
        let _ = store::discard(&self.0);
    }
}

impl Ledger {
    /// The backup of a node that runs: it makes a snapshot of its ledger, which is checked and copied here.
    fn backup_running(&self, options: &Options, to: &Path) -> Result<Manifest, Failure> {
        let running = Running::of(&self.data)?;
        let (status, answer) = running.ask("POST", SNAPSHOT_PATH, "", SNAPSHOT_WAIT)?;
        match (status, serde_json::from_value::<SnapshotBody>(answer.clone())) {
            (200, Ok(SnapshotBody { ledger })) => {
                let snapshot = Snapshot(ledger);
                Ok(store::backup(&snapshot.0, &self.spec, options, to)?)
            }
            _ => Err(running.strange(status, &answer)),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Code::CannotDo, &error, error.hint())
    }
}

impl From<CareError> for Failure {
    fn from(error: CareError) -> Self {
        Self::new(Code::CannotDo, &error, error.hint())
    }
}

/// Does what the command says.
pub(super) fn execute(command: &Command) -> Result<Output, Failure> {
    let options = Options::default();
    match command {
        Command::Check(flags) => {
            let Ledger { path, spec, .. } = Ledger::find(flags)?;
            Ok(told(&store::check(&path, &spec, &options)?))
        }
        Command::Backup { to, flags } => {
            let ledger = Ledger::find(flags)?;
            let (made, is_running) = match store::backup(&ledger.path, &ledger.spec, &options, to) {
                Err(CareError::Store(StoreError::InUse { .. })) => {
                    (ledger.backup_running(&options, to)?, true)
                }
                made => (made?, false),
            };
            let Manifest { tip, height, digest, files, .. } = made;
            let json = json!({ "backup": to, "files": files.len(), "running": is_running });
            Ok(stands("backed up", &Standing { tip, height, digest }, json))
        }
        Command::Restore { from, flags } => {
            let Ledger { path, spec, .. } = Ledger::find(flags)?;
            let standing = store::restore(from, &path, &spec, &options)?;
            Ok(stands("restored", &standing, json!({ "ledger": path })))
        }
        Command::Export { to, flags } => {
            let Ledger { path, spec, .. } = Ledger::find(flags)?;
            let standing = store::export(&path, &spec, &options, to)?;
            Ok(stands("exported", &standing, json!({ "file": to })))
        }
        Command::Import { from, flags } => {
            let Ledger { path, spec, .. } = Ledger::find(flags)?;
            let standing = store::import(from, &path, &spec, &options, now_ms())?;
            Ok(stands("imported", &standing, json!({ "ledger": path })))
        }
        Command::Reindex(flags) => {
            let Ledger { path, spec, .. } = Ledger::find(flags)?;
            let (standing, left) = store::reindex(&path, &spec, &options, now_ms())?;
            Ok(stands("built anew", &standing, json!({ "ledger": path, "left_behind": left })))
        }
        Command::Upgrade(flags) => {
            let Ledger { path, spec, .. } = Ledger::find(flags)?;
            let (standing, from) = store::upgrade(&path, &spec, &options)?;
            let what = if from == store::FORMAT { "of this format already" } else { "upgraded" };
            let json = json!({ "ledger": path, "from_format": from, "format": store::FORMAT });
            Ok(stands(what, &standing, json))
        }
    }
}

/// Where the ledger stands, with what else there is to say.
fn stands(what: &str, standing: &Standing, mut json: Value) -> Output {
    let Standing { tip, height, digest } = standing;
    json["tip"] = json!(tip);
    json["height"] = json!(height);
    json["digest"] = json!(digest);
    Output::new(format!("{what}: tip {tip} at height {height}\nstate digest {digest}"), json)
}

/// A report for people and programs.
fn told(report: &Report) -> Output {
    let Report { tip, height, digest, counts, faults, more_faults, .. } = report;
    let shown = |hash: &Option<_>| hash.map_or_else(|| "unknown".to_owned(), |hash| format!("{hash}"));
    let mut lines = vec![
        format!("tip {} at height {height}", shown(tip)),
        format!("state digest {}", shown(digest)),
        format!(
            "{} headers, {} blocks, {} active, {} transactions, {} anchors, {} accounts, {} bodies with {} leaves, {} bodies missing, {} in the mempool",
            counts.headers,
            counts.blocks,
            counts.active,
            counts.transactions,
            counts.anchors,
            counts.accounts,
            counts.bodies,
            counts.leaves,
            counts.bodies_missing,
            counts.pool
        ),
    ];
    lines.extend(faults.iter().map(|fault| format!("FAULT {} {}: {}", fault.column, fault.key, fault.what)));
    if *more_faults > 0 {
        lines.push(format!("and {more_faults} more faults"));
    }
    lines.push(if report.is_fine() { "fine".into() } else { "damaged".into() });
    let mut json = json!(report);
    json["fine"] = Value::Bool(report.is_fine());
    Output { text: lines.join("\n"), json, is_no: !report.is_fine() }
}
