//! Sends signed records strictly in order, and finds out what arrived when an answer is lost.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_client::frames;
use dronechain_service::clock::now_ms;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::signer::Batch;
use crate::error::CliError;
use crate::limits::{KNOWN_BLOCK_AGE, SEND_PAUSE, SEND_TRIES_MAX};
use crate::party::controller::ControllerClient;

/// The sending side of a flight.
pub(super) struct Sender {
    pub(super) controller: ControllerClient,
    pub(super) device: PublicKey,
    /// Tells the signer of the latest block.
    pub(super) known_block: watch::Sender<Hash256>,
    pub(super) progress: bool,
}

impl Sender {
    /// Sends everything; gives the time of the last acknowledgement, ms since 1970 UTC.
    pub(super) async fn run(self, mut batches: mpsc::Receiver<Batch>) -> Result<u64, CliError> {
        let mut told = Instant::now();
        let (mut sent, mut sent_at_ms) = (0, now_ms());
        while let Some(batch) = batches.recv().await {
            let records = batch.len();
            self.send(batch).await?;
            sent_at_ms = now_ms();
            sent += records;
            if self.progress {
                eprintln!("{sent} records sent");
            }
            if told.elapsed() >= KNOWN_BLOCK_AGE {
                // An older block is a weaker claim, not a wrong one.
                if let Ok(status) = self.controller.status().await {
                    self.known_block.send_replace(status.known_block());
                }
                told = Instant::now();
            }
        }
        Ok(sent_at_ms)
    }

    async fn send(&self, mut batch: Batch) -> Result<(), CliError> {
        let mut pause = SEND_PAUSE;
        for tries in 1.. {
            let mut framed = Vec::new();
            batch.iter().for_each(|record| frames::push(record.bytes(), &mut framed));
            match self.controller.records(framed).await {
                Ok(()) => break,
                Err(error) if error.is_retryable() && tries < SEND_TRIES_MAX => {}
                Err(error) => return Err(error.into()),
            }
            sleep(pause).await;
            pause *= 2;
            self.drop_arrived(&mut batch).await;
            if batch.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// An answer was lost, not necessarily the records: leaves those that the controller lacks.
    async fn drop_arrived(&self, batch: &mut Batch) {
        // If this fails too, the next try tells.
        if let Ok(state) = self.controller.device(&self.device).await {
            let next = state.position().next_sequence;
            batch.retain(|record| record.record().sequence >= next);
        }
    }
}
