//! Where the real logs are, and log bytes made by hand.

use std::path::PathBuf;

/// A real log, or `None` with a word about what is skipped.
pub(crate) fn flight(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/flights");
    let folder = std::env::var_os("DRONECHAIN_FLIGHTS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = folder.join(name);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: no {name} in {} (set DRONECHAIN_FLIGHTS)", folder.display());
    None
}

/// A PX4 log's file header.
pub(crate) fn ulog_header() -> Vec<u8> {
    [&b"ULog\x01\x12\x35\x01"[..], &7_u64.to_le_bytes()].concat()
}

/// A PX4 log's message.
pub(crate) fn ulog_message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = u16::try_from(payload.len()).unwrap().to_le_bytes();
    [&size[..], &[kind], payload].concat()
}
