//! `init`: a data folder for a network, with the spec and the node's key in it. May be repeated.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_node::config::{KEY_NAME, SPEC_NAME};
use dronechain_node::{keyfile, specfile};
use serde_json::json;

use super::network::write_new;
use super::{Code, Failure, Output};

/// Which folder for which network.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The network's chain spec.
    #[arg(long, value_name = "FILE")]
    spec: PathBuf,
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// An existing key file, to be named to `run` as well [default: DIR/node.key, made if missing].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Makes folder, copy of the spec, and key, as far as they are missing.
pub(super) fn init(args: &Args) -> Result<Output, Failure> {
    let Args { spec: from, data, key } = args;
    let spec = specfile::load(from)?;
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|error| io_failure(data, &error))?;
    copy_spec(&spec, data)?;
    let (path, key) = match key {
        Some(path) => (path.clone(), keyfile::load(path)?),
        None => own_key(data)?,
    };
    let public = PublicKey::of(&key);
    let chain_id = spec.network().chain_id;
    let is_first = spec.nodes.contains(&public);
    let note = if is_first { "one of the network's first nodes" } else { "to be admitted by the admins" };
    let text = format!(
        "network {}, chain id {chain_id}\ndata in {}\nnode key {public}, {note}",
        spec.name,
        data.display()
    );
    let json = json!({
        "name": spec.name,
        "chain_id": chain_id,
        "data": data,
        "key_file": path,
        "public_key": public,
        "first_node": is_first,
    });
    Ok(Output::new(text, json))
}

/// Puts the spec into the folder, or makes sure that the same is there.
fn copy_spec(spec: &ChainSpec, data: &Path) -> Result<(), Failure> {
    let path = data.join(SPEC_NAME);
    if path.exists() {
        let found = specfile::load(&path)?;
        if found == *spec {
            return Ok(());
        }
        let (found_id, wanted_id) = (found.network().chain_id, spec.network().chain_id);
        let message = format!(
            "{} belongs to network {} (chain id {found_id}), not to {} (chain id {wanted_id})",
            data.display(),
            found.name,
            spec.name
        );
        return Err(Failure::new(Code::CannotDo, &message, "choose another data folder"));
    }
    // Under its name only when whole: a crash leaves a draft, which the next attempt replaces.
    let draft = data.join(format!("{SPEC_NAME}.draft"));
    let written = match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => write_new(&draft, spec.to_toml().as_bytes())
            .and_then(|()| fs::rename(&draft, &path))
            .and_then(|()| fs::File::open(data)?.sync_all()),
    };
    written.map_err(|error| io_failure(&path, &error))
}

/// The folder's key, made if it is missing.
fn own_key(data: &Path) -> Result<(PathBuf, SigningKey), Failure> {
    let path = data.join(KEY_NAME);
    if path.exists() {
        let key = keyfile::load(&path)?;
        return Ok((path, key));
    }
    let key = keyfile::generate()?;
    keyfile::create(&path, &key)?;
    Ok((path, key))
}

fn io_failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Code::CannotDo,
        &format!("{}: {error}", path.display()),
        "check the path, its permissions and the free space",
    )
}
