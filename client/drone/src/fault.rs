//! Why a log is refused: one variant per reason, with the place.

use std::io;
use std::path::PathBuf;

/// What is wrong with a log's bytes. `at` is a byte offset in the file, from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// A log without a single message to record.
    #[error("the log holds no messages")]
    NoMessages,
    /// The bytes are of another format, or damaged so that messages cannot be told apart.
    #[error("byte {at}: {found} where {expected} is wanted")]
    Foreign {
        /// Where the foreign bytes begin.
        at: usize,
        /// What should stand there.
        expected: &'static str,
        /// What stands there, up to eight bytes in hex.
        found: String,
    },
    /// The last message is not whole: the log was cut while it was written or copied.
    #[error(
        "the log is cut: the message at byte {at} needs {needed} bytes, {found} are there; \
         {messages} whole messages stand before it"
    )]
    Truncated {
        /// Where the cut message begins.
        at: usize,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that are there.
        found: usize,
        /// Whole data messages before it.
        messages: u64,
    },
    /// A message is longer than a record's body may be.
    #[error("the message at byte {at} has {found} bytes, a record holds {max}")]
    MessageTooLong {
        /// Where the message begins.
        at: usize,
        /// Its bytes.
        found: usize,
        /// The most that is possible.
        max: usize,
    },
    /// The log says that readers without a certain feature must not read it.
    #[error("byte {at}: the log needs features that this reader lacks ({flags})")]
    Unsupported {
        /// Where the log says so.
        at: usize,
        /// Its flags of incompatible features, in hex.
        flags: String,
    },
}

/// Why a file is not flown.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than what is held in memory.
    #[error("{} has more than {max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        max: u64,
    },
    /// The file was read and is no whole log.
    #[error("{}: {fault}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
}

impl Fault {
    pub(crate) fn foreign(bytes: &[u8], at: usize, expected: &'static str) -> Self {
        let found = hex(&bytes[at..bytes.len().min(at + 8)]);
        Self::Foreign { at, expected, found }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
