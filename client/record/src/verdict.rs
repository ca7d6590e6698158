//! Whether a record's signer was entitled to it: the last step from a verified receipt to a verdict.
//!
//! `chain-spec` proves that bytes were anchored, by whom and when; this compares the proven
//! registrations with what the record says of itself. Revocation takes effect with the block that
//! holds it: what was anchored in a later block does not count, what was anchored between the claimed
//! start of the doubt and the revocation is suspect, what came before stays good.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::receipt::{Existence, Proven};
use dronechain_chain_spec::registry::{Entry, Role};
use dronechain_chain_spec::transaction::AnchorKind;
use serde::Serialize;

use crate::record::{Attestation, Kind};
use crate::signed::SignedRecord;

/// What may be believed of an anchored record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Anchored, and its signer was entitled.
    Good,
    /// Anchored by someone entitled; whether the signer was is not shown by the receipt.
    AuthorityUnchecked,
    /// Anchored while the signer, or who anchored, may already have been in wrong hands.
    Suspect {
        /// Whose registration is in doubt.
        key: PublicKey,
        /// Height from which on it is, by the revocation's claim.
        since: u64,
        /// Height at which the record was included.
        included: u64,
    },
    /// Anchored after the signer was revoked.
    AfterRevocation {
        /// The signer.
        key: PublicKey,
        /// Height of its revocation.
        revoked: u64,
        /// Height at which the record was included.
        included: u64,
    },
}

/// Why record and proof do not belong together, or the signer was not entitled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntitlementError {
    /// The proof is about another record.
    #[error("the proof is for {proven}, the record hashes to {record}")]
    OtherRecord {
        /// Hash of the record.
        record: Hash256,
        /// Hash that the proof is about.
        proven: Hash256,
    },
    /// A record of this kind cannot stand in a batch of that kind.
    #[error("a {record} record in a batch of {anchor:?} records")]
    OtherKind {
        /// The record's kind.
        record: Kind,
        /// The batch's kind.
        anchor: AnchorKind,
    },
    /// The registration shown is another key's than the record's signer or subject.
    #[error("the receipt shows the registration of {shown}, the record's subject is {subject}")]
    OtherDevice {
        /// The key whose registration is shown.
        shown: PublicKey,
        /// The record's subject.
        subject: Hash256,
    },
    /// The key is registered, but not as what it acts as.
    #[error("{key} is registered as {role:?}, not as a device")]
    NotADevice {
        /// The key.
        key: PublicKey,
        /// Its role.
        role: Role,
    },
    /// The device belongs to another line of controllers than the one that anchored.
    #[error("device {device} is enrolled by {}, the batch was anchored by {sender}", owner.map_or("nobody".to_owned(), |key| key.to_string()))]
    OtherController {
        /// The device.
        device: PublicKey,
        /// First key of the line that enrolled it.
        owner: Option<PublicKey>,
        /// Who anchored.
        sender: PublicKey,
    },
    /// The device was enrolled only after the record was anchored.
    #[error("device {device} was enrolled at height {admitted}, the record was anchored at {included}")]
    EnrolledLater {
        /// The device.
        device: PublicKey,
        /// Height of its enrolment.
        admitted: u64,
        /// Height at which the record was included.
        included: u64,
    },
    /// A gateway or controller signed that is not the one that anchored.
    #[error("signed by {signer}, anchored by {sender}")]
    OtherSigner {
        /// Who signed the record.
        signer: PublicKey,
        /// Who anchored it.
        sender: PublicKey,
    },
}

/// What may be believed of `record`, whose receipt proved `proven`.
///
/// A command is entitled by the registration of the controller that anchored it. Data, closings and
/// accesses need the subject's own registration: without it the verdict is
/// [`Verdict::AuthorityUnchecked`], unless the subject anchored the record itself.
///
/// # Errors
/// [`EntitlementError`]: the record does not belong to the proof, or its signer was never entitled.
pub fn assess(record: &SignedRecord, proven: &Proven) -> Result<Verdict, EntitlementError> {
    check_belongs(record, &proven.existence())?;
    let (signer, sender) = (*record.signer(), proven.sender);
    let by_gateway = record.record().attested_by == Attestation::Gateway;
    if !by_gateway && signer == sender {
        return Ok(doubt(&proven.sender_entry, proven.height).unwrap_or(Verdict::Good));
    }
    let Some(device) = &proven.device_entry else {
        return Ok(doubt(&proven.sender_entry, proven.height).unwrap_or(Verdict::AuthorityUnchecked));
    };
    check_device(record, proven, device)?;
    let doubts = [device, &proven.sender_entry].into_iter().find_map(|entry| doubt(entry, proven.height));
    Ok(doubts.unwrap_or(Verdict::Good))
}

/// What may be believed of `record`, of which only the existence is shown: at most
/// [`Verdict::AuthorityUnchecked`], since the registrations are not.
///
/// # Errors
/// [`EntitlementError`]: the record does not belong to the proof.
pub fn assess_existence(record: &SignedRecord, existence: &Existence) -> Result<Verdict, EntitlementError> {
    check_belongs(record, existence)?;
    Ok(Verdict::AuthorityUnchecked)
}

/// What must hold of a record and its anchor whoever was entitled.
fn check_belongs(record: &SignedRecord, existence: &Existence) -> Result<(), EntitlementError> {
    if record.target_hash() != existence.target {
        return Err(EntitlementError::OtherRecord { record: record.target_hash(), proven: existence.target });
    }
    let (kind, anchor) = (record.record().kind, existence.anchor.kind);
    let fits = match kind {
        Kind::Data | Kind::Closing => anchor == AnchorKind::Data,
        Kind::Command => anchor == AnchorKind::Command,
        Kind::Access => anchor == AnchorKind::Access,
    };
    if !fits {
        return Err(EntitlementError::OtherKind { record: kind, anchor });
    }
    let (signer, sender) = (*record.signer(), existence.sender);
    let by_gateway = record.record().attested_by == Attestation::Gateway;
    if (by_gateway || kind == Kind::Command) && signer != sender {
        return Err(EntitlementError::OtherSigner { signer, sender });
    }
    Ok(())
}

fn check_device(record: &SignedRecord, proven: &Proven, device: &Entry) -> Result<(), EntitlementError> {
    let key = device.key;
    let subject = record.record().subject;
    if key.id() != subject {
        return Err(EntitlementError::OtherDevice { shown: key, subject });
    }
    if device.role != Role::Device {
        return Err(EntitlementError::NotADevice { key, role: device.role });
    }
    if device.owner != Some(proven.sender_entry.line()) {
        let (owner, sender) = (device.owner, proven.sender);
        return Err(EntitlementError::OtherController { device: key, owner, sender });
    }
    if device.admitted > proven.height {
        let (admitted, included) = (device.admitted, proven.height);
        return Err(EntitlementError::EnrolledLater { device: key, admitted, included });
    }
    Ok(())
}

/// Whether a registration's revocation touches what was included at `included`. In the block of the
/// revocation itself the order of the transactions is not shown, so that counts as suspect.
fn doubt(entry: &Entry, included: u64) -> Option<Verdict> {
    let key = entry.key;
    if let Some(revoked) = entry.revoked.filter(|revoked| *revoked < included) {
        return Some(Verdict::AfterRevocation { key, revoked, included });
    }
    let since = entry.suspect_since.filter(|since| *since <= included)?;
    Some(Verdict::Suspect { key, since, included })
}
