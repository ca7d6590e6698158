//! Originals to the cloud, in order of acceptance; and once it has a batch's records and the batch
//! is in a block, word that the anchor is there.

use std::sync::Arc;

use dronechain_chain_spec::key::PublicKey;
use dronechain_client::limits::PAUSE_MAX;
use dronechain_client::limits::{ANSWER_TIMEOUT, FRAMES_MAX, JSON_BYTES_MAX};
use dronechain_client::node::Http;
use dronechain_client::pause::Pause;
use dronechain_client::{ClientError, frames};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::limits::IN_FLIGHT_MAX;
use crate::store::{Accepted, Store, StoreError};

/// Forwards to one cloud server.
#[derive(Debug)]
pub struct Forwarder {
    /// Where the records are.
    pub store: Arc<Store>,
    /// The cloud server.
    pub cloud: Http,
    /// Whose anchors they are.
    pub controller: PublicKey,
    /// Notified when records were accepted or an anchor was included.
    pub work: Arc<Notify>,
}

/// What the cloud answers to records, accepted or not.
#[derive(Deserialize)]
struct Answer {
    accepted: usize,
    refused: Option<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    message: String,
}

#[derive(Serialize)]
struct Announcement {
    sender: PublicKey,
    sequence: u64,
}

const REFUSED: u16 = 422;

impl Forwarder {
    /// Forwards for as long as the database works.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn run(self) -> Result<(), StoreError> {
        let mut pause = Pause::new();
        loop {
            match self.pass().await? {
                Ok(()) => {
                    pause.reset();
                    drop(timeout(PAUSE_MAX, self.work.notified()).await);
                }
                Err(error) => {
                    tracing::warn!(%error, "the cloud does not take what is forwarded");
                    pause.wait().await;
                }
            }
        }
    }

    async fn pass(&self) -> Result<Result<(), ClientError>, StoreError> {
        let mut forwarded = self.store.forwarded().await?;
        loop {
            let records = self.store.accepted_behind(forwarded, FRAMES_MAX).await?;
            if records.is_empty() {
                break;
            }
            match self.send(&records).await {
                Ok(taken) => forwarded = taken,
                Err(error) => return Ok(Err(error)),
            }
            self.store.set_forwarded(forwarded).await?;
        }
        for sequence in self.store.unannounced(forwarded, IN_FLIGHT_MAX).await? {
            match self.announce(sequence).await {
                Ok(()) => self.store.set_announced(sequence).await?,
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    /// Sends as many as one message holds; gives the place of the last that is dealt with. A record
    /// that the cloud refuses for good is passed over: it stays here, and is anchored all the same.
    async fn send(&self, records: &[Accepted]) -> Result<u64, ClientError> {
        let (mut body, mut sent) = (Vec::new(), 0);
        for Accepted { bytes, .. } in records {
            if sent > 0 && !frames::has_room(sent, body.len(), bytes) {
                break;
            }
            frames::push(bytes, &mut body);
            sent += 1;
        }
        let answer = self.post_records(body).await?;
        let mut done = answer.accepted.min(sent);
        if let Some(Refused { name, message }) = answer.refused {
            let ordinal = records[done.min(sent - 1)].ordinal;
            tracing::error!(ordinal, name, message, "the cloud refuses a record; it is passed over");
            done = (done + 1).min(sent);
        }
        match done.checked_sub(1) {
            Some(last) => Ok(records[last].ordinal),
            None => Err(ClientError::Malformed {
                url: self.cloud.address("/v1/records"),
                reason: "no record is accepted and none refused".into(),
            }),
        }
    }

    async fn post_records(&self, body: Vec<u8>) -> Result<Answer, ClientError> {
        let url = self.cloud.address("/v1/records");
        let request = self.cloud.post(&url).header("content-type", frames::CONTENT_TYPE).body(body);
        let unreachable =
            |error: reqwest::Error| ClientError::Unreachable { url: url.clone(), reason: error.to_string() };
        let response = request.timeout(ANSWER_TIMEOUT).send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        if response.content_length().is_none_or(|length| length > JSON_BYTES_MAX as u64) {
            return Err(ClientError::TooLong { url, max: JSON_BYTES_MAX });
        }
        let text = response.bytes().await.map_err(unreachable)?;
        if status != 200 && status != REFUSED {
            let message = format!("{} answers with status {status}", url);
            return Err(ClientError::Refused {
                status,
                rule: None,
                name: "http".into(),
                message,
                retry_after_s: None,
            });
        }
        serde_json::from_slice(&text)
            .map_err(|error| ClientError::Malformed { url, reason: error.to_string() })
    }

    async fn announce(&self, sequence: u64) -> Result<(), ClientError> {
        let url = self.cloud.address("/v1/anchors");
        let announcement = Announcement { sender: self.controller, sequence };
        let _: Value = self.cloud.json(&url, self.cloud.post(&url).json(&announcement)).await?;
        Ok(())
    }
}
