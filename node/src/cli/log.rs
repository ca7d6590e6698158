//! `log`: the filter of a running node's log.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dronechain_node::admin::{Door, FILE_NAME, LOG_PATH, LogBody};
use serde_json::{Value, json};

use super::{Code, Failure, Output};

/// For the node's answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Bytes of the file with address and cookie, and of an answer.
const BYTES_MAX: u64 = 64 << 10;

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
    let file = args.data.join(FILE_NAME);
    let door = door(&file)?;
    let (status, answer) = ask(&door, args.filter.as_deref())
        .map_err(|error| cannot(&format!("the node at {}: {error}", door.http)))?;
    match (status, serde_json::from_value::<LogBody>(answer.clone())) {
        (200, Ok(LogBody { filter })) => Ok(Output::new(filter.clone(), json!({ "filter": filter }))),
        (400, _) => {
            let message = answer["error"]["message"].as_str().unwrap_or("the node refuses the filter");
            Err(Failure::new(Code::Usage, &message, "e.g. info or info,dronechain_node=debug"))
        }
        _ => Err(cannot(&format!("the node at {} answered with {status}", door.http))),
    }
}

fn door(file: &Path) -> Result<Door, Failure> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes));
    let door = read.and_then(|_| serde_json::from_slice(&bytes).map_err(io::Error::other));
    door.map_err(|error| cannot(&format!("{}: {error}", file.display())))
}

fn cannot(message: &str) -> Failure {
    Failure::new(Code::CannotDo, &message, "does the node run with this data folder, and may you read it?")
}

/// Status and JSON of the node's answer.
fn ask(door: &Door, filter: Option<&str>) -> io::Result<(u16, Value)> {
    let (method, body) = match filter {
        Some(filter) => ("PUT", json!(LogBody { filter: filter.into() }).to_string()),
        None => ("GET", String::new()),
    };
    let mut stream = TcpStream::connect_timeout(&door.http, ANSWER_WAIT)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    let Door { http, cookie } = door;
    let len = body.len();
    stream.write_all(
        format!(
            "{method} {LOG_PATH} HTTP/1.1\r\nHost: {http}\r\nAuthorization: Bearer {cookie}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}"
        )
        .as_bytes(),
    )?;
    let mut answer = String::new();
    stream.take(BYTES_MAX).read_to_string(&mut answer)?;
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "not an answer of a node");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(strange)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(strange)?;
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}
