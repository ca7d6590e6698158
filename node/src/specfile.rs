//! A chain spec on disk: read and checked in one place, so that each command says the same of one that is
//! missing or damaged.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use dronechain_chain_spec::limits::CHAIN_SPEC_TOML_MAX;
use dronechain_chain_spec::spec::{ChainSpec, SpecError};

/// Why a chain spec cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecFileError {
    /// There is no such file.
    #[error("no chain spec at {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("chain spec {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is no chain spec, or breaks a rule.
    #[error("chain spec {}: {error}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The rule.
        error: SpecError,
    },
}

impl SpecFileError {
    /// What the user can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "`dronechain-node init --spec FILE --data DIR` makes a data folder with its network's chain spec; \
                 `dronechain-node network new` makes the spec of a new network"
            }
            Self::Io { .. } => "check the path and its permissions",
            Self::Damaged { .. } => {
                "copy it from another node's data folder: all nodes of a network have the same"
            }
        }
    }
}

/// Reads and checks the chain spec at `path`.
pub fn load(path: &Path) -> Result<ChainSpec, SpecFileError> {
    let text = text(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => SpecFileError::Missing { path: path.into() },
        _ => SpecFileError::Io { path: path.into(), error },
    })?;
    ChainSpec::from_toml(&text).map_err(|error| SpecFileError::Damaged { path: path.into(), error })
}

/// The text of a file that is no longer than a chain spec may be.
pub fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(CHAIN_SPEC_TOML_MAX as u64 + 1).read_to_string(&mut text)?;
    if read > CHAIN_SPEC_TOML_MAX {
        let reason = format!("more than {CHAIN_SPEC_TOML_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(text)
}
