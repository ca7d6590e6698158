//! What a record must meet to be taken, cheapest first: form, signature, kind, enrolment, chain.
//!
//! Records of one request are taken in order up to the first that is refused. What was accepted is
//! durable before the answer.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_client::ClientError;
use dronechain_record::{Attestation, ChainError, Kind, RecordError, SignedRecord, UnverifiedRecord};
use dronechain_service::clock::now_ms;
use tokio::sync::Semaphore;

use crate::limits::VERIFYING_MAX;
use crate::registry::{Registry, Standing};
use crate::store::{Store, StoreError};

/// Why a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no record.
    #[error("{0}")]
    Malformed(RecordError),
    /// The signature does not hold on this network.
    #[error("{0}")]
    Signature(RecordError),
    /// Devices send data and closing records.
    #[error("a {kind} record does not come from a device")]
    Kind {
        /// The record's kind.
        kind: Kind,
    },
    /// Signed by a gateway: the ledger enrols devices by their own keys alone.
    #[error("signed by gateway {signer} for {subject}; devices sign for themselves")]
    Gateway {
        /// Who signed.
        signer: PublicKey,
        /// For whom.
        subject: Hash256,
    },
    /// The device is not enrolled.
    #[error("device {device} is not enrolled")]
    DeviceUnknown {
        /// The device.
        device: PublicKey,
    },
    /// The device is another controller's.
    #[error("device {device} is enrolled by controller {owner}")]
    DeviceForeign {
        /// The device.
        device: PublicKey,
        /// Its controller.
        owner: PublicKey,
    },
    /// The device was revoked.
    #[error("device {device} was revoked at height {height}")]
    DeviceRevoked {
        /// The device.
        device: PublicKey,
        /// Height of its revocation.
        height: u64,
    },
    /// The record does not continue its device's chain.
    #[error("{0}")]
    Chain(ChainError),
}

impl Refusal {
    /// The name under which it is answered.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "record-malformed",
            Self::Signature(_) => "record-signature",
            Self::Kind { .. } => "record-kind",
            Self::Gateway { .. } => "record-gateway",
            Self::DeviceUnknown { .. } => "device-unknown",
            Self::DeviceForeign { .. } => "device-foreign",
            Self::DeviceRevoked { .. } => "device-revoked",
            Self::Chain(ChainError::Subject { .. }) => "subject-mismatch",
            Self::Chain(ChainError::SequenceGap { .. }) => "sequence-gap",
            Self::Chain(ChainError::SequenceRepeated { .. }) => "sequence-repeated",
            Self::Chain(ChainError::PreviousMismatch { .. }) => "previous-mismatch",
            Self::Chain(ChainError::Count { .. }) => "closing-count",
        }
    }
}

/// Why a request could not be decided.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// No node could say how the device stands.
    #[error("no node answers: {0}")]
    Node(ClientError),
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// What became of a request's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Records accepted, counted from the first.
    pub accepted: usize,
    /// The number that comes next in the chain of the last device that was looked at.
    pub next_sequence: Option<u64>,
    /// Why the record at index `accepted` was refused; none if all were accepted.
    pub refused: Option<Refusal>,
}

/// Takes records.
#[derive(Debug)]
pub struct Intake {
    store: Arc<Store>,
    registry: Arc<Registry>,
    chain_id: Hash256,
    verifying: Semaphore,
}

impl Intake {
    /// An intake for the network `chain_id`.
    pub fn new(store: Arc<Store>, registry: Arc<Registry>, chain_id: Hash256) -> Self {
        Self { store, registry, chain_id, verifying: Semaphore::new(VERIFYING_MAX) }
    }

    /// Takes the records of one request.
    ///
    /// # Errors
    /// [`IntakeError`]; then nothing was taken, and the same records may be handed over again.
    pub async fn take(&self, records: Vec<Vec<u8>>) -> Result<Verdict, IntakeError> {
        let (mut signed, mut refused) = self.verify(records).await;
        for (index, record) in signed.iter().enumerate() {
            // Most requests hold one device's records; the registry remembers it.
            let standing = self.registry.standing(record.signer()).await.map_err(IntakeError::Node)?;
            if let Err(refusal) = check_standing(record, standing) {
                refused = Some(refusal);
                signed.truncate(index);
                break;
            }
        }
        let taken = self.store.accept(&signed, now_ms()).await?;
        Ok(Verdict {
            accepted: taken.accepted,
            next_sequence: taken.next_sequence,
            refused: taken.refused.map(Refusal::Chain).or(refused),
        })
    }

    /// The records before the first that is refused by its own bytes, and why that one is.
    async fn verify(&self, records: Vec<Vec<u8>>) -> (Vec<SignedRecord>, Option<Refusal>) {
        let _turn = self.verifying.acquire().await.expect("the semaphore is never closed");
        let chain_id = self.chain_id;
        let work = move || {
            let mut signed = Vec::with_capacity(records.len());
            for bytes in records {
                match verify(bytes, &chain_id) {
                    Ok(record) => signed.push(record),
                    Err(refusal) => return (signed, Some(refusal)),
                }
            }
            (signed, None)
        };
        tokio::task::spawn_blocking(work).await.expect("checking signatures does not panic")
    }
}

fn verify(bytes: Vec<u8>, chain_id: &Hash256) -> Result<SignedRecord, Refusal> {
    let unverified = UnverifiedRecord::decode(bytes).map_err(Refusal::Malformed)?;
    let record = unverified.record();
    match record.kind {
        Kind::Data | Kind::Closing => {}
        Kind::Command | Kind::Access => return Err(Refusal::Kind { kind: record.kind }),
    }
    if record.attested_by == Attestation::Gateway {
        return Err(Refusal::Gateway { signer: *unverified.signer(), subject: record.subject });
    }
    unverified.verify(chain_id).map_err(Refusal::Signature)
}

fn check_standing(record: &SignedRecord, standing: Standing) -> Result<(), Refusal> {
    let device = *record.signer();
    match standing {
        Standing::Enrolled => Ok(()),
        Standing::Unknown => Err(Refusal::DeviceUnknown { device }),
        Standing::Foreign { owner } => Err(Refusal::DeviceForeign { device, owner }),
        Standing::Revoked { height } => Err(Refusal::DeviceRevoked { device, height }),
    }
}
