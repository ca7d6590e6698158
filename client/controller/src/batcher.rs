//! When a batch is closed: full, old enough, or at once behind a closing record.

use std::sync::Arc;
use std::time::Duration;

use dronechain_client::pause::Pause;
use dronechain_service::clock::now_ms;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::desk::{Desk, DeskError};
use crate::limits::IN_FLIGHT_MAX;
use crate::store::{Store, StoreError};

/// Closes batches of accepted records.
#[derive(Debug)]
pub struct Batcher {
    /// Where the records are.
    pub store: Arc<Store>,
    /// Where anchors are signed.
    pub desk: Arc<Desk>,
    /// Notified when records were accepted.
    pub accepted: Arc<Notify>,
    /// Most records of a batch.
    pub records_max: u32,
    /// Most age of a batch's first record.
    pub age: Duration,
    /// Most time without an anchor; none for no heartbeats.
    pub heartbeat: Option<Duration>,
}

impl Batcher {
    /// Closes batches for as long as the database works.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn run(self) -> Result<(), StoreError> {
        let mut last_anchor = Instant::now();
        let mut pause = Pause::new();
        loop {
            let wait = match self.due(last_anchor).await? {
                None => match self.desk.close_batch(self.records_max).await {
                    Ok(sequence) => {
                        tracing::debug!(sequence, "closed a batch");
                        last_anchor = Instant::now();
                        pause.reset();
                        continue;
                    }
                    Err(DeskError::Store(error)) => return Err(error),
                    Err(error @ (DeskError::Node(_) | DeskError::Rule(_))) => {
                        tracing::warn!(%error, "could not close a batch");
                        pause.wait().await;
                        continue;
                    }
                },
                Some(wait) => wait,
            };
            // Whether notified or in time: look again.
            drop(timeout(wait, self.accepted.notified()).await);
        }
    }

    /// None when a batch is due; else how long to wait at most before looking again.
    async fn due(&self, last_anchor: Instant) -> Result<Option<Duration>, StoreError> {
        if self.store.outgoing(IN_FLIGHT_MAX).await?.len() >= IN_FLIGHT_MAX {
            // Records pile up in the database meanwhile and go into fuller batches.
            return Ok(Some(self.age.max(Duration::from_millis(100))));
        }
        let (count, age_ms, closing) = self.store.unbatched(self.records_max, now_ms()).await?;
        let age = Duration::from_millis(age_ms);
        if count > 0 {
            let due = count >= self.records_max || closing || age >= self.age;
            return Ok(if due { None } else { Some(self.age.saturating_sub(age)) });
        }
        let Some(heartbeat) = self.heartbeat else { return Ok(Some(IDLE)) };
        let rest = heartbeat.saturating_sub(last_anchor.elapsed());
        Ok(if rest.is_zero() { None } else { Some(rest.min(IDLE)) })
    }
}

/// Without records there is nothing to do until the next notification.
const IDLE: Duration = Duration::from_secs(10);
