//! Receipts: Chainpoint v2 with an extension that makes them verifiable offline.
//!
//! A receipt runs from a target hash through the batch tree, the anchor transaction and the block
//! tree to a header, and shows that the anchor's sender (and, if asked for, the record's device) was
//! registered. [`Receipt::verify`] rebuilds every step against a header chain and applies every
//! rule; it never takes a claim of the receipt on trust.
//!
//! Registry entries only ever gain heights (admitted, suspect since, revoked), so a proof against
//! any later block shows how things stood when the anchor was included.

use serde::{Deserialize, Serialize};

use crate::chain::HeaderChain;
use crate::codec::{self, CodecError};
use crate::hash::{Hash256, sha256};
use crate::header::{HEADER_LEN, SignedHeader};
use crate::key::PublicKey;
use crate::limits::{PATH_MAX, RECEIPT_BYTES_MAX};
use crate::merkle::{self, Path, PathError, Step};
use crate::registry::{Commitments, Entry, Role};
use crate::rules::TxError;
use crate::transaction::{Action, Anchor, AnchorKind, Sender, Transaction};

/// The `@context` of every receipt.
pub const CONTEXT: &str = "https://w3id.org/chainpoint/v2";
/// The only hash type.
pub const TYPE: &str = "ChainpointSHA256v2";
/// The anchor type of this chain.
pub const ANCHOR_TYPE: &str = "DroneChain";
/// Version of the extension.
pub const EXTENSION_VERSION: u32 = 1;

/// A registry entry with its path to the accounts' root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryProof {
    /// The entry.
    #[serde(deserialize_with = "object::deserialize")]
    pub entry: Entry,
    /// Its path.
    #[serde(with = "path_json")]
    pub path: Path,
}

/// Who was entitled, against the commitments of a block at or above the anchor's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authority {
    /// Height of that block.
    pub height: u64,
    /// Its opened commitments.
    #[serde(deserialize_with = "object::deserialize")]
    pub commitments: Commitments,
    /// The anchor's sender.
    #[serde(deserialize_with = "object::deserialize")]
    pub sender: EntryProof,
    /// The record's device; left out if it was not asked for.
    #[serde(default, deserialize_with = "object::some", skip_serializing_if = "Option::is_none")]
    pub device: Option<EntryProof>,
}

/// Everything between a batch's root and the header chain; the same for all records of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnchorProof {
    /// Canonical bytes of the anchor transaction.
    #[serde(with = "hex_bytes")]
    pub transaction: Vec<u8>,
    /// Its index in the block.
    pub tx_index: u32,
    /// Its path in the block's tree.
    #[serde(with = "path_json")]
    pub block_path: Path,
    /// Height of the block.
    pub height: u64,
    /// The block's header and miner's signature.
    #[serde(with = "header_hex")]
    pub header: SignedHeader,
    /// Who was entitled.
    #[serde(deserialize_with = "object::deserialize")]
    pub authority: Authority,
}

/// A receipt for one target hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// SHA-256 of the record.
    pub target: Hash256,
    /// Root of the batch tree.
    pub root: Hash256,
    /// Path from target to root.
    pub path: Path,
    /// SHA-256 of the anchor transaction.
    pub source_id: Hash256,
    /// Genesis hash of the network.
    pub chain_id: Hash256,
    /// The target's index in the batch.
    pub index: u32,
    /// Leaves of the batch.
    pub leaf_count: u32,
    /// The rest of the way.
    pub anchor: AnchorProof,
}

/// The part of a receipt, or of what it is checked against, that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The JSON itself.
    Format,
    /// The record: its hash is not the receipt's target.
    Record,
    /// The path from record to batch root.
    Proof,
    /// The anchor transaction.
    Transaction,
    /// The path from transaction to header.
    BlockPath,
    /// The header, or its place in the chain.
    Header,
    /// The sender's or device's registration.
    Registry,
}

/// Why a receipt does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not the JSON of a receipt; the message says where.
    #[error("malformed receipt: {0}")]
    Malformed(String),
    /// The record's hash is another.
    #[error("record altered: it hashes to {found}, the receipt is for {expected}")]
    RecordAltered {
        /// Hash of the record at hand.
        found: Hash256,
        /// The receipt's target.
        expected: Hash256,
    },
    /// The batch path has another shape than index and leaf count imply.
    #[error("proof broken: {0}")]
    ProofShape(PathError),
    /// The batch path arrives elsewhere.
    #[error("proof broken: it arrives at {found}, the receipt names root {expected}")]
    ProofRoot {
        /// Root arrived at.
        found: Hash256,
        /// Root named.
        expected: Hash256,
    },
    /// The transaction's bytes hash to another name.
    #[error("transaction altered: it hashes to {found}, the receipt names {expected}")]
    TransactionId {
        /// Hash found.
        found: Hash256,
        /// `sourceId`.
        expected: Hash256,
    },
    /// The transaction's bytes are no transaction.
    #[error("transaction malformed: {0}")]
    TransactionCodec(CodecError),
    /// The transaction breaks a rule.
    #[error("transaction invalid: {0}")]
    TransactionRule(TxError),
    /// The transaction is no anchor of this root and leaf count.
    #[error("transaction does not anchor root {root} of {leaf_count} leaves")]
    NotThisAnchor {
        /// The receipt's root.
        root: Hash256,
        /// The receipt's leaf count.
        leaf_count: u32,
    },
    /// The receipt is for another network.
    #[error("unknown network: the receipt is for {found}, the headers are of {expected}")]
    OtherNetwork {
        /// The receipt's.
        found: Hash256,
        /// The headers'.
        expected: Hash256,
    },
    /// The header chain ends below the block.
    #[error("unknown block: height {height}, the headers end at {tip}")]
    BeyondTip {
        /// The block's height.
        height: u64,
        /// Height of the last header.
        tip: u64,
    },
    /// Another block stands at that height.
    #[error("unknown block: the header hashes to {found}, the chain has {expected} at height {height}")]
    UnknownBlock {
        /// Hash of the receipt's header.
        found: Hash256,
        /// Hash on the chain.
        expected: Hash256,
        /// The height.
        height: u64,
    },
    /// The miner's signature in the receipt is not the one that the chain verified.
    #[error("header signature altered at height {height}")]
    HeaderSignature {
        /// The height.
        height: u64,
    },
    /// The block path has another shape than index and transaction count imply.
    #[error("block path broken: {0}")]
    BlockPathShape(PathError),
    /// The block path arrives elsewhere.
    #[error("block path broken: it arrives at {found}, the header has {expected}")]
    BlockPathRoot {
        /// Root arrived at.
        found: Hash256,
        /// The header's.
        expected: Hash256,
    },
    /// Too few blocks on top.
    #[error("too few confirmations: {found}, {wanted} are wanted")]
    TooFewConfirmations {
        /// Confirmations by the header chain.
        found: u64,
        /// Confirmations wanted.
        wanted: u64,
    },
    /// The opened commitments are not the block's.
    #[error("registry: the commitments hash to {found}, the block at height {height} has {expected}")]
    Commitments {
        /// Hash of the opened commitments.
        found: Hash256,
        /// The header's.
        expected: Hash256,
        /// Height of the block.
        height: u64,
    },
    /// The registry is shown as it was before the anchor.
    #[error("registry: shown at height {authority}, the anchor is at {anchor}")]
    AuthorityTooEarly {
        /// Height of the authority's block.
        authority: u64,
        /// Height of the anchor's block.
        anchor: u64,
    },
    /// An entry's path does not lead to the accounts' root.
    #[error("registry: the path of {key} is broken")]
    EntryPath {
        /// The entry's key.
        key: PublicKey,
    },
    /// The entry is another key's, or of another role than the anchor needs.
    #[error("registry: {key} is not entitled to this")]
    NotEntitled {
        /// The entry's key.
        key: PublicKey,
    },
}

impl ReceiptError {
    /// The part that failed.
    pub fn part(&self) -> Part {
        match self {
            Self::Malformed(_) => Part::Format,
            Self::RecordAltered { .. } => Part::Record,
            Self::ProofShape(_) | Self::ProofRoot { .. } => Part::Proof,
            Self::TransactionId { .. }
            | Self::TransactionCodec(_)
            | Self::TransactionRule(_)
            | Self::NotThisAnchor { .. } => Part::Transaction,
            Self::BlockPathShape(_) | Self::BlockPathRoot { .. } => Part::BlockPath,
            Self::OtherNetwork { .. }
            | Self::BeyondTip { .. }
            | Self::UnknownBlock { .. }
            | Self::HeaderSignature { .. }
            | Self::TooFewConfirmations { .. } => Part::Header,
            Self::Commitments { .. }
            | Self::AuthorityTooEarly { .. }
            | Self::EntryPath { .. }
            | Self::NotEntitled { .. } => Part::Registry,
        }
    }
}

/// What a verified receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The record's hash.
    pub target: Hash256,
    /// Name of the anchor transaction.
    pub txid: Hash256,
    /// Who anchored, and the anchor's sequence.
    pub sender: PublicKey,
    /// The sender's sequence.
    pub sequence: u64,
    /// The anchor.
    pub anchor: Anchor,
    /// Height of the block.
    pub height: u64,
    /// Hash of the block.
    pub block: Hash256,
    /// Blocks from that one to the chain's tip, itself included.
    pub confirmations: u64,
    /// The record existed by then: time of the block s - 1 above, ms since 1970 UTC; none while the
    /// chain does not reach that far.
    pub not_later_than_ms: Option<u64>,
    /// The sender's registration as shown.
    pub sender_entry: Entry,
    /// The device's registration, if the receipt shows one.
    pub device_entry: Option<Entry>,
}

/// The part of a verification that is the same for every receipt of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenAnchor {
    txid: Hash256,
    sender: PublicKey,
    sequence: u64,
    anchor: Anchor,
    height: u64,
    block: Hash256,
    confirmations: u64,
    not_later_than_ms: Option<u64>,
    sender_entry: Entry,
    device_entry: Option<Entry>,
}

impl Receipt {
    /// A receipt for leaf `index` of the batch that `anchor` anchors.
    ///
    /// # Errors
    /// When `anchor` holds no anchor transaction or the path does not fit it.
    pub fn new(
        chain_id: Hash256,
        target: Hash256,
        index: u32,
        path: Path,
        anchor: AnchorProof,
    ) -> Result<Self, ReceiptError> {
        let transaction: Transaction =
            codec::decode(&anchor.transaction).map_err(ReceiptError::TransactionCodec)?;
        let Action::Anchor(Anchor { root, leaf_count, .. }) = transaction.body.action else {
            return Err(ReceiptError::NotThisAnchor { root: Hash256::ZERO, leaf_count: 0 });
        };
        let source_id = sha256(&[&anchor.transaction]);
        let receipt = Self { target, root, path, source_id, chain_id, index, leaf_count, anchor };
        receipt.verify_path()?;
        Ok(receipt)
    }

    /// The receipt as JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&Document::from(self)).expect("strings, numbers and lists are JSON")
    }

    /// Reads a receipt; unknown fields, lists in place of objects, upper-case hex and paths that are too
    /// long are refused.
    pub fn parse(json: &[u8]) -> Result<Self, ReceiptError> {
        if json.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::Malformed(format!("{} bytes are too many", json.len())));
        }
        let Object(document) = serde_json::from_slice::<Object<Document>>(json)
            .map_err(|error| ReceiptError::Malformed(error.to_string()))?;
        document.into_receipt()
    }

    /// The hash path alone: from the target to the batch root, held to index and leaf count.
    pub fn verify_path(&self) -> Result<(), ReceiptError> {
        let found = merkle::root_of(&self.target, self.index.into(), self.leaf_count.into(), &self.path)
            .map_err(ReceiptError::ProofShape)?;
        if found == self.root { Ok(()) } else { Err(ReceiptError::ProofRoot { found, expected: self.root }) }
    }

    /// Verifies every step for a record that hashes to `target`, against a verified header chain, and
    /// wants `confirmations` blocks (1: the anchor's own).
    pub fn verify(
        &self,
        target: &Hash256,
        chain: &HeaderChain,
        confirmations: u64,
    ) -> Result<Proven, ReceiptError> {
        self.verify_target(target)?;
        let anchor = self.verify_anchor(chain, confirmations)?;
        Ok(anchor.proves(*target))
    }

    /// The record and the batch path; with [`Receipt::verify_anchor`] that is everything.
    pub fn verify_target(&self, target: &Hash256) -> Result<(), ReceiptError> {
        if *target != self.target {
            return Err(ReceiptError::RecordAltered { found: *target, expected: self.target });
        }
        self.verify_path()
    }

    /// Everything from the batch root on. Receipts of one batch with equal [`Receipt::anchor`],
    /// root, leaf count, source and chain ids share the result.
    pub fn verify_anchor(&self, chain: &HeaderChain, wanted: u64) -> Result<ProvenAnchor, ReceiptError> {
        let found = sha256(&[&self.anchor.transaction]);
        if found != self.source_id {
            return Err(ReceiptError::TransactionId { found, expected: self.source_id });
        }
        let transaction: Transaction =
            codec::decode(&self.anchor.transaction).map_err(ReceiptError::TransactionCodec)?;
        if self.chain_id != chain.chain_id() {
            return Err(ReceiptError::OtherNetwork { found: self.chain_id, expected: chain.chain_id() });
        }
        let checked = transaction.check(&self.chain_id).map_err(ReceiptError::TransactionRule)?;
        let not_this = ReceiptError::NotThisAnchor { root: self.root, leaf_count: self.leaf_count };
        let anchor = checked.anchor().ok_or(not_this.clone())?.clone();
        let Sender::Key(sender) = checked.body().sender else {
            return Err(not_this);
        };
        if anchor.root != self.root || anchor.leaf_count != self.leaf_count {
            return Err(not_this);
        }
        let block = self.verify_header(chain)?;
        self.verify_block_path(&found)?;
        let height = self.anchor.height;
        let confirmations = chain.confirmations(height);
        if confirmations < wanted {
            return Err(ReceiptError::TooFewConfirmations { found: confirmations, wanted });
        }
        self.verify_authority(chain, &sender, anchor.kind)?;
        let above = height + chain.node_set(height).spacing(height) - 1;
        let authority = &self.anchor.authority;
        Ok(ProvenAnchor {
            txid: found,
            sender,
            sequence: checked.body().sequence,
            anchor,
            height,
            block,
            confirmations,
            not_later_than_ms: chain.header(above).map(|header| header.time_ms),
            sender_entry: authority.sender.entry.clone(),
            device_entry: authority.device.as_ref().map(|proof| proof.entry.clone()),
        })
    }

    fn verify_header(&self, chain: &HeaderChain) -> Result<Hash256, ReceiptError> {
        let height = self.anchor.height;
        let beyond = ReceiptError::BeyondTip { height, tip: chain.height() };
        let expected = chain.hash(height).ok_or(beyond.clone())?;
        let found = self.anchor.header.header.hash();
        if found != expected {
            return Err(ReceiptError::UnknownBlock { found, expected, height });
        }
        let verified = &chain.link(height).ok_or(beyond)?.header.signature;
        if self.anchor.header.signature != *verified {
            return Err(ReceiptError::HeaderSignature { height });
        }
        Ok(found)
    }

    fn verify_block_path(&self, txid: &Hash256) -> Result<(), ReceiptError> {
        let AnchorProof { header, tx_index, block_path, .. } = &self.anchor;
        let (count, expected) = (header.header.tx_count, header.header.tx_root);
        let found = merkle::root_of(txid, (*tx_index).into(), count.into(), block_path)
            .map_err(ReceiptError::BlockPathShape)?;
        if found == expected { Ok(()) } else { Err(ReceiptError::BlockPathRoot { found, expected }) }
    }

    fn verify_authority(
        &self,
        chain: &HeaderChain,
        sender: &PublicKey,
        kind: AnchorKind,
    ) -> Result<(), ReceiptError> {
        let authority = &self.anchor.authority;
        let height = authority.height;
        if height < self.anchor.height {
            return Err(ReceiptError::AuthorityTooEarly { authority: height, anchor: self.anchor.height });
        }
        let header = chain.header(height).ok_or(ReceiptError::BeyondTip { height, tip: chain.height() })?;
        let (found, expected) = (authority.commitments.hash(), header.commitments);
        if found != expected {
            return Err(ReceiptError::Commitments { found, expected, height });
        }
        for proof in std::iter::once(&authority.sender).chain(&authority.device) {
            let EntryProof { entry, path } = proof;
            if merkle::climb(&entry.leaf(), path) != Some(authority.commitments.accounts) {
                return Err(ReceiptError::EntryPath { key: entry.key });
            }
        }
        let role = match kind {
            AnchorKind::Data | AnchorKind::Command => Role::Controller,
            AnchorKind::Access => Role::Operator,
        };
        let entry = &authority.sender.entry;
        let revoked_before = entry.revoked.is_some_and(|revoked| revoked < self.anchor.height);
        let admitted_later = entry.admitted > self.anchor.height;
        if entry.key != *sender || entry.role != role || revoked_before || admitted_later {
            return Err(ReceiptError::NotEntitled { key: entry.key });
        }
        Ok(())
    }
}

impl ProvenAnchor {
    /// What this anchor proves of a record whose path was verified.
    pub fn proves(&self, target: Hash256) -> Proven {
        let this = self.clone();
        Proven {
            target,
            txid: this.txid,
            sender: this.sender,
            sequence: this.sequence,
            anchor: this.anchor,
            height: this.height,
            block: this.block,
            confirmations: this.confirmations,
            not_later_than_ms: this.not_later_than_ms,
            sender_entry: this.sender_entry,
            device_entry: this.device_entry,
        }
    }
}

/// The JSON document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    #[serde(rename = "@context")]
    context: String,
    #[serde(rename = "type")]
    kind: String,
    target_hash: Hash256,
    merkle_root: Hash256,
    #[serde(with = "path_json")]
    proof: Path,
    anchors: Vec<Object<DocumentAnchor>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DocumentAnchor {
    #[serde(rename = "type")]
    kind: String,
    source_id: Hash256,
    #[serde(deserialize_with = "object::deserialize")]
    dronechain: Extension,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Extension {
    version: u32,
    chain_id: Hash256,
    index: u32,
    leaf_count: u32,
    #[serde(deserialize_with = "object::deserialize")]
    anchor: AnchorProof,
}

impl From<&Receipt> for Document {
    fn from(receipt: &Receipt) -> Self {
        let extension = Extension {
            version: EXTENSION_VERSION,
            chain_id: receipt.chain_id,
            index: receipt.index,
            leaf_count: receipt.leaf_count,
            anchor: receipt.anchor.clone(),
        };
        Self {
            context: CONTEXT.into(),
            kind: TYPE.into(),
            target_hash: receipt.target,
            merkle_root: receipt.root,
            proof: receipt.path.clone(),
            anchors: vec![Object(DocumentAnchor {
                kind: ANCHOR_TYPE.into(),
                source_id: receipt.source_id,
                dronechain: extension,
            })],
        }
    }
}

impl Document {
    fn into_receipt(self) -> Result<Receipt, ReceiptError> {
        let wrong = |what: &str, found: &str| Err(ReceiptError::Malformed(format!("{what} is {found:?}")));
        if self.context != CONTEXT {
            return wrong("@context", &self.context);
        }
        if self.kind != TYPE {
            return wrong("type", &self.kind);
        }
        let count = self.anchors.len();
        let Ok([Object(anchor)]) = <[_; 1]>::try_from(self.anchors) else {
            return Err(ReceiptError::Malformed(format!("anchors: {count} items, one is wanted")));
        };
        if anchor.kind != ANCHOR_TYPE {
            return wrong("anchors[0].type", &anchor.kind);
        }
        if anchor.dronechain.version != EXTENSION_VERSION {
            return wrong("anchors[0].dronechain.version", &anchor.dronechain.version.to_string());
        }
        let Extension { chain_id, index, leaf_count, anchor: proof, .. } = anchor.dronechain;
        Ok(Receipt {
            target: self.target_hash,
            root: self.merkle_root,
            path: self.proof,
            source_id: anchor.source_id,
            chain_id,
            index,
            leaf_count,
            anchor: proof,
        })
    }
}

/// A struct that is read from a JSON object only.
#[derive(Serialize)]
#[serde(transparent)]
struct Object<T>(T);

/// What [`Object`] does, for fields: serde by itself reads a struct from a list of its fields too, and
/// a receipt would have several spellings.
mod object {
    use serde::de::{Deserialize, Deserializer, Visitor};
    use serde::forward_to_deserialize_any;

    use super::Object;

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            T::deserialize(MapOnly(deserializer)).map(Self)
        }
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        T::deserialize(MapOnly(deserializer))
    }

    /// For a field that is an object or left out, never null.
    pub(super) fn some<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        deserialize(deserializer).map(Some)
    }

    /// Asks for a map, whatever it is asked for.
    struct MapOnly<D>(D);

    impl<'de, D: Deserializer<'de>> Deserializer<'de> for MapOnly<D> {
        type Error = D::Error;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.deserialize_map(visitor)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
            unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }
}

/// A path as Chainpoint writes it: one `{"left": hex}` or `{"right": hex}` a step.
mod path_json {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Hash256, PATH_MAX, Path, Step};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase", deny_unknown_fields)]
    enum Item {
        Left(Hash256),
        Right(Hash256),
    }

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(path.iter().map(|step| match step {
            Step::Left(hash) => Item::Left(*hash),
            Step::Right(hash) => Item::Right(*hash),
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Path, D::Error> {
        let items = Vec::<Item>::deserialize(deserializer)?;
        if items.len() > PATH_MAX {
            return Err(D::Error::custom(format!("a path of {} steps is too long", items.len())));
        }
        let steps = items.into_iter().map(|item| match item {
            Item::Left(hash) => Step::Left(hash),
            Item::Right(hash) => Step::Right(hash),
        });
        Ok(steps.collect())
    }
}

/// Bytes as lower-case hex.
mod hex_bytes {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.bytes().any(|c| c.is_ascii_uppercase()) {
            return Err(D::Error::custom("upper-case hex"));
        }
        hex::decode(&text).map_err(D::Error::custom)
    }
}

/// A signed header as the hex of its 232 bytes.
mod header_hex {
    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    use super::{HEADER_LEN, SignedHeader, hex_bytes};

    pub(super) fn serialize<S: Serializer>(header: &SignedHeader, serializer: S) -> Result<S::Ok, S::Error> {
        hex_bytes::serialize(&header.to_bytes(), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedHeader, D::Error> {
        let bytes = hex_bytes::deserialize(deserializer)?;
        SignedHeader::from_bytes(&bytes).map_err(|_| {
            D::Error::custom(format!("a header has {} bytes, not {}", HEADER_LEN + 64, bytes.len()))
        })
    }
}
