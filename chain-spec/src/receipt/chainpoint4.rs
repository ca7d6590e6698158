//! Chainpoint v4: the hash path of a receipt in the form that public tools read.
//!
//! One branch of "prepend, append, SHA-256" from the record's hash through batch tree, anchor
//! transaction and block tree to the header's hash, and a `cal` anchor that public clients look up at a
//! node (SPEC.md, "Chainpoint v4"). There is no room for who was entitled: such a proof alone shows
//! existence. [`ExistenceProof::receipt`] makes a receipt of it again for whoever has the rest.
//!
//! A proof is read in exactly the form in which [`ExistenceProof::of`] makes it. The transaction and the
//! header are rebuilt from the operations, and where a leaf stands follows from the sides of its path
//! and the number of leaves that the transaction or header commits to.

mod binary;
mod document;
mod error;
mod identity;
mod operations;

use crate::chain::HeaderChain;
use crate::codec;
use crate::hash::{Hash256, sha256};
use crate::header::{HEADER_LEN, Header, SignedHeader, TX_ROOT_AT};
use crate::limits::PROOF_BYTES_MAX;
use crate::merkle::{self, Path, PathError};
use crate::transaction::{Action, Anchor, Transaction};

use super::inclusion::Inclusion;
use super::{AnchorProof, Authority, Existence, Headers, Receipt, ReceiptError};
use document::Document;
use identity::Identity;
use operations::HashPath;

pub use error::FormatError;

/// The `@context` of every proof.
pub const CONTEXT: &str = "https://w3id.org/chainpoint/v4";
/// The `type` of every proof.
pub const TYPE: &str = "Chainpoint";
/// The label of the one branch.
pub const LABEL: &str = "cal_anchor_branch";
/// The type of the one anchor.
pub const ANCHOR_TYPE: &str = "cal";

const HASH_LEN: usize = 32;

/// A record's hash path to the header of a block, every step of it rebuilt; not yet held against a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistenceProof {
    target: Hash256,
    path: Path,
    index: u32,
    anchor: Anchor,
    transaction: Vec<u8>,
    tx_index: u32,
    block_path: Path,
    header: Header,
    host: String,
}

impl ExistenceProof {
    /// The hash path of `receipt`. Public clients look the block's hash up at
    /// `http://HOST/calendar/HEIGHT/data`; `host` is a name or address, with a port or without.
    ///
    /// # Errors
    /// When a step of the receipt does not follow from the one before, or `host` is none.
    pub fn of(receipt: &Receipt, host: &str) -> Result<Self, ReceiptError> {
        receipt.verify_path()?;
        document::check_host(host).map_err(ReceiptError::Chainpoint4)?;
        let AnchorProof { transaction, tx_index, block_path, header, .. } = &receipt.anchor;
        let opened: Transaction = codec::decode(transaction).map_err(ReceiptError::TransactionCodec)?;
        let anchor = match opened.body.action {
            Action::Anchor(anchor)
                if anchor.root == receipt.root && anchor.leaf_count == receipt.leaf_count =>
            {
                anchor
            }
            _ => {
                let (root, leaf_count) = (receipt.root, receipt.leaf_count);
                return Err(ReceiptError::NotThisAnchor { root, leaf_count });
            }
        };
        let (txid, header) = (sha256(&[transaction]), header.header.clone());
        let found = merkle::root_of(&txid, (*tx_index).into(), header.tx_count.into(), block_path)
            .map_err(ReceiptError::BlockPathShape)?;
        if found != header.tx_root {
            return Err(ReceiptError::BlockPathRoot { found, expected: header.tx_root });
        }
        Ok(Self {
            target: receipt.target,
            path: receipt.path.clone(),
            index: receipt.index,
            anchor,
            transaction: transaction.clone(),
            tx_index: *tx_index,
            block_path: block_path.clone(),
            header,
            host: host.to_owned(),
        })
    }

    /// Reads the JSON form; unknown and repeated fields, upper-case hex and any operations but those
    /// that [`ExistenceProof::to_json`] writes are refused.
    ///
    /// # Errors
    /// [`ReceiptError::Chainpoint4`].
    pub fn parse_json(json: &[u8]) -> Result<Self, ReceiptError> {
        let document = bounded(json).and_then(document::from_json).map_err(ReceiptError::Chainpoint4)?;
        Self::from_document(&document).map_err(ReceiptError::Chainpoint4)
    }

    /// Reads the binary form, a zlib stream of MessagePack, as strictly.
    ///
    /// # Errors
    /// [`ReceiptError::Chainpoint4`].
    pub fn parse_binary(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let document = bounded(bytes).and_then(binary::decode).map_err(ReceiptError::Chainpoint4)?;
        Self::from_document(&document).map_err(ReceiptError::Chainpoint4)
    }

    /// The proof as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.to_document()).expect("strings and lists are JSON")
    }

    /// The proof as zlib of MessagePack.
    pub fn to_binary(&self) -> Vec<u8> {
        binary::encode(&self.to_document())
    }

    /// SHA-256 of the record.
    pub fn target(&self) -> Hash256 {
        self.target
    }

    /// The record's index in the batch.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Height of the block that holds the anchor.
    pub fn height(&self) -> u64 {
        self.header.height
    }

    /// Name of the anchor transaction.
    pub fn txid(&self) -> Hash256 {
        sha256(&[&self.transaction])
    }

    /// Where public clients look the block's hash up.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Verifies, for a record that hashes to `target`, every rule that [`Receipt::verify`] applies to
    /// what is in the proof: transaction and signature, block and confirmations. Whether the sender was
    /// entitled is not in it.
    pub fn verify(
        &self,
        target: &Hash256,
        chain: &impl Headers,
        confirmations: u64,
    ) -> Result<Existence, ReceiptError> {
        if *target != self.target {
            return Err(ReceiptError::RecordAltered { found: *target, expected: self.target });
        }
        let transaction = codec::decode(&self.transaction).map_err(ReceiptError::TransactionCodec)?;
        let inclusion = Inclusion {
            root: self.anchor.root,
            leaf_count: self.anchor.leaf_count,
            tx_index: self.tx_index,
            block_path: &self.block_path,
            height: self.header.height,
            header: &self.header,
            signature: None,
        };
        let included = inclusion.verify(self.txid(), transaction, chain, confirmations)?;
        Ok(included.proves(*target))
    }

    /// The receipt with this hash path: `authority` shows who was entitled, the chain has the miner's
    /// signature.
    ///
    /// # Errors
    /// [`ReceiptError::BeyondTip`] or [`ReceiptError::UnknownBlock`] if the block is not on the chain.
    pub fn receipt(&self, chain: &HeaderChain, authority: Authority) -> Result<Receipt, ReceiptError> {
        let height = self.header.height;
        let link = chain.link(height).ok_or_else(|| ReceiptError::beyond(chain, height))?;
        let (found, expected) = (self.header.hash(), link.header.header.hash());
        if found != expected {
            return Err(ReceiptError::UnknownBlock { found, expected, height });
        }
        let anchor = AnchorProof {
            transaction: self.transaction.clone(),
            tx_index: self.tx_index,
            block_path: self.block_path.clone(),
            height,
            header: SignedHeader { header: self.header.clone(), signature: link.header.signature },
            authority,
        };
        Receipt::new(chain.chain_id(), self.target, self.index, self.path.clone(), anchor)
    }

    fn to_document(&self) -> Document {
        let root_at = root_at(&self.transaction).expect("the transaction is an anchor");
        let (prefix, rest) = self.transaction.split_at(root_at);
        let (before, after) = split_header(&self.header.to_bytes());
        let path = HashPath {
            batch: self.path.clone(),
            transaction: (prefix.to_vec(), rest[32..].to_vec()),
            block: self.block_path.clone(),
            header: (before, after),
        };
        let identity = Identity::of(&self.target, &self.txid(), self.header.time_ms);
        Document::new(self.target, identity, path.write(), self.header.height, &self.host)
    }

    fn from_document(document: &Document) -> Result<Self, FormatError> {
        let (operations, host) = document.open()?;
        let HashPath { batch, transaction: (prefix, suffix), block, header } = HashPath::read(operations)?;
        // Where the paths may climb to is no matter yet: below they are held to the trees' leaf counts.
        let root = merkle::climb(&document.hash, &batch).ok_or(FormatError::PathTooLong)?;
        let transaction = [&prefix, &root.0[..], &suffix].concat();
        let opened: Transaction = codec::decode(&transaction).map_err(FormatError::TransactionCodec)?;
        if root_at(&transaction) != Some(prefix.len()) {
            return Err(FormatError::RootElsewhere);
        }
        let Action::Anchor(anchor) = opened.body.action else {
            return Err(FormatError::RootElsewhere);
        };
        let tx_root = merkle::climb(&sha256(&[&transaction]), &block).ok_or(FormatError::PathTooLong)?;
        let header = join_header(&header.0, &tx_root, &header.1)?;
        let proof = Self {
            target: document.hash,
            index: index_of(&batch, anchor.leaf_count).map_err(FormatError::PathShape)?,
            path: batch,
            anchor,
            transaction,
            tx_index: index_of(&block, header.tx_count).map_err(FormatError::BlockPathShape)?,
            block_path: block,
            header,
            host: host.to_owned(),
        };
        document.compare(&proof.to_document())?;
        Ok(proof)
    }
}

fn bounded(bytes: &[u8]) -> Result<&[u8], FormatError> {
    if bytes.len() <= PROOF_BYTES_MAX { Ok(bytes) } else { Err(FormatError::TooLong(bytes.len())) }
}

/// Where the batch root stands in the bytes of an anchor transaction; none in those of another.
fn root_at(transaction: &[u8]) -> Option<usize> {
    let Transaction { body, .. } = codec::decode(transaction).ok()?;
    let Action::Anchor(Anchor { leaf_count, first_time, last_time, .. }) = &body.action else {
        return None;
    };
    let behind = codec::encode(&(leaf_count, first_time, last_time)).len();
    codec::encode(&body).len().checked_sub(HASH_LEN + behind)
}

fn index_of(path: &Path, count: u32) -> Result<u32, PathError> {
    let index = merkle::index_of(path, count.into())?;
    Ok(u32::try_from(index).expect("below a count of 32 bits"))
}

/// What stands before and behind the root over the transactions.
fn split_header(bytes: &[u8; HEADER_LEN]) -> (Vec<u8>, Vec<u8>) {
    (bytes[..TX_ROOT_AT].to_vec(), bytes[TX_ROOT_AT + HASH_LEN..].to_vec())
}

fn join_header(before: &[u8], tx_root: &Hash256, after: &[u8]) -> Result<Header, FormatError> {
    let bytes: [u8; HEADER_LEN] = [before, &tx_root.0, after]
        .concat()
        .try_into()
        .map_err(|bytes: Vec<u8>| FormatError::HeaderLength(bytes.len()))?;
    if before.len() != TX_ROOT_AT {
        return Err(FormatError::TxRootElsewhere(before.len()));
    }
    Ok(Header::from_bytes(&bytes))
}
