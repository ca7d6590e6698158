//! A device's records with their receipts, fetched into a folder as they come.
//!
//! Records come from the cloud, proofs and leaves from a node, headers are verified here. Neither is
//! believed: a record must hash to the leaf that the node has at its place, and an anchor is used
//! only once the own header chain gives it its confirmations.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_client::limits::TIP_WAIT_MAX;
use dronechain_client::{Headers, NodeClient, bundle};
use dronechain_record::{Body, UnverifiedRecord};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::confirmed::{AnchorId, Anchored};
use crate::error::CliError;
use crate::limits::{BATCHES_KEPT, POLL};
use crate::party::cloud::{CloudClient, Placement};

/// The folder on its way.
pub(super) struct Folder {
    node: NodeClient,
    cloud: CloudClient,
    device: PublicKey,
    dir: PathBuf,
    headers: Headers,
    confirmations: u64,
    progress: bool,
    batches: VecDeque<Anchored>,
}

/// What was fetched.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    /// Records with receipts.
    pub(super) records: u64,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    /// Batches that they were anchored in.
    batches: u64,
    /// Whether the last one closes a flight.
    closed: bool,
    headers: PathBuf,
    /// Height of the last header.
    height: u64,
}

impl Folder {
    pub(super) fn new(
        node: NodeClient,
        cloud: CloudClient,
        device: PublicKey,
        dir: PathBuf,
        headers: Headers,
    ) -> Self {
        let batches = VecDeque::with_capacity(BATCHES_KEPT);
        Self { node, cloud, device, dir, headers, confirmations: 1, progress: false, batches }
    }

    pub(super) fn with_confirmations(self, confirmations: u64) -> Self {
        Self { confirmations, ..self }
    }

    pub(super) fn with_progress(self, progress: bool) -> Self {
        Self { progress, ..self }
    }

    /// Fetches from record `from` on what is confirmed; with `patience` until a closing record's
    /// receipt is there or nothing new came for that long.
    pub(super) async fn fetch(mut self, from: u64, patience: Option<Duration>) -> Result<Summary, CliError> {
        let mut summary = Summary { headers: self.headers.path().to_owned(), ..Summary::default() };
        let mut next = from;
        let mut last_news = Instant::now();
        self.headers.sync(&self.node).await?;
        loop {
            let before = next;
            self.page(&mut next, patience, &mut summary).await?;
            if next > before {
                last_news = Instant::now();
                self.tell(&summary);
            }
            if patience.is_some() && summary.closed {
                break;
            }
            match patience {
                None if next == before => break,
                None => {}
                Some(patience) if last_news.elapsed() > patience => {
                    let what = format!("the receipt of record {next}");
                    return Err(CliError::TimedOut { what, seconds: patience.as_secs() });
                }
                Some(_) if next == before => sleep(POLL).await,
                Some(_) => {}
            }
        }
        summary.height = self.headers.sync(&self.node).await?.height;
        Ok(summary)
    }

    /// Fetches one page from record `next` on, up to the first that is not there or not confirmed.
    async fn page(
        &mut self,
        next: &mut u64,
        patience: Option<Duration>,
        summary: &mut Summary,
    ) -> Result<(), CliError> {
        let placements = self.cloud.placements(&self.device, *next).await?;
        let run = (*next..).zip(&placements).take_while(|(at, placement)| placement.sequence == *at).count();
        if run == 0 {
            return Ok(());
        }
        let records = self.cloud.records(&self.device, *next, run as u64).await?;
        for (placement, record) in placements.into_iter().take(run).zip(records) {
            let id = (placement.sender, placement.anchor_sequence);
            if !self.confirm(id, patience, summary).await? {
                break;
            }
            summary.closed = self.write(placement, record)?;
            summary.records += 1;
            summary.first_sequence.get_or_insert(placement.sequence);
            summary.last_sequence = Some(placement.sequence);
            *next += 1;
            if summary.closed && patience.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Makes sure that the batch is at hand and confirmed; false if it is not yet.
    async fn confirm(
        &mut self,
        id: AnchorId,
        patience: Option<Duration>,
        summary: &mut Summary,
    ) -> Result<bool, CliError> {
        if self.batches.iter().any(|batch| batch.id == id) {
            return Ok(true);
        }
        let deadline = Instant::now() + patience.unwrap_or_default();
        let chain_id = self.headers.chain().chain_id();
        let mut held = None;
        loop {
            if held.is_none() {
                held = Anchored::fetch(&self.node, id, &self.device, chain_id).await?;
            }
            let mut tip = self.headers.sync(&self.node).await?;
            if let Some(batch) = held.take_if(|batch| batch.height_wanted(self.confirmations) <= tip.height) {
                if batch.verify(self.headers.chain(), self.confirmations)? {
                    self.keep(batch);
                    summary.batches += 1;
                    return Ok(true);
                }
                // A reorganisation: ask for the proof again.
                tip = self.headers.sync(&self.node).await?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let wait = if held.is_some() { left.min(TIP_WAIT_MAX) } else { left.min(POLL) };
            self.node.wait_tip(tip.tip, wait).await?;
        }
    }

    fn keep(&mut self, batch: Anchored) {
        if self.batches.len() == BATCHES_KEPT {
            self.batches.pop_back();
        }
        self.batches.push_front(batch);
    }

    /// Checks the record against its place and writes it with its receipt; whether it closes a flight.
    fn write(&self, placement: Placement, record: Vec<u8>) -> Result<bool, CliError> {
        let Placement { sequence, index, .. } = placement;
        let id = (placement.sender, placement.anchor_sequence);
        let batch = self.batches.iter().find(|batch| batch.id == id).expect("confirm kept it");
        let found = sha256(&[&record]);
        let expected = batch.leaf(index).copied().unwrap_or_default();
        if found != expected || found != placement.hash {
            return Err(CliError::OtherLeaf { sequence, index, found, expected });
        }
        let receipt = batch.receipt(index)?;
        bundle::write(&self.dir, sequence, &record, &receipt.to_json())?;
        let record =
            UnverifiedRecord::decode(record).map_err(|error| CliError::Record { sequence, error })?;
        let found = record.record().sequence;
        if found != sequence {
            return Err(CliError::OtherRecord { sequence, found });
        }
        Ok(matches!(record.record().body, Body::Closing { .. }))
    }

    fn tell(&self, summary: &Summary) {
        if self.progress {
            let height = self.headers.chain().height();
            eprintln!("{} receipts in, height {height}", summary.records);
        }
    }
}
