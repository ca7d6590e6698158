//! A receipt in any of its formats, told by content.

use serde::Deserialize;

use super::{ExistenceProof, Receipt, ReceiptError, chainpoint4};
use crate::limits::PROOF_BYTES_MAX;

/// What a receipt's file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A Chainpoint v2 receipt.
    Receipt(Box<Receipt>),
    /// A Chainpoint v4 proof, from JSON or binary.
    Existence(Box<ExistenceProof>),
}

/// All that is read of JSON to tell the formats apart.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "@context")]
    context: String,
}

impl Document {
    /// Reads either; bytes that begin as a zlib stream are the binary form, JSON is told by its `@context`.
    ///
    /// # Errors
    /// That of the format which the bytes claim to be; of v2 if they claim none.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if is_zlib(bytes) {
            return ExistenceProof::parse_binary(bytes).map(Box::new).map(Self::Existence);
        }
        // Nearly all are receipts; what is none is looked at again.
        match Receipt::parse(bytes) {
            Err(_) if is_proof(bytes) => ExistenceProof::parse_json(bytes).map(Box::new).map(Self::Existence),
            result => result.map(Box::new).map(Self::Receipt),
        }
    }
}

/// RFC 1950, 2.2: method 8 and a check of five bits, which no JSON text begins with.
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..]
        if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

fn is_proof(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(PROOF_BYTES_MAX)];
    serde_json::from_slice::<Head>(head).is_ok_and(|head| head.context == chainpoint4::CONTEXT)
}
