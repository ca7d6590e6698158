//! Why a configuration is refused.

use std::path::PathBuf;

use super::key::{ENV_FILE, Key};
use super::{FILE_BYTES_MAX, Origin, PEERS_MAX};
use crate::miner::SHARE_MIN;
use crate::p2p::address::AddressError;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is longer than any configuration.
    #[error("configuration file {path}: more than {FILE_BYTES_MAX} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The file is not TOML.
    #[error("{path}:{line}: {message}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A name in the file that is no setting.
    #[error("{path}:{line}: unknown key `{key}`")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The name.
        key: String,
    },
    /// An environment variable that is no setting.
    #[error("unknown environment variable {0}")]
    UnknownEnv(String),
    /// A value in the file that has another type than its setting.
    #[error("{origin}: {}: {found} stands there, {} is wanted", .key.name(), .key.form())]
    Type {
        /// Where it stands.
        origin: Origin,
        /// The setting.
        key: Key,
        /// What stands there, in words.
        found: String,
    },
    /// A setting that is worth nothing without another one.
    #[error("{} is set, {} is not", .set.name(), .missing.name())]
    Half {
        /// The one.
        set: Key,
        /// The other.
        missing: Key,
    },
    /// A value that does not fit its setting.
    #[error("{origin}: {}: `{value}`: {error}", .key.name())]
    Value {
        /// Where it stands.
        origin: Origin,
        /// The setting.
        key: Key,
        /// The value.
        value: String,
        /// Why it does not fit.
        error: ValueError,
    },
}

/// Why a value does not fit its setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// No hash.
    #[error("64 hex digits of a block hash are wanted")]
    Hash,
    /// An empty path.
    #[error("a path is wanted")]
    Path,
    /// No address of a peer.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No address of an HTTP port.
    #[error("IP:PORT is wanted, e.g. 127.0.0.1:7700")]
    Socket,
    /// Too many peers.
    #[error("more than {PEERS_MAX} peers")]
    Peers,
    /// No share of a thread.
    #[error("0 (off) or {SHARE_MIN} to 1 is wanted")]
    Share,
    /// No number of this range.
    #[error("a whole number from 0 (off) to {0} is wanted")]
    Number(u32),
    /// No truth value.
    #[error("true or false is wanted")]
    Bool,
}

impl ConfigError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "name an existing file with --config, or leave the flag out".into(),
            Self::TooLong { .. } | Self::Toml { .. } => "correct the file".into(),
            Self::UnknownKey { .. } => {
                format!("known keys: {}", Key::ALL.map(Key::name).join(", "))
            }
            Self::UnknownEnv(_) => {
                format!("known variables: {ENV_FILE}, {}", Key::ALL.map(Key::env).join(", "))
            }
            Self::Half { missing, .. } => format!("set {} too, or neither", missing.flag()),
            Self::Type { key, .. } | Self::Value { key, .. } => {
                format!("`dronechain-node run --help` explains {}", key.flag())
            }
        }
    }
}
