//! Where a stream of events stands, as its reader keeps it.

use std::fmt;
use std::str::FromStr;

use dronechain_chain_spec::hash::Hash256;

/// A block of which the head was told, and how many of its transactions were gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) struct Cursor {
    pub(super) block: Hash256,
    pub(super) step: u32,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.block, self.step)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = "not the id of an event";
        let (block, step) = text.split_once('.').ok_or(malformed)?;
        let cursor =
            Self { block: block.parse().map_err(|_| malformed)?, step: step.parse().map_err(|_| malformed)? };
        // Numbers have more spellings than one.
        if cursor.to_string() == text { Ok(cursor) } else { Err(malformed) }
    }
}
