//! What one row says about itself: its hash, and whether its columns are those of its bytes.

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_record::UnverifiedRecord;

use crate::report::{Altered, Surplus, Unanchored};
use crate::store::Row;

/// A row with what its bytes hash to and decode to.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) row: Row,
    /// SHA-256 of the bytes as they are now.
    pub(crate) found: Hash256,
    record: Option<UnverifiedRecord>,
}

impl Examined {
    pub(crate) fn new(row: Row) -> Self {
        let found = sha256(&[&row.bytes]);
        let record = UnverifiedRecord::decode(row.bytes.clone()).ok();
        Self { row, found, record }
    }

    /// Whether column `hash` is `hash`.
    pub(crate) fn claims(&self, hash: &Hash256) -> bool {
        self.row.hash == hash.0
    }

    /// Columns that differ from what the bytes say, once the bytes are known to be genuine.
    pub(crate) fn differing_columns(&self) -> Vec<&'static str> {
        let mut differs = Vec::new();
        if !self.claims(&self.found) {
            differs.push("hash");
        }
        match &self.record {
            None => differs.push("bytes"),
            Some(record) => {
                if self.row.device != record.signer().0 {
                    differs.push("device");
                }
                if u64::try_from(self.row.sequence) != Ok(record.record().sequence) {
                    differs.push("sequence");
                }
            }
        }
        differs
    }

    /// Whether the bytes are a record whose signature holds on the network `chain_id`.
    pub(crate) fn is_genuine(&self, chain_id: &Hash256) -> bool {
        self.record.clone().is_some_and(|record| record.verify(chain_id).is_ok())
    }

    /// The finding for a row whose genuine bytes hash to what was found.
    pub(crate) fn altered_columns(&self, differs: Vec<&'static str>) -> Altered {
        let (device, sequence) = match &self.record {
            Some(record) => {
                let sequence = i64::try_from(record.record().sequence).unwrap_or(i64::MAX);
                (record.signer().to_string(), sequence)
            }
            None => (hex::encode(&self.row.device), self.row.sequence),
        };
        Altered { hash: self.found.to_string(), device, sequence, differs }
    }

    /// The finding for a row whose bytes are not those of the record `hash`.
    pub(crate) fn altered_bytes(&self, hash: &[u8], differs: Vec<&'static str>) -> Altered {
        let Row { device, sequence, .. } = &self.row;
        Altered { hash: hex::encode(hash), device: hex::encode(device), sequence: *sequence, differs }
    }

    pub(crate) fn surplus(&self, reason: &str) -> Surplus {
        let Row { hash, device, sequence, .. } = &self.row;
        let (hash, device) = (hex::encode(hash), hex::encode(device));
        Surplus { hash, device, sequence: *sequence, reason: reason.to_owned() }
    }

    pub(crate) fn unanchored(&self) -> Unanchored {
        let Row { hash, device, sequence, received_ms, .. } = &self.row;
        let (hash, device) = (hex::encode(hash), hex::encode(device));
        Unanchored { hash, device, sequence: *sequence, received_ms: *received_ms }
    }
}
