//! What a record must meet to be stored: its form, its signature, and that its device did not use
//! its number for another one. Whether the device was enrolled is for the anchor to show.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_record::{RecordError, SignedRecord, UnverifiedRecord};
use dronechain_service::clock::now_ms;
use tokio::sync::Semaphore;

use crate::limits::VERIFYING_MAX;
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
    /// The device used the number for another record, which is stored.
    #[error("{found} is another record at a number that {stored} has")]
    SequenceRepeated {
        /// Hash of the record that came.
        found: Hash256,
        /// Hash of the one that is stored.
        stored: Hash256,
    },
}

impl Refusal {
    /// The name under which it is answered.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "record-malformed",
            Self::Signature(_) => "record-signature",
            Self::SequenceRepeated { .. } => "sequence-repeated",
        }
    }
}

/// Takes records.
#[derive(Debug)]
pub struct Intake {
    store: Arc<Store>,
    chain_id: Hash256,
    verifying: Semaphore,
}

impl Intake {
    /// An intake for the network `chain_id`.
    pub fn new(store: Arc<Store>, chain_id: Hash256) -> Self {
        Self { store, chain_id, verifying: Semaphore::new(VERIFYING_MAX) }
    }

    /// Stores the records of one request up to the first that is refused. Gives the number of those
    /// that are stored now, and why the one behind them is refused.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was stored.
    pub async fn take(&self, records: Vec<Vec<u8>>) -> Result<(usize, Option<Refusal>), StoreError> {
        let (signed, refused) = self.verify(records).await;
        let kept = self.store.keep(&signed, now_ms()).await?;
        let repeated = kept.repeated.map(|stored| {
            let found = signed[kept.accepted].target_hash();
            Refusal::SequenceRepeated { found, stored }
        });
        Ok((kept.accepted, repeated.or(refused)))
    }

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
    unverified.verify(chain_id).map_err(Refusal::Signature)
}
