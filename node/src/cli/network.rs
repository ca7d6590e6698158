//! `network new`: the chain spec of a new network.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, NetworkTemplate};
use dronechain_node::specfile;
use serde_json::json;

use super::{Code, Failure, Output};

/// The bundled network.
const DEV: &str = "dev";

/// What a new network is made of.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The network's name: lower-case letters, digits and dashes [default: the template's].
    #[arg(long)]
    name: Option<String>,
    /// Parameters: `dev` (a block a second, for one machine), or a file like `chain-spec/networks/dev.toml`.
    #[arg(long, default_value = DEV, value_name = "NAME|FILE")]
    template: String,
    /// An admin's public key; once for each, in order of index.
    #[arg(long = "admin", required = true, value_name = "KEY")]
    admins: Vec<PublicKey>,
    /// How many admins must sign.
    #[arg(long, value_name = "M")]
    threshold: u32,
    /// A first node's public key; once for each.
    #[arg(long = "node", required = true, value_name = "KEY")]
    nodes: Vec<PublicKey>,
    /// Time of the genesis block, ms since 1970 UTC [default: now].
    #[arg(long, value_name = "MS")]
    genesis_time_ms: Option<u64>,
    /// The new file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Writes the chain spec.
pub(super) fn new(args: Args) -> Result<Output, Failure> {
    let Args { name, template, admins, threshold, nodes, genesis_time_ms, out } = args;
    let NetworkTemplate { name: usual, parameters } = read_template(&template)?;
    let spec = ChainSpec {
        name: name.unwrap_or(usual),
        genesis_time_ms: genesis_time_ms.unwrap_or_else(now_ms),
        nodes,
        parameters,
        admins: AdminSet { threshold, keys: admins },
    };
    spec.check().map_err(|error| {
        Failure::new(Code::Usage, &error, "`dronechain-node network new --help` explains")
    })?;
    write_new(&out, spec.to_toml().as_bytes()).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AlreadyExists => "choose another file: a network's spec never changes",
            _ => "check the path and its permissions",
        };
        Failure::new(Code::CannotDo, &format!("{}: {error}", out.display()), hint)
    })?;
    let network = spec.network();
    let text = format!("network {}, chain id {}, written to {}", spec.name, network.chain_id, out.display());
    let json = json!({
        "name": spec.name,
        "chain_id": network.chain_id,
        "tag": network.tag.map(|byte| format!("{byte:02x}")).concat(),
        "genesis_time_ms": spec.genesis_time_ms,
        "file": out,
    });
    Ok(Output::new(text, json))
}

fn read_template(template: &str) -> Result<NetworkTemplate, Failure> {
    if template == DEV {
        return Ok(NetworkTemplate::dev());
    }
    let cannot = |error: &dyn std::fmt::Display, hint: &str| {
        Failure::new(Code::CannotDo, &format!("template {template}: {error}"), hint)
    };
    let text = specfile::text(Path::new(template))
        .map_err(|error| cannot(&error, "name a file, or the bundled template `dev`"))?;
    NetworkTemplate::from_toml(&text)
        .map_err(|error| cannot(&error, "a template has a name and parameters, no keys"))
}

/// Writes a file that must not exist yet, durably.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The own clock, ms since 1970 UTC.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
