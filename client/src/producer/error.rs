//! Why a record is not handed over, or not where it was awaited.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::limits::RECORD_BYTES_MAX;

use super::record::Record;
use crate::error::ClientError;
use crate::headers::HeadersError;

/// Why a producer does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting is out of range.
    #[error("{setting}: {reason}")]
    Config {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder cannot be made.
    #[error("folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder is used by another process.
    #[error("the outbox {} is in use, by another process or by a client of this one", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The outbox is another key's or network's.
    #[error("the outbox {} belongs to key {key} on network {chain_id}", path.display())]
    Other {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        key: PublicKey,
        /// Of which network.
        chain_id: Hash256,
    },
    /// The outbox lost what was acknowledged: files of it were damaged, or an earlier copy lies among them. With
    /// [`ProducerBuilder::accept_loss`](super::ProducerBuilder::accept_loss) it opens with what is left.
    #[error(
        "the outbox {} has {found} commits where {acknowledged} were acknowledged: some of its files are damaged, or older; \
         accept_loss opens it with what is left",
        path.display()
    )]
    Shortened {
        /// The folder.
        path: PathBuf,
        /// Commits that it has.
        found: u64,
        /// Commits that it had.
        acknowledged: u64,
    },
    /// The outbox cannot be read or written.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The header chain cannot be opened.
    #[error(transparent)]
    Headers(#[from] HeadersError),
    /// No node could say of which network it is.
    #[error(transparent)]
    Node(#[from] ClientError),
}

/// Why the outbox cannot be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("outbox {}: {reason}", path.display())]
pub struct OutboxError {
    /// The folder.
    pub path: PathBuf,
    /// What happened.
    pub reason: String,
}

/// Why a record was not taken. It is not in the outbox, but for [`SendError::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// More bytes than a record may have.
    #[error("a record has at most {RECORD_BYTES_MAX} bytes, this has {found}")]
    TooLong {
        /// Its bytes.
        found: usize,
    },
    /// More records at once than the outbox ever has room for: hand them over in parts.
    #[error("{records} records of {bytes} bytes together are more than the outbox has room for")]
    TooMany {
        /// Records.
        records: usize,
        /// Their bytes as they are stored.
        bytes: usize,
    },
    /// The outbox has no room now. The record comes back.
    #[error("the outbox has no room")]
    Full(Box<Record>),
    /// The writer stopped before it answered: the record may be in the outbox. Handing over the same record again is
    /// safe, to this producer or to the next one on this outbox.
    #[error("no answer from the outbox; it is safe to hand the same record over again")]
    Unknown,
    /// The producer or its client was closed.
    #[error("the producer is closed")]
    Closed,
    /// What was handed over before is refused for good.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

impl SendError {
    /// Whether the same record may be taken later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Unknown)
    }
}

/// Nodes refuse a batch for good: the ledger's rules are against it. Its records stay in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger refuses sequence {sequence}: {source}")]
pub struct Rejection {
    /// The batch's sequence.
    pub sequence: u64,
    /// The refusal.
    pub source: ClientError,
}

/// Why a record is not where it was awaited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PendingError {
    /// It takes longer. The record stays in the outbox, and the handle good.
    #[error("not there after {} ms; the record is in the outbox", waited.as_millis())]
    TimedOut {
        /// Time waited.
        waited: Duration,
    },
    /// The ledger refuses it.
    #[error(transparent)]
    Rejected(Arc<Rejection>),
    /// The key may not anchor records of this kind: controllers anchor data and commands, operators accesses. It has
    /// left the outbox.
    #[error("the key may not anchor records of this kind; it has left the outbox")]
    Unfit,
    /// The producer stopped. The record is in the outbox; whoever opens it again goes on.
    #[error("the producer stopped; the record is in the outbox")]
    Stopped,
}

impl PendingError {
    /// Whether waiting again on the same handle may help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            Self::Rejected(_) | Self::Unfit | Self::Stopped => false,
        }
    }
}
