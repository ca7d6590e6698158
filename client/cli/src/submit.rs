//! `dronechain submit`: anchors the hash of any file as a batch of its own.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::AnchorKind;
use dronechain_client::{Anchorer, Batch, ClientError, PendingTransaction};
use dronechain_record::KeyFile;
use serde_json::json;

use crate::error::CliError;
use crate::files;
use crate::options::{NodeOption, WaitOption};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The file. Only its hash leaves this machine.
    #[arg(value_name = "FILE", required_unless_present = "hash", conflicts_with = "hash")]
    file: Option<PathBuf>,
    /// The SHA-256 of a file that is elsewhere, 64 hex digits.
    #[arg(long, value_name = "HEX")]
    hash: Option<Hash256>,
    /// Key file of the controller (or operator, for accesses) that anchors; never one that a running
    /// controller uses, since they would take each other's sequence.
    #[arg(long, value_name = "FILE")]
    controller_key: PathBuf,
    /// What the file is.
    #[arg(long, default_value = "data")]
    kind: Kind,
    /// Where to write the receipt; waits for it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    node: NodeOption,
    #[command(flatten)]
    wait: WaitOption,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Data, by a controller.
    Data,
    /// A command, by a controller.
    Command,
    /// An access, by an operator.
    Access,
}

impl Submit {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        let hash = match (&self.file, self.hash) {
            (_, Some(hash)) => hash,
            (Some(file), None) => {
                eprintln!(
                    "warning: whoever can guess the content of {} can confirm the guess by its hash, \
                     which anyone can read on the ledger",
                    file.display()
                );
                files::sha256_of(file)?
            }
            (None, None) => return Err(CliError::Usage("a FILE or --hash is wanted".to_owned())),
        };
        let key = KeyFile::load(self.controller_key.clone())?;
        let node = self.node.client()?;
        let chain_id = node.spec().await?.genesis().hash();
        let mut anchorer = Anchorer::new(node, key.signing_key().clone(), chain_id);
        let batch = Batch::from_leaves([hash])?;
        let kind = match self.kind {
            Kind::Data => AnchorKind::Data,
            Kind::Command => AnchorKind::Command,
            Kind::Access => AnchorKind::Access,
        };
        let pending = anchorer.anchor(kind, &batch).await?;
        let height = self.settle(&anchorer, &pending, &batch).await?;
        let text = match height {
            Some(height) => format!("{hash} anchored at height {height}"),
            None => format!("{hash} submitted"),
        };
        let (txid, sequence, out) = (pending.txid, pending.sequence, &self.out);
        let value =
            json!({ "hash": hash, "txid": txid, "sequence": sequence, "height": height, "receipt": out });
        output.result(&value, text);
        Ok(())
    }

    /// Waits if asked to, and writes the receipt.
    async fn settle(
        &self,
        anchorer: &Anchorer,
        pending: &PendingTransaction,
        batch: &Batch,
    ) -> Result<Option<u64>, CliError> {
        // A receipt needs a block.
        let Some(confirmations) = self.wait.wait.or(self.out.as_ref().map(|_| 1)) else {
            return Ok(None);
        };
        let status = anchorer.wait(pending, confirmations, self.wait.timeout()).await?;
        if let Some(out) = &self.out {
            let sender = *anchorer.sender();
            let anchor = anchorer.node().anchor(&sender, pending.sequence, None).await?;
            let proof = anchor.proof.ok_or_else(|| ClientError::Malformed {
                url: anchorer.node().url().to_owned(),
                reason: "an included anchor without a proof".to_owned(),
            })?;
            let broken = |error| CliError::Proof {
                sender: sender.to_string(),
                anchor_sequence: pending.sequence,
                error,
            };
            let receipts = batch.receipts(anchorer.chain_id(), &proof).map_err(broken)?;
            for receipt in receipts {
                files::write(out, receipt.to_json().as_bytes())?;
            }
        }
        Ok(status.height)
    }
}
