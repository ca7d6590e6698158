//! What commands ask of a running node, through its port for the operator.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dronechain_node::admin::{Door, FILE_NAME};
use serde_json::Value;

use super::{Code, Failure};

/// Bytes of the file with address and cookie, and of an answer.
const BYTES_MAX: u64 = 64 << 10;
/// For a connection on loopback.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// A running node.
pub(super) struct Running {
    file: PathBuf,
    door: Door,
}

impl Running {
    /// The node that runs with the data folder `data`.
    pub(super) fn of(data: &Path) -> Result<Self, Failure> {
        let file = data.join(FILE_NAME);
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&file).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes));
        let door = read.and_then(|_| serde_json::from_slice(&bytes).map_err(io::Error::other));
        match door {
            Ok(door) => Ok(Self { file, door }),
            Err(error) => Err(cannot(&format!("{}: {error}", file.display()))),
        }
    }

    /// Asks it, for `wait` at most; status and JSON of the answer.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        body: &str,
        wait: Duration,
    ) -> Result<(u16, Value), Failure> {
        let answer = self.exchange(method, path, body, wait);
        answer.map_err(|error| cannot(&format!("the node at {}: {error}", self.door.http)))
    }

    /// That it answered with what was not expected.
    pub(super) fn strange(&self, status: u16, answer: &Value) -> Failure {
        let (http, message) = (self.door.http, answer["error"]["message"].as_str().unwrap_or_default());
        cannot(&format!("the node at {http} (by {}) answered with {status} {message}", self.file.display()))
    }

    fn exchange(&self, method: &str, path: &str, body: &str, wait: Duration) -> io::Result<(u16, Value)> {
        let Door { http, cookie } = &self.door;
        let mut stream = TcpStream::connect_timeout(http, CONNECT_WAIT)?;
        stream.set_read_timeout(Some(wait))?;
        let len = body.len();
        stream.write_all(
            format!(
                "{method} {path} HTTP/1.1\r\nHost: {http}\r\nAuthorization: Bearer {cookie}\r\nConnection: close\r\n\
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
}

fn cannot(message: &str) -> Failure {
    Failure::new(Code::CannotDo, &message, "does the node run with this data folder, and may you read it?")
}
