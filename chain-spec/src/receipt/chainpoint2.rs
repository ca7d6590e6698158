//! The JSON document of Chainpoint v2 with its extension.

use serde::{Deserialize, Serialize};

use super::json::{Object, object, path_json};
use super::{ANCHOR_TYPE, AnchorProof, CONTEXT, EXTENSION_VERSION, Receipt, ReceiptError, TYPE};
use crate::hash::Hash256;
use crate::merkle::Path;

/// The JSON document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
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
    pub(super) fn into_receipt(self) -> Result<Receipt, ReceiptError> {
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
