//! `dronechain headers`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use dronechain_chain_spec::hash::Hash256;
use dronechain_client::limits::TIP_WAIT_MAX;
use serde_json::json;
use tokio::time::Instant;

use crate::error::CliError;
use crate::limits::TIMEOUT_S;
use crate::options::NodeOption;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Headers {
    /// Fetch the headers of the active chain into a file, every one verified. A file that is there
    /// is brought up to date.
    Export(Export),
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    node: NodeOption,
    /// The file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Wait until the chain is that high.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0, hide_default_value = true)]
    at_least_height: u64,
    /// Accept this network only: the hash of its genesis block.
    #[arg(long, value_name = "HEX")]
    chain_id: Option<Hash256>,
    /// Seconds to wait at most.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT_S)]
    timeout: u64,
}

impl Headers {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        let Self::Export(export) = self;
        let node = export.node.client()?;
        let mut headers = dronechain_client::Headers::follow(&export.out, export.chain_id, &node).await?;
        let deadline = Instant::now() + Duration::from_secs(export.timeout);
        let mut report = headers.sync(&node).await?;
        while report.height < export.at_least_height {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let what = format!("height {}", export.at_least_height);
                return Err(CliError::TimedOut { what, seconds: export.timeout });
            }
            node.wait_tip(report.tip, left.min(TIP_WAIT_MAX)).await?;
            report = headers.sync(&node).await?;
        }
        let (height, tip, chain_id) = (report.height, report.tip, headers.chain().chain_id());
        let value = json!({ "file": export.out, "height": height, "tip": tip, "chain_id": chain_id });
        output.result(&value, format_args!("{height} headers of network {chain_id}, tip {tip}"));
        Ok(())
    }
}
