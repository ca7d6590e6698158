//! Checkpoints: blocks from which a header chain begins, for whoever trusts their id.
//!
//! The id is the hash of all that the rules need to know of the chain up to the block. Two parties that
//! verified the same chain make the same checkpoint, so an id can be compared by word of mouth.

use bincode::{Decode, Encode};

use crate::chain::HeaderChain;
use crate::codec::{self, Canonical};
use crate::hash::{Hash256, sha256};
use crate::key::PublicKey;
use crate::limits::{CHAIN_SPEC_BYTES_MAX, NODES_MAX};
use crate::link::Link;
use crate::roster::Roster;
use crate::rules::HeaderError;
use crate::spec::{ChainSpec, SpecError};
use crate::target::{Target, Work};

/// Miners that a checkpoint names: as many as the spacing rule ever looks back to.
pub const MINERS_MAX: usize = NODES_MAX / 2;

/// The state of the header rules after a block; unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Checkpoint {
    /// The chain spec.
    pub spec: ChainSpec,
    /// The block, at height 1 or above.
    pub link: Link,
    /// Governance and nodes after it.
    pub roster: Roster,
    /// Work up to the block, its own included.
    pub work: Work,
    /// Time of the block before, ms since 1970 UTC.
    pub parent_time_ms: u64,
    /// Miners of the blocks before it, newest first, by their place on the roll of nodes: back to height 1, but at
    /// most [`MINERS_MAX`].
    pub miners: Vec<u16>,
}

impl Canonical for Checkpoint {
    const MAX: usize = CHAIN_SPEC_BYTES_MAX + Link::MAX + Roster::MAX + 32 + 8 + 8 + 2 * MINERS_MAX;
}

/// Why a checkpoint is none, or not the one trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is not the one that is trusted.
    #[error("checkpoint {found}, trusted is {trusted}")]
    Untrusted {
        /// Its id.
        found: Hash256,
        /// The id that is trusted.
        trusted: Hash256,
    },
    /// Nobody said which one to trust.
    #[error("checkpoint {found}, and none is trusted")]
    NoneTrusted {
        /// Its id.
        found: Hash256,
    },
    /// Its chain spec breaks a rule.
    #[error("chain spec: {0}")]
    Spec(#[from] SpecError),
    /// Its block breaks a rule.
    #[error("block: {0}")]
    Block(#[from] HeaderError),
    /// Its parts do not belong together.
    #[error("the {0} of the checkpoint does not belong to its block")]
    Part(&'static str),
}

impl Checkpoint {
    /// The checkpoint of the block at `height` of a verified chain; none if the chain does not have enough
    /// below it.
    pub fn of(chain: &HeaderChain, height: u64) -> Option<Self> {
        let link = chain.link(height)?.clone();
        let roster = chain.roster(height).clone();
        let parent_time_ms = chain.time_ms(height - 1)?;
        let wanted = usize::try_from(height - 1).unwrap_or(MINERS_MAX).min(MINERS_MAX);
        let place = |miner: PublicKey| {
            let place = roster.nodes.0.iter().position(|entry| entry.key == miner);
            u16::try_from(place.expect("miners are on the roll")).expect("the roll has 4,096 places")
        };
        let miners: Vec<_> = chain.miners_below(height).take(wanted).map(place).collect();
        let (spec, work) = (chain.spec().clone(), chain.work_at(height)?);
        (miners.len() == wanted).then_some(Self { spec, link, roster, work, parent_time_ms, miners })
    }

    /// SHA-256 of its encoding: what is trusted.
    pub fn id(&self) -> Hash256 {
        sha256(&[&codec::encode(self)])
    }

    /// Height of the block.
    pub fn height(&self) -> u64 {
        self.link.header.header.height
    }

    /// Hash of its block.
    pub fn block(&self) -> Hash256 {
        self.link.header.header.hash()
    }

    /// That it is the one trusted, and of one piece.
    pub fn check(self, trusted: Hash256) -> Result<TrustedCheckpoint, CheckpointError> {
        let id = self.id();
        if id != trusted {
            return Err(CheckpointError::Untrusted { found: id, trusted });
        }
        self.spec.check()?;
        let target = self.link.clone().check(&self.spec.network())?.header().target();
        if self.roster.root() != self.link.commitments.nodes {
            return Err(CheckpointError::Part("roster"));
        }
        let header = &self.link.header.header;
        let wanted = header.height.saturating_sub(1).min(MINERS_MAX as u64);
        let on_roll = |place: &u16| usize::from(*place) < self.roster.nodes.0.len();
        if header.height == 0 || self.miners.len() as u64 != wanted || !self.miners.iter().all(on_roll) {
            return Err(CheckpointError::Part("list of miners"));
        }
        Ok(TrustedCheckpoint { checkpoint: self, id, target })
    }
}

/// A checkpoint whose id is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedCheckpoint {
    checkpoint: Checkpoint,
    id: Hash256,
    target: Target,
}

impl TrustedCheckpoint {
    /// The network, by the hash of its genesis block.
    pub fn chain_id(&self) -> Hash256 {
        self.checkpoint.spec.genesis().hash()
    }

    /// The checkpoint.
    pub fn get(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Its id.
    pub fn id(&self) -> Hash256 {
        self.id
    }

    /// The target of its block.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Miners of the blocks before it, newest first.
    pub fn miners(&self) -> impl Iterator<Item = PublicKey> {
        let nodes = &self.checkpoint.roster.nodes.0;
        self.checkpoint.miners.iter().map(|place| nodes[usize::from(*place)].key)
    }
}
