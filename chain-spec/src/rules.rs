//! The rules of the ledger: one error variant per rule, each with its number in SPEC.md.
//!
//! An error keeps the evidence: what was found and what the rule wants.

use crate::codec::CodecError;
use crate::hash::Hash256;
use crate::key::{KeyError, PublicKey};
use crate::registry::Role;
use crate::roster::ChangeFault;
use crate::target::{Bits, BitsError};
use crate::transaction::Sender;

/// Gives an error enum its rules: for each variant the number and the name that SPEC.md uses.
macro_rules! rules {
    ($type:ident { $($variant:ident => $number:literal $name:literal,)* }) => {
        impl $type {
            /// Number and name of the rule, as SPEC.md lists it.
            pub fn rule(&self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$variant { .. } => ($number, $name),)*
                }
            }

            /// Number and name of every rule.
            pub const RULES: &'static [(&'static str, &'static str)] = &[$(($number, $name),)*];
        }
    };
}

pub(crate) use rules;

/// Why a transaction is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// The bytes are not canonical.
    #[error("tx-malformed: {0}")]
    Malformed(#[from] CodecError),
    /// Too many bytes.
    #[error("tx-too-large: {bytes} bytes")]
    TooLarge {
        /// Encoded size.
        bytes: usize,
    },
    /// An admin's action not sent by the admins, or the other way round.
    #[error("tx-wrong-sender: this action has another kind of sender")]
    WrongSender,
    /// Devices are enrolled by controllers, never admitted.
    #[error("tx-device-admitted: devices are enrolled by their controller")]
    DeviceAdmitted,
    /// A device's kind or area is too long.
    #[error("tx-text-too-long: kind or area is too long")]
    TextTooLong,
    /// Too many leaves, or a root without leaves, or leaves without a root.
    #[error("tx-leaf-count: {found} leaves do not go with this root")]
    LeafCount {
        /// Claimed number of leaves.
        found: u32,
    },
    /// No admins, too many, one twice, or a threshold out of range.
    #[error("tx-admin-set: threshold and admins do not go together")]
    AdminSet,
    /// Not the approvals that the sender needs.
    #[error("tx-approvals: {found} approvals do not go with this sender")]
    Approvals {
        /// Number of approvals found.
        found: usize,
    },
    /// An approval or an admitted key does not hold.
    #[error("tx-signature: {0}")]
    Signature(#[from] KeyError),
    /// A device's or successor's proof of possession does not hold.
    #[error("tx-possession: {device} did not sign that it wants this")]
    Possession {
        /// The device or successor.
        device: PublicKey,
    },
    /// A block time or the number of a rule out of range.
    #[error("tx-parameters: {found} is out of range")]
    Parameters {
        /// Value found.
        found: u64,
    },
    /// The sender is not registered.
    #[error("tx-sender-unknown: {sender} is not registered")]
    SenderUnknown {
        /// The sender.
        sender: PublicKey,
    },
    /// The sender was revoked.
    #[error("tx-sender-revoked: {sender} was revoked at height {height}")]
    SenderRevoked {
        /// The sender.
        sender: PublicKey,
        /// Height of its revocation.
        height: u64,
    },
    /// The sender's role does not entitle it to this action.
    #[error("tx-sender-role: a {role:?} may not do this")]
    SenderRole {
        /// The sender's role.
        role: Role,
    },
    /// Not exactly m distinct admins in order of admin index.
    #[error("tx-admin-approvals: wants {threshold} distinct admins in order of index")]
    AdminApprovals {
        /// m of the admins.
        threshold: u32,
    },
    /// Not the sender's next sequence.
    #[error("tx-sequence: {sender:?} sent sequence {found}, next is {expected}")]
    Sequence {
        /// The sender.
        sender: Sender,
        /// Sequence found.
        found: u64,
        /// The sender's next sequence.
        expected: u64,
    },
}

rules!(TxError {
    Malformed => "T1" "tx-malformed",
    TooLarge => "T2" "tx-too-large",
    WrongSender => "T3" "tx-wrong-sender",
    DeviceAdmitted => "T4" "tx-device-admitted",
    TextTooLong => "T5" "tx-text-too-long",
    LeafCount => "T6" "tx-leaf-count",
    AdminSet => "T7" "tx-admin-set",
    Approvals => "T8" "tx-approvals",
    Signature => "T9" "tx-signature",
    Possession => "T10" "tx-possession",
    Parameters => "T11" "tx-parameters",
    SenderUnknown => "T12" "tx-sender-unknown",
    SenderRevoked => "T13" "tx-sender-revoked",
    SenderRole => "T14" "tx-sender-role",
    AdminApprovals => "T15" "tx-admin-approvals",
    Sequence => "T16" "tx-sequence",
});

/// Why a header is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes are not a header.
    #[error("header-malformed: {0} bytes")]
    Malformed(usize),
    /// Unknown version.
    #[error("header-version: {0}")]
    Version(u32),
    /// Made for another network.
    #[error("header-network: tag {found:02x?}, ours is {expected:02x?}")]
    Network {
        /// Tag found.
        found: [u8; 4],
        /// Tag of this network.
        expected: [u8; 4],
    },
    /// The bits are no strict compact target, or easier than the network's limit.
    #[error("header-bits: {0}")]
    Bits(#[from] BitsError),
    /// A transaction root without transactions, or the other way round, or too many.
    #[error("header-tx-count: {found} transactions do not go with this root")]
    TxCount {
        /// Number of transactions claimed.
        found: u32,
    },
    /// The hash is above the target.
    #[error("header-work: block {hash} does not meet {bits}")]
    Work {
        /// The block's hash.
        hash: Hash256,
        /// The header's own target.
        bits: Bits,
    },
    /// The miner's signature does not hold.
    #[error("header-signature: {0}")]
    Signature(KeyError),
    /// The parent is another block than the one at hand.
    #[error("header-parent: names {found}, wants {expected}")]
    Parent {
        /// Parent named.
        found: Hash256,
        /// Hash of the block at hand.
        expected: Hash256,
    },
    /// Not one above its parent.
    #[error("header-height: {found}, wants {expected}")]
    Height {
        /// Height found.
        found: u64,
        /// The parent's plus one.
        expected: u64,
    },
    /// Not the target that the difficulty rule gives.
    #[error("header-difficulty: {found}, the rule gives {expected}")]
    Difficulty {
        /// Bits found.
        found: Bits,
        /// Bits of the rule.
        expected: Bits,
    },
    /// Not strictly after its parent.
    #[error("header-time: {found} ms is not after the parent's {parent} ms")]
    Time {
        /// Time found.
        found: u64,
        /// The parent's time.
        parent: u64,
    },
    /// Too far ahead of the own clock; may hold later.
    #[error("header-future: {found} ms, at most {latest} ms for now")]
    Future {
        /// Time found.
        found: u64,
        /// The latest time that is accepted at the moment.
        latest: u64,
    },
    /// The miner is not an admitted node.
    #[error("miner-not-admitted: {miner}")]
    MinerNotAdmitted {
        /// The miner.
        miner: PublicKey,
    },
    /// The miner was revoked, or had not announced itself before this height.
    #[error("miner-not-ready: {miner} may not mine at height {height}")]
    MinerNotReady {
        /// The miner.
        miner: PublicKey,
        /// The block's height.
        height: u64,
    },
    /// The miner made one of the s - 1 blocks before.
    #[error("miner-out-of-turn: {miner} made block {earlier}; at height {height} s is {spacing}")]
    MinerOutOfTurn {
        /// The miner.
        miner: PublicKey,
        /// The block's height.
        height: u64,
        /// Height of its earlier block.
        earlier: u64,
        /// s of the spacing rule.
        spacing: u64,
    },
    /// The opened commitments shown with a header are not its own.
    #[error("header-opening: what is shown hashes to {found}, the header commits to {expected}")]
    Opening {
        /// Hash of what is shown.
        found: Hash256,
        /// The header's commitments.
        expected: Hash256,
    },
    /// A transaction shown with a header is not its block's, or not one that changes the roster.
    #[error("header-change: shown transaction {index}: {fault}")]
    Change {
        /// Position among those shown.
        index: usize,
        /// What is wrong.
        fault: ChangeFault,
    },
    /// The changes shown with a header do not lead to the roster that it commits to.
    #[error("header-roster: the changes shown lead to {found}, the header commits to {expected}")]
    Roster {
        /// Root over governance and nodes that the changes lead to.
        found: Hash256,
        /// The committed root.
        expected: Hash256,
    },
    /// The admins activated a rule that this version does not know.
    #[error("header-rule-unknown: rule {rule} holds from height {since}; a newer version is needed")]
    RuleUnknown {
        /// The rule's number.
        rule: u32,
        /// Height of its activation.
        since: u64,
    },
}

rules!(HeaderError {
    Malformed => "H1" "header-malformed",
    Version => "H2" "header-version",
    Network => "H3" "header-network",
    Bits => "H4" "header-bits",
    TxCount => "H5" "header-tx-count",
    Work => "H6" "header-work",
    Signature => "H7" "header-signature",
    Parent => "H8" "header-parent",
    Height => "H9" "header-height",
    Difficulty => "H10" "header-difficulty",
    Time => "H11" "header-time",
    Future => "H12" "header-future",
    MinerNotAdmitted => "H13" "miner-not-admitted",
    MinerNotReady => "H14" "miner-not-ready",
    MinerOutOfTurn => "H15" "miner-out-of-turn",
    Opening => "H16" "header-opening",
    Change => "H17" "header-change",
    Roster => "H18" "header-roster",
    RuleUnknown => "H19" "header-rule-unknown",
});

/// Why a block is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Its header is.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// Another number of transactions than the header has.
    #[error("block-tx-count: {found} transactions, the header has {expected}")]
    TxCount {
        /// Transactions found.
        found: usize,
        /// The header's number.
        expected: u32,
    },
    /// The transactions do not hash to the header's root: these are not this block's transactions.
    #[error("block-tx-root: {found}, the header has {expected}")]
    TxRoot {
        /// Root found.
        found: Hash256,
        /// The header's root.
        expected: Hash256,
    },
    /// Too many bytes of transactions.
    #[error("block-too-large: {bytes} bytes")]
    TooLarge {
        /// Bytes found.
        bytes: usize,
    },
    /// An admins' transaction behind another.
    #[error("block-admin-late: transaction {index} is the admins' but not among the first")]
    AdminLate {
        /// Index of the transaction.
        index: usize,
    },
    /// A transaction is refused.
    #[error("transaction {index}: {error}")]
    Transaction {
        /// Index of the transaction.
        index: usize,
        /// Why.
        error: TxError,
    },
    /// The state after the block is another than the header commits to.
    #[error("block-commitments: {found}, the header has {expected}")]
    Commitments {
        /// Hash of the commitments found.
        found: Hash256,
        /// The header's.
        expected: Hash256,
    },
}

rules!(BlockError {
    Header => "B1" "block-header",
    TxCount => "B2" "block-tx-count",
    TxRoot => "B3" "block-tx-root",
    TooLarge => "B4" "block-too-large",
    AdminLate => "B5" "block-admin-late",
    Transaction => "B6" "block-transaction",
    Commitments => "B7" "block-commitments",
});

impl BlockError {
    /// Whether the block hash itself is refuted. What is bad only in the bytes that came along
    /// (transactions that do not hash to the root, a bad signature) says nothing about the hash,
    /// and a time ahead of the clock may hold later.
    pub fn refutes_hash(&self) -> bool {
        match self {
            Self::TxCount { .. } | Self::TxRoot { .. } => false,
            Self::Header(error) => match error {
                HeaderError::Malformed(_)
                | HeaderError::Signature(_)
                | HeaderError::Future { .. }
                | HeaderError::Parent { .. }
                | HeaderError::Opening { .. }
                | HeaderError::Change { .. }
                | HeaderError::Roster { .. }
                | HeaderError::RuleUnknown { .. } => false,
                HeaderError::Version(_)
                | HeaderError::Network { .. }
                | HeaderError::Bits(_)
                | HeaderError::TxCount { .. }
                | HeaderError::Work { .. }
                | HeaderError::Height { .. }
                | HeaderError::Difficulty { .. }
                | HeaderError::Time { .. }
                | HeaderError::MinerNotAdmitted { .. }
                | HeaderError::MinerNotReady { .. }
                | HeaderError::MinerOutOfTurn { .. } => true,
            },
            Self::TooLarge { .. }
            | Self::AdminLate { .. }
            | Self::Transaction { .. }
            | Self::Commitments { .. } => true,
        }
    }
}
