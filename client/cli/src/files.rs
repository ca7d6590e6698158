//! Files that commands read and write whole.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use dronechain_chain_spec::chain::{ChainError, HeaderChain};
use dronechain_chain_spec::hash::Hash256;
use dronechain_client::limits::HEADERS_FILE_BYTES_MAX;
use sha2::{Digest, Sha256};

use crate::error::CliError;

/// The first `max` bytes of a file, or all if it has fewer.
pub(crate) fn read_up_to(path: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(max).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The bytes of a file of at most `max`.
pub(crate) fn read(path: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    let bytes = read_up_to(path, max + 1)?;
    if bytes.len() as u64 > max {
        return Err(CliError::TooLong { path: path.to_owned(), max });
    }
    Ok(bytes)
}

/// A secret of one line.
pub(crate) fn read_line(path: &Path, max: u64) -> Result<String, CliError> {
    let text = String::from_utf8(read(path, max)?).map_err(|error| CliError::Read {
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()),
    })?;
    Ok(text.trim().to_owned())
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    std::fs::write(path, bytes).map_err(|source| CliError::Write { path: path.to_owned(), source })
}

/// SHA-256 of a file of any length.
pub(crate) fn sha256_of(path: &Path) -> Result<Hash256, CliError> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).map_err(|source| CliError::Read { path: path.to_owned(), source })?;
    let mut block = vec![0; 64 << 10];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(Hash256(hasher.finalize().into())),
            Ok(read) => hasher.update(&block[..read]),
            Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(CliError::Read { path: path.to_owned(), source }),
        }
    }
}

/// Reads a file of headers, verifies every one from genesis or from the checkpoint that is trusted, and holds it
/// to the network wanted.
pub(crate) fn header_chain(
    path: &Path,
    chain_id: Option<Hash256>,
    trusted: Option<Hash256>,
) -> Result<HeaderChain, CliError> {
    let bytes = read(path, HEADERS_FILE_BYTES_MAX)?;
    let parse = |bytes: &[u8]| match trusted {
        Some(id) => HeaderChain::from_bytes_trusting(bytes, id),
        None => HeaderChain::from_bytes(bytes),
    };
    let chain = parse(&bytes).map_err(|error| {
        let (height, error) = placed(&bytes, error, parse);
        CliError::HeadersFile { path: path.to_owned(), height, error }
    })?;
    match chain_id {
        Some(expected) if expected != chain.chain_id() => {
            Err(CliError::HeadersNetwork { path: path.to_owned(), found: chain.chain_id(), expected })
        }
        _ => Ok(chain),
    }
}

/// Where a file of headers fails. A link that cannot be read is found before those in front of it are
/// verified, so they may be the first that fail.
fn placed(
    bytes: &[u8],
    error: ChainError,
    parse: impl Fn(&[u8]) -> Result<HeaderChain, ChainError>,
) -> (u64, ChainError) {
    match error {
        ChainError::Header { height, .. } => (height, error),
        ChainError::Link { at, .. } | ChainError::Truncated { at } if at < bytes.len() => {
            match parse(&bytes[..at]) {
                Ok(before) => (before.height() + 1, error),
                Err(earlier @ ChainError::Header { height, .. }) => (height, earlier),
                Err(_) => (0, error),
            }
        }
        ChainError::Link { .. }
        | ChainError::Truncated { .. }
        | ChainError::Foreign
        | ChainError::SpecCodec(_)
        | ChainError::Spec(_)
        | ChainError::CheckpointCodec(_)
        | ChainError::Checkpoint(_) => (0, error),
    }
}
