//! `dronechain drone replay`: a log becomes a flight of signed records, closed by a closing record.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use dronechain_drone::{Entry, Log, SimulatedFlight, group};
use dronechain_record::{Flight, KeyFile};
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::sender::Sender;
use super::signer::{Signed, Signer};
use crate::error::CliError;
use crate::limits::REQUESTS_AHEAD;
use crate::output::Output;
use crate::party::controller::{ControllerClient, Registration};

/// Stands for an invented flight in the place of a file.
const SIMULATED: &str = "simulated";

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A PX4 log (.ulg), a MAVLink telemetry log (.tlog), or `simulated`.
    #[arg(long, value_name = "FILE|simulated")]
    log: PathBuf,
    /// The drone's key file.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Address of the controller, e.g. http://127.0.0.1:7800.
    #[arg(long, value_name = "URL", env = "DRONECHAIN_CONTROLLER")]
    controller: String,
    /// Put the messages of a while into one record, e.g. 1s or 250ms; by default each has its own.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    every: Duration,
    /// As fast as the controller takes them, or as they were logged.
    #[arg(long, default_value = "max")]
    rate: Rate,
    /// Go on with an open flight: skip as many entries as it has records already.
    #[arg(long)]
    resume: bool,
    /// Which simulated flight.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Say on stderr how far it is.
    #[arg(long)]
    progress: bool,
}

/// How fast records are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Rate {
    /// As fast as the controller takes them.
    Max,
    /// As they were logged.
    Realtime,
}

/// What was sent.
#[derive(Debug, Serialize)]
struct Summary {
    /// Records, the closing one included.
    records: u64,
    first_sequence: u64,
    last_sequence: u64,
    device: String,
    /// Hash of the closing record.
    closing: String,
    /// When the controller acknowledged the last one, ms since 1970 UTC.
    sent_at_ms: u64,
    /// SHA-256 over the bodies of all records but the closing one.
    bodies_sha256: String,
}

/// What is flown.
pub(super) enum Source {
    File(Log),
    Simulated(SimulatedFlight),
}

impl Source {
    /// Hands over each entry, in order, until `each` says false.
    pub(super) fn entries(self, every: Duration, each: &mut dyn FnMut(Entry) -> bool) {
        let every_us = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
        match self {
            Self::File(log) => drop(group(log.entries(), every_us).all(each)),
            Self::Simulated(flight) => drop(group(flight, every_us).all(each)),
        }
    }
}

impl Replay {
    pub(crate) async fn run(self, output: Output) -> Result<(), CliError> {
        let source = self.source()?;
        let key = KeyFile::load(self.key.clone())?;
        let device = key.public_key();
        let controller = ControllerClient::new(&self.controller)?;
        let status = controller.status().await?;
        let state = controller.device(&device).await?;
        let state_word = match state.state {
            Registration::Enrolled => None,
            Registration::Unknown => Some("device-unknown: not enrolled with this controller"),
            Registration::Pending => Some("device-pending: not in a block yet"),
            Registration::Revoked => Some("device-revoked"),
        };
        if let Some(state) = state_word {
            return Err(CliError::DeviceState { key: device.to_string(), state: state.to_owned() });
        }
        let position = state.position();
        let flight = Flight::new(key.signing_key().clone(), status.chain_id, position);
        let (known_block, known) = watch::channel(status.known_block());
        let (out, batches) = mpsc::channel(REQUESTS_AHEAD);
        let signer = Signer {
            flight,
            known,
            out,
            rate: self.rate,
            every: self.every,
            skip: if self.resume { position.in_flight } else { 0 },
        };
        let signing = tokio::task::spawn_blocking(move || signer.run(source));
        let sender = Sender { controller, device, known_block, progress: self.progress };
        let sent = sender.run(batches).await;
        // A signer whose batches nobody takes ends by itself; the sender's error comes first.
        let sent_at_ms = sent?;
        let Signed { records, closing, bodies } = signing.await.expect("signing never panics")?;
        let first = position.next_sequence;
        let summary = Summary {
            records,
            first_sequence: first,
            last_sequence: first + records - 1,
            device: device.to_string(),
            closing: closing.to_string(),
            sent_at_ms,
            bodies_sha256: bodies.to_string(),
        };
        output.result(
            &summary,
            format_args!("{records} records of {device} sent, numbers {first} to {}", summary.last_sequence),
        );
        Ok(())
    }

    fn source(&self) -> Result<Source, CliError> {
        if self.log.as_os_str() == SIMULATED {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let start_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
            return Ok(Source::Simulated(SimulatedFlight::new(self.seed, start_us)));
        }
        Ok(Source::File(dronechain_drone::open(&self.log)?))
    }
}

/// `250ms`, `1s`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| "a number and ms, s or m is wanted, e.g. 1s".to_owned())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        unit => Err(format!("{unit:?} is no unit; ms, s and m are")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "1", "s", "-1s", "1.5s", "1h"] {
            duration(wrong).expect_err(wrong);
        }
    }
}
