//! Evidence of misbehaviour: what a key signed and must not have signed. Anyone can check it with the
//! chain spec alone. It proves the fact, not the intent: a key may have been stolen, or run twice.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::{self, Canonical};
use crate::hash::{Hash256, sha256};
use crate::header::{Header, SIGNED_HEADER_LEN, SignedHeader};
use crate::key::PublicKey;
use crate::limits::TX_BYTES_MAX;
use crate::rules::{HeaderError, TxError};
use crate::spec::Network;
use crate::transaction::Transaction;

/// Two statements that contradict each other; the one with the smaller hash stands first, so that
/// one fact has one encoding.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Evidence {
    /// Two blocks by one miner on one parent. At one height on different ones is what an honest miner makes whose
    /// chain was left for a heavier one in between.
    Blocks {
        /// The one with the smaller block hash.
        first: SignedHeader,
        /// The other.
        second: SignedHeader,
    },
    /// Two transactions by one sender at one sequence.
    Transactions {
        /// The one with the smaller txid.
        first: Transaction,
        /// The other.
        second: Transaction,
    },
}

impl Canonical for Evidence {
    const MAX: usize = {
        let blocks = 2 * SIGNED_HEADER_LEN;
        let transactions = 2 * TX_BYTES_MAX;
        4 + if blocks > transactions { blocks } else { transactions }
    };
}

/// What a piece of evidence shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Misbehaviour {
    /// Two blocks on one parent.
    TwoBlocks,
    /// Two transactions at one sequence.
    TwoTransactions,
}

/// Why evidence shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// A header breaks a rule that needs no other block.
    #[error("evidence-header: {0}")]
    Header(#[from] HeaderError),
    /// A transaction breaks a rule that needs no state.
    #[error("evidence-transaction: {0}")]
    Transaction(#[from] TxError),
    /// The two do not contradict each other.
    #[error("evidence-no-conflict: the two do not contradict each other")]
    NoConflict,
    /// The one with the larger hash stands first.
    #[error("evidence-order: the one with the smaller hash must stand first")]
    Order,
}

crate::rules::rules!(EvidenceError {
    Header => "E1" "evidence-header",
    Transaction => "E2" "evidence-transaction",
    NoConflict => "E3" "evidence-no-conflict",
    Order => "E4" "evidence-order",
});

/// Evidence that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedEvidence(Evidence);

impl Evidence {
    /// Evidence from two headers, if they contradict each other.
    pub fn of_headers(one: &SignedHeader, other: &SignedHeader) -> Option<Self> {
        let (a, b) = (&one.header, &other.header);
        let place = |header: &Header| (header.miner, header.height, header.parent);
        let conflict = place(a) == place(b) && a.hash() != b.hash();
        let (first, second) = if a.hash() < b.hash() { (one, other) } else { (other, one) };
        conflict.then(|| Self::Blocks { first: first.clone(), second: second.clone() })
    }

    /// Evidence from two transactions, if they contradict each other.
    pub fn of_transactions(one: &Transaction, other: &Transaction) -> Option<Self> {
        let conflict = !doubly_signed(one, other).is_empty();
        let (first, second) = if one.txid() < other.txid() { (one, other) } else { (other, one) };
        conflict.then(|| Self::Transactions { first: first.clone(), second: second.clone() })
    }

    /// What it claims to show.
    pub const fn misbehaviour(&self) -> Misbehaviour {
        match self {
            Self::Blocks { .. } => Misbehaviour::TwoBlocks,
            Self::Transactions { .. } => Misbehaviour::TwoTransactions,
        }
    }

    /// Whose signatures contradict each other, if they hold: the miner, the sender, or the admins that
    /// approved both.
    pub fn offenders(&self) -> Vec<PublicKey> {
        match self {
            Self::Blocks { first, .. } => vec![first.header.miner],
            Self::Transactions { first, second } => doubly_signed(first, second),
        }
    }

    /// SHA-256 of the canonical bytes: the evidence's name.
    pub fn id(&self) -> Hash256 {
        sha256(&[&codec::encode(self)])
    }

    /// Checks that the evidence holds: E1 to E4 of SPEC.md.
    pub fn check(self, network: &Network) -> Result<CheckedEvidence, EvidenceError> {
        let (conflict, in_order) = match &self {
            Self::Blocks { first, second } => {
                let (one, other) = (first.clone().check(network)?, second.clone().check(network)?);
                (Self::of_headers(first, second), one.hash() < other.hash())
            }
            Self::Transactions { first, second } => {
                let one = first.clone().check(&network.chain_id)?;
                let other = second.clone().check(&network.chain_id)?;
                (Self::of_transactions(first, second), one.txid() < other.txid())
            }
        };
        if conflict.is_none() {
            return Err(EvidenceError::NoConflict);
        }
        if in_order { Ok(CheckedEvidence(self)) } else { Err(EvidenceError::Order) }
    }
}

/// Who signed two different bodies at one place; of the admins those who approved both, each once.
fn doubly_signed(one: &Transaction, other: &Transaction) -> Vec<PublicKey> {
    let same_place = one.body.sender == other.body.sender && one.body.sequence == other.body.sequence;
    if !same_place || one.body == other.body {
        return Vec::new();
    }
    let signers = |transaction: &Transaction| -> BTreeSet<_> {
        transaction.approvals.iter().map(|approval| approval.key).collect()
    };
    signers(one).intersection(&signers(other)).copied().collect()
}

impl CheckedEvidence {
    /// The evidence.
    pub fn get(&self) -> &Evidence {
        &self.0
    }
}
