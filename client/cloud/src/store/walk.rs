//! What a sweep reads: anchors one by one, the rows placed at each, and the rows placed at none.
//!
//! Columns are cast, because an altered file may hold any type in them.

use dronechain_chain_spec::hash::Hash256;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _};

use super::{AnchorName, Store, StoreError, bytes32, key_of, loaded, stored};
use crate::limits::{SWEEP_ANCHORS, SWEEP_PAGE};

/// A row of `records` as it is now; nothing about it is certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// SQLite's own number of the row.
    pub rowid: i64,
    /// Column `hash`.
    pub hash: Vec<u8>,
    /// Column `device`.
    pub device: Vec<u8>,
    /// Column `sequence`.
    pub sequence: i64,
    /// Column `received_ms`.
    pub received_ms: i64,
    /// Column `sender`.
    pub sender: Option<Vec<u8>>,
    /// Column `anchor_sequence`.
    pub anchor_sequence: Option<i64>,
    /// Column `leaf_index`.
    pub leaf_index: Option<i64>,
    /// Column `bytes`.
    pub bytes: Vec<u8>,
}

/// A row of `anchors` as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorRow {
    /// Column `root`.
    pub root: Vec<u8>,
    /// Column `leaf_count`.
    pub leaf_count: i64,
    /// Column `proof`.
    pub proof: String,
    /// Column `leaves`.
    pub leaves: Vec<u8>,
    /// Leaves that had their record when the anchor was stored, or any record of the same sender.
    pub ours: bool,
}

impl FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            rowid: row.try_get("rowid")?,
            hash: row.try_get("hash")?,
            device: row.try_get("device")?,
            sequence: row.try_get("sequence")?,
            received_ms: row.try_get("received_ms")?,
            sender: row.try_get("sender")?,
            anchor_sequence: row.try_get("anchor_sequence")?,
            leaf_index: row.try_get("leaf_index")?,
            bytes: row.try_get("bytes")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for AnchorRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            root: row.try_get("root")?,
            leaf_count: row.try_get("leaf_count")?,
            proof: row.try_get("proof")?,
            leaves: row.try_get("leaves")?,
            ours: row.try_get("ours")?,
        })
    }
}

impl Store {
    /// Anchors behind `after` in order of sender and sequence.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn anchors_behind(&self, after: Option<AnchorName>) -> Result<Vec<AnchorName>, StoreError> {
        let sql = "SELECT sender, sequence FROM anchors WHERE (sender, sequence) > (?, ?)
            AND typeof(sender) = 'blob' AND length(sender) = 32 AND typeof(sequence) = 'integer'
            ORDER BY sender, sequence LIMIT ?";
        let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(sql)
            .bind(after.map_or_else(Vec::new, |after| after.sender.0.to_vec()))
            .bind(after.map_or(-1, |after| stored(after.sequence)))
            .bind(SWEEP_ANCHORS)
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        let name = |(sender, sequence): (Vec<u8>, i64)| {
            Some(AnchorName { sender: key_of(&sender)?, sequence: loaded(sequence) })
        };
        Ok(rows.into_iter().filter_map(name).collect())
    }

    /// One anchor.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn anchor(&self, name: AnchorName) -> Result<Option<AnchorRow>, StoreError> {
        let sql = "SELECT CAST(root AS BLOB) AS root, CAST(leaf_count AS INTEGER) AS leaf_count,
            CAST(proof AS TEXT) AS proof, CAST(leaves AS BLOB) AS leaves,
            (placed > 0 OR EXISTS (SELECT 1 FROM records r WHERE r.sender = anchors.sender)) AS ours
            FROM anchors WHERE sender = ? AND sequence = ?";
        sqlx::query_as(sql)
            .bind(&name.sender.0[..])
            .bind(stored(name.sequence))
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| self.failed(source))
    }

    /// The leaf at an index of an anchor, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn leaf(&self, row: &Row) -> Result<Option<Hash256>, StoreError> {
        let sql = "SELECT substr(CAST(leaves AS BLOB), ? * 32 + 1, 32) FROM anchors
            WHERE sender = ? AND sequence = ?";
        let leaf: Option<Vec<u8>> = sqlx::query_scalar(sql)
            .bind(row.leaf_index)
            .bind(&row.sender)
            .bind(row.anchor_sequence)
            .fetch_optional(&self.readers)
            .await
            .map(Option::flatten)
            .map_err(|source| self.failed(source))?;
        Ok(leaf.and_then(|leaf| bytes32(&leaf)).map(Hash256))
    }

    /// Rows placed at an anchor, in order of leaf, behind the given (leaf index, rowid).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rows_at(&self, name: AnchorName, behind: (i64, i64)) -> Result<Vec<Row>, StoreError> {
        let sql = concat!(
            "SELECT rowid, CAST(hash AS BLOB) AS hash, CAST(device AS BLOB) AS device, ",
            "CAST(sequence AS INTEGER) AS sequence, CAST(received_ms AS INTEGER) AS received_ms, ",
            "CAST(sender AS BLOB) AS sender, CAST(anchor_sequence AS INTEGER) AS anchor_sequence, ",
            "CAST(leaf_index AS INTEGER) AS leaf_index, CAST(bytes AS BLOB) AS bytes FROM records ",
            "WHERE sender = ? AND anchor_sequence = ? AND typeof(leaf_index) = 'integer' ",
            "AND (leaf_index, rowid) > (?, ?) ORDER BY records.leaf_index, rowid LIMIT ?"
        );
        sqlx::query_as(sql)
            .bind(&name.sender.0[..])
            .bind(stored(name.sequence))
            .bind(behind.0)
            .bind(behind.1)
            .bind(SWEEP_PAGE)
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))
    }

    /// Rows placed at no stored anchor, behind the given rowid.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn strays(&self, behind: i64) -> Result<Vec<Row>, StoreError> {
        let sql = concat!(
            "SELECT rowid, CAST(hash AS BLOB) AS hash, CAST(device AS BLOB) AS device, ",
            "CAST(sequence AS INTEGER) AS sequence, CAST(received_ms AS INTEGER) AS received_ms, ",
            "CAST(sender AS BLOB) AS sender, CAST(anchor_sequence AS INTEGER) AS anchor_sequence, ",
            "CAST(leaf_index AS INTEGER) AS leaf_index, CAST(bytes AS BLOB) AS bytes FROM records ",
            "WHERE rowid > ? AND (records.sender IS NULL OR typeof(records.leaf_index) <> 'integer' ",
            "OR records.leaf_index < 0 OR NOT EXISTS (SELECT 1 FROM anchors a ",
            "WHERE a.sender = records.sender AND a.sequence = records.anchor_sequence)) ",
            "ORDER BY rowid LIMIT ?"
        );
        sqlx::query_as(sql)
            .bind(behind)
            .bind(SWEEP_PAGE)
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))
    }

    /// The row whose column `hash` is `hash`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn row_of(&self, hash: &Hash256) -> Result<Option<Row>, StoreError> {
        let sql = concat!(
            "SELECT rowid, CAST(hash AS BLOB) AS hash, CAST(device AS BLOB) AS device, ",
            "CAST(sequence AS INTEGER) AS sequence, CAST(received_ms AS INTEGER) AS received_ms, ",
            "CAST(sender AS BLOB) AS sender, CAST(anchor_sequence AS INTEGER) AS anchor_sequence, ",
            "CAST(leaf_index AS INTEGER) AS leaf_index, CAST(bytes AS BLOB) AS bytes FROM records ",
            "WHERE hash = ?"
        );
        sqlx::query_as(sql)
            .bind(&hash.0[..])
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| self.failed(source))
    }

    /// Whether another row claims the same number of the same device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_twin(&self, row: &Row) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM records WHERE device = ? AND sequence = ? AND rowid <> ? LIMIT 1";
        let found: Option<i64> = sqlx::query_scalar(sql)
            .bind(&row.device)
            .bind(row.sequence)
            .bind(row.rowid)
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        Ok(found.is_some())
    }
}
