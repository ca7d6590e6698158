//! Why a node did not answer as asked.

use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;

use crate::limits::RETRY_AFTER_MAX;

/// A failed call to a node (or to another party that answers errors in the same form).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is none.
    #[error("{url:?} is no address of a node: {reason}")]
    BadUrl {
        /// The text given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// What was called.
        url: String,
        /// Why it failed.
        reason: String,
    },
    /// No whole answer in time.
    #[error("no answer in time from {url}")]
    Timeout {
        /// What was called.
        url: String,
    },
    /// The node refused.
    #[error("refused ({status} {name}{}): {message}", rule.as_ref().map(|rule| format!(", rule {rule}")).unwrap_or_default())]
    Refused {
        /// HTTP status.
        status: u16,
        /// Number of the ledger's rule, if one refused.
        rule: Option<String>,
        /// The refusal's name, e.g. `tx-sender-unknown`.
        name: String,
        /// The refusal in words.
        message: String,
        /// How long to leave the node alone, if it says so; seconds.
        retry_after_s: Option<u32>,
    },
    /// The node is of another network.
    #[error("another network: {found}, wanted is {expected}")]
    WrongNetwork {
        /// The network wanted.
        expected: Hash256,
        /// The node's.
        found: Hash256,
    },
    /// The answer is not what the interface says.
    #[error("malformed answer from {url}: {reason}")]
    Malformed {
        /// What was called.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The answer is longer than any right one.
    #[error("the answer of {url} has more than {max} bytes")]
    TooLong {
        /// What was called.
        url: String,
        /// Bytes allowed.
        max: usize,
    },
}

impl ClientError {
    /// Whether the same call may succeed later, or at another node.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::BadUrl { .. }
            | Self::WrongNetwork { .. }
            | Self::Malformed { .. }
            | Self::TooLong { .. } => false,
        }
    }

    /// The ledger's rule that refused, if one did.
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Refused { rule, .. } => rule.as_deref(),
            _ => None,
        }
    }

    /// How long to leave the node alone: who asks too often is told. At most [`RETRY_AFTER_MAX`].
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Refused { retry_after_s: Some(seconds), .. } = self else { return None };
        Some(Duration::from_secs((*seconds).into()).min(RETRY_AFTER_MAX))
    }

    /// Whether the node refused with this name, e.g. `sequence-taken`.
    pub fn is_refusal(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { name, .. } if name == wanted)
    }
}
