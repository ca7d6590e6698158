//! `dronechain drone check`: whether a log can be flown, without flying it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// A PX4 log (.ulg) or a MAVLink telemetry log (.tlog).
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
}

impl Check {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        let messages = dronechain_drone::open(&self.log)?.messages();
        let shown = self.log.display();
        output.result(
            &json!({ "log": self.log, "messages": messages }),
            format!("{shown}: {messages} messages"),
        );
        Ok(())
    }
}
