//! Promises: what a node signs when a transaction is durable there, before any block holds it.
//!
//! A promise names a deadline. A deadline that passed without the transaction, although nothing stood in its
//! way, is evidence against the node: [`BrokenPromise`].

mod broken;

use bincode::{Decode, Encode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::chain::HeaderChain;
use crate::codec::{self, Canonical};
use crate::hash::Hash256;
use crate::key::{KeyError, PublicKey, Purpose, Signature, SigningKey, sign};
use crate::limits::PROMISE_BLOCKS;
use crate::transaction::{CheckedTransaction, Sender, TransactionBody};

pub use broken::{Authority, BrokenPromise, BrokenPromiseError, Previous};

/// That a transaction will be in a block of the active chain, at the deadline's height at the latest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Promise {
    /// Genesis hash of the network.
    pub chain_id: Hash256,
    /// The node that promises.
    pub node: PublicKey,
    /// The transaction.
    pub txid: Hash256,
    /// Who sends it.
    pub sender: Sender,
    /// The sender's sequence.
    pub sequence: u64,
    /// Root of the batch that it anchors; zero if there is none.
    pub root: Hash256,
    /// The node's tip when it took the transaction in; no block up to there holds it.
    pub tip: Hash256,
    /// Height of that tip.
    pub tip_height: u64,
    /// Height of the last block that may be the one.
    pub deadline: u64,
}

/// A promise with the node's signature; unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedPromise {
    /// What is promised.
    pub promise: Promise,
    /// The node's signature over its encoding.
    pub signature: Signature,
}

impl Canonical for SignedPromise {
    const MAX: usize = 32 + 32 + 32 + (4 + 32) + 8 + 32 + 32 + 8 + 8 + 64;
}

/// A promise that its node signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPromise(SignedPromise);

/// Why a promise is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromiseError {
    /// It is of another network.
    #[error("promise-network: it is of {found}, wanted is {expected}")]
    Network {
        /// The promise's.
        found: Hash256,
        /// The network wanted.
        expected: Hash256,
    },
    /// Others may decide whether a transaction of the admins stays valid.
    #[error("promise-sender: nothing is promised to the admins")]
    Sender,
    /// The deadline is another than the tip's height gives.
    #[error("promise-deadline: {found} with a tip at {tip_height}")]
    Deadline {
        /// The promise's.
        found: u64,
        /// Height of its tip.
        tip_height: u64,
    },
    /// The node did not sign it.
    #[error("promise-signature: {0}")]
    Signature(#[from] KeyError),
    /// Whoever signed is no node, or was revoked by then.
    #[error("promise-node: {node} is no node at height {height}")]
    Node {
        /// Who signed.
        node: PublicKey,
        /// The height of its tip.
        height: u64,
    },
}

crate::rules::rules!(PromiseError {
    Network => "P1" "promise-network",
    Sender => "P2" "promise-sender",
    Deadline => "P3" "promise-deadline",
    Signature => "P4" "promise-signature",
    Node => "P5" "promise-node",
});

impl Promise {
    /// What a node at `tip` promises of a transaction; none to the admins.
    pub fn new(
        chain_id: Hash256,
        node: PublicKey,
        transaction: &CheckedTransaction,
        (tip, tip_height): (Hash256, u64),
    ) -> Option<Self> {
        let TransactionBody { sender, sequence, .. } = *transaction.body();
        let deadline = tip_height.checked_add(PROMISE_BLOCKS)?;
        let root = transaction.anchor().map_or(Hash256::ZERO, |anchor| anchor.root);
        let txid = transaction.txid();
        let promise = Self { chain_id, node, txid, sender, sequence, root, tip, tip_height, deadline };
        matches!(sender, Sender::Key(_)).then_some(promise)
    }

    /// The promise under the signature of `node`, whose key is the one named.
    pub fn signed(self, node: &SigningKey) -> SignedPromise {
        let signature = sign(node, Purpose::Promise, &self.chain_id, &codec::encode(&self));
        SignedPromise { promise: self, signature }
    }

    /// Whether all that it says of the transaction is so of this one.
    pub fn is_of(&self, transaction: &CheckedTransaction) -> bool {
        let TransactionBody { sender, sequence, .. } = *transaction.body();
        let root = transaction.anchor().map_or(Hash256::ZERO, |anchor| anchor.root);
        (self.txid, self.sender, self.sequence, self.root) == (transaction.txid(), sender, sequence, root)
    }

    /// Whether `other` takes its place: the sender signed a second transaction at this sequence, so that no
    /// node can be held to having included the first.
    pub fn is_void_by(&self, other: &CheckedTransaction) -> bool {
        let body = other.body();
        (self.sender, self.sequence) == (body.sender, body.sequence) && self.txid != other.txid()
    }

    /// That the node stands on the roll at the height of its tip, as far as `chain` reaches: P5.
    pub fn check_node(&self, chain: &HeaderChain) -> Result<(), PromiseError> {
        let (node, height) = (self.node, self.tip_height);
        let entry = chain.node_set(height).entry(&node);
        match entry.filter(|entry| entry.revoked.is_none()) {
            Some(_) => Ok(()),
            None => Err(PromiseError::Node { node, height }),
        }
    }
}

impl SignedPromise {
    /// The rules that need no header chain, cheapest first: P1 to P4 of SPEC.md.
    pub fn check(self, chain_id: &Hash256) -> Result<CheckedPromise, PromiseError> {
        let Promise { chain_id: found, node, sender, tip_height, deadline, .. } = self.promise;
        if found != *chain_id {
            return Err(PromiseError::Network { found, expected: *chain_id });
        }
        if sender == Sender::Admins {
            return Err(PromiseError::Sender);
        }
        if tip_height.checked_add(PROMISE_BLOCKS) != Some(deadline) {
            return Err(PromiseError::Deadline { found: deadline, tip_height });
        }
        node.verify(Purpose::Promise, chain_id, &codec::encode(&self.promise), &self.signature)?;
        Ok(CheckedPromise(self))
    }
}

impl CheckedPromise {
    /// What is promised.
    pub fn promise(&self) -> &Promise {
        &self.0.promise
    }

    /// The promise as it travels.
    pub fn get(&self) -> &SignedPromise {
        &self.0
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for SignedPromise {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SignedPromise".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        crate::hash::hex_schema(2, Some(2 * Self::MAX))
    }
}

impl Serialize for SignedPromise {
    /// The hex of its encoding.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(codec::encode(self)))
    }
}

impl<'de> Deserialize<'de> for SignedPromise {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.bytes().any(|digit| digit.is_ascii_uppercase()) {
            return Err(D::Error::custom("upper-case hex"));
        }
        let bytes = hex::decode(&text).map_err(D::Error::custom)?;
        codec::decode(&bytes).map_err(D::Error::custom)
    }
}
