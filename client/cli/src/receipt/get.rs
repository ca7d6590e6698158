//! `dronechain receipt get`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::receipt::{ExistenceProof, Receipt, ReceiptError};
use dronechain_client::Headers;
use dronechain_client::bundle::HEADERS_FILE;
use serde_json::json;

use super::folder::Folder;
use crate::error::CliError;
use crate::files;
use crate::limits::TIMEOUT_S;
use crate::options::NodeOption;
use crate::output::Output;
use crate::party::cloud::CloudClient;

/// In which form a receipt is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Chainpoint v2 with all that offline verification wants.
    V2,
    /// Chainpoint v4 for public tools: existence alone, not who was entitled.
    V4,
    /// The same, compressed.
    V4Binary,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The hash of an anchored record or file.
    #[arg(value_name = "HASH", required_unless_present = "cloud", conflicts_with = "cloud")]
    hash: Option<Hash256>,
    #[command(flatten)]
    node: NodeOption,
    /// The device that made the record: the receipt then shows its registration.
    #[arg(long, value_name = "KEY")]
    device: Option<PublicKey>,
    /// Fetch all records of the device from this cloud server, e.g. http://127.0.0.1:7900.
    #[arg(long, value_name = "URL", requires = "device")]
    cloud: Option<String>,
    /// The receipt's file; with --cloud the folder, which is made.
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
    /// The receipt's format. One in v4 names the host of --node, where public clients look the block up.
    #[arg(long, value_enum, default_value = "v2", conflicts_with = "cloud")]
    format: Format,
    /// With --cloud: blocks that every anchor must have, its own included.
    #[arg(long, value_name = "N", default_value_t = 3)]
    confirmations: u64,
    /// With --cloud: wait for records and blocks until the closing record's receipt is there.
    #[arg(long)]
    follow: bool,
    /// With --cloud: the first record wanted.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from_sequence: u64,
    /// With --cloud: the file of headers; by default headers.bin in the folder.
    #[arg(long, value_name = "FILE")]
    headers: Option<PathBuf>,
    /// With --cloud: accept this network only, by the hash of its genesis block.
    #[arg(long, value_name = "HEX")]
    chain_id: Option<Hash256>,
    /// With --follow: seconds without anything new after which to give up.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT_S)]
    timeout: u64,
    /// Say on stderr how far it is.
    #[arg(long)]
    progress: bool,
}

impl Get {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        match (self.hash, self.device, &self.cloud) {
            (Some(hash), device, _) => self.one(hash, device.as_ref(), output).await,
            (None, Some(device), Some(cloud)) => self.all(device, cloud, output).await,
            _ => Err(CliError::Usage("a HASH, or --device and --cloud are wanted".to_owned())),
        }
    }

    async fn one(&self, hash: Hash256, device: Option<&PublicKey>, output: Output) -> Result<(), CliError> {
        let node = self.node.client()?;
        let receipt = node.receipt(hash, device).await?.ok_or(CliError::NoReceipt(hash))?;
        let bytes =
            self.format.write(&receipt, node.host()).map_err(|error| CliError::Format { hash, error })?;
        files::write(&self.out, &bytes)?;
        let height = receipt.anchor.height;
        let value = json!({ "hash": hash, "height": height, "txid": receipt.source_id, "file": self.out });
        output.result(&value, format_args!("receipt of {hash}, anchored at height {height}"));
        Ok(())
    }

    async fn all(&self, device: PublicKey, cloud: &str, output: Output) -> Result<(), CliError> {
        if self.confirmations == 0 {
            return Err(CliError::Usage("--confirmations is at least 1".to_owned()));
        }
        std::fs::create_dir_all(&self.out)
            .map_err(|source| CliError::Write { path: self.out.clone(), source })?;
        let node = self.node.client()?;
        let file = self.headers.clone().unwrap_or_else(|| self.out.join(HEADERS_FILE));
        let headers = Headers::follow(file, self.chain_id, &node).await?;
        let folder = Folder::new(node, CloudClient::new(cloud)?, device, self.out.clone(), headers);
        let folder = folder.with_confirmations(self.confirmations).with_progress(self.progress);
        let patience = self.follow.then(|| Duration::from_secs(self.timeout));
        let summary = folder.fetch(self.from_sequence, patience).await?;
        let text = format!("{} records with receipts in {}", summary.records, self.out.display());
        output.result(&summary, text);
        Ok(())
    }
}

impl Format {
    fn write(self, receipt: &Receipt, host: &str) -> Result<Vec<u8>, ReceiptError> {
        let proof = || ExistenceProof::of(receipt, host);
        Ok(match self {
            Self::V2 => receipt.to_json().into_bytes(),
            Self::V4 => proof()?.to_json().into_bytes(),
            Self::V4Binary => proof()?.to_binary(),
        })
    }
}
