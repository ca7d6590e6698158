//! The envelope of a record: COSE_Sign1 (RFC 9052), tagged, with EdDSA and the signer's key as `kid`.
//!
//! `18([ << {1: -8, 4: kid} >>, {}, payload, signature ])`. The external data of the signature are
//! `dronechain/record/1 0x00 chain_id`, so that a record holds on one network and for one purpose.
//! A record has exactly one encoding: decoding accepts no other, and its hash is its name.

use std::ops::Range;

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{KeyError, KeyPoint, PublicKey, Purpose, Signature, SigningKey};
use ed25519_dalek::Signer;

use crate::cbor::{Reader, Writer};
use crate::error::RecordError;
use crate::limits::{OVERHEAD_BYTES_MAX, RECORD_BYTES_MAX};
use crate::payload;
use crate::record::Record;

const COSE_SIGN1: u64 = 18;
const ALGORITHM: u64 = 1;
const KEY_ID: u64 = 4;
const EDDSA: i64 = -8;

/// A record whose signature holds, with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRecord {
    bytes: Vec<u8>,
    target_hash: Hash256,
    signer: PublicKey,
    record: Record,
}

/// A well-formed record whose signature was not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedRecord {
    bytes: Vec<u8>,
    payload: Range<usize>,
    signature: Signature,
    signer: PublicKey,
    record: Record,
}

impl Record {
    /// Signs the record for the network `chain_id`.
    ///
    /// # Errors
    /// Any broken rule of a single record, and [`RecordError::TooLong`].
    pub fn sign(self, key: &SigningKey, chain_id: &Hash256) -> Result<SignedRecord, RecordError> {
        let signer = PublicKey::of(key);
        self.check(&signer)?;
        let protected = protected_header(&signer);
        let payload = payload::encode(&self);
        let signature = key.sign(&signed_structure(&protected, chain_id, &payload)).to_bytes();
        let bytes = envelope(&protected, &payload, &signature);
        check_length(bytes.len())?;
        Ok(SignedRecord { target_hash: sha256(&[&bytes]), bytes, signer, record: self })
    }
}

impl UnverifiedRecord {
    /// Reads a record and applies every rule but the signature's.
    ///
    /// # Errors
    /// The first rule that is broken, with the place.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, RecordError> {
        check_length(bytes.len())?;
        let mut reader = Reader::new(&bytes);
        if !matches!((reader.tag("record"), reader.array("record")), (Ok(COSE_SIGN1), Ok(4))) {
            return Err(RecordError::NotCose { at: 0 });
        }
        let signer = signer(reader.nested("protected header")?)?;
        let at = reader.at();
        if reader.map("unprotected header") != Ok(0) {
            return Err(RecordError::UnprotectedHeader { at });
        }
        let inner = reader.nested("payload")?;
        let payload = inner.at()..reader.at();
        let signature = Signature(reader.fixed("signature")?);
        reader.finish()?;
        let record = payload::decode(inner)?;
        record.check(&signer)?;
        let unverified = Self { payload, signature, signer, record, bytes };
        unverified.check_encoding()?;
        Ok(unverified)
    }

    /// The fields. Nobody vouches for them yet.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The key that the record names as its signer.
    pub fn signer(&self) -> &PublicKey {
        &self.signer
    }

    /// Checks the signature, for the network `chain_id`.
    ///
    /// # Errors
    /// [`RecordError::Signature`] if it does not hold by the strict equation.
    pub fn verify(self, chain_id: &Hash256) -> Result<SignedRecord, RecordError> {
        let point = self.signer.point().map_err(RecordError::Signature)?;
        self.verify_by(&point, chain_id)
    }

    /// The same, for whoever has the signer's key as a point.
    ///
    /// # Errors
    /// [`RecordError::Signature`] if it does not hold by the strict equation, or `point` is another key's.
    pub fn verify_by(self, point: &KeyPoint, chain_id: &Hash256) -> Result<SignedRecord, RecordError> {
        if *point.key() != self.signer {
            return Err(RecordError::Signature(KeyError::BadSignature(*point.key())));
        }
        let payload = &self.bytes[self.payload.clone()];
        let message = signed_structure(&protected_header(&self.signer), chain_id, payload);
        point.verify_raw(&message, &self.signature).map_err(RecordError::Signature)?;
        Ok(SignedRecord {
            target_hash: sha256(&[&self.bytes]),
            bytes: self.bytes,
            signer: self.signer,
            record: self.record,
        })
    }

    /// Encodes anew and compares. The reader admits no second form, so this finds only a reader and a
    /// writer that disagree; it costs a copy and keeps the promise independent of both.
    fn check_encoding(&self) -> Result<(), RecordError> {
        let payload = payload::encode(&self.record);
        let again = envelope(&protected_header(&self.signer), &payload, &self.signature.0);
        if again == self.bytes {
            return Ok(());
        }
        let at = again.iter().zip(&self.bytes).position(|(a, b)| a != b);
        Err(RecordError::NotCanonical { at: at.unwrap_or(again.len().min(self.bytes.len())) })
    }
}

impl SignedRecord {
    /// Decodes and verifies in one go.
    ///
    /// # Errors
    /// As [`UnverifiedRecord::decode`] and [`UnverifiedRecord::verify`].
    pub fn from_bytes(bytes: Vec<u8>, chain_id: &Hash256) -> Result<Self, RecordError> {
        UnverifiedRecord::decode(bytes)?.verify(chain_id)
    }

    /// The bytes that are stored, sent and hashed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// SHA-256 of the bytes: the leaf that is anchored, and what `sha256sum` prints for the file.
    pub fn target_hash(&self) -> Hash256 {
        self.target_hash
    }

    /// Who signed.
    pub fn signer(&self) -> &PublicKey {
        &self.signer
    }

    /// The fields.
    pub fn record(&self) -> &Record {
        &self.record
    }
}

fn check_length(found: usize) -> Result<(), RecordError> {
    if found <= RECORD_BYTES_MAX {
        return Ok(());
    }
    Err(RecordError::TooLong { found, max: RECORD_BYTES_MAX })
}

fn signer(mut reader: Reader<'_>) -> Result<PublicKey, RecordError> {
    let r = &mut reader;
    let at = r.at();
    if r.map("protected header")? != 2 || r.uint("header label")? != ALGORITHM {
        return Err(RecordError::ProtectedHeader { at });
    }
    let found = r.int("algorithm")?;
    if found != EDDSA {
        return Err(RecordError::Algorithm { found });
    }
    let at = r.at();
    if r.uint("header label")? != KEY_ID {
        return Err(RecordError::ProtectedHeader { at });
    }
    let key = PublicKey(r.fixed("key id")?);
    r.finish()?;
    Ok(key)
}

fn protected_header(signer: &PublicKey) -> Vec<u8> {
    let mut writer = Writer::with_capacity(38);
    writer.map(2);
    writer.uint(ALGORITHM);
    writer.int(EDDSA);
    writer.uint(KEY_ID);
    writer.bytes(&signer.0);
    writer.0
}

/// RFC 9052's Sig_structure.
fn signed_structure(protected: &[u8], chain_id: &Hash256, payload: &[u8]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(128 + payload.len());
    writer.array(4);
    writer.text("Signature1");
    writer.bytes(protected);
    writer.bytes(&Purpose::Record.preimage(chain_id, b""));
    writer.bytes(payload);
    writer.0
}

fn envelope(protected: &[u8], payload: &[u8], signature: &[u8; 64]) -> Vec<u8> {
    let mut writer = Writer::with_capacity(OVERHEAD_BYTES_MAX + payload.len());
    writer.tag(COSE_SIGN1);
    writer.array(4);
    writer.bytes(protected);
    writer.map(0);
    writer.bytes(payload);
    writer.bytes(signature);
    writer.0
}
