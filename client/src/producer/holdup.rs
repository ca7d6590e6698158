//! What holds a producer up.

use std::fmt;

/// Why records wait, beyond what is usual. They are safe, and go on by themselves when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holdup {
    /// No node says anything that can be relied on: out of reach, still catching up, or without new blocks by the own
    /// clock, which may be what is wrong.
    NoNode,
    /// The key is not registered on the ledger: an admin admits it.
    NotAdmitted,
    /// Transactions of the key wait at nodes that this outbox does not know; they are waited for.
    Foreign,
    /// The outbox is older than the ledger: nodes are asked which of its records are anchored.
    Recalling,
}

impl fmt::Display for Holdup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNode => "no node is there that knows new blocks, by the own clock",
            Self::NotAdmitted => "the key is not registered; an admin admits it",
            Self::Foreign => "transactions of this key wait that the outbox does not know",
            Self::Recalling => "nodes are asked which records are anchored already",
        })
    }
}
