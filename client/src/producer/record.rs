//! What is handed over: bytes that are to be anchored by their hash.

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::limits::RECORD_BYTES_MAX;
use dronechain_chain_spec::transaction::AnchorKind;

use super::error::SendError;
use crate::headers::now_ms;

/// A record on its way to the ledger.
///
/// The ledger gets SHA-256 of its bytes. The bytes themselves stay in the outbox until the record is delivered, so
/// that whoever restarts has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    hash: Hash256,
    /// None if only the hash was handed over.
    bytes: Option<Vec<u8>>,
    time_ms: u64,
    kind: AnchorKind,
}

impl Record {
    /// The record of `bytes`, data that was collected now. At most 64 KiB: longer files go by
    /// [`Record::of_hash`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { hash: sha256(&[&bytes]), bytes: Some(bytes), time_ms: now_ms(), kind: AnchorKind::Data }
    }

    /// The record of a file that stays elsewhere, by its SHA-256.
    pub fn of_hash(hash: Hash256) -> Self {
        Self { hash, bytes: None, time_ms: now_ms(), kind: AnchorKind::Data }
    }

    /// The same with the time that it claims, in ms since 1970 UTC. Anchors name the earliest and latest of their
    /// records.
    #[must_use]
    pub fn at(self, time_ms: u64) -> Self {
        Self { time_ms, ..self }
    }

    /// The same as another kind of record: controllers anchor data and commands, operators accesses.
    #[must_use]
    pub fn of_kind(self, kind: AnchorKind) -> Self {
        Self { kind, ..self }
    }

    /// SHA-256 of the bytes: the name under which the ledger has it.
    pub fn hash(&self) -> Hash256 {
        self.hash
    }

    /// The bytes; none if only the hash was handed over.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    /// The time that it claims, in ms since 1970 UTC.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// What it is a record of.
    pub fn kind(&self) -> AnchorKind {
        self.kind
    }

    pub(super) fn check(&self) -> Result<(), SendError> {
        match &self.bytes {
            Some(bytes) if bytes.len() > RECORD_BYTES_MAX => Err(SendError::TooLong { found: bytes.len() }),
            Some(_) | None => Ok(()),
        }
    }

    /// Bytes that it takes in the outbox.
    pub(super) fn size(&self) -> usize {
        ROW_HEAD + self.bytes.as_ref().map_or(Hash256::default().0.len(), Vec::len)
    }

    /// Appends its row: kind and form (1 byte), time (8, little-endian), length (4), and the bytes or the hash.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let form = if self.bytes.is_some() { WITH_BYTES } else { 0 };
        let content = self.bytes.as_deref().unwrap_or(&self.hash.0);
        out.push(kind_code(self.kind) | form);
        out.extend_from_slice(&self.time_ms.to_le_bytes());
        out.extend_from_slice(&u32::try_from(content.len()).expect("64 KiB at most").to_le_bytes());
        out.extend_from_slice(content);
    }

    /// What a batch needs of it.
    pub(super) fn leaf(&self) -> Leaf {
        Leaf { hash: self.hash, time_ms: self.time_ms, kind: self.kind, size: self.size() }
    }
}

/// What a batch needs of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) hash: Hash256,
    pub(super) time_ms: u64,
    pub(super) kind: AnchorKind,
    /// Bytes of the record's row.
    pub(super) size: usize,
}

impl Leaf {
    /// Reads the next record's row off `bytes`; none if it is malformed.
    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<ROW_HEAD>()?;
        let kind = kind_of(head[0] & !WITH_BYTES)?;
        let time_ms = u64::from_le_bytes(head[1..9].try_into().ok()?);
        let length = u32::from_le_bytes(head[9..].try_into().ok()?);
        let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        *bytes = rest;
        let is_hash = head[0] & WITH_BYTES == 0;
        let hash = if is_hash { Hash256(content.try_into().ok()?) } else { sha256(&[content]) };
        Some(Self { hash, time_ms, kind, size: ROW_HEAD + content.len() })
    }
}

impl From<Vec<u8>> for Record {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

/// Bytes of a row before its content.
const ROW_HEAD: usize = 13;
/// In a row's first byte: the content is the record, not its hash.
const WITH_BYTES: u8 = 0x80;

const fn kind_code(kind: AnchorKind) -> u8 {
    match kind {
        AnchorKind::Data => 0,
        AnchorKind::Command => 1,
        AnchorKind::Access => 2,
    }
}

const fn kind_of(code: u8) -> Option<AnchorKind> {
    match code {
        0 => Some(AnchorKind::Data),
        1 => Some(AnchorKind::Command),
        2 => Some(AnchorKind::Access),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_and_cut_ones_do_not() {
        let records = [
            Record::new(b"a record".to_vec()).at(7),
            Record::new(Vec::new()).of_kind(AnchorKind::Command),
            Record::of_hash(Hash256([9; 32])).of_kind(AnchorKind::Access),
        ];
        let mut row = Vec::new();
        for record in &records {
            let before = row.len();
            record.encode(&mut row);
            assert_eq!(row.len() - before, record.size());
        }
        let mut rest = &row[..];
        let found: Vec<_> = records.iter().map(|_| Leaf::decode(&mut rest).expect("a row")).collect();
        assert_eq!(found, records.each_ref().map(Record::leaf));
        assert_eq!(rest, b"");
        for cut in 0..records[0].size() {
            assert_eq!(Leaf::decode(&mut &row[..cut]), None);
        }
    }
}
