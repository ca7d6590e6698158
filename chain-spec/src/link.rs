//! Links: headers with what they show of their blocks, so that they can be checked without them.

use bincode::{Decode, Encode};

use crate::block::CheckedBlock;
use crate::codec::Canonical;
use crate::header::{CheckedHeader, SIGNED_HEADER_LEN, SignedHeader};
use crate::limits::{BLOCK_BYTES_MAX, BLOCK_TXS_MAX};
use crate::merkle::{self, Step, Tree};
use crate::registry::Commitments;
use crate::roster::ChangeFault;
use crate::rules::HeaderError;
use crate::spec::Network;
use crate::state::StateDelta;
use crate::transaction::{CheckedTransaction, Transaction};

/// A transaction with its place in a block.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Shown {
    /// Its index in the block.
    pub index: u32,
    /// Path from its txid to the header's `tx_root`.
    pub path: Vec<Step>,
    /// The transaction.
    pub transaction: Transaction,
}

/// A header with its opened commitments and the transactions that changed governance or nodes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Link {
    /// Header and signature.
    pub header: SignedHeader,
    /// What the header's commitments hash.
    pub commitments: Commitments,
    /// In the order of the block.
    pub changes: Vec<Shown>,
}

impl Canonical for Link {
    /// All of a full block may be shown, each transaction with its index and a path of full depth.
    const MAX: usize = {
        let depth = BLOCK_TXS_MAX.next_power_of_two().ilog2() as usize;
        SIGNED_HEADER_LEN + 96 + 8 + BLOCK_BYTES_MAX + BLOCK_TXS_MAX * (4 + 8 + 36 * depth)
    };
}

impl Link {
    /// A block's link. `delta` is what the block changed.
    pub fn of(block: &CheckedBlock, delta: &StateDelta) -> Self {
        let transactions = block.transactions();
        let mut changes = Vec::new();
        if !delta.shown.is_empty() {
            let tree = Tree::new(transactions.iter().map(CheckedTransaction::txid).collect());
            changes.extend(delta.shown.iter().map(|&index| Shown {
                index,
                path: tree.path(u64::from(index)).expect("shown transactions stand in the block"),
                transaction: transactions[index as usize].get().clone(),
            }));
        }
        Self { header: block.header().signed().clone(), commitments: delta.commitments, changes }
    }

    /// The rules that need no other block, cheapest first: H2 to H7, H16, and of H17 that what is shown stands
    /// in the block.
    pub fn check(self, network: &Network) -> Result<CheckedLink, HeaderError> {
        let header = self.header.clone().check(network)?;
        self.check_shown(header, network)
    }

    /// The same for a header that was checked before.
    pub fn check_shown(self, header: CheckedHeader, network: &Network) -> Result<CheckedLink, HeaderError> {
        let (found, expected) = (self.commitments.hash(), header.header().commitments);
        if found != expected {
            return Err(HeaderError::Opening { found, expected });
        }
        let mut changes = Vec::with_capacity(self.changes.len());
        let mut last = None;
        for (at, shown) in self.changes.iter().enumerate() {
            let checked = check_change(shown, last, &header, network);
            changes.push(checked.map_err(|fault| HeaderError::Change { index: at, fault })?);
            last = Some(shown.index);
        }
        Ok(CheckedLink { header, changes, shown: self.changes, commitments: self.commitments })
    }
}

fn check_change(
    shown: &Shown,
    last: Option<u32>,
    header: &CheckedHeader,
    network: &Network,
) -> Result<CheckedTransaction, ChangeFault> {
    let Shown { index, path, transaction } = shown;
    if last.is_some_and(|last| last >= *index) {
        return Err(ChangeFault::Order);
    }
    let count = u64::from(header.header().tx_count);
    let found = merkle::root_of(&transaction.txid(), u64::from(*index), count, path)?;
    if found != header.header().tx_root {
        return Err(ChangeFault::Root { found });
    }
    Ok(transaction.clone().check(&network.chain_id)?)
}

/// A link that meets every rule that needs no other block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedLink {
    header: CheckedHeader,
    commitments: Commitments,
    shown: Vec<Shown>,
    changes: Vec<CheckedTransaction>,
}

impl CheckedLink {
    /// The header.
    pub fn header(&self) -> &CheckedHeader {
        &self.header
    }

    /// The opened commitments.
    pub fn commitments(&self) -> Commitments {
        self.commitments
    }

    /// What is shown, as it travels.
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// The transactions shown.
    pub fn changes(&self) -> &[CheckedTransaction] {
        &self.changes
    }

    /// The link as it travels.
    pub fn to_link(&self) -> Link {
        Link {
            header: self.header.signed().clone(),
            commitments: self.commitments,
            changes: self.shown.clone(),
        }
    }
}
