//! `network new`: a new network's chain spec, alone or with a folder for each of its nodes.

mod advice;
mod folder;
mod host;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ArgGroup;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, NetworkTemplate};
use dronechain_node::specfile;
use serde_json::{Value, json};

use self::advice::Advice;
use self::folder::Folder;
use self::host::{Host, HostKey, Reach};
use super::{Code, Failure, Output};

/// For one machine.
const DEV: &str = "dev";
/// For several.
const FLEET: &str = "fleet";

/// What a new network is made of.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("where").required(true).args(["out", "dir"])))]
pub(super) struct Args {
    /// The network's name: lower-case letters, digits and dashes [default: the template's].
    #[arg(long)]
    name: Option<String>,
    /// Parameters: `dev` (a block a second, for one machine), `fleet` (a block in 5 s, for several), or a file like
    /// `chain-spec/networks/fleet.toml` [default: `fleet` with hosts on more than one address, else `dev`].
    #[arg(long, value_name = "NAME|FILE")]
    template: Option<String>,
    /// An admin's public key; once for each, in order of index.
    #[arg(long = "admin", value_name = "KEY")]
    admins: Vec<PublicKey>,
    /// With --dir: an admin whose key is made here, as DIR/admins/NAME.key; once for each, behind the others.
    #[arg(long = "new-admin", value_name = "NAME", conflicts_with = "out")]
    new_admins: Vec<String>,
    /// How many admins must sign.
    #[arg(long, value_name = "M")]
    threshold: u32,
    /// A first node's public key; once for each.
    #[arg(long = "node", value_name = "KEY", conflicts_with = "dir", required_unless_present = "dir")]
    nodes: Vec<PublicKey>,
    /// With --dir: a first node, by a name of its own and where the others reach it: an IP address or a host name,
    /// with the port for peers if it is not 7600. Once for each.
    #[arg(
        long = "host",
        value_name = "NAME=ADDRESS[:PORT]",
        conflicts_with = "out",
        required_unless_present = "out"
    )]
    hosts: Vec<Host>,
    /// With --dir: the public key of the host NAME, whose key was made elsewhere [default: one is made here].
    #[arg(long = "host-key", value_name = "NAME=KEY", conflicts_with = "out")]
    host_keys: Vec<HostKey>,
    /// With --dir: who reaches the nodes' HTTP ports; they have neither TLS nor access control.
    #[arg(long, value_enum, value_name = "WHO", default_value_t, conflicts_with = "out")]
    http: Reach,
    /// Time of the genesis block, ms since 1970 UTC [default: now].
    #[arg(long, value_name = "MS")]
    genesis_time_ms: Option<u64>,
    /// The new file: the chain spec alone, of keys that exist.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The new folder: the chain spec and, for each host, a data folder with configuration and key.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the chain spec, or everything.
pub(super) fn new(args: &Args) -> Result<Output, Failure> {
    match (&args.out, &args.dir) {
        (Some(out), _) => spec_alone(args, out),
        (None, Some(dir)) => with_hosts(args, dir),
        (None, None) => unreachable!("clap wants one of both"),
    }
}

fn spec_alone(args: &Args, out: &Path) -> Result<Output, Failure> {
    let spec = args.spec(DEV, args.admins.clone(), args.nodes.clone())?;
    write_new(out, spec.to_toml().as_bytes()).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AlreadyExists => "choose another file: a network's spec never changes",
            _ => "check the path and its permissions",
        };
        Failure::new(Code::CannotDo, &format!("{}: {error}", out.display()), hint)
    })?;
    let network = spec.network();
    let text = format!("network {}, chain id {}, written to {}", spec.name, network.chain_id, out.display());
    Ok(Output::new(text, described(&spec, out)))
}

fn with_hosts(args: &Args, dir: &Path) -> Result<Output, Failure> {
    let places = host::places(&args.hosts, &args.host_keys)?;
    let folder = Folder::begin(dir, places, &args.new_admins)?;
    let admins = args.admins.iter().copied().chain(folder.admins()).collect();
    let usual = if folder.is_one_machine() { DEV } else { FLEET };
    let spec = args.spec(usual, admins, folder.nodes())?;
    folder.write(&spec, args.http)?;
    let advice = Advice { spec: &spec, folder: &folder, reach: args.http };
    let mut json = described(&spec, &dir.join(dronechain_node::config::SPEC_NAME));
    json["dir"] = json!(dir);
    json["hosts"] = folder.json();
    json["notes"] = json!(advice.notes());
    let text = advice.text();
    folder.finish()?;
    Ok(Output::new(text, json))
}

fn described(spec: &ChainSpec, file: &Path) -> Value {
    let network = spec.network();
    json!({
        "name": spec.name,
        "chain_id": network.chain_id,
        "tag": network.tag.map(|byte| format!("{byte:02x}")).concat(),
        "genesis_time_ms": spec.genesis_time_ms,
        "file": file,
    })
}

impl Args {
    /// The chain spec, checked.
    fn spec(&self, usual: &str, admins: Vec<PublicKey>, nodes: Vec<PublicKey>) -> Result<ChainSpec, Failure> {
        let NetworkTemplate { name, parameters } = read_template(self.template.as_deref().unwrap_or(usual))?;
        let spec = ChainSpec {
            name: self.name.clone().unwrap_or(name),
            genesis_time_ms: self.genesis_time_ms.unwrap_or_else(now_ms),
            nodes,
            parameters,
            admins: AdminSet { threshold: self.threshold, keys: admins },
        };
        spec.check().map_err(|error| {
            Failure::new(Code::Usage, &error, "`dronechain-node network new --help` explains")
        })?;
        Ok(spec)
    }
}

fn read_template(template: &str) -> Result<NetworkTemplate, Failure> {
    match template {
        DEV => return Ok(NetworkTemplate::dev()),
        FLEET => return Ok(NetworkTemplate::fleet()),
        _ => {}
    }
    let cannot = |error: &dyn std::fmt::Display, hint: &str| {
        Failure::new(Code::CannotDo, &format!("template {template}: {error}"), hint)
    };
    let text = specfile::text(Path::new(template))
        .map_err(|error| cannot(&error, "name a file, or a bundled template: `dev` or `fleet`"))?;
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
