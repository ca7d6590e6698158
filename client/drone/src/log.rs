//! A log file of any kind that is read here.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::entry::Entry;
use crate::fault::{Fault, LogError};
use crate::limits::LOG_BYTES_MAX;
use crate::tlog::Tlog;
use crate::ulog::Ulog;

/// A whole log in memory.
#[derive(Debug)]
pub enum Log {
    /// PX4's `.ulg`.
    Ulog(Ulog),
    /// MAVLink telemetry, `.tlog`.
    Tlog(Tlog),
}

/// Reads a log. The extension decides what it is; without a known one the first bytes do.
///
/// # Errors
/// [`LogError`] names the file, and for a file that is no whole log the place and reason.
pub fn open(path: impl AsRef<Path>) -> Result<Log, LogError> {
    let path = path.as_ref();
    let bytes = read(path).map_err(|source| LogError::Unreadable { path: path.to_owned(), source })?;
    if bytes.len() as u64 > LOG_BYTES_MAX {
        return Err(LogError::TooLarge { path: path.to_owned(), max: LOG_BYTES_MAX });
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let log = match extension.as_deref() {
        Some("ulg") => Ulog::parse(bytes).map(Log::Ulog),
        Some("tlog") => Tlog::parse(bytes).map(Log::Tlog),
        _ => by_first_bytes(bytes),
    };
    log.map_err(|fault| LogError::Refused { path: path.to_owned(), fault })
}

impl Log {
    /// Data messages: as many entries follow.
    pub fn messages(&self) -> u64 {
        match self {
            Self::Ulog(log) => log.messages(),
            Self::Tlog(log) => log.messages(),
        }
    }

    /// One entry per message, in the order of the file; made while they are taken.
    pub fn entries(&self) -> Box<dyn Iterator<Item = Entry> + '_> {
        match self {
            Self::Ulog(log) => Box::new(log.entries()),
            Self::Tlog(log) => Box::new(log.entries()),
        }
    }
}

/// The file's bytes, at most one more than are allowed.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LOG_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn by_first_bytes(bytes: Vec<u8>) -> Result<Log, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    if crate::ulog::has_magic(&bytes) {
        return Ulog::parse(bytes).map(Log::Ulog);
    }
    if crate::tlog::has_frame(&bytes) {
        return Tlog::parse(bytes).map(Log::Tlog);
    }
    Err(Fault::foreign(&bytes, 0, "a PX4 log (.ulg) or a MAVLink telemetry log (.tlog)"))
}
