//! The node's configuration: defaults, then a TOML file, the environment, and flags; the later wins.
//!
//! Each setting is known under one name in each layer (`mining.share`, `DRONECHAIN_NODE_MINING_SHARE`,
//! `--mining-share`). Unknown names are errors, and where each value came from is remembered. Paths
//! are taken from the working directory. Keys are named by their file and never part of this.

mod error;
mod file;
mod key;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use dronechain_chain_spec::hash::Hash256;
use libp2p::Multiaddr;

pub use self::error::{ConfigError, ValueError};
pub use self::key::{ENV_FILE, ENV_PREFIX, Key};
use crate::miner::SHARE_MIN;
use crate::p2p::address;
use crate::rpc::{Limits, TlsFiles};

/// The configuration file that is read from the data folder if no other is named.
pub const FILE_NAME: &str = "node.toml";
/// The chain spec in the data folder.
pub const SPEC_NAME: &str = "network.toml";
/// The node's key in the data folder.
pub const KEY_NAME: &str = "node.key";
/// Bytes of a configuration file.
const FILE_BYTES_MAX: usize = 64 << 10;
/// The highest floor of free space, in MiB: a TiB.
const MIN_FREE_MIB_MAX: u32 = 1 << 20;
/// The fastest scrub, in rows a second.
const SCRUB_ROWS_MAX: u32 = 100_000;
/// The highest rate of one identity: a million a second.
const RATE_MAX: u32 = 1_000_000;
/// Peers that a configuration may name.
const PEERS_MAX: usize = 256;

/// A node's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Folder of everything that the node keeps.
    pub data: PathBuf,
    /// The chain spec.
    pub spec: PathBuf,
    /// The node's key file.
    pub key: PathBuf,
    /// A file with a secret that all nodes of the network share; without it none connects.
    pub preshared_key: Option<PathBuf>,
    /// Where peers connect: `/ip4/ADDRESS/tcp/PORT`; port 0 takes a free one.
    pub listen: Multiaddr,
    /// Where the HTTP port is; port 0 takes a free one.
    pub http: SocketAddr,
    /// What the HTTP port is encrypted with; plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// Peers to keep connections to, each with or without `/p2p/ID`.
    pub peers: Vec<Multiaddr>,
    /// How often one address or key may ask over HTTP.
    pub limits: Limits,
    /// Mining.
    pub mining: Mining,
    /// The store.
    pub storage: Storage,
    /// Logging.
    pub log: Log,
    /// Gets a line of JSON once both ports are bound.
    pub ready_file: Option<PathBuf>,
    /// A block whose chain is followed if it is heavier, however deep it leaves ours: the operator's answer
    /// to a finality alarm.
    pub follow: Option<Hash256>,
}

impl Config {
    /// The store's folder.
    pub fn ledger(&self) -> PathBuf {
        self.data.join("ledger")
    }
}

/// Mining.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mining {
    /// Share of one thread, 0 to 1; 0 switches mining off.
    pub share: f64,
}

/// The store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    /// Free space, in MiB, below which nothing is taken in; 0: it is not watched.
    pub min_free_mib: u32,
    /// Rows that the scrub reads a second; 0 switches it off.
    pub scrub_rows_per_s: u32,
}

/// Logging, to stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// What to log, as tracing's environment filter has it, e.g. `info,dronechain_node=debug`.
    pub filter: String,
    /// Lines of JSON instead of text.
    pub json: bool,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A value as text, and where it came from. A list's items are separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Every setting with its value, each from the last layer that sets it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings(BTreeMap<Key, Setting>);

impl Settings {
    /// Gathers the layers. Without `file` and without [`ENV_FILE`], [`FILE_NAME`] in the data folder
    /// is read if there is one.
    pub fn gather(
        flags: &BTreeMap<Key, String>,
        env: &BTreeMap<String, String>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut upper = Self::default();
        upper.read_env(env)?;
        for (key, value) in flags {
            upper.set(*key, value.clone(), Origin::Flag(key.flag()));
        }
        let data = upper.0.get(&Key::Data).map_or(Path::new(DATA_DEFAULT), |data| Path::new(&data.value));
        let usual = data.join(FILE_NAME);
        let file = match (file, env.get(ENV_FILE)) {
            (Some(file), _) => Some(file),
            (None, Some(file)) => Some(Path::new(file)),
            (None, None) => usual.exists().then_some(usual.as_path()),
        };
        let mut all = Self::default();
        if let Some(path) = file {
            all.read_file(path)?;
        }
        all.0.extend(upper.0);
        all.fill();
        Ok(all)
    }

    /// The settings in order of their names' list.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Setting)> {
        self.0.iter().map(|(key, setting)| (*key, setting))
    }

    /// The configuration, parsed.
    pub fn config(&self) -> Result<Config, ConfigError> {
        Ok(Config {
            data: self.parse(Key::Data, path)?,
            spec: self.parse(Key::Spec, path)?,
            key: self.parse(Key::Key, path)?,
            // Empty on purpose would be a filter that lets all through, by accident too.
            preshared_key: self.parse_unless_default(Key::PresharedKey, path)?,
            listen: self.parse(Key::Listen, |text| Ok(address::parse_listen(text)?))?,
            http: self.parse(Key::Http, |text| text.parse().map_err(|_| ValueError::Socket))?,
            tls: self.tls()?,
            peers: self.parse(Key::Peers, peers)?,
            limits: Limits {
                requests_per_s: self.parse(Key::LimitsRequests, |text| number(text, RATE_MAX))?,
                submissions_per_s: self.parse(Key::LimitsSubmissions, |text| number(text, RATE_MAX))?,
            },
            storage: Storage {
                min_free_mib: self.parse(Key::StorageMinFree, |text| number(text, MIN_FREE_MIB_MAX))?,
                scrub_rows_per_s: self.parse(Key::StorageScrub, |text| number(text, SCRUB_ROWS_MAX))?,
            },
            mining: Mining { share: self.parse(Key::MiningShare, share)? },
            log: Log {
                filter: self.parse(Key::LogFilter, |text| Ok(text.into()))?,
                json: self.parse(Key::LogJson, |text| bool::from_str(text).map_err(|_| ValueError::Bool))?,
            },
            ready_file: self.parse(Key::ReadyFile, path_if_any)?,
            follow: self.parse(Key::Follow, |text| {
                let hash = (!text.is_empty()).then(|| text.parse());
                hash.transpose().map_err(|_| ValueError::Hash)
            })?,
        })
    }

    /// Both files or neither.
    fn tls(&self) -> Result<Option<TlsFiles>, ConfigError> {
        let certificates = self.parse(Key::TlsCertificates, path_if_any)?;
        let key = self.parse(Key::TlsKey, path_if_any)?;
        match (certificates, key) {
            (Some(certificates), Some(key)) => Ok(Some(TlsFiles { certificates, key })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(ConfigError::Half { set: Key::TlsCertificates, missing: Key::TlsKey }),
            (None, Some(_)) => Err(ConfigError::Half { set: Key::TlsKey, missing: Key::TlsCertificates }),
        }
    }

    /// None if nobody set it.
    fn parse_unless_default<T>(
        &self,
        key: Key,
        parse: impl Fn(&str) -> Result<T, ValueError>,
    ) -> Result<Option<T>, ConfigError> {
        match self.0.get(&key) {
            Some(Setting { origin: Origin::Default, .. }) | None => Ok(None),
            Some(_) => self.parse(key, parse).map(Some),
        }
    }

    fn set(&mut self, key: Key, value: String, origin: Origin) {
        self.0.insert(key, Setting { value, origin });
    }

    fn read_env(&mut self, env: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        for (name, value) in env.iter().filter(|(name, _)| name.starts_with(ENV_PREFIX)) {
            match Key::ALL.into_iter().find(|key| key.env() == *name) {
                Some(key) => self.set(key, value.clone(), Origin::Env(name.clone())),
                None if name == ENV_FILE => {}
                None => return Err(ConfigError::UnknownEnv(name.clone())),
            }
        }
        Ok(())
    }

    /// Fills in the defaults.
    fn fill(&mut self) {
        for key in Key::ALL {
            if self.0.contains_key(&key) {
                continue;
            }
            let in_data = |name: &str| {
                let data = self.0.get(&Key::Data).map_or(DATA_DEFAULT, |data| &data.value);
                Path::new(data).join(name).to_string_lossy().into_owned()
            };
            let value = match key {
                Key::Data => DATA_DEFAULT.into(),
                Key::Spec => in_data(SPEC_NAME),
                Key::Key => in_data(KEY_NAME),
                Key::Listen => "/ip4/127.0.0.1/tcp/7600".into(),
                Key::Http => "127.0.0.1:7700".into(),
                Key::TlsCertificates
                | Key::TlsKey
                | Key::Peers
                | Key::PresharedKey
                | Key::ReadyFile
                | Key::Follow => String::new(),
                Key::LimitsRequests | Key::LimitsSubmissions => "0".into(),
                Key::MiningShare => "0.05".into(),
                Key::StorageMinFree => "256".into(),
                Key::StorageScrub => "50".into(),
                Key::LogFilter => "info".into(),
                Key::LogJson => "false".into(),
            };
            self.set(key, value, Origin::Default);
        }
    }

    fn parse<T>(&self, key: Key, parse: impl Fn(&str) -> Result<T, ValueError>) -> Result<T, ConfigError> {
        let Setting { value, origin } = self.0.get(&key).expect("gather filled every setting");
        parse(value).map_err(|error| ConfigError::Value {
            origin: origin.clone(),
            key,
            value: value.clone(),
            error,
        })
    }
}

/// The data folder if nobody names one.
const DATA_DEFAULT: &str = "dronechain-node-data";

fn path(text: &str) -> Result<PathBuf, ValueError> {
    if text.is_empty() { Err(ValueError::Path) } else { Ok(text.into()) }
}

fn path_if_any(text: &str) -> Result<Option<PathBuf>, ValueError> {
    if text.is_empty() { Ok(None) } else { path(text).map(Some) }
}

fn peers(text: &str) -> Result<Vec<Multiaddr>, ValueError> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let peers = items.map(address::parse_peer).collect::<Result<Vec<_>, _>>()?;
    if peers.len() > PEERS_MAX { Err(ValueError::Peers) } else { Ok(peers) }
}

fn number(text: &str, max: u32) -> Result<u32, ValueError> {
    text.parse().ok().filter(|number| *number <= max).ok_or(ValueError::Number(max))
}

fn share(text: &str) -> Result<f64, ValueError> {
    match text.parse() {
        Ok(share) if share == 0.0 || (SHARE_MIN..=1.0).contains(&share) => Ok(share),
        Ok(_) | Err(_) => Err(ValueError::Share),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(file: &str, env: &[(&str, &str)], flags: &[(Key, &str)]) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.toml");
        std::fs::write(&path, file).expect("own folder");
        let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let flags = flags.iter().map(|(key, value)| (*key, (*value).into())).collect();
        Settings::gather(&flags, &env, Some(&path))
    }

    #[test]
    fn later_layer_wins_and_is_remembered() {
        let settings = gather(
            "http = \"127.0.0.1:1\"\nlisten = \"/ip4/127.0.0.1/tcp/1\"\n\n[mining]\nshare = 0.5\n",
            &[("DRONECHAIN_NODE_HTTP", "127.0.0.1:2"), ("DRONECHAIN_NODE_LISTEN", "/ip4/127.0.0.1/tcp/2")],
            &[(Key::Http, "127.0.0.1:3")],
        )
        .expect("sound");
        let config = settings.config().expect("sound");
        assert_eq!(config.http.port(), 3);
        assert_eq!(config.listen.to_string(), "/ip4/127.0.0.1/tcp/2");
        assert_eq!(config.mining.share, 0.5);
        assert_eq!(config.key, Path::new(DATA_DEFAULT).join(KEY_NAME));
        let origin = |key: Key| settings.0[&key].origin.to_string();
        assert_eq!(origin(Key::Http), "flag --http");
        assert_eq!(origin(Key::Listen), "environment DRONECHAIN_NODE_LISTEN");
        assert!(origin(Key::MiningShare).ends_with("c.toml:5"), "{}", origin(Key::MiningShare));
        assert_eq!(origin(Key::Spec), "default");
    }

    #[test]
    fn unknown_keys_are_named_with_file_and_line() {
        for (file, wanted) in [
            ("data = \"d\"\nhttpp = 1\n", "c.toml:2: unknown key `httpp`"),
            ("[mining]\nspeed = 1\n", "c.toml:2: unknown key `mining.speed`"),
            ("[other]\n", "c.toml:1: unknown key `other`"),
        ] {
            let error = gather(file, &[], &[]).expect_err(file).to_string();
            assert!(error.ends_with(wanted), "{error}");
        }
        let error = gather("", &[("DRONECHAIN_NODE_HTPP", "")], &[]).expect_err("unknown");
        assert!(matches!(error, ConfigError::UnknownEnv(_)));
    }

    #[test]
    fn values_of_another_type_or_range_are_refused() {
        for file in [
            "http = 7700\n",
            "http = \"here\"\n",
            "mining.share = 1.5\n",
            "mining.share = \"0.5\"\n",
            "peers = \"/ip4/127.0.0.1/tcp/1\"\n",
            "peers = [\"/ip4/127.0.0.1/udp/1\"]\n",
            "data = \"\"\n",
            "mining = 3\n",
        ] {
            let refused = gather(file, &[], &[]).and_then(|settings| settings.config());
            assert!(refused.is_err(), "{file}");
        }
    }

    #[test]
    fn value_of_another_type_is_told_in_plain_words() {
        for (file, wanted) in [
            (
                "\nhttp = 7700\n",
                "c.toml:2: http: the whole number 7700 stands there, a text in quotes is wanted",
            ),
            ("mining.share = \"0.5\"\n", "c.toml:1: mining.share: the text \"0.5\" stands there, a number"),
            ("peers = \"/dns4/a/tcp/1\"\n", "a list of texts in quotes"),
            ("log.json = 1.5\n", "the number 1.5 stands there, true or false is wanted"),
            ("data = [1]\n", "a list stands there"),
            ("[data]\n", "a table stands there"),
            ("storage.min_free_mib = true\n", "the truth value true stands there, a whole number"),
        ] {
            let error = gather(file, &[], &[]).expect_err(file);
            let text = error.to_string();
            assert!(text.contains(wanted), "{text}");
            assert!(!text.contains('('), "no type of Rust: {text}");
            assert!(matches!(error, ConfigError::Type { .. }));
        }
    }

    #[test]
    fn peers_may_be_listed() {
        let settings = gather("peers = [\"/ip4/127.0.0.1/tcp/1\", \"/dns4/node/tcp/2\"]\n", &[], &[]);
        let config = settings.and_then(|settings| settings.config()).expect("sound");
        assert_eq!(config.peers.len(), 2);
    }
}
