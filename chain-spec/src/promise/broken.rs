//! A broken promise: what shows that a node promised and that the deadline passed, to whoever has a header
//! chain.
//!
//! It shows the fact, not the reason: a node may have been cut off. And it cannot show that the sender
//! signed nothing else at that sequence; see [`Promise::is_void_by`].

use bincode::{Decode, Encode};

use super::{Promise, PromiseError, SignedPromise};
use crate::chain::HeaderChain;
use crate::codec::Canonical;
use crate::hash::Hash256;
use crate::key::PublicKey;
use crate::limits::{MESSAGE_BYTES_MAX, PROMISE_SLACK};
use crate::link::Shown;
use crate::merkle::{self, PathError, Step};
use crate::registry::Entry;
use crate::rules::TxError;
use crate::transaction::Sender;

/// The sender's transaction before the one promised, in its block.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Previous {
    /// Height of the block.
    pub height: u64,
    /// The transaction in it.
    pub shown: Shown,
}

/// The sender's registration as a block at or above the deadline shows it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Authority {
    /// Height of that block.
    pub height: u64,
    /// The entry.
    pub entry: Entry,
    /// Its path to the accounts' root.
    pub path: Vec<Step>,
}

/// Evidence that a node's promise was not kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BrokenPromise {
    /// What the node signed.
    pub promise: SignedPromise,
    /// The sender's transaction before; none at sequence 0.
    pub previous: Option<Previous>,
    /// Txids of each block in which the transaction could have stood, up to the deadline's.
    pub blocks: Vec<Vec<Hash256>>,
    /// The sender's registration; none of a node, which the header chain knows.
    pub authority: Option<Authority>,
}

impl Canonical for BrokenPromise {
    /// Blocks with more transactions than fit cannot be shown.
    const MAX: usize = MESSAGE_BYTES_MAX;
}

/// Why a promise does not count as broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenPromiseError {
    /// It is no node's promise.
    #[error("broken-promise: {0}")]
    Promise(#[from] PromiseError),
    /// The header chain ends below the deadline.
    #[error("broken-early: the deadline is {deadline}, the headers end at {tip}")]
    Early {
        /// The promise's deadline.
        deadline: u64,
        /// Height of the last header.
        tip: u64,
    },
    /// A transaction before is shown for sequence 0, or none for another.
    #[error("broken-previous: a transaction before is shown exactly if the sequence, {sequence}, is not 0")]
    Previous {
        /// The sequence promised.
        sequence: u64,
    },
    /// The transaction before breaks a rule.
    #[error("broken-previous-rule: {0}")]
    PreviousRule(#[from] TxError),
    /// What is shown is not the sender's transaction before.
    #[error("broken-previous-other: wanted is sequence {sequence} of the same sender")]
    PreviousOther {
        /// The sequence wanted.
        sequence: u64,
    },
    /// The chain has no block with transactions at that height.
    #[error("broken-previous-height: there is no such block at height {height}")]
    PreviousHeight {
        /// The height shown.
        height: u64,
    },
    /// Its path has another shape than index and transaction count imply.
    #[error("broken-previous-path: {0}")]
    PreviousPath(#[from] PathError),
    /// Its path arrives elsewhere.
    #[error("broken-previous-root: the path arrives at {found}, the header has {expected}")]
    PreviousRoot {
        /// Root arrived at.
        found: Hash256,
        /// The header's.
        expected: Hash256,
    },
    /// Of sequence 0: the node's tip is not on the chain.
    #[error("broken-tip: the promise's tip {tip} is not on the chain")]
    Tip {
        /// The promise's tip.
        tip: Hash256,
    },
    /// The transaction could be included too shortly before the deadline only.
    #[error("broken-late: it could be included from height {from} on, the deadline is {deadline}")]
    Late {
        /// Height of the transaction before, or of the promise's tip.
        from: u64,
        /// The promise's deadline.
        deadline: u64,
    },
    /// The header chain begins above the first block in which it could stand.
    #[error("broken-below: it could stand in block {first}, the headers begin at the checkpoint {base}")]
    Below {
        /// Height of that block.
        first: u64,
        /// Height at which the headers begin.
        base: u64,
    },
    /// Blocks are missing, or there are too many.
    #[error("broken-blocks: {found} blocks where {expected} are wanted")]
    Blocks {
        /// Blocks shown.
        found: usize,
        /// Blocks from the first in which it could stand to the deadline's.
        expected: u64,
    },
    /// Txids are not those of the block.
    #[error("broken-txids: the txids shown are not those of block {height}")]
    Txids {
        /// The block's height.
        height: u64,
    },
    /// The promise was kept.
    #[error("broken-kept: block {height} holds the transaction")]
    Kept {
        /// The block's height.
        height: u64,
    },
    /// A registration is shown of a node, or none of another sender.
    #[error("broken-authority: a registration is shown exactly of senders that are no nodes")]
    Authority,
    /// The registration is shown below the deadline, or beyond the headers.
    #[error("broken-authority-height: shown at height {height}")]
    AuthorityHeight {
        /// Height of the block that is to show it.
        height: u64,
    },
    /// The entry is another's, or its path does not lead to the accounts' root.
    #[error("broken-entry: the entry or its path is not that of {key}")]
    Entry {
        /// The sender.
        key: PublicKey,
    },
    /// The sender was revoked by then, which voids the promise.
    #[error("broken-revoked: {key} is revoked from height {height} on")]
    Revoked {
        /// The sender.
        key: PublicKey,
        /// Height of the revocation.
        height: u64,
    },
}

crate::rules::rules!(BrokenPromiseError {
    Promise => "K1" "broken-promise",
    Early => "K2" "broken-early",
    Previous => "K3" "broken-previous",
    PreviousRule => "K4" "broken-previous-rule",
    PreviousOther => "K5" "broken-previous-other",
    PreviousHeight => "K6" "broken-previous-height",
    PreviousPath => "K7" "broken-previous-path",
    PreviousRoot => "K8" "broken-previous-root",
    Tip => "K9" "broken-tip",
    Late => "K10" "broken-late",
    Blocks => "K11" "broken-blocks",
    Txids => "K12" "broken-txids",
    Kept => "K13" "broken-kept",
    Authority => "K14" "broken-authority",
    AuthorityHeight => "K15" "broken-authority-height",
    Entry => "K16" "broken-entry",
    Revoked => "K17" "broken-revoked",
    Below => "K18" "broken-below",
});

impl BrokenPromise {
    /// That the node promised and the deadline passed on `chain`: K1 to K18 of SPEC.md.
    pub fn check(&self, chain: &HeaderChain) -> Result<(), BrokenPromiseError> {
        let promise = self.promise.clone().check(&chain.chain_id())?;
        let promise = promise.promise();
        let Sender::Key(sender) = promise.sender else { return Err(PromiseError::Sender.into()) };
        promise.check_node(chain)?;
        let (deadline, tip) = (promise.deadline, chain.height());
        if tip < deadline {
            return Err(BrokenPromiseError::Early { deadline, tip });
        }
        let from = self.possible_from(promise, chain)?;
        if from > deadline - PROMISE_SLACK {
            return Err(BrokenPromiseError::Late { from, deadline });
        }
        self.check_blocks(promise, promise.first_block(from, chain), chain)?;
        self.check_sender(promise, &sender, chain)
    }

    /// Height of the sender's transaction before, or of the promise's tip: K3 to K9.
    fn possible_from(&self, promise: &Promise, chain: &HeaderChain) -> Result<u64, BrokenPromiseError> {
        let sequence = promise.sequence;
        match (sequence.checked_sub(1), &self.previous) {
            (None, None) if promise.is_tip_on(chain) => Ok(promise.tip_height),
            (None, None) => Err(BrokenPromiseError::Tip { tip: promise.tip }),
            (Some(before), Some(previous)) => {
                previous.check(promise.sender, before, chain)?;
                Ok(previous.height)
            }
            (None, Some(_)) | (Some(_), None) => Err(BrokenPromiseError::Previous { sequence }),
        }
    }

    /// That all blocks from `first` to the deadline's are shown and none holds the transaction: K11 to K13, and K18.
    fn check_blocks(
        &self,
        promise: &Promise,
        first: u64,
        chain: &HeaderChain,
    ) -> Result<(), BrokenPromiseError> {
        let base = chain.base();
        if first < base {
            return Err(BrokenPromiseError::Below { first, base });
        }
        let (found, expected) = (self.blocks.len(), promise.deadline + 1 - first);
        if found as u64 != expected {
            return Err(BrokenPromiseError::Blocks { found, expected });
        }
        for (height, txids) in (first..).zip(&self.blocks) {
            let header = chain.header(height).expect("the chain reaches the deadline");
            if txids.len() as u64 != u64::from(header.tx_count) || merkle::root(txids) != header.tx_root {
                return Err(BrokenPromiseError::Txids { height });
            }
            if txids.contains(&promise.txid) {
                return Err(BrokenPromiseError::Kept { height });
            }
        }
        Ok(())
    }

    /// That the sender was entitled up to the deadline: K14 to K17.
    fn check_sender(
        &self,
        promise: &Promise,
        sender: &PublicKey,
        chain: &HeaderChain,
    ) -> Result<(), BrokenPromiseError> {
        let key = *sender;
        let entry = match (chain.node_set(promise.deadline).entry(sender), &self.authority) {
            (Some(node), None) => node,
            (None, Some(authority)) => authority.check(promise, sender, chain)?,
            (Some(_), Some(_)) | (None, None) => return Err(BrokenPromiseError::Authority),
        };
        match entry.revoked.filter(|height| *height <= promise.deadline) {
            Some(height) => Err(BrokenPromiseError::Revoked { key, height }),
            None => Ok(()),
        }
    }
}

impl Promise {
    /// Whether the promise's tip is a block of `chain`.
    pub fn is_tip_on(&self, chain: &HeaderChain) -> bool {
        chain.hash(self.tip_height) == Some(self.tip)
    }

    /// Height of the first block of `chain` in which the transaction could stand, if the one before it stands
    /// at `from`: a tip on the chain has it neither in itself nor below.
    pub fn first_block(&self, from: u64, chain: &HeaderChain) -> u64 {
        if self.is_tip_on(chain) { from.max(self.tip_height + 1) } else { from }
    }
}

impl Previous {
    fn check(&self, sender: Sender, sequence: u64, chain: &HeaderChain) -> Result<(), BrokenPromiseError> {
        let Shown { index, path, transaction } = &self.shown;
        let body = &transaction.body;
        if (body.sender, body.sequence) != (sender, sequence) {
            return Err(BrokenPromiseError::PreviousOther { sequence });
        }
        let header = chain.header(self.height).filter(|header| header.height > 0);
        let header = header.ok_or(BrokenPromiseError::PreviousHeight { height: self.height })?;
        let count = u64::from(header.tx_count);
        let (found, expected) =
            (merkle::root_of(&transaction.txid(), u64::from(*index), count, path)?, header.tx_root);
        if found != expected {
            return Err(BrokenPromiseError::PreviousRoot { found, expected });
        }
        transaction.clone().check(&chain.chain_id())?;
        Ok(())
    }
}

impl Authority {
    /// The entry, if the chain holds it for that of `sender`.
    fn check(
        &self,
        promise: &Promise,
        sender: &PublicKey,
        chain: &HeaderChain,
    ) -> Result<&Entry, BrokenPromiseError> {
        let height = self.height;
        let link = chain.link(height).filter(|_| height >= promise.deadline);
        let link = link.ok_or(BrokenPromiseError::AuthorityHeight { height })?;
        let root = merkle::climb(&self.entry.leaf(), &self.path);
        if self.entry.key != *sender || root != Some(link.commitments.accounts) {
            return Err(BrokenPromiseError::Entry { key: *sender });
        }
        Ok(&self.entry)
    }
}
