//! The cloud's HTTP interface, as far as receipts are fetched through it.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_client::ClientError;
use dronechain_client::frames;
use dronechain_client::node::Http;
use serde::Deserialize;

use crate::error::CliError;
use crate::limits::{PAGE, PAGE_BYTES_MAX};

/// A cloud server by its address.
#[derive(Debug, Clone)]
pub(crate) struct CloudClient {
    http: Http,
}

/// Where a record is anchored, by the controller's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Placement {
    /// The record's number.
    pub(crate) sequence: u64,
    /// Its hash.
    pub(crate) hash: Hash256,
    /// Who anchored it.
    pub(crate) sender: PublicKey,
    /// The anchor's sequence.
    pub(crate) anchor_sequence: u64,
    /// The record's index in the batch.
    pub(crate) index: u32,
}

impl CloudClient {
    pub(crate) fn new(url: &str) -> Result<Self, CliError> {
        Ok(Self { http: Http::new(url)? })
    }

    /// Bytes of records of `device` from number `from` on, in order; at most `limit` of them.
    pub(crate) async fn records(
        &self,
        device: &PublicKey,
        from: u64,
        limit: u64,
    ) -> Result<Vec<Vec<u8>>, ClientError> {
        let path = "/v1/records";
        let bytes = self.http.get_bytes(path, &query(device, from, limit), PAGE_BYTES_MAX).await?;
        let most = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let records = frames::split(&bytes, most).map_err(|error| ClientError::Malformed {
            url: self.http.address(path),
            reason: error.to_string(),
        })?;
        Ok(records.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// Placements of records of `device` from number `from` on, in order; at most a page of them.
    pub(crate) async fn placements(
        &self,
        device: &PublicKey,
        from: u64,
    ) -> Result<Vec<Placement>, ClientError> {
        self.http.get_json("/v1/placements", &query(device, from, PAGE)).await
    }
}

fn query(device: &PublicKey, from: u64, limit: u64) -> [(&'static str, String); 3] {
    [("device", device.to_string()), ("from", from.to_string()), ("limit", limit.to_string())]
}
