//! Why bytes are not a record, or a record cannot be signed: one variant per rule.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{KeyError, PublicKey};

/// A broken rule of the format. `at` is a byte position in the record, from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// More bytes than a record may have.
    #[error("a record of {found} bytes where at most {max} are allowed")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The bytes end inside an item.
    #[error("the record ends within the item at byte {at}")]
    End {
        /// Where the unfinished item begins.
        at: usize,
    },
    /// The item has a shorter encoding, or no definite length.
    #[error("not deterministic CBOR at byte {at}")]
    NotCanonical {
        /// Where the item begins, or where the re-encoded record differs.
        at: usize,
    },
    /// Bytes follow where the record or its payload should end.
    #[error("bytes left over from byte {at} on")]
    Trailing {
        /// The first byte too many.
        at: usize,
    },
    /// The outermost item is not tag 18 over an array of four.
    #[error("not a tagged COSE_Sign1 (byte {at})")]
    NotCose {
        /// Where another item was found.
        at: usize,
    },
    /// The protected header is not exactly an algorithm (1) and a key id (4).
    #[error("the protected header holds something else than algorithm and key id (byte {at})")]
    ProtectedHeader {
        /// Where something else was found.
        at: usize,
    },
    /// The unprotected header is not empty: what it held would not be signed.
    #[error("the unprotected header is not empty (byte {at})")]
    UnprotectedHeader {
        /// Where the header begins.
        at: usize,
    },
    /// The algorithm is not EdDSA (-8).
    #[error("algorithm {found} where EdDSA (-8) is wanted")]
    Algorithm {
        /// The COSE algorithm found.
        found: i64,
    },
    /// The signature does not hold under the key that the record names.
    #[error("{0}")]
    Signature(KeyError),
    /// A field's item has another type.
    #[error("{field} (byte {at}) is not {expected}")]
    Type {
        /// The field.
        field: &'static str,
        /// Where its item begins.
        at: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// The payload has another number of fields.
    #[error("{found} fields where {expected} are wanted")]
    FieldCount {
        /// Fields found.
        found: u64,
        /// Fields of this version.
        expected: u64,
    },
    /// A field is missing, repeated, unknown or out of order.
    #[error("field {found} at byte {at} where field {expected} is wanted")]
    FieldOrder {
        /// Where the field's key stands.
        at: usize,
        /// The key wanted here.
        expected: u64,
        /// The key found.
        found: u64,
    },
    /// A field has another length.
    #[error("{field} has length {found} where {min} to {max} are allowed")]
    Length {
        /// The field.
        field: &'static str,
        /// Bytes or items found.
        found: u64,
        /// Fewest allowed.
        min: u64,
        /// Most allowed.
        max: u64,
    },
    /// The record is of a version that this code does not know.
    #[error("version {found} where 1 is known")]
    Version {
        /// The version found.
        found: u64,
    },
    /// No meaning is assigned to the code.
    #[error("{field} {found} has no meaning")]
    Code {
        /// The field.
        field: &'static str,
        /// The code found.
        found: u64,
    },
    /// A number is out of its range.
    #[error("{field} {found} is outside {min} to {max}")]
    Range {
        /// The field.
        field: &'static str,
        /// The number found.
        found: i128,
        /// Least allowed.
        min: i128,
        /// Most allowed.
        max: i128,
    },
    /// The content type holds something else than printable ASCII without spaces.
    #[error("byte {index} of the content type is not printable ASCII")]
    ContentType {
        /// Position in the content type, from 0.
        index: usize,
    },
    /// The content type is empty, or a closing record has one.
    #[error("a {kind} record with a content type of {found} bytes: closing records alone have none")]
    ContentTypePresence {
        /// The record's kind.
        kind: crate::record::Kind,
        /// Bytes of the content type.
        found: usize,
    },
    /// The record says that its subject signed it, but another key did.
    #[error("subject {subject} is said to sign for itself, but key {signer} signs")]
    NotTheSubject {
        /// The record's subject.
        subject: Hash256,
        /// Who signs.
        signer: PublicKey,
    },
    /// The record says that a gateway signed it, but the subject itself did.
    #[error("subject {subject} signs itself, yet a gateway is named")]
    NotAGateway {
        /// The record's subject.
        subject: Hash256,
    },
    /// The first record of a subject names a record before it.
    #[error("record 0 names {previous} as the one before it")]
    PreviousOfFirst {
        /// The hash named.
        previous: Hash256,
    },
    /// A later record names none before it.
    #[error("record {sequence} names no record before it")]
    PreviousMissing {
        /// The record's number.
        sequence: u64,
    },
    /// A closing record without a count, or a count in another kind of record.
    #[error("a {kind} record with the wrong body: closing records alone hold a count")]
    ClosingBody {
        /// The record's kind.
        kind: crate::record::Kind,
    },
    /// A closing record counts more records than its subject has.
    #[error("record {sequence} counts {count} records before it")]
    ClosingCount {
        /// The closing record's number.
        sequence: u64,
        /// What it counts.
        count: u64,
    },
}
