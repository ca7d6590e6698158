//! `dronechain headers`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::checkpoint as chain_spec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_client::NodeClient;
use dronechain_client::limits::TIP_WAIT_MAX;
use serde_json::json;
use tokio::time::Instant;

use crate::error::CliError;
use crate::files;
use crate::limits::TIMEOUT_S;
use crate::options::NodeOption;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Headers {
    /// Fetch the headers of the active chain into a file, every one verified. A file that is there
    /// is brought up to date.
    Export(Export),
    /// Make a checkpoint from a file of headers: who trusts its id begins there instead of at genesis.
    Checkpoint(Checkpoint),
}

#[derive(Debug, Args)]
pub(crate) struct Checkpoint {
    /// The file of headers.
    #[arg(long, value_name = "FILE")]
    headers: PathBuf,
    /// Height of the block; one that no reorganisation will take away.
    #[arg(long, value_name = "HEIGHT")]
    height: u64,
    /// The file of the checkpoint.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The id of the checkpoint at which the headers may begin themselves.
    #[arg(long, value_name = "HEX")]
    trust: Option<Hash256>,
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
    /// Begin a new file at this checkpoint instead of at genesis.
    #[arg(long, value_name = "FILE", requires = "trust")]
    checkpoint: Option<PathBuf>,
    /// The checkpoint's id, from a source that you trust.
    #[arg(long, value_name = "HEX")]
    trust: Option<Hash256>,
    /// Seconds to wait at most.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT_S)]
    timeout: u64,
}

impl Headers {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        match self {
            Self::Export(export) => export.run(output).await,
            Self::Checkpoint(checkpoint) => checkpoint.run(output),
        }
    }
}

impl Export {
    async fn run(self, output: Output) -> Result<(), CliError> {
        let node = self.node.client()?;
        let mut headers = match dronechain_client::Headers::reopen(&self.out, self.chain_id, self.trust)? {
            Some(headers) => headers,
            None => self.begin(&node).await?,
        };
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        let mut report = headers.sync(&node).await?;
        while report.height < self.at_least_height {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let what = format!("height {}", self.at_least_height);
                return Err(CliError::TimedOut { what, seconds: self.timeout });
            }
            node.wait_tip(report.tip, left.min(TIP_WAIT_MAX)).await?;
            report = headers.sync(&node).await?;
        }
        let (height, tip, chain_id) = (report.height, report.tip, headers.chain().chain_id());
        let value = json!({ "file": self.out, "height": height, "tip": tip, "chain_id": chain_id });
        output.result(&value, format_args!("{height} headers of network {chain_id}, tip {tip}"));
        Ok(())
    }

    /// A new file, from the checkpoint or from genesis.
    async fn begin(&self, node: &NodeClient) -> Result<dronechain_client::Headers, CliError> {
        let (Some(path), Some(trust)) = (&self.checkpoint, self.trust) else {
            return Ok(dronechain_client::Headers::follow(&self.out, self.chain_id, node).await?);
        };
        let chain = files::header_chain(path, self.chain_id, Some(trust))?;
        let checkpoint = chain.checkpoint().ok_or_else(|| CliError::NoCheckpoint { path: path.clone() })?;
        Ok(dronechain_client::Headers::begin(&self.out, checkpoint.clone())?)
    }
}

impl Checkpoint {
    fn run(self, output: Output) -> Result<(), CliError> {
        let chain = files::header_chain(&self.headers, None, self.trust)?;
        let height = self.height;
        let missing = || CliError::NoBlockFor { path: self.headers.clone(), height, tip: chain.height() };
        let checkpoint = chain_spec::Checkpoint::of(&chain, height).ok_or_else(missing)?;
        let id = checkpoint.id();
        let checkpoint = checkpoint.check(id).expect("of a verified chain");
        let begun = HeaderChain::from_checkpoint(checkpoint).expect("of a verified chain");
        files::write(&self.out, &begun.to_bytes())?;
        let block = begun.tip();
        let value = json!({ "file": self.out, "id": id, "height": height, "block": block });
        output.result(&value, format_args!("checkpoint {id} at height {height}, block {block}"));
        Ok(())
    }
}
