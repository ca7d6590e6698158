//! The ready file: tells whoever started the node where it listens.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::p2p::P2p;

/// Writes one line of JSON to `path` at once or not at all.
pub(super) fn write(path: &Path, peers: &P2p, http: SocketAddr) -> io::Result<()> {
    let line = serde_json::json!({ "p2p": peers.listen().to_string(), "http": http.to_string() });
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, format!("{line}\n"))?;
    std::fs::rename(&beside, path)
}
