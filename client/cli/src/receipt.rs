//! `dronechain receipt`.

mod confirmed;
mod folder;
mod get;
mod verify;

use clap::Subcommand;

use crate::error::CliError;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Receipt {
    /// Fetch the receipt of one hash, or records and receipts of a device into a folder.
    Get(get::Get),
    /// Verify a record with its receipt, or a whole folder. Needs no network.
    Verify(verify::Verify),
}

impl Receipt {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        match self {
            Self::Get(command) => command.run(output).await,
            Self::Verify(command) => command.run(output),
        }
    }
}
