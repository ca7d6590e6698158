//! `log`: the filter of a running node's log.

use std::path::PathBuf;
use std::time::Duration;

use dronechain_node::admin::{LOG_PATH, LogBody};
use serde_json::json;

use super::door::Running;
use super::{Code, Failure, Output};

/// For the node's answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Which node, and which filter.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to log from now on, e.g. info,dronechain_node=debug; without it the filter in force is told. The next start
    /// takes the configuration's again.
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// The data folder of the running node.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

/// Asks the node.
pub(super) fn log(args: &Args) -> Result<Output, Failure> {
    let running = Running::of(&args.data)?;
    let (method, body) = match &args.filter {
        Some(filter) => ("PUT", json!(LogBody { filter: filter.clone() }).to_string()),
        None => ("GET", String::new()),
    };
    let (status, answer) = running.ask(method, LOG_PATH, &body, ANSWER_WAIT)?;
    match (status, serde_json::from_value::<LogBody>(answer.clone())) {
        (200, Ok(LogBody { filter })) => Ok(Output::new(filter.clone(), json!({ "filter": filter }))),
        (400, _) => {
            let message = answer["error"]["message"].as_str().unwrap_or("the node refuses the filter");
            Err(Failure::new(Code::Usage, &message, "e.g. info or info,dronechain_node=debug"))
        }
        _ => Err(running.strange(status, &answer)),
    }
}
