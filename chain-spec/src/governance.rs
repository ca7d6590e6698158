//! How a network is governed: its admins, its parameters, and which rules are active from when.
//!
//! Governance is committed in every header beside the nodes, so that a light client knows by which
//! admins and parameters the next headers are held, and cannot be shown others.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::{self, Canonical};
use crate::hash::{Hash256, sha256};
use crate::limits::{ADMINS_MAX, RULES_MAX};
use crate::rules::HeaderError;
use crate::spec::{AdminSet, Parameters};
use crate::state::Outcome;

/// Numbers of the rules that this version knows besides those that hold from genesis on.
const KNOWN: &[u32] = &[];

/// Parameters that admins may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tuning {
    /// T: the block time that the difficulty rule aims at, in ms.
    pub block_time_ms: u64,
    /// Blocks that a reorganisation may disconnect; 0 for no bound.
    pub finality_depth: u64,
}

/// Parameters that take effect at a height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Planned {
    /// The parameters.
    pub tuning: Tuning,
    /// The first block that they hold for.
    pub height: u64,
}

/// A rule that becomes active at a height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Activation {
    /// The rule's number.
    pub rule: u32,
    /// The first block that it holds for.
    pub height: u64,
}

/// Who decides, and what was decided.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Governance {
    /// The admins.
    pub admins: AdminSet,
    /// Parameters in force, as long as no planned ones are.
    pub tuning: Tuning,
    /// Parameters that were decided last, from their height on.
    pub planned: Option<Planned>,
    /// Activations by rule, ascending.
    pub activations: Vec<Activation>,
}

impl Canonical for Governance {
    const MAX: usize = 4 + 8 + 32 * ADMINS_MAX + 16 + 1 + 24 + 8 + 12 * RULES_MAX as usize;
}

impl Governance {
    /// What a chain spec begins with.
    pub fn new(admins: AdminSet, parameters: &Parameters) -> Self {
        let Parameters { block_time_ms, finality_depth, .. } = *parameters;
        let tuning = Tuning { block_time_ms, finality_depth };
        Self { admins, tuning, planned: None, activations: Vec::new() }
    }

    /// The leaf under which it is committed, the first of the nodes' tree: SHA-256 of a zero byte and
    /// the canonical encoding, which never has 63 bytes (see [`crate::registry::Entry::leaf`]).
    pub fn leaf(&self) -> Hash256 {
        sha256(&[&[0], &codec::encode(self)])
    }

    /// The parameters that hold for the block at `height`.
    pub fn tuning_at(&self, height: u64) -> Tuning {
        match self.planned {
            Some(planned) if planned.height <= height => planned.tuning,
            Some(_) | None => self.tuning,
        }
    }

    /// Whether this version knows every rule that is active at `height`: H19.
    pub fn check_rules(&self, height: u64) -> Result<(), HeaderError> {
        let unknown = |active: &&Activation| active.height <= height && !KNOWN.contains(&active.rule);
        match self.activations.iter().find(unknown) {
            Some(&Activation { rule, height: since }) => Err(HeaderError::RuleUnknown { rule, since }),
            None => Ok(()),
        }
    }

    /// Plans parameters, decided in the block at `height`. A plan that has not taken effect is replaced.
    pub(crate) fn plan(&mut self, planned: Planned, height: u64) -> Outcome {
        if planned.height <= height {
            return Outcome::TooLate;
        }
        self.tuning = self.tuning_at(height);
        self.planned = Some(planned);
        Outcome::Applied
    }

    /// Sets when a rule becomes active, decided in the block at `height`; until then it may be moved.
    pub(crate) fn activate(&mut self, activation: Activation, height: u64) -> Outcome {
        if activation.height <= height {
            return Outcome::TooLate;
        }
        match self.activations.binary_search_by_key(&activation.rule, |known| known.rule) {
            Ok(at) if self.activations[at].height <= height => return Outcome::TooLate,
            Ok(at) => self.activations[at] = activation,
            Err(at) => self.activations.insert(at, activation),
        }
        Outcome::Applied
    }
}
