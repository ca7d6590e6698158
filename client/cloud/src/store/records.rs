//! Originals: stored once, served by hash and by number.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_record::SignedRecord;
use serde::Serialize;
use sqlx::Connection;

use super::{AnchorName, Store, StoreError, bytes32, key_of, loaded, stored};

/// What became of records that were handed over together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Records that are stored, counted from the first; those that were there already count.
    pub accepted: usize,
    /// Set if the record behind them is another one at a number that its device used before: the
    /// hash of the one that is stored.
    pub repeated: Option<Hash256>,
}

/// A record as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Where a record's leaf stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The record's number.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash256,
    /// Who anchored it.
    pub sender: PublicKey,
    /// The anchor's sequence.
    pub anchor_sequence: u64,
    /// Index of the leaf.
    pub index: u32,
}

/// Sequence, hash, and where the leaf stands: sender, anchor's sequence, index.
type PlacedRow = (i64, Vec<u8>, Option<Vec<u8>>, Option<i64>, Option<u32>);

impl Store {
    /// Stores records in order, up to the first at a number that its device used for another one.
    /// Durable on return. A record whose anchor is here already is placed at once.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was stored.
    pub async fn keep(&self, records: &[SignedRecord], now_ms: u64) -> Result<Kept, StoreError> {
        let insert = "INSERT INTO records
            (hash, device, sequence, bytes, received_ms, sender, anchor_sequence, leaf_index)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let mut writer = self.writer().await;
        let writer = &mut *writer;
        let mut all = writer.connection.begin().await.map_err(|source| self.failed(source))?;
        let mut kept = Kept { accepted: 0, repeated: None };
        for signed in records {
            let hash = signed.target_hash();
            let (device, sequence) = (&signed.signer().0[..], stored(signed.record().sequence));
            let place: Option<(AnchorName, u32)> = writer.vacant.get(&hash).copied();
            let done = sqlx::query(insert)
                .bind(&hash.0[..])
                .bind(device)
                .bind(sequence)
                .bind(signed.bytes())
                .bind(stored(now_ms))
                .bind(place.map(|(anchor, _)| anchor.sender.0.to_vec()))
                .bind(place.map(|(anchor, _)| stored(anchor.sequence)))
                .bind(place.map(|(_, index)| index))
                .execute(&mut *all)
                .await
                .map_err(|source| self.failed(source))?;
            if done.rows_affected() == 0 {
                let there: Option<Vec<u8>> =
                    sqlx::query_scalar("SELECT hash FROM records WHERE device = ? AND sequence = ?")
                        .bind(device)
                        .bind(sequence)
                        .fetch_optional(&mut *all)
                        .await
                        .map_err(|source| self.failed(source))?;
                // The same hash at another number means that the row was altered; the sweep says so.
                let there = there.and_then(|there| bytes32(&there)).map(Hash256);
                if let Some(there) = there.filter(|there| *there != hash) {
                    kept.repeated = Some(there);
                    break;
                }
            }
            kept.accepted += 1;
        }
        all.commit().await.map_err(|source| self.failed(source))?;
        for signed in &records[..kept.accepted] {
            writer.vacant.remove(&signed.target_hash());
        }
        Ok(kept)
    }

    /// The bytes stored under `hash`, as they are now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record(&self, hash: &Hash256) -> Result<Option<Vec<u8>>, StoreError> {
        sqlx::query_scalar("SELECT CAST(bytes AS BLOB) FROM records WHERE hash = ?")
            .bind(&hash.0[..])
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| self.failed(source))
    }

    /// A device's records from number `from` on, in order, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn records_of(
        &self,
        device: &PublicKey,
        from: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        // The running sum keeps the answer bounded before the bytes are read.
        let sql = "SELECT CAST(bytes AS BLOB) FROM
            (SELECT bytes, sequence, sum(length(CAST(bytes AS BLOB)) + 4) OVER (ORDER BY sequence) AS total
             FROM (SELECT bytes, sequence FROM records WHERE device = ? AND sequence >= ?
                   ORDER BY sequence LIMIT ?))
            WHERE total <= ? ORDER BY sequence";
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(sql)
            .bind(&device.0[..])
            .bind(stored(from))
            .bind(stored(limit as u64))
            .bind(stored(bytes_max as u64))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        Ok(rows.into_iter().map(|bytes| Stored { bytes }).collect())
    }

    /// Where a device's records stand, from number `from` on without a gap: up to the first that is
    /// missing or whose anchor is not here yet, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn placements(
        &self,
        device: &PublicKey,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Placement>, StoreError> {
        let sql = "SELECT sequence, hash, sender, anchor_sequence, leaf_index FROM records
            WHERE device = ? AND sequence >= ? ORDER BY sequence LIMIT ?";
        let rows: Vec<PlacedRow> = sqlx::query_as(sql)
            .bind(&device.0[..])
            .bind(stored(from))
            .bind(stored(limit as u64))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        let placements = rows.into_iter().zip(from..).map_while(|(row, expected)| {
            let (sequence, hash, sender, anchor_sequence, index) = row;
            let placement = Placement {
                sequence: loaded(sequence),
                hash: Hash256(bytes32(&hash)?),
                sender: key_of(&sender?)?,
                anchor_sequence: loaded(anchor_sequence?),
                index: index?,
            };
            (placement.sequence == expected).then_some(placement)
        });
        Ok(placements.collect())
    }

    /// Number of records and of anchors.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn totals(&self) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM anchors)";
        let (records, anchors): (i64, i64) =
            sqlx::query_as(sql).fetch_one(&self.readers).await.map_err(|source| self.failed(source))?;
        Ok((loaded(records), loaded(anchors)))
    }
}
