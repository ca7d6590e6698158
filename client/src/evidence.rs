//! One record, one receipt, one header chain: does it verify, and what may be believed.
//!
//! No network and no clock. Every byte counts: a record, receipt or header in which one byte was
//! changed does not verify, and the error names the part.

use std::collections::VecDeque;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::KeyPoint;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::receipt::{
    Document, Existence, ExistenceProof, Part, Proven, ProvenAnchor, Receipt, ReceiptError,
};
use dronechain_record::verdict::{EntitlementError, Verdict, assess, assess_existence};
use dronechain_record::{RecordError, SignedRecord, UnverifiedRecord};

use crate::limits::{ANCHORS_KEPT, SIGNERS_KEPT};

/// How every record begins: the tag of a COSE_Sign1 and an array of four.
const RECORD_MAGIC: [u8; 2] = [0xd2, 0x84];

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The record; none for any other file that was anchored by its hash.
    pub record: Option<SignedRecord>,
    /// What the receipt proves; the registrations that it shows are in the verdict.
    pub proven: Existence,
    /// What may be believed. Never more than [`Verdict::AuthorityUnchecked`] without a record.
    pub verdict: Verdict,
}

/// Why it does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The receipt is malformed, does not match, or leads elsewhere.
    #[error("{0}")]
    Receipt(ReceiptError),
    /// The receipt is of this record, but names another hash.
    #[error("receipt altered: it names {found}, its path is that of {expected}")]
    TargetAltered {
        /// The hash that it names.
        found: Hash256,
        /// The record's hash.
        expected: Hash256,
    },
    /// The record is none, or its signature does not hold.
    #[error("record invalid: {0}")]
    Record(RecordError),
    /// The receipt shows a device's registration, but the file is longer than any record.
    #[error("record invalid: the receipt is a record's, the file is longer than any record")]
    NotARecord,
    /// Record and proof are sound, but the signer was not entitled.
    #[error("registry: {0}")]
    Entitlement(EntitlementError),
}

impl EvidenceError {
    /// The part that failed.
    pub fn part(&self) -> Part {
        match self {
            Self::Receipt(error) => error.part(),
            Self::TargetAltered { .. } => Part::Proof,
            Self::Record(_) | Self::NotARecord => Part::Record,
            Self::Entitlement(_) => Part::Registry,
        }
    }
}

/// The name of a part, as in JSON.
pub const fn part_name(part: Part) -> &'static str {
    match part {
        Part::Format => "format",
        Part::Record => "record",
        Part::Proof => "proof",
        Part::Transaction => "transaction",
        Part::BlockPath => "block-path",
        Part::Header => "header",
        Part::Registry => "registry",
    }
}

/// Verifies evidence against one header chain; what the receipts of a batch share is verified once.
#[derive(Debug)]
pub struct Verifier<'a> {
    chain: &'a HeaderChain,
    confirmations: u64,
    /// The last receipts whose anchor was verified, with the result.
    kept: VecDeque<(Receipt, Result<ProvenAnchor, ReceiptError>)>,
    /// The last records' signers.
    signers: VecDeque<KeyPoint>,
}

impl<'a> Verifier<'a> {
    /// A verifier that wants `confirmations` blocks by `chain` (1: the anchor's own).
    pub fn new(chain: &'a HeaderChain, confirmations: u64) -> Self {
        Self {
            chain,
            confirmations,
            kept: VecDeque::with_capacity(ANCHORS_KEPT),
            signers: VecDeque::with_capacity(SIGNERS_KEPT),
        }
    }

    /// Verifies the bytes of a record, or of any file, with its receipt in any format. A Chainpoint v4 proof
    /// shows nobody's registration: the verdict is then [`Verdict::AuthorityUnchecked`] at most.
    ///
    /// # Errors
    /// [`EvidenceError`]; the first part that fails.
    pub fn verify(&mut self, record: Vec<u8>, receipt: &[u8]) -> Result<Evidence, EvidenceError> {
        let target = sha256(&[&record]);
        match Document::parse(receipt).map_err(EvidenceError::Receipt)? {
            Document::Receipt(receipt) => self.verify_with(record, target, &receipt),
            Document::Existence(proof) => {
                let proven = self.verify_existence(&proof, target)?;
                let record = is_record(&record).then(|| self.open(record)).transpose()?;
                let verdict = record.as_ref().map(|record| assess_existence(record, &proven));
                Self::evidence(record, proven, verdict)
            }
        }
    }

    /// As [`Verifier::verify`] with a receipt that was parsed before.
    ///
    /// # Errors
    /// [`EvidenceError`]; the first part that fails.
    pub fn verify_parsed(&mut self, record: Vec<u8>, receipt: &Receipt) -> Result<Evidence, EvidenceError> {
        let target = sha256(&[&record]);
        self.verify_with(record, target, receipt)
    }

    fn verify_with(
        &mut self,
        record: Vec<u8>,
        target: Hash256,
        receipt: &Receipt,
    ) -> Result<Evidence, EvidenceError> {
        let proven = self.verify_receipt(receipt, target)?;
        let is_record = is_record(&record) || proven.device_entry.is_some();
        let record = is_record.then(|| self.open(record)).transpose()?;
        let verdict = record.as_ref().map(|record| assess(record, &proven));
        Self::evidence(record, proven.existence(), verdict)
    }

    /// As [`Verifier::verify`] for a file that was hashed elsewhere, being too long for a record.
    ///
    /// # Errors
    /// [`EvidenceError`]; [`EvidenceError::NotARecord`] if the receipt is that of a record.
    pub fn verify_hash(&mut self, target: Hash256, receipt: &[u8]) -> Result<Evidence, EvidenceError> {
        let proven = match Document::parse(receipt).map_err(EvidenceError::Receipt)? {
            Document::Receipt(receipt) => {
                let proven = self.verify_receipt(&receipt, target)?;
                if proven.device_entry.is_some() {
                    return Err(EvidenceError::NotARecord);
                }
                proven.existence()
            }
            Document::Existence(proof) => self.verify_existence(&proof, target)?,
        };
        Self::evidence(None, proven, None)
    }

    fn evidence(
        record: Option<SignedRecord>,
        proven: Existence,
        verdict: Option<Result<Verdict, EntitlementError>>,
    ) -> Result<Evidence, EvidenceError> {
        let verdict = verdict.unwrap_or(Ok(Verdict::AuthorityUnchecked));
        Ok(Evidence { record, proven, verdict: verdict.map_err(EvidenceError::Entitlement)? })
    }

    fn open(&mut self, record: Vec<u8>) -> Result<SignedRecord, EvidenceError> {
        let record = UnverifiedRecord::decode(record).map_err(EvidenceError::Record)?;
        let chain_id = self.chain.chain_id();
        if let Some(point) = self.signers.iter().find(|point| point.key() == record.signer()) {
            return record.verify_by(point, &chain_id).map_err(EvidenceError::Record);
        }
        let point = record.signer().point().map_err(RecordError::Signature).map_err(EvidenceError::Record)?;
        if self.signers.len() == SIGNERS_KEPT {
            self.signers.pop_back();
        }
        let verified = record.verify_by(&point, &chain_id).map_err(EvidenceError::Record);
        self.signers.push_front(point);
        verified
    }

    fn verify_receipt(&mut self, receipt: &Receipt, target: Hash256) -> Result<Proven, EvidenceError> {
        self.verify_target(receipt, target)?;
        let anchor = self.verify_anchor(receipt).map_err(EvidenceError::Receipt)?;
        Ok(anchor.proves(target))
    }

    fn verify_existence(&self, proof: &ExistenceProof, target: Hash256) -> Result<Existence, EvidenceError> {
        proof.verify(&target, self.chain, self.confirmations).map_err(EvidenceError::Receipt)
    }

    fn verify_target(&self, receipt: &Receipt, target: Hash256) -> Result<(), EvidenceError> {
        let error = match receipt.verify_target(&target) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // If the path is the record's own, it is the receipt that was changed.
        let arrives =
            merkle::root_of(&target, receipt.index.into(), receipt.leaf_count.into(), &receipt.path);
        if target != receipt.target && arrives == Ok(receipt.root) {
            return Err(EvidenceError::TargetAltered { found: receipt.target, expected: target });
        }
        Err(EvidenceError::Receipt(error))
    }

    fn verify_anchor(&mut self, receipt: &Receipt) -> Result<ProvenAnchor, ReceiptError> {
        if let Some((_, result)) = self.kept.iter().find(|(kept, _)| same_anchor(kept, receipt)) {
            return result.clone();
        }
        let result = receipt.verify_anchor(self.chain, self.confirmations);
        if self.kept.len() == ANCHORS_KEPT {
            self.kept.pop_back();
        }
        self.kept.push_front((receipt.clone(), result.clone()));
        result
    }
}

fn is_record(bytes: &[u8]) -> bool {
    bytes.starts_with(&RECORD_MAGIC)
}

/// Whether two receipts share everything that [`Receipt::verify_anchor`] looks at.
fn same_anchor(a: &Receipt, b: &Receipt) -> bool {
    let shared = |receipt: &Receipt| (receipt.source_id, receipt.root, receipt.leaf_count, receipt.chain_id);
    shared(a) == shared(b) && a.anchor == b.anchor
}
