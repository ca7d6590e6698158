//! The dronechain command line.
//!
//! One file per group of commands; what they do is in the SDK. Results go to stdout (with `--json` as
//! one JSON object), errors to stderr as one line with a hint. Exit codes: 0 fine, 1 the answer is no
//! (does not verify, refused by a rule), 2 usage, 3 could not be done (unreadable file, no
//! connection).

mod admin;
mod device;
mod drone;
mod error;
mod files;
mod headers;
mod keygen;
mod limits;
mod options;
mod output;
mod papers;
mod party;
mod receipt;
mod service;
mod submit;
mod succeed;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use error::CliError;
use output::Output;

/// Evidence for what drones record: keys, enrolment, receipts, services.
#[derive(Debug, Parser)]
#[command(name = "dronechain", version)]
struct Cli {
    /// Results as one JSON object on stdout.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key file (mode 0600, never over an existing one).
    Keygen(keygen::Keygen),
    /// What the network's admins do together.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Hand a key's place to a successor.
    Succeed(succeed::Succeed),
    /// Enrol and revoke devices, through their controller.
    #[command(subcommand)]
    Device(device::Device),
    /// The drone's side.
    #[command(subcommand)]
    Drone(drone::Drone),
    /// Anchor the hash of any file.
    Submit(submit::Submit),
    /// Fetch and verify receipts.
    #[command(subcommand)]
    Receipt(receipt::Receipt),
    /// The chain of block headers.
    #[command(subcommand)]
    Headers(headers::Headers),
    /// The control system.
    #[command(subcommand)]
    Controller(service::Controller),
    /// The cloud server.
    #[command(subcommand)]
    Cloud(service::Cloud),
    /// Print a shell's completions.
    Completions(papers::Completions),
    /// Write manual pages.
    Man(papers::Man),
}

/// Parses the arguments, runs the command, says what went wrong.
pub fn main() -> ExitCode {
    let Cli { json, command } = Cli::parse();
    let default = if command.is_service() { "info" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(source) => return CliError::Runtime(source).report(),
    };
    match runtime.block_on(command.run(Output::new(json))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

impl Command {
    fn is_service(&self) -> bool {
        matches!(self, Self::Controller(_) | Self::Cloud(_))
    }

    async fn run(self, output: Output) -> Result<(), CliError> {
        match self {
            Self::Keygen(command) => command.run(output),
            Self::Admin(command) => command.run(output).await,
            Self::Succeed(command) => command.run(output).await,
            Self::Device(command) => command.run(output).await,
            Self::Drone(command) => command.run(output).await,
            Self::Submit(command) => command.run(output).await,
            Self::Receipt(command) => command.run(output).await,
            Self::Headers(command) => command.run(output).await,
            Self::Controller(command) => command.run().await,
            Self::Cloud(command) => command.run().await,
            Self::Completions(command) => {
                command.run(output);
                Ok(())
            }
            Self::Man(command) => command.run(output),
        }
    }
}
