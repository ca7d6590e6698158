//! Options that several commands have.

use std::time::Duration;

use clap::Args;
use dronechain_chain_spec::state::Outcome;
use dronechain_client::{NodeClient, PendingTransaction, TransactionStatus};
use serde::Serialize;

use crate::error::CliError;
use crate::limits::TIMEOUT_S;
use crate::output::Output;

/// Which node to ask.
#[derive(Debug, Args)]
pub(crate) struct NodeOption {
    /// Address of a node, e.g. http://127.0.0.1:7700.
    #[arg(long, value_name = "URL", env = "DRONECHAIN_NODE")]
    pub(crate) node: String,
}

impl NodeOption {
    pub(crate) fn client(&self) -> Result<NodeClient, CliError> {
        Ok(NodeClient::new(&self.node)?)
    }
}

/// Whether to wait for blocks.
#[derive(Debug, Args)]
pub(crate) struct WaitOption {
    /// Wait until it has N confirmations; 1 is its own block.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    pub(crate) wait: Option<u64>,
    /// Seconds to wait at most.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT_S)]
    pub(crate) timeout: u64,
}

/// Where a submitted transaction stands, for people and scripts.
#[derive(Debug, Serialize)]
pub(crate) struct Sent {
    txid: String,
    sequence: u64,
    #[serde(flatten)]
    status: Option<TransactionStatusView>,
}

#[derive(Debug, Serialize)]
struct TransactionStatusView {
    height: Option<u64>,
    confirmations: Option<u64>,
    outcome: Option<Outcome>,
}

impl WaitOption {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Waits if asked to.
    pub(crate) async fn settle(
        &self,
        node: &NodeClient,
        pending: &PendingTransaction,
    ) -> Result<Option<TransactionStatus>, CliError> {
        match self.wait {
            None => Ok(None),
            Some(confirmations) => Ok(Some(pending.wait(node, confirmations, self.timeout()).await?)),
        }
    }
}

impl Sent {
    /// Says where it stands. That it is recorded without effect is a no.
    pub(crate) fn report(
        pending: &PendingTransaction,
        status: Option<&TransactionStatus>,
        output: Output,
    ) -> Result<(), CliError> {
        let sent = Self::new(pending, status);
        output.result(&sent, sent.text());
        match status.and_then(|status| status.outcome) {
            None | Some(Outcome::Applied) => Ok(()),
            Some(outcome) => Err(CliError::NoEffect { txid: pending.txid, outcome }),
        }
    }

    fn new(pending: &PendingTransaction, status: Option<&TransactionStatus>) -> Self {
        let status = status.map(|status| TransactionStatusView {
            height: status.height,
            confirmations: status.confirmations,
            outcome: status.outcome,
        });
        Self { txid: pending.txid.to_string(), sequence: pending.sequence, status }
    }

    fn text(&self) -> String {
        let Self { txid, sequence, status } = self;
        let height = status.as_ref().and_then(|status| status.height);
        match height {
            Some(height) => format!("transaction {txid} (sequence {sequence}) included at height {height}"),
            None => format!("transaction {txid} (sequence {sequence}) submitted"),
        }
    }
}
