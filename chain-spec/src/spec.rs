//! The chain spec: a network's name, parameters, first admins and first nodes, and the genesis block
//! that follows from them.
//!
//! `chain_id` is the hash of the genesis block, whose `tx_root` is the hash of the spec's canonical
//! bytes: two networks that differ in anything have different ids.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::{self, Canonical};
use crate::governance::Governance;
use crate::hash::{Hash256, sha256};
use crate::header::{Header, Parent, VERSION};
use crate::key::{KeyError, PublicKey};
use crate::limits::{
    ADMINS_MAX, BLOCK_TIME_RANGE, CHAIN_SPEC_BYTES_MAX, CHAIN_SPEC_TOML_MAX, GENESIS_NODES_MAX,
    NETWORK_NAME_MAX,
};
use crate::registry::{Account, Commitments, Entry, Registry, Role, Roll};
use crate::state::State;
use crate::target::{Bits, BitsError, Target};

/// Parameters that a bundled network fixes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// T: the block time that the difficulty rule aims at, in ms.
    pub block_time_ms: u64,
    /// Target of the block at height 1.
    pub initial_bits: Bits,
    /// The easiest target.
    pub limit_bits: Bits,
    /// Blocks below the tip that a reorganisation may not pass; 0 switches the bound off.
    pub finality_depth: u64,
}

/// The admins: any `threshold` of them act together.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AdminSet {
    /// m: approvals that an admin transaction carries.
    pub threshold: u32,
    /// The admins in order of index.
    pub keys: Vec<PublicKey>,
}

/// A network's name and parameters without keys, as bundled in `networks/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkTemplate {
    /// The network's name.
    pub name: String,
    /// Its parameters.
    pub parameters: Parameters,
}

/// Everything that a network's parties agree on from the start.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSpec {
    /// The network's name; letters, digits and dashes.
    pub name: String,
    /// Time of the genesis block, ms since 1970 UTC.
    pub genesis_time_ms: u64,
    /// The first nodes; they count as ready from the start.
    pub nodes: Vec<PublicKey>,
    /// Parameters.
    pub parameters: Parameters,
    /// The first admins.
    pub admins: AdminSet,
}

impl Canonical for ChainSpec {
    const MAX: usize = CHAIN_SPEC_BYTES_MAX;
}

/// Why a chain spec is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// More text than a spec may have.
    #[error("{0} bytes, at most {CHAIN_SPEC_TOML_MAX} are allowed")]
    TooLong(usize),
    /// Not the TOML of a spec; the message has the line.
    #[error("{0}")]
    Toml(String),
    /// The name is empty, too long or has other characters.
    #[error("name: 1 to {NETWORK_NAME_MAX} lower-case letters, digits and dashes are wanted")]
    Name,
    /// The block time is out of range.
    #[error("parameters.block_time_ms: {0} is not within 10 to 3,600,000")]
    BlockTime(u64),
    /// A target is not a strict compact one.
    #[error("parameters.{field}: {error}")]
    Bits {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        error: BitsError,
    },
    /// The first target is easier than the limit.
    #[error("parameters.initial_bits: easier than limit_bits")]
    InitialAboveLimit,
    /// No admins, too many, or a threshold out of range.
    #[error("admins: threshold {threshold} does not go with {keys} keys")]
    Admins {
        /// The threshold.
        threshold: u32,
        /// Number of keys.
        keys: usize,
    },
    /// No nodes or too many.
    #[error("nodes: {0} keys, 1 to {GENESIS_NODES_MAX} are wanted")]
    Nodes(usize),
    /// A key stands twice.
    #[error("{field}: key {key} stands twice")]
    Duplicate {
        /// The list.
        field: &'static str,
        /// The key.
        key: PublicKey,
    },
    /// A key is weak or none.
    #[error("{field}: {error}")]
    Key {
        /// The list.
        field: &'static str,
        /// What is wrong with it.
        error: KeyError,
    },
}

impl SpecError {
    fn toml(text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Self::Toml(format!("line {line}: {}", error.message()))
    }
}

impl NetworkTemplate {
    /// Reads a bundled network's TOML.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        toml::from_str(text).map_err(|error| SpecError::toml(text, &error))
    }

    /// The development network: T = 1 s, for one machine.
    pub fn dev() -> Self {
        Self::from_toml(include_str!("../networks/dev.toml")).expect("the bundled network is tested")
    }

    /// Networks of several machines: T = 5 s.
    pub fn fleet() -> Self {
        Self::from_toml(include_str!("../networks/fleet.toml")).expect("the bundled network is tested")
    }
}

impl ChainSpec {
    /// Reads and checks a spec's TOML; unknown keys are refused.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        if text.len() > CHAIN_SPEC_TOML_MAX {
            return Err(SpecError::TooLong(text.len()));
        }
        let spec: Self = toml::from_str(text).map_err(|error| SpecError::toml(text, &error))?;
        spec.check()?;
        Ok(spec)
    }

    /// The spec as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("tables, arrays, strings and integers are TOML")
    }

    /// The rules that a spec must meet.
    pub fn check(&self) -> Result<(), SpecError> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if !(1..=NETWORK_NAME_MAX).contains(&self.name.len()) || !self.name.bytes().all(plain) {
            return Err(SpecError::Name);
        }
        if !BLOCK_TIME_RANGE.contains(&self.parameters.block_time_ms) {
            return Err(SpecError::BlockTime(self.parameters.block_time_ms));
        }
        let target = |field, bits| Target::from_bits(bits).map_err(|error| SpecError::Bits { field, error });
        let limit = target("limit_bits", self.parameters.limit_bits)?;
        if target("initial_bits", self.parameters.initial_bits)? > limit {
            return Err(SpecError::InitialAboveLimit);
        }
        let AdminSet { threshold, keys } = &self.admins;
        if keys.len() > ADMINS_MAX || !(1..=keys.len()).contains(&(*threshold as usize)) {
            return Err(SpecError::Admins { threshold: *threshold, keys: keys.len() });
        }
        if !(1..=GENESIS_NODES_MAX).contains(&self.nodes.len()) {
            return Err(SpecError::Nodes(self.nodes.len()));
        }
        check_keys("admins.keys", keys)?;
        check_keys("nodes", &self.nodes)
    }

    /// The state that the genesis block leaves.
    pub fn genesis_state(&self) -> State {
        let nodes = self.nodes.iter().map(|key| {
            let entry = Entry { ready: Some(0), ..Entry::new(*key, Role::Node, None, 0) };
            Account { entry, next_sequence: 0 }
        });
        State::new(
            Governance::new(self.admins.clone(), &self.parameters),
            Registry::new(nodes.collect(), Vec::new()),
        )
    }

    /// The genesis header: no work, no miner, no signature; `tx_root` is the hash of the spec.
    pub fn genesis(&self) -> Header {
        let spec_hash = sha256(&[&codec::encode(self)]);
        let state = self.genesis_state();
        let commitments = Commitments {
            history: Hash256::ZERO,
            nodes: state.nodes_root(),
            accounts: state.registry.root(Roll::Accounts),
        };
        Header {
            version: VERSION,
            height: 0,
            parent: Hash256::ZERO,
            tx_root: spec_hash,
            commitments: commitments.hash(),
            tx_count: 0,
            time_ms: self.genesis_time_ms,
            bits: self.parameters.initial_bits,
            network: tag_of(&spec_hash),
            miner: PublicKey([0; 32]),
            nonce: 0,
        }
    }

    /// What the rules need to know of the network.
    pub fn network(&self) -> Network {
        let genesis = self.genesis();
        let target = |bits| Target::from_bits(bits).expect("check accepted the spec's targets");
        Network {
            chain_id: genesis.hash(),
            tag: genesis.network,
            limit: target(self.parameters.limit_bits),
            genesis_parent: Parent {
                hash: genesis.hash(),
                height: 0,
                time_ms: genesis.time_ms,
                target: target(genesis.bits),
                grandparent_time_ms: None,
            },
        }
    }
}

fn tag_of(spec_hash: &Hash256) -> [u8; 4] {
    let [a, b, c, d, ..] = spec_hash.0;
    [a, b, c, d]
}

fn check_keys(field: &'static str, keys: &[PublicKey]) -> Result<(), SpecError> {
    let mut seen = std::collections::BTreeSet::new();
    for key in keys {
        key.check().map_err(|error| SpecError::Key { field, error })?;
        if !seen.insert(key) {
            return Err(SpecError::Duplicate { field, key: *key });
        }
    }
    Ok(())
}

/// What never changes about a network; what admins may change is in [`Governance`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Hash of the genesis block.
    pub chain_id: Hash256,
    /// First 4 bytes of the chain spec's hash.
    pub tag: [u8; 4],
    /// The easiest target.
    pub limit: Target,
    /// The genesis block as the parent of the block at height 1.
    pub genesis_parent: Parent,
}
