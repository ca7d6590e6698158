//! What an operator configures.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::error::CloudError;

/// The cloud server's configuration; unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data folder; one process at a time.
    pub data: PathBuf,
    /// Where to listen; port 0 takes any free one.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Addresses of nodes; the next is asked when one fails.
    pub nodes: Vec<String>,
    /// Pause between two sweeps, in ms.
    #[serde(default = "sweep_pause_ms")]
    pub sweep_pause_ms: u64,
    /// Pace of the sweeps; 0 for as fast as it goes.
    #[serde(default)]
    pub sweep_records_per_second: u32,
    /// Blocks that an anchor needs before its records count as verified (1: its own).
    #[serde(default = "confirmations")]
    pub confirmations: u64,
    /// Where to write `{"http": "ADDRESS:PORT"}` once the server listens.
    #[serde(default)]
    pub ready_file: Option<PathBuf>,
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7900))
}

fn sweep_pause_ms() -> u64 {
    1_000
}

fn confirmations() -> u64 {
    1
}

impl Config {
    /// Refuses values out of range.
    pub(crate) fn check(&self) -> Result<(), CloudError> {
        if self.confirmations == 0 { Err(CloudError::Confirmations) } else { Ok(()) }
    }
}
