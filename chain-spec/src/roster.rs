//! The roster: all that headers are held to besides their parents, and how it changes.
//!
//! It is small and follows from what headers show of their blocks, so nodes check a header's miner
//! before they have its block, and light clients without ever having it. A change counts only with
//! the transactions that made it: who keeps the chain cannot admit or revoke anybody by itself.

use bincode::{Decode, Encode};

use crate::codec::Canonical;
use crate::governance::Governance;
use crate::hash::Hash256;
use crate::key::PublicKey;
use crate::link::CheckedLink;
use crate::merkle::{self, PathError};
use crate::mountain::Peaks;
use crate::registry::{Account, Entry, NodeSet, Registry};
use crate::rules::{HeaderError, TxError};
use crate::state::{Admins, Draft, Outcome, State};

/// Governance and nodes after a block.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Roster {
    /// Who governs, and how.
    pub governance: Governance,
    /// The nodes.
    pub nodes: NodeSet,
    /// At least this sequence the admins' next transaction must have.
    pub admin_sequence: u64,
}

impl Canonical for Roster {
    const MAX: usize = Governance::MAX + NodeSet::MAX + 8;
}

/// What is wrong with a transaction that is shown with a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFault {
    /// It breaks a rule.
    #[error("{0}")]
    Transaction(#[from] TxError),
    /// It does not stand in the block.
    #[error("it does not stand in the block: {0}")]
    Path(#[from] PathError),
    /// Its path leads elsewhere.
    #[error("its path leads to {found}, not to the block's transactions")]
    Root {
        /// Where the path leads.
        found: Hash256,
    },
    /// The one before it stands behind it in the block, or it is shown twice.
    #[error("it is not shown in the order of the block")]
    Order,
    /// It changes neither governance nor nodes.
    #[error("it changes neither governance nor nodes: {0:?}")]
    NoEffect(Outcome),
}

impl Roster {
    /// The root under which governance and nodes are committed: governance is the first leaf, the nodes'
    /// entries follow in order of admission.
    pub fn root(&self) -> Hash256 {
        let leaves = std::iter::once(self.governance.leaf()).chain(self.nodes.0.iter().map(Entry::leaf));
        merkle::root(&leaves.collect::<Vec<_>>())
    }

    /// T for the block at `height`, in ms.
    pub fn block_time_ms(&self, height: u64) -> u64 {
        self.governance.tuning_at(height).block_time_ms
    }

    /// Checks a link against the roster of its parent: H13 to H15 and H17 to H19. `miners` yields the miners
    /// before it, newest first. Gives the roster after its block, if the block changed it.
    pub fn follow(
        &self,
        link: &CheckedLink,
        miners: impl Iterator<Item = PublicKey>,
    ) -> Result<Option<Self>, HeaderError> {
        let header = link.header();
        let (miner, height) = (header.header().miner, header.header().height);
        self.governance.check_rules(height)?;
        // Who may mine was ready before, so a change cannot bring its own miner along.
        self.nodes.check_member(miner, height)?;
        let after = self.after(link, height)?;
        let roster = after.as_ref().unwrap_or(self);
        let (found, expected) = (roster.root(), link.commitments().nodes);
        if found != expected {
            return Err(HeaderError::Roster { found, expected });
        }
        roster.nodes.check_turn(miner, height, miners)?;
        Ok(after)
    }

    fn after(&self, link: &CheckedLink, height: u64) -> Result<Option<Self>, HeaderError> {
        if link.changes().is_empty() {
            return Ok(None);
        }
        let state = self.to_state();
        let mut draft = Draft::new(&state, height);
        for (index, transaction) in link.changes().iter().enumerate() {
            draft.follow(transaction).map_err(|fault| HeaderError::Change { index, fault })?;
        }
        Ok(Some(draft.roster()))
    }

    /// A state of which only governance and nodes are known.
    fn to_state(&self) -> State {
        let nodes = self.nodes.0.iter().map(|entry| Account { entry: entry.clone(), next_sequence: 0 });
        State {
            admins: Admins { governance: self.governance.clone(), next_sequence: self.admin_sequence },
            registry: Registry::new(nodes.collect(), Vec::new()),
            history: Peaks::default(),
        }
    }
}
