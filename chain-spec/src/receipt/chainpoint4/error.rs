//! Why a document is no Chainpoint v4 proof of this chain, one variant a reason.

use crate::codec::CodecError;
use crate::limits::{PROOF_BYTES_MAX, PROOF_HOST_MAX, PROOF_OPERAND_MAX};
use crate::merkle::PathError;
use crate::receipt::Part;

/// Why a document is no Chainpoint v4 proof of this chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// More bytes than a proof may have.
    #[error("{0} bytes where at most {PROOF_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// Not the JSON of a proof, or not the like in MessagePack; the message says where.
    #[error("{0}")]
    Fields(String),
    /// Not a zlib stream.
    #[error("not a zlib stream: {0}")]
    Zlib(String),
    /// The zlib stream holds more than a proof may have.
    #[error("it inflates to more than {PROOF_BYTES_MAX} bytes")]
    InflatedTooLong,
    /// Something stands behind the end of the stream or of the one value in it.
    #[error("{0} bytes left over")]
    Trailing(usize),
    /// MessagePack that ends too early, or anything but maps, lists and texts.
    #[error("no map, list or text at byte {0}")]
    MessagePack(usize),
    /// A name that stands twice in one map.
    #[error("the field {0:?} stands twice")]
    RepeatedField(String),
    /// Lists and maps are nested too deep.
    #[error("nested too deep")]
    TooDeep,
    /// Another `@context`.
    #[error("@context is {0:?}")]
    Context(String),
    /// Another `type`.
    #[error("type is {0:?}")]
    Type(String),
    /// More branches than one, or none.
    #[error("{0} branches, one is wanted")]
    Branches(usize),
    /// Another label.
    #[error("the branch is labelled {0:?}")]
    Label(String),
    /// The last operation is no anchor, or another one is.
    #[error("one anchor is wanted, behind all operations")]
    AnchorPlace,
    /// More anchors than one, or none.
    #[error("{0} anchors, one is wanted")]
    Anchors(usize),
    /// Another chain's anchor.
    #[error("the anchor's type is {0:?}")]
    AnchorType(String),
    /// More addresses than one, or none.
    #[error("{0} uris, one is wanted")]
    Uris(usize),
    /// The anchor's address is not `http://HOST/calendar/HEIGHT/data`.
    #[error("the uri is {0:?}")]
    Uri(String),
    /// No name or address of a host.
    #[error("{0:?} is no host of at most {PROOF_HOST_MAX} characters")]
    Host(String),
    /// An operand that is empty or too long.
    #[error("operation {at}: {found} bytes where 1 to {PROOF_OPERAND_MAX} are allowed")]
    OperandLength {
        /// Position of the operation, from 0.
        at: usize,
        /// Bytes found.
        found: usize,
    },
    /// A hash other than SHA-256 for steps and transaction and twice that for the header.
    #[error("operation {at}: {found:?} is not the hash wanted here")]
    Hash {
        /// Position of the operation, from 0.
        at: usize,
        /// The operation.
        found: String,
    },
    /// Operands that are not hashed.
    #[error("the last operands are not hashed")]
    Unhashed,
    /// A step of a tree that is not one sibling of 32 bytes on one side.
    #[error("the step that ends with operation {at} is not one hash on one side")]
    Step {
        /// Position of the hash, from 0.
        at: usize,
    },
    /// No operations that put a transaction around the batch root.
    #[error("no transaction")]
    NoTransaction,
    /// No operations that put a header around the block's root.
    #[error("no header")]
    NoHeader,
    /// A path of more steps than any tree has.
    #[error("a path is too long")]
    PathTooLong,
    /// What stands around the batch root is no transaction with it.
    #[error("the transaction is malformed: {0}")]
    TransactionCodec(CodecError),
    /// The transaction does not anchor the root at the place where the path arrives.
    #[error("the transaction has no anchor's root where the path arrives")]
    RootElsewhere,
    /// The path has not the shape of a leaf's among those that the transaction anchors.
    #[error("proof broken: {0}")]
    PathShape(PathError),
    /// The header has another length.
    #[error("the header has {0} bytes")]
    HeaderLength(usize),
    /// The header has its root elsewhere.
    #[error("the block's root stands at byte {0} of the header")]
    TxRootElsewhere(usize),
    /// The path has not the shape of a transaction's among those that the header counts.
    #[error("block path broken: {0}")]
    BlockPathShape(PathError),
    /// The proof's id is not the one that follows from the rest.
    #[error("proof_id is {found}, {expected} follows from the rest")]
    ProofId {
        /// The id found.
        found: String,
        /// The id that follows.
        expected: String,
    },
    /// The time is not the block's.
    #[error("hash_received is {found}, the block is of {expected}")]
    HashReceived {
        /// The time found.
        found: String,
        /// The block's.
        expected: String,
    },
    /// The anchor's id is not the block's height.
    #[error("anchor_id is {found}, the header's height is {expected}")]
    AnchorId {
        /// The id found.
        found: String,
        /// The height.
        expected: String,
    },
    /// The operations can be written in another way.
    #[error("the operations are not in the one spelling")]
    Spelling,
}

impl FormatError {
    /// The part of a receipt that failed.
    pub fn part(&self) -> Part {
        match self {
            Self::TooLong(_)
            | Self::Fields(_)
            | Self::Zlib(_)
            | Self::InflatedTooLong
            | Self::Trailing(_)
            | Self::MessagePack(_)
            | Self::RepeatedField(_)
            | Self::TooDeep
            | Self::Context(_)
            | Self::Type(_)
            | Self::Branches(_)
            | Self::Label(_)
            | Self::AnchorPlace
            | Self::Anchors(_)
            | Self::AnchorType(_)
            | Self::Uris(_)
            | Self::Uri(_)
            | Self::Host(_)
            | Self::OperandLength { .. }
            | Self::Hash { .. }
            | Self::Unhashed
            | Self::Step { .. }
            | Self::PathTooLong
            | Self::ProofId { .. }
            | Self::HashReceived { .. }
            | Self::AnchorId { .. }
            | Self::Spelling => Part::Format,
            Self::PathShape(_) => Part::Proof,
            Self::NoTransaction | Self::TransactionCodec(_) | Self::RootElsewhere => Part::Transaction,
            Self::BlockPathShape(_) => Part::BlockPath,
            Self::NoHeader | Self::HeaderLength(_) | Self::TxRootElsewhere(_) => Part::Header,
        }
    }
}
