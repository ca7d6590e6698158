//! The controller's HTTP interface, as far as drones and operators use it.

use std::path::Path;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, Signature};
use dronechain_client::frames;
use dronechain_client::node::Http;
use dronechain_client::{ClientError, Tip};
use dronechain_record::Position;
use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::files;
use crate::limits::COOKIE_BYTES_MAX;

/// A controller by its address, with the secret that lets its owner change things.
#[derive(Debug, Clone)]
pub(crate) struct ControllerClient {
    http: Http,
    cookie: Option<String>,
}

/// Who the controller is and what it last knew of the chain.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ControllerStatus {
    /// Its key K_CR.
    pub(crate) controller: PublicKey,
    /// The network.
    pub(crate) chain_id: Hash256,
    tip: Option<KnownTip>,
}

/// The tip by its hash, or with all that is known of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum KnownTip {
    Hash(Hash256),
    Whole(Tip),
    Named { hash: Hash256 },
}

/// How far a device's registration has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Registration {
    /// The controller knows of none, or of another controller's.
    Unknown,
    /// Submitted, in no block yet.
    Pending,
    /// In a block.
    Enrolled,
    /// Revoked, for good.
    Revoked,
}

/// A device as its controller knows it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct DeviceState {
    /// How far its registration has come.
    pub(crate) state: Registration,
    #[serde(default)]
    next_sequence: u64,
    #[serde(default)]
    previous: Option<Hash256>,
    #[serde(default)]
    in_flight: u64,
}

/// What a controller is asked for an enrolment.
#[derive(Debug, Serialize)]
pub(crate) struct EnrolRequest<'a> {
    pub(crate) device: PublicKey,
    pub(crate) kind: &'a str,
    pub(crate) area: &'a str,
    pub(crate) possession: Signature,
}

#[derive(Debug, Serialize)]
struct RevokeRequest {
    suspect_since: u64,
}

impl ControllerStatus {
    /// The latest block that the controller knew; genesis if none.
    pub(crate) fn known_block(&self) -> Hash256 {
        match &self.tip {
            Some(KnownTip::Hash(hash) | KnownTip::Named { hash }) => *hash,
            Some(KnownTip::Whole(tip)) => tip.hash,
            None => self.chain_id,
        }
    }
}

impl DeviceState {
    /// Where the device's chain of records stands at the controller.
    pub(crate) fn position(&self) -> Position {
        let previous = self.previous.unwrap_or(Hash256::ZERO);
        Position { next_sequence: self.next_sequence, previous, in_flight: self.in_flight }
    }
}

impl ControllerClient {
    pub(crate) fn new(url: &str) -> Result<Self, CliError> {
        Ok(Self { http: Http::new(url)?, cookie: None })
    }

    /// The same controller, for its owner.
    pub(crate) fn with_cookie(self, file: &Path) -> Result<Self, CliError> {
        Ok(Self { cookie: Some(files::read_line(file, COOKIE_BYTES_MAX)?), ..self })
    }

    pub(crate) async fn status(&self) -> Result<ControllerStatus, ClientError> {
        self.http.get_json("/v1/status", &[]).await
    }

    pub(crate) async fn device(&self, key: &PublicKey) -> Result<DeviceState, ClientError> {
        self.http.get_json(&format!("/v1/devices/{key}"), &[]).await
    }

    pub(crate) async fn enrol(&self, request: &EnrolRequest<'_>) -> Result<serde_json::Value, ClientError> {
        self.post_owned("/v1/devices", request).await
    }

    pub(crate) async fn revoke(
        &self,
        key: &PublicKey,
        suspect_since: u64,
    ) -> Result<serde_json::Value, ClientError> {
        self.post_owned(&format!("/v1/devices/{key}/revoke"), &RevokeRequest { suspect_since }).await
    }

    /// Sends framed records. Of a refused message the records before the bad one were taken.
    pub(crate) async fn records(&self, framed: Vec<u8>) -> Result<(), ClientError> {
        let url = self.http.address("/v1/records");
        let request = self.http.post(&url).header("content-type", frames::CONTENT_TYPE).body(framed);
        self.http.bytes(&url, request, dronechain_client::limits::JSON_BYTES_MAX).await.map(drop)
    }

    async fn post_owned(&self, path: &str, body: &impl Serialize) -> Result<serde_json::Value, ClientError> {
        let url = self.http.address(path);
        let mut request = self.http.post(&url).json(body);
        if let Some(cookie) = &self.cookie {
            request = request.bearer_auth(cookie);
        }
        self.http.json(&url, request).await
    }
}
