//! `backup` and `restore`: a copy of a store's files with their hashes, made and put in place at once.
//!
//! | file | content |
//! |---|---|
//! | `backup.json` | [`Manifest`] |
//! | `CHAIN`, `commits`, `db/` | as in the store's folder |
//!
//! Files are copied, not linked: damage to the disk below the node's must not reach the backup.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::spec::ChainSpec;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::care::{self, CareError, Standing};
use super::{FORMAT, Options, Report, Store, check, folder};
use crate::failpoint::{self, Failpoint};

/// Version of the backup's own layout.
pub const BACKUP_FORMAT: u32 = 1;
const MANIFEST: &str = "backup.json";
/// Bytes of a manifest: a store of a hundred thousand table files has less.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// Bytes copied at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`BACKUP_FORMAT`].
    pub backup_format: u32,
    /// Format of the store in it.
    pub store_format: u32,
    /// Genesis hash of its network.
    pub chain_id: Hash256,
    /// Hash of the tip.
    pub tip: Hash256,
    /// Height of the tip.
    pub height: u64,
    /// The state digest.
    pub digest: Hash256,
    /// Hash of each file, by path.
    pub files: BTreeMap<String, Hash256>,
}

/// Copies the store in the folder `path`, which no process may have open, into the new folder `to`.
///
/// # Errors
/// When the store has any fault, or `to` is not empty.
pub fn backup(path: &Path, spec: &ChainSpec, options: &Options, to: &Path) -> Result<Manifest, CareError> {
    care::vacant(to)?;
    let staged = care::staging(to)?;
    // Holds the lock to the end, and writes nothing.
    let store = Store::inspect(path, spec, options)?;
    let standing = sound(path, check::examine(&store, spec))?;
    fs::create_dir_all(folder::database(&staged)).map_err(CareError::io(&staged))?;
    let mut files = BTreeMap::new();
    for name in names(path)? {
        let hash = copy(&path.join(&name), &staged.join(&name))?;
        files.insert(name, hash);
    }
    drop(store);
    let Standing { tip, height, digest } = standing;
    let chain_id = spec.genesis().hash();
    let manifest =
        Manifest { backup_format: BACKUP_FORMAT, store_format: FORMAT, chain_id, tip, height, digest, files };
    let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain");
    let file = staged.join(MANIFEST);
    let write = || {
        let mut file = File::create(&file)?;
        file.write_all(&text)?;
        file.sync_all()?;
        folder::sync(&folder::database(&staged))?;
        folder::sync(&staged)
    };
    write().map_err(CareError::io(&file))?;
    failpoint::hit(Failpoint::BackupCopied);
    staged.place(to)?;
    Ok(manifest)
}

/// Puts the backup in the folder `from` at `path`, where nothing is. It is verified before: each file
/// against its hash, then every row of the store.
///
/// # Errors
/// When it is damaged or another network's, or something is at `path`.
pub fn restore(from: &Path, path: &Path, spec: &ChainSpec, options: &Options) -> Result<Standing, CareError> {
    care::vacant(path)?;
    let manifest = read(from)?;
    let refused = |reason: String| CareError::refused(from, reason);
    let chain_id = spec.genesis().hash();
    if manifest.chain_id != chain_id {
        let found = manifest.chain_id;
        return Err(refused(format!("belongs to the network with genesis {found}, not {chain_id}")));
    }
    let staged = care::staging(path)?;
    fs::create_dir_all(folder::database(&staged)).map_err(CareError::io(&staged))?;
    for (name, expected) in &manifest.files {
        if !is_inside(name) {
            return Err(refused(format!("{name:?} is no file of a store")));
        }
        let found = copy(&from.join(name), &staged.join(name))?;
        if found != *expected {
            return Err(refused(format!("{name} has the hash {found}, not {expected}")));
        }
    }
    failpoint::hit(Failpoint::RestoreCopied);
    let standing = sound(&staged, check(&staged, spec, options)?)?;
    let Standing { tip, height, digest } = standing;
    if (tip, height, digest) != (manifest.tip, manifest.height, manifest.digest) {
        return Err(refused("holds another chain than it says".into()));
    }
    folder::sync(&folder::database(&staged))
        .and_then(|()| folder::sync(&staged))
        .map_err(CareError::io(&staged))?;
    failpoint::hit(Failpoint::RestoreChecked);
    staged.place(path)?;
    Ok(standing)
}

pub(super) fn sound(path: &Path, report: Report) -> Result<Standing, CareError> {
    match (report.tip, report.digest) {
        (Some(tip), Some(digest)) if report.is_fine() => Ok(Standing { tip, height: report.height, digest }),
        _ => Err(CareError::Damaged { path: path.to_owned(), report: Box::new(report) }),
    }
}

fn read(from: &Path) -> Result<Manifest, CareError> {
    let path = from.join(MANIFEST);
    let refused = |reason: String| CareError::refused(from, reason);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(refused(format!("no backup: {MANIFEST} is missing")));
        }
        other => other.map_err(CareError::io(&path))?,
    };
    let mut text = Vec::new();
    file.take(MANIFEST_BYTES_MAX).read_to_end(&mut text).map_err(CareError::io(&path))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| refused(format!("{MANIFEST}: {error}")))?;
    let found = (manifest.backup_format, manifest.store_format);
    if found != (BACKUP_FORMAT, FORMAT) {
        let (backup, store) = found;
        return Err(refused(format!(
            "format {backup} with a store of format {store}, this program reads {BACKUP_FORMAT} and {FORMAT}"
        )));
    }
    Ok(manifest)
}

/// The store's files: all but locks and RocksDB's own log files.
fn names(path: &Path) -> Result<Vec<String>, CareError> {
    let mut names = vec!["CHAIN".to_owned(), "commits".to_owned()];
    let database = folder::database(path);
    for entry in fs::read_dir(&database).map_err(CareError::io(&database))? {
        let name = entry.map_err(CareError::io(&database))?.file_name();
        let name = name.to_string_lossy();
        if name != "LOCK" && !name.starts_with("LOG") {
            names.push(format!("db/{name}"));
        }
    }
    Ok(names)
}

/// Whether a manifest's path is one that [`names`] gives.
fn is_inside(name: &str) -> bool {
    let plain = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            && !name.starts_with('.')
    };
    matches!(name, "CHAIN" | "commits") || name.strip_prefix("db/").is_some_and(plain)
}

/// Copies a file durably; gives its SHA-256.
fn copy(from: &Path, to: &PathBuf) -> Result<Hash256, CareError> {
    let mut source = File::open(from).map_err(CareError::io(from))?;
    let mut target = File::create(to).map_err(CareError::io(to))?;
    let (mut hasher, mut chunk) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        let read = source.read(&mut chunk).map_err(CareError::io(from))?;
        if read == 0 {
            break;
        }
        hasher.update(&chunk[..read]);
        target.write_all(&chunk[..read]).map_err(CareError::io(to))?;
    }
    target.sync_all().map_err(CareError::io(to))?;
    Ok(Hash256(hasher.finalize().into()))
}
