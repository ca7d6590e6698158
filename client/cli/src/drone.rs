//! `dronechain drone`.

mod check;
mod replay;
mod sender;
mod signer;

use clap::Subcommand;

use crate::error::CliError;
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Drone {
    /// Read a log and count its messages, without flying it.
    Check(check::Check),
    /// Fly a log: sign a record for each message and send them to the controller, in order.
    Replay(replay::Replay),
}

impl Drone {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        match self {
            Self::Check(check) => check.run(output),
            Self::Replay(replay) => replay.run(output).await,
        }
    }
}
