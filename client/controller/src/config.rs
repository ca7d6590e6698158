//! What an operator configures.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::error::ControllerError;
use crate::limits::BATCH_RECORDS_MAX;

/// The controller's configuration; unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data folder; one process at a time.
    pub data: PathBuf,
    /// Where to listen; port 0 takes any free one.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// The file of K_CR, the controller's registration key. One key per controller instance.
    pub key: PathBuf,
    /// Addresses of nodes; the next is asked when one fails.
    pub nodes: Vec<String>,
    /// Address of the cloud server that gets the originals; empty for none.
    #[serde(default)]
    pub cloud: String,
    /// Records of a batch, 1 to 65,536.
    #[serde(default = "batch_records_max")]
    pub batch_records_max: u32,
    /// A batch is closed when its first record is this old, in ms.
    #[serde(default = "batch_age_ms")]
    pub batch_age_ms: u64,
    /// An empty batch is anchored when nothing else was for this long, in ms, so that omissions
    /// show; 0 for never.
    #[serde(default = "heartbeat_ms")]
    pub heartbeat_ms: u64,
    /// Blocks after which an anchor counts as confirmed (1: its own).
    #[serde(default = "confirmations")]
    pub confirmations: u64,
    /// Where to write `{"http": "ADDRESS:PORT"}` once the controller listens.
    #[serde(default)]
    pub ready_file: Option<PathBuf>,
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7800))
}

fn batch_records_max() -> u32 {
    4_096
}

fn batch_age_ms() -> u64 {
    500
}

fn heartbeat_ms() -> u64 {
    180_000
}

fn confirmations() -> u64 {
    3
}

impl Config {
    /// Refuses values out of range.
    pub(crate) fn check(&self) -> Result<(), ControllerError> {
        if !(1..=BATCH_RECORDS_MAX).contains(&self.batch_records_max) {
            let found = self.batch_records_max;
            return Err(ControllerError::BatchRecords { found });
        }
        if self.confirmations == 0 {
            return Err(ControllerError::Confirmations);
        }
        Ok(())
    }
}
