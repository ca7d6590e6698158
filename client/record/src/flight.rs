//! The writing side of a chain: numbers, links and signs one subject's records.

use std::fmt;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};

use crate::chain::Position;
use crate::error::RecordError;
use crate::limits::SALT_BYTES;
use crate::location::Location;
use crate::record::{Attestation, Body, Clock, Kind, Record};
use crate::signed::SignedRecord;

/// What the caller says in a record; the chain adds the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Anything but [`Kind::Closing`].
    pub kind: Kind,
    /// The latest block known.
    pub known_block: Hash256,
    /// When, in microseconds on `clock`.
    pub time_us: u64,
    /// What the time was read from.
    pub clock: Clock,
    /// Where.
    pub location: Location,
    /// What the body is, as a media type of 1 to 64 bytes.
    pub content_type: String,
    /// What was recorded.
    pub body: Body,
}

/// What the caller says in a closing record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The latest block known.
    pub known_block: Hash256,
    /// When, in microseconds on `clock`.
    pub time_us: u64,
    /// What the time was read from.
    pub clock: Clock,
    /// Where.
    pub location: Location,
}

/// The writing side of one subject's chain, from flight to flight.
pub struct Flight {
    key: SigningKey,
    chain_id: Hash256,
    subject: Hash256,
    attested_by: Attestation,
    position: Position,
}

impl Flight {
    /// A subject that signs its own records with `key`, for the network `chain_id`. `position` is
    /// the default for a new subject, else what [`Flight::position`] gave behind the last record
    /// that was kept.
    pub fn new(key: SigningKey, chain_id: Hash256, position: Position) -> Self {
        let subject = PublicKey::of(&key).id();
        Self { key, chain_id, subject, attested_by: Attestation::Device, position }
    }

    /// A gateway that signs with its own `key` for a `subject` that cannot.
    pub fn for_subject(key: SigningKey, chain_id: Hash256, subject: Hash256, position: Position) -> Self {
        Self { key, chain_id, subject, attested_by: Attestation::Gateway, position }
    }

    /// Whose chain it is.
    pub fn subject(&self) -> &Hash256 {
        &self.subject
    }

    /// Where the chain stands; keep it with the record that it stands behind.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Signs the next record. `salt` must be random.
    ///
    /// # Errors
    /// As [`Record::sign`], and [`RecordError::ClosingBody`] for a draft of a closing record. The
    /// chain stays where it was.
    pub fn append(&mut self, draft: Draft, salt: [u8; SALT_BYTES]) -> Result<SignedRecord, RecordError> {
        // A draft could claim another count; only `close` knows the right one.
        if draft.kind == Kind::Closing {
            return Err(RecordError::ClosingBody { kind: draft.kind });
        }
        self.sign(draft, salt)
    }

    /// Ends the flight with a record that counts it. What is appended next begins a new one.
    ///
    /// # Errors
    /// As [`Record::sign`]. The chain stays where it was.
    pub fn close(&mut self, closing: Closing, salt: [u8; SALT_BYTES]) -> Result<SignedRecord, RecordError> {
        let Closing { known_block, time_us, clock, location } = closing;
        let body = Body::Closing { count: self.position.in_flight };
        let (kind, content_type) = (Kind::Closing, String::new());
        self.sign(Draft { kind, known_block, time_us, clock, location, content_type, body }, salt)
    }

    fn sign(&mut self, draft: Draft, salt: [u8; SALT_BYTES]) -> Result<SignedRecord, RecordError> {
        let Draft { kind, known_block, time_us, clock, location, content_type, body } = draft;
        let record = Record {
            kind,
            subject: self.subject,
            attested_by: self.attested_by,
            sequence: self.position.next_sequence,
            previous: self.position.previous,
            known_block,
            time_us,
            clock,
            location,
            content_type,
            salt,
            body,
        };
        let signed = record.sign(&self.key, &self.chain_id)?;
        self.position = self.position.after(&signed);
        Ok(signed)
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("subject", &self.subject)
            .field("attested_by", &self.attested_by)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
