//! A subject's chain of records, and what a receiver holds it to.
//!
//! Records are numbered from 0 without gaps and each names the hash of the one before. A closing
//! record ends a flight and counts the flight's other records. The next record begins a new flight:
//! the numbers go on and its `previous` is the closing record, so nothing can be cut out between
//! two flights. A flight without a closing record is open, not wrong.

use dronechain_chain_spec::hash::Hash256;
use serde::{Deserialize, Serialize};

use crate::record::Body;
use crate::signed::SignedRecord;

/// How far a subject's chain has come. Keep it durably: a chain goes on from it after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Number of the next record.
    pub next_sequence: u64,
    /// `targetHash` of the last record; zero before the first.
    pub previous: Hash256,
    /// Records of the open flight so far; 0 between flights.
    pub in_flight: u64,
}

/// Why a record does not continue a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The record is another subject's.
    #[error("a record of {found} in the chain of {expected}")]
    Subject {
        /// Whose chain it is.
        expected: Hash256,
        /// Whose record it is.
        found: Hash256,
    },
    /// Records between the last one and this one are missing.
    #[error("record {expected} is missing: {found} came next")]
    SequenceGap {
        /// The number that should come next.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The number was used before. With another hash that is evidence against the signer.
    #[error("record {found} ({record}) again where {expected} comes next")]
    SequenceRepeated {
        /// The number that should come next.
        expected: u64,
        /// The number that came.
        found: u64,
        /// `targetHash` of the record that came.
        record: Hash256,
    },
    /// The record follows another one than the last that was accepted.
    #[error("record {sequence} follows {found} where the chain ends in {expected}")]
    PreviousMismatch {
        /// The record's number.
        sequence: u64,
        /// `targetHash` of the last accepted record.
        expected: Hash256,
        /// The hash that the record names.
        found: Hash256,
    },
    /// A closing record counts another number of records than were accepted.
    #[error("closing record {sequence} counts {found} records where the flight has {expected}")]
    Count {
        /// The closing record's number.
        sequence: u64,
        /// Records of the flight that were accepted.
        expected: u64,
        /// What the closing record counts.
        found: u64,
    },
}

/// The receiving side: accepts one subject's records in order and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follower {
    subject: Hash256,
    position: Position,
}

impl Position {
    /// The position behind `record`.
    pub(crate) fn after(self, record: &SignedRecord) -> Self {
        let in_flight = match record.record().body {
            Body::Closing { .. } => 0,
            Body::Clear(_) | Body::Sealed(_) => self.in_flight + 1,
        };
        // Records hold their sequence to SEQUENCE_MAX, so this cannot overflow.
        let next_sequence = record.record().sequence + 1;
        Self { next_sequence, previous: record.target_hash(), in_flight }
    }
}

impl Follower {
    /// Follows `subject` from its record 0.
    pub fn new(subject: Hash256) -> Self {
        Self::resume(subject, Position::default())
    }

    /// Follows `subject` from a position that [`Follower::position`] gave.
    pub fn resume(subject: Hash256, position: Position) -> Self {
        Self { subject, position }
    }

    /// Whose chain it is.
    pub fn subject(&self) -> &Hash256 {
        &self.subject
    }

    /// How far the chain has come.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether the last record closed its flight; also before the first.
    pub fn is_closed(&self) -> bool {
        self.position.in_flight == 0
    }

    /// Takes the next record, or changes nothing and says why not.
    ///
    /// # Errors
    /// The first rule that the record breaks.
    pub fn accept(&mut self, signed: &SignedRecord) -> Result<(), ChainError> {
        let Position { next_sequence: expected, previous, in_flight } = self.position;
        let record = signed.record();
        let found = record.sequence;
        if record.subject != self.subject {
            return Err(ChainError::Subject { expected: self.subject, found: record.subject });
        }
        if found > expected {
            return Err(ChainError::SequenceGap { expected, found });
        }
        if found < expected {
            return Err(ChainError::SequenceRepeated { expected, found, record: signed.target_hash() });
        }
        if record.previous != previous {
            let (expected, found) = (previous, record.previous);
            return Err(ChainError::PreviousMismatch { sequence: record.sequence, expected, found });
        }
        if let Body::Closing { count } = record.body
            && count != in_flight
        {
            let sequence = record.sequence;
            return Err(ChainError::Count { sequence, expected: in_flight, found: count });
        }
        self.position = self.position.after(signed);
        Ok(())
    }
}
