//! The document: its fields, and the form that they must have whatever the operations say.

use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::{ANCHOR_TYPE, CONTEXT, FormatError, LABEL, TYPE};
use crate::hash::Hash256;
use crate::limits::PROOF_HOST_MAX;
use crate::receipt::json::{Object, hex_bytes};

/// A proof as JSON or MessagePack has it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(rename = "@context")]
    context: String,
    #[serde(rename = "type")]
    kind: String,
    pub(super) hash: Hash256,
    proof_id: String,
    hash_received: String,
    branches: Vec<Object<Branch>>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Branch {
    label: String,
    ops: Vec<Operation>,
}

/// One operation on the value so far, which begins with the record's hash.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Operation {
    /// These bytes are put before it.
    L(#[serde(with = "hex_bytes")] Vec<u8>),
    /// These bytes are put behind it.
    R(#[serde(with = "hex_bytes")] Vec<u8>),
    /// It is hashed.
    Op(String),
    /// It stands in these places.
    Anchors(Vec<Object<Anchor>>),
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Anchor {
    #[serde(rename = "type")]
    kind: String,
    anchor_id: String,
    uris: Vec<String>,
}

pub(super) fn from_json(json: &[u8]) -> Result<Document, FormatError> {
    let Object(document) =
        serde_json::from_slice(json).map_err(|error| FormatError::Fields(error.to_string()))?;
    Ok(document)
}

pub(super) fn from_value(value: serde_json::Value) -> Result<Document, FormatError> {
    let Object(document) =
        serde_json::from_value(value).map_err(|error| FormatError::Fields(error.to_string()))?;
    Ok(document)
}

/// Refuses what could be more than the host of an address.
pub(super) fn check_host(host: &str) -> Result<(), FormatError> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b".-:[]".contains(&c);
    if (1..=PROOF_HOST_MAX).contains(&host.len()) && host.bytes().all(allowed) {
        return Ok(());
    }
    Err(FormatError::Host(host.chars().take(PROOF_HOST_MAX).collect()))
}

impl Document {
    /// The document of a proof whose `operations` arrive at the hash of the block at `height`.
    pub(super) fn new(
        hash: Hash256,
        identity: Identity,
        operations: Vec<Operation>,
        height: u64,
        host: &str,
    ) -> Self {
        let anchor = Anchor {
            kind: ANCHOR_TYPE.into(),
            anchor_id: height.to_string(),
            uris: vec![format!("http://{host}/calendar/{height}/data")],
        };
        let mut ops = operations;
        ops.push(Operation::Anchors(vec![Object(anchor)]));
        Self {
            context: CONTEXT.into(),
            kind: TYPE.into(),
            hash,
            proof_id: identity.proof_id,
            hash_received: identity.hash_received,
            branches: vec![Object(Branch { label: LABEL.into(), ops })],
        }
    }

    /// The operations before the anchor, and the host that it names.
    pub(super) fn open(&self) -> Result<(&[Operation], &str), FormatError> {
        if self.context != CONTEXT {
            return Err(FormatError::Context(self.context.clone()));
        }
        if self.kind != TYPE {
            return Err(FormatError::Type(self.kind.clone()));
        }
        let [Object(branch)] = &self.branches[..] else {
            return Err(FormatError::Branches(self.branches.len()));
        };
        if branch.label != LABEL {
            return Err(FormatError::Label(branch.label.clone()));
        }
        let Some((Operation::Anchors(anchors), operations)) = branch.ops.split_last() else {
            return Err(FormatError::AnchorPlace);
        };
        let [Object(anchor)] = &anchors[..] else {
            return Err(FormatError::Anchors(anchors.len()));
        };
        if anchor.kind != ANCHOR_TYPE {
            return Err(FormatError::AnchorType(anchor.kind.clone()));
        }
        Ok((operations, anchor.host()?))
    }

    /// Holds what follows from the operations to `expected`, the one document of the same proof.
    pub(super) fn compare(&self, expected: &Self) -> Result<(), FormatError> {
        let differing =
            |found: &str, expected: &str| (found != expected).then(|| (found.into(), expected.into()));
        if let Some((found, expected)) = differing(&self.proof_id, &expected.proof_id) {
            return Err(FormatError::ProofId { found, expected });
        }
        if let Some((found, expected)) = differing(&self.hash_received, &expected.hash_received) {
            return Err(FormatError::HashReceived { found, expected });
        }
        if let (Some(found), Some(expected)) = (self.anchor(), expected.anchor()) {
            if let Some((found, expected)) = differing(&found.anchor_id, &expected.anchor_id) {
                return Err(FormatError::AnchorId { found, expected });
            }
            if found.uris != expected.uris {
                return Err(FormatError::Uri(found.uris.concat()));
            }
        }
        if self == expected { Ok(()) } else { Err(FormatError::Spelling) }
    }

    fn anchor(&self) -> Option<&Anchor> {
        match self.branches.first()?.0.ops.last()? {
            Operation::Anchors(anchors) => anchors.first().map(|Object(anchor)| anchor),
            _ => None,
        }
    }
}

impl Anchor {
    fn host(&self) -> Result<&str, FormatError> {
        let [uri] = &self.uris[..] else {
            return Err(FormatError::Uris(self.uris.len()));
        };
        let host = uri.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
        let (host, _) = host.ok_or_else(|| FormatError::Uri(uri.clone()))?;
        check_host(host)?;
        Ok(host)
    }
}
