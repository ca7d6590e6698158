//! `dronechain device`: enrolment and revocation go through the controller, whose process alone
//! holds K_CR and its sequence.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::PossessionClaim;
use dronechain_record::KeyFile;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::error::CliError;
use crate::limits::{POLL, TIMEOUT_S};
use crate::output::Output;
use crate::party::controller::{ControllerClient, EnrolRequest, Registration};

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Enrol a device: it signs that it holds its key, the controller puts it on the ledger.
    Enrol(Enrol),
    /// Revoke a device, for good. What was anchored before stays valid.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct Owner {
    /// Address of the controller, e.g. http://127.0.0.1:7800.
    #[arg(long, value_name = "URL", env = "DRONECHAIN_CONTROLLER")]
    controller: String,
    /// The controller's cookie file, in its data folder.
    #[arg(long, value_name = "FILE")]
    cookie: PathBuf,
    /// Wait until it is in a block.
    #[arg(long)]
    wait: bool,
    /// Seconds to wait at most.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT_S)]
    timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Enrol {
    /// The device's key file.
    #[arg(long, value_name = "FILE")]
    device_key: PathBuf,
    /// What it is, e.g. multicopter.
    #[arg(long, default_value = "multicopter")]
    kind: String,
    /// Where it is to operate.
    #[arg(long, default_value = "")]
    area: String,
    #[command(flatten)]
    owner: Owner,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The device's public key, 64 hex digits.
    #[arg(long, value_name = "HEX")]
    device: PublicKey,
    /// What it signed from this height on is in doubt; by default nothing before the revocation.
    #[arg(long, value_name = "HEIGHT", default_value_t = u64::MAX, hide_default_value = true)]
    suspect_since: u64,
    #[command(flatten)]
    owner: Owner,
}

impl Device {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        match self {
            Self::Enrol(command) => command.run(output).await,
            Self::Revoke(command) => command.run(output).await,
        }
    }
}

impl Enrol {
    async fn run(self, output: Output) -> Result<(), CliError> {
        let key = KeyFile::load(self.device_key)?;
        let controller = self.owner.client()?;
        let status = controller.status().await?;
        let (device, kind, area) = (key.public_key(), &self.kind, &self.area);
        let claim = PossessionClaim { controller: status.controller, device, kind, area };
        let possession = claim.sign(key.signing_key(), &status.chain_id);
        controller.enrol(&EnrolRequest { device, kind, area, possession }).await?;
        let state = self.owner.settle(&controller, &device, Registration::Enrolled).await?;
        report(&device, state, output);
        Ok(())
    }
}

impl Revoke {
    async fn run(self, output: Output) -> Result<(), CliError> {
        let controller = self.owner.client()?;
        controller.revoke(&self.device, self.suspect_since).await?;
        let state = self.owner.settle(&controller, &self.device, Registration::Revoked).await?;
        report(&self.device, state, output);
        Ok(())
    }
}

impl Owner {
    fn client(&self) -> Result<ControllerClient, CliError> {
        ControllerClient::new(&self.controller)?.with_cookie(&self.cookie)
    }

    /// The device's state now, or once it is `wanted` if waiting was asked for.
    async fn settle(
        &self,
        controller: &ControllerClient,
        device: &PublicKey,
        wanted: Registration,
    ) -> Result<Registration, CliError> {
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        loop {
            let state = controller.device(device).await?.state;
            if state == wanted || !self.wait {
                return Ok(state);
            }
            if state == Registration::Revoked {
                return Err(CliError::DeviceState {
                    key: device.to_string(),
                    state: "device-revoked".to_owned(),
                });
            }
            if Instant::now() >= deadline {
                let what = format!("the registration of {device}");
                return Err(CliError::TimedOut { what, seconds: self.timeout });
            }
            sleep(POLL).await;
        }
    }
}

fn report(device: &PublicKey, state: Registration, output: Output) {
    let word = match state {
        Registration::Unknown => "unknown to the controller",
        Registration::Pending => "submitted",
        Registration::Enrolled => "enrolled",
        Registration::Revoked => "revoked",
    };
    let value = json!({ "device": device, "id": device.id(), "state": state });
    output.result(&value, format_args!("device {device} {word}"));
}
