//! A record's fields, and the rules that hold within one record.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use serde::{Serialize, Serializer};

use crate::error::RecordError;
use crate::limits::{
    CONTENT_TYPE_BYTES_MAX, RECORD_BYTES_MAX, SALT_BYTES, SEAL_TAG_BYTES, SEQUENCE_MAX, TIME_US_MAX,
};
use crate::location::Location;

/// An enum of the format: each variant has a code in the encoding and a name for people.
macro_rules! codes {
    (
        $(#[$doc:meta])*
        $name:ident, $field:literal { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $text:literal;)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The name for people, in lower case.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            pub(crate) const fn code(self) -> u64 {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            pub(crate) const fn from_code(code: u64) -> Result<Self, $crate::error::RecordError> {
                match code {
                    $($code => Ok(Self::$variant),)*
                    _ => Err($crate::error::RecordError::Code { field: $field, found: code }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use codes;

codes! {
    /// What a record reports.
    Kind, "kind" {
        /// Data that a device collected.
        Data = 0, "data";
        /// A command that a controller gave.
        Command = 1, "command";
        /// An access to stored data.
        Access = 2, "access";
        /// The end of a flight, with the count of its records.
        Closing = 3, "closing";
    }
}

codes! {
    /// Who signed.
    Attestation, "attested_by" {
        /// The subject itself, with the key that its id is the hash of.
        Device = 0, "device";
        /// A gateway, for a subject that cannot sign.
        Gateway = 1, "gateway";
    }
}

codes! {
    /// What a record's time was read from.
    Clock, "clock" {
        /// UTC, set by satellite navigation.
        UtcGps = 0, "utc-gps";
        /// UTC, as the host's clock had it.
        UtcHost = 1, "utc-host";
        /// Time since the device started; not UTC.
        Boot = 2, "boot";
        /// Invented, as everything in a simulated record.
        Simulated = 3, "simulated";
    }
}

/// All fields of a record. Plain: [`Record::sign`] checks it. The JSON form is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// What it reports.
    pub kind: Kind,
    /// Whose chain it stands in: SHA-256 of the key of the drone (data, closing), of the
    /// controller (command) or of the reader (access).
    pub subject: Hash256,
    /// Whether the subject or a gateway signs.
    pub attested_by: Attestation,
    /// The record's number in the subject's chain, from 0, without gaps.
    pub sequence: u64,
    /// `targetHash` of the subject's record before; 32 zero bytes for record 0.
    pub previous: Hash256,
    /// The latest block that the signer knew: the record is not older than it.
    pub known_block: Hash256,
    /// When, in microseconds since 1970 (UTC), or since the start of the device for [`Clock::Boot`].
    pub time_us: u64,
    /// What `time_us` was read from.
    pub clock: Clock,
    /// Where.
    pub location: Location,
    /// What the body is, as a media type; empty in closing records and only there.
    pub content_type: String,
    /// Random bytes, so that nobody can guess a body and confirm it by its hash.
    #[serde(serialize_with = "as_hex")]
    pub salt: [u8; SALT_BYTES],
    /// What was recorded.
    pub body: Body,
}

/// The body of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// The bytes as they were recorded.
    Clear(#[serde(serialize_with = "as_hex")] Vec<u8>),
    /// Bytes that readers with the key can open.
    Sealed(Sealed),
    /// The end of a flight.
    Closing {
        /// Records of the flight before this one.
        count: u64,
    },
}

/// Bytes under XChaCha20-Poly1305. Opaque here: carried and signed, neither made nor opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sealed {
    /// Commits to the key, which the cipher does not do.
    pub key_commitment: Hash256,
    /// The cipher's nonce.
    #[serde(serialize_with = "as_hex")]
    pub nonce: [u8; 24],
    /// Ciphertext, ending with the 16-byte tag.
    #[serde(serialize_with = "as_hex")]
    pub ciphertext: Vec<u8>,
}

impl Record {
    /// Applies every rule that concerns one record and its signer.
    pub(crate) fn check(&self, signer: &PublicKey) -> Result<(), RecordError> {
        at_most("sequence", self.sequence, SEQUENCE_MAX)?;
        at_most("time", self.time_us, TIME_US_MAX)?;
        self.check_content_type()?;
        self.check_previous()?;
        self.check_body()?;
        self.location.check()?;
        self.check_signer(signer)
    }

    fn check_content_type(&self) -> Result<(), RecordError> {
        let found = self.content_type.len();
        if found > CONTENT_TYPE_BYTES_MAX {
            return Err(RecordError::Length {
                field: "content type",
                found: found as u64,
                min: 0,
                max: CONTENT_TYPE_BYTES_MAX as u64,
            });
        }
        if let Some(index) = self.content_type.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(RecordError::ContentType { index });
        }
        if (found == 0) != (self.kind == Kind::Closing) {
            return Err(RecordError::ContentTypePresence { kind: self.kind, found });
        }
        Ok(())
    }

    fn check_previous(&self) -> Result<(), RecordError> {
        match (self.sequence, self.previous) {
            (0, Hash256::ZERO) => Ok(()),
            (0, previous) => Err(RecordError::PreviousOfFirst { previous }),
            (sequence, Hash256::ZERO) => Err(RecordError::PreviousMissing { sequence }),
            _ => Ok(()),
        }
    }

    fn check_body(&self) -> Result<(), RecordError> {
        let closing = self.kind == Kind::Closing;
        match &self.body {
            Body::Closing { count } if closing && *count > self.sequence => {
                Err(RecordError::ClosingCount { sequence: self.sequence, count: *count })
            }
            Body::Closing { .. } if closing => Ok(()),
            Body::Clear(_) if !closing => Ok(()),
            Body::Sealed(sealed) if !closing => sealed.check("sealed body", RECORD_BYTES_MAX),
            _ => Err(RecordError::ClosingBody { kind: self.kind }),
        }
    }

    fn check_signer(&self, signer: &PublicKey) -> Result<(), RecordError> {
        let own = signer.id() == self.subject;
        match self.attested_by {
            Attestation::Device if !own => {
                Err(RecordError::NotTheSubject { subject: self.subject, signer: *signer })
            }
            Attestation::Gateway if own => Err(RecordError::NotAGateway { subject: self.subject }),
            _ => Ok(()),
        }
    }
}

impl Sealed {
    /// A ciphertext holds at least its tag.
    pub(crate) fn check(&self, field: &'static str, max: usize) -> Result<(), RecordError> {
        let found = self.ciphertext.len();
        if (SEAL_TAG_BYTES..=max).contains(&found) {
            return Ok(());
        }
        let (found, min, max) = (found as u64, SEAL_TAG_BYTES as u64, max as u64);
        Err(RecordError::Length { field, found, min, max })
    }
}

fn at_most(field: &'static str, found: u64, max: u64) -> Result<(), RecordError> {
    if found <= max {
        return Ok(());
    }
    Err(RecordError::Range { field, found: found.into(), min: 0, max: max.into() })
}

fn as_hex<S: Serializer>(bytes: &impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}
