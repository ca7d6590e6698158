//! One record on its way: the handle that is waited on.

use std::sync::Arc;
use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::promise::SignedPromise;
use dronechain_chain_spec::receipt::Receipt;
use tokio::sync::{RwLock, watch};
use tokio::time::{Instant, timeout_at};

use super::error::PendingError;
use super::lot::{Inclusion, Lot, Place, Standing};
use super::writer::Span;
use crate::headers::Headers;
use crate::limits::LATE_WAIT;

/// What all handles of a producer look at.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) chain_id: Hash256,
    pub(super) headers: Arc<RwLock<Headers>>,
    /// The own tip; closed when the producer stops.
    pub(super) tip: watch::Receiver<Hash256>,
    /// For how long a handle waits, from its making on.
    pub(super) delivery_timeout: Option<Duration>,
}

impl Sight {
    /// Blocks from that of `inclusion` to the own tip, itself included; 0 if it left the chain.
    async fn confirmations(&self, inclusion: &Inclusion) -> u64 {
        let headers = self.headers.read().await;
        let chain = headers.chain();
        let is_active = chain.hash(inclusion.height) == Some(inclusion.block);
        if is_active { chain.confirmations(inclusion.height) } else { 0 }
    }
}

/// A record that is in the outbox. Cheap to clone; dropping it cancels nothing.
#[derive(Debug, Clone)]
pub struct Pending {
    hash: Hash256,
    /// Its place in the lot.
    index: u32,
    common: Arc<Common>,
}

/// What the handles of records have in common that were handed over together and are in one lot. Handles of
/// different callers share no memory that is written to: counting references to one lot from all would slow each.
#[derive(Debug)]
struct Common {
    lot: Arc<Lot>,
    /// When they were handed over, or found in the outbox.
    since: Instant,
    sight: Arc<Sight>,
}

impl Pending {
    /// The handles of records by their `hashes`, which are where `spans` say.
    pub(super) fn of(hashes: &[Hash256], spans: Vec<Span>, sight: &Arc<Sight>) -> Vec<Self> {
        let mut hashes = hashes.iter();
        let mut handles = Vec::with_capacity(hashes.len());
        let since = Instant::now();
        for Span { lot, index, count } in spans {
            let common = Arc::new(Common { lot, since, sight: Arc::clone(sight) });
            let handle =
                |(index, hash): (u32, &Hash256)| Self { hash: *hash, index, common: Arc::clone(&common) };
            handles.extend((index..index + count).zip(&mut hashes).map(handle));
        }
        handles
    }

    /// SHA-256 of the record: its name.
    pub fn hash(&self) -> Hash256 {
        self.hash
    }

    /// Waits until a node has the record's batch and its transaction durably, and gives the promise that it signed:
    /// that they are in a block at the deadline's height at the latest. None where the batch was in a block before
    /// any node promised. The outbox keeps it until it is kept; see [`super::Producer::broken_promises`].
    ///
    /// # Errors
    /// [`PendingError::Rejected`], [`PendingError::Stopped`], [`PendingError::TimedOut`] after the producer's
    /// `delivery_timeout`.
    pub async fn promised(&self) -> Result<Option<Arc<SignedPromise>>, PendingError> {
        self.by_deadline(async {
            let mut at = self.at();
            loop {
                match self.reach(&at.0, Standing::is_promised).await? {
                    Standing::Dissolved(places) => match &places[at.1 as usize] {
                        Place::Found(_) => return Ok(None),
                        Place::Moved(lot, index) => at = (Arc::clone(lot), *index),
                    },
                    _ => return Ok(at.0.promise()),
                }
            }
        })
        .await
    }

    /// Waits until it is in a block, by the own header chain.
    ///
    /// # Errors
    /// As [`Pending::promised`].
    pub async fn included(&self) -> Result<Receipt, PendingError> {
        self.confirmations(1).await
    }

    /// Waits until it has `wanted` blocks, its own among them. A reorganisation that takes its block away starts the
    /// wait anew, unless the record was delivered before, as happens where the producer's `confirmations` (6) are fewer than
    /// `wanted`: what left the outbox is not anchored again, and the wait ends with [`PendingError::TimedOut`].
    ///
    /// # Errors
    /// As [`Pending::promised`].
    pub async fn confirmations(&self, wanted: u64) -> Result<Receipt, PendingError> {
        self.by_deadline(self.confirmed(wanted)).await
    }

    async fn confirmed(&self, wanted: u64) -> Result<Receipt, PendingError> {
        let (mut tip, mut at) = (self.common.sight.tip.clone(), self.at());
        loop {
            tip.mark_unchanged();
            let is_included = |standing: &Standing| matches!(standing, Standing::Included(_));
            let (inclusion, found) = match self.reach(&at.0, is_included).await? {
                Standing::Included(inclusion) => (inclusion, None),
                Standing::Dissolved(places) => match &places[at.1 as usize] {
                    Place::Found(found) => (Arc::clone(&found.inclusion), Some(Arc::clone(found))),
                    Place::Moved(lot, index) => {
                        at = (Arc::clone(lot), *index);
                        continue;
                    }
                },
                _ => unreachable!("reached above"),
            };
            if self.common.sight.confirmations(&inclusion).await >= wanted.max(1) {
                let chain_id = self.common.sight.chain_id;
                let receipt = || receipt(&at.0, at.1, chain_id, &inclusion);
                return Ok(found.map_or_else(receipt, |found| found.receipt(chain_id)));
            }
            tip.changed().await.map_err(|_closed| PendingError::Stopped)?;
        }
    }

    /// Its lot and its place there, as far as the handle knows.
    fn at(&self) -> (Arc<Lot>, u32) {
        (Arc::clone(&self.common.lot), self.index)
    }

    /// As [`Pending::confirmations`], for at most `wait` from now on, whatever the producer's `delivery_timeout`.
    ///
    /// # Errors
    /// [`PendingError`]; [`PendingError::TimedOut`] says nothing against the record.
    pub async fn confirmations_within(&self, wanted: u64, wait: Duration) -> Result<Receipt, PendingError> {
        let Some(deadline) = Instant::now().checked_add(wait) else { return self.confirmed(wanted).await };
        let waited = timeout_at(deadline, self.confirmed(wanted)).await;
        waited.unwrap_or(Err(PendingError::TimedOut { waited: wait }))
    }

    /// Ends a wait when the producer's `delivery_timeout` has passed.
    async fn by_deadline<T>(
        &self,
        wait: impl Future<Output = Result<T, PendingError>>,
    ) -> Result<T, PendingError> {
        let deadline =
            self.common.sight.delivery_timeout.and_then(|limit| self.common.since.checked_add(limit));
        let Some(deadline) = deadline else { return wait.await };
        // Whoever asks again and again does not spin.
        let deadline = deadline.max(Instant::now() + LATE_WAIT);
        let waited = timeout_at(deadline, wait).await;
        waited.unwrap_or_else(|_elapsed| Err(PendingError::TimedOut { waited: self.common.since.elapsed() }))
    }

    /// Waits until `lot` stands as wanted, or is dissolved.
    async fn reach(
        &self,
        lot: &Lot,
        wanted: impl FnMut(&Standing) -> bool,
    ) -> Result<Standing, PendingError> {
        let mut standing = lot.subscribe();
        let mut wanted = wanted;
        let mut stopped = self.common.sight.tip.clone();
        let reached = standing.wait_for(|standing| {
            matches!(standing, Standing::Rejected(_) | Standing::Dissolved(_) | Standing::Unfit)
                || wanted(standing)
        });
        let reached = tokio::select! {
            reached = reached => reached.map_err(|_closed| PendingError::Stopped)?.clone(),
            () = closed(&mut stopped) => return Err(PendingError::Stopped),
        };
        match reached {
            Standing::Rejected(rejection) => Err(PendingError::Rejected(rejection)),
            Standing::Unfit => Err(PendingError::Unfit),
            standing => Ok(standing),
        }
    }
}

/// The receipt of a lot's record.
pub(super) fn receipt(lot: &Lot, index: u32, chain_id: Hash256, inclusion: &Inclusion) -> Receipt {
    let tree = lot.tree();
    let path = tree.path(index.into()).expect("the index is in the lot");
    Receipt {
        target: lot.leaves()[index as usize],
        root: tree.root(),
        path,
        source_id: inclusion.txid,
        chain_id,
        index,
        leaf_count: u32::try_from(lot.leaves().len()).expect("65,536 at most"),
        anchor: inclusion.proof.clone(),
    }
}

/// Resolves when the producer is gone.
async fn closed(tip: &mut watch::Receiver<Hash256>) {
    while tip.changed().await.is_ok() {}
}
