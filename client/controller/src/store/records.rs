//! Accepted records, how far each device's chain has come, and evidence.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_record::{Body, ChainError, Clock, Follower, Position, SignedRecord};
use sqlx::{Connection, SqliteConnection};

use super::{Store, StoreError, bytes32, loaded, stored};
use crate::limits::EVIDENCE_PER_DEVICE_MAX;

/// What became of records that were handed over together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Records accepted, counted from the first; repeats of accepted ones count.
    pub accepted: usize,
    /// The number that comes next in the chain of the last device; none if there was no record.
    pub next_sequence: Option<u64>,
    /// Why the record behind the accepted ones was refused, if it was.
    pub refused: Option<Conflict>,
}

/// A record that does not continue its device's chain.
pub type Conflict = ChainError;

/// An accepted record as it is forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its place in the order of acceptance, from 1.
    pub ordinal: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Takes records of enrolled devices in order, up to the first that does not continue its
    /// device's chain. Durable on return. A record that is there already with the same bytes is
    /// accepted again; another one at a used number is kept as evidence and refused.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was taken.
    pub async fn accept(&self, records: &[SignedRecord], now_ms: u64) -> Result<Taken, StoreError> {
        let mut writer = self.writer().await;
        let mut all = writer.begin().await.map_err(|source| self.failed(source))?;
        let mut taken = Taken { accepted: 0, next_sequence: None, refused: None };
        let mut chain: Option<(PublicKey, Follower)> = None;
        for signed in records {
            let device = *signed.signer();
            let mut follower = match chain {
                Some((known, follower)) if known == device => follower,
                Some((known, follower)) => {
                    self.keep_position(&mut all, &known, follower.position()).await?;
                    self.follower(&mut all, &device).await?
                }
                None => self.follower(&mut all, &device).await?,
            };
            match follower.accept(signed) {
                Ok(()) => {
                    self.insert(&mut all, signed, now_ms).await?;
                }
                Err(ChainError::SequenceRepeated { .. }) if self.has(&mut all, signed).await? => {}
                Err(conflict) => {
                    if matches!(conflict, ChainError::SequenceRepeated { .. }) {
                        self.keep_evidence(&mut all, signed, now_ms).await?;
                    }
                    taken.refused = Some(conflict);
                }
            }
            taken.next_sequence = Some(follower.position().next_sequence);
            chain = Some((device, follower));
            if taken.refused.is_some() {
                break;
            }
            taken.accepted += 1;
        }
        if let Some((device, follower)) = chain {
            self.keep_position(&mut all, &device, follower.position()).await?;
        }
        all.commit().await.map_err(|source| self.failed(source))?;
        Ok(taken)
    }

    /// How far a device's chain has come; the start for one that sent nothing yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn position(&self, device: &PublicKey) -> Result<Position, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(|source| self.failed(source))?;
        Ok(self.follower(&mut reader, device).await?.position())
    }

    /// Number of records, which is the last one's place in the order of acceptance.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_count(&self) -> Result<u64, StoreError> {
        let last: Option<i64> = sqlx::query_scalar("SELECT max(ordinal) FROM records")
            .fetch_one(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        Ok(loaded(last.unwrap_or_default()))
    }

    /// Records in no batch yet, at most `limit` of them counted: number, age of the first in ms, and
    /// whether one of them closes a flight.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unbatched(&self, limit: u32, now_ms: u64) -> Result<(u32, u64, bool), StoreError> {
        let sql = "SELECT count(*), min(accepted_ms), max(closing) FROM
            (SELECT accepted_ms, closing FROM records WHERE batch IS NULL ORDER BY ordinal LIMIT ?)";
        let (count, first, closing): (i64, Option<i64>, Option<i64>) = sqlx::query_as(sql)
            .bind(limit)
            .fetch_one(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        let age_ms = first.map_or(0, |first| now_ms.saturating_sub(loaded(first)));
        Ok((u32::try_from(count).unwrap_or(limit), age_ms, closing == Some(1)))
    }

    /// Records behind `ordinal` in order of acceptance, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accepted_behind(&self, ordinal: u64, limit: usize) -> Result<Vec<Accepted>, StoreError> {
        let sql = "SELECT ordinal, bytes FROM records WHERE ordinal > ? ORDER BY ordinal LIMIT ?";
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(sql)
            .bind(stored(ordinal))
            .bind(stored(limit as u64))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        Ok(rows.into_iter().map(|(ordinal, bytes)| Accepted { ordinal: loaded(ordinal), bytes }).collect())
    }

    /// Place of the last record that the cloud has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forwarded(&self) -> Result<u64, StoreError> {
        let value = self.recall("forwarded").await?;
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or_default())
    }

    /// Remembers the place of the last record that the cloud has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_forwarded(&self, ordinal: u64) -> Result<(), StoreError> {
        let sql = "INSERT INTO meta (key, value) VALUES ('forwarded', ?)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        let mut writer = self.writer().await;
        let done = sqlx::query(sql).bind(ordinal.to_string()).execute(&mut *writer).await;
        done.map(|_| ()).map_err(|source| self.failed(source))
    }

    /// Bytes of the conflicting records that a device signed, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn evidence(&self, device: &PublicKey) -> Result<Vec<Vec<u8>>, StoreError> {
        sqlx::query_scalar("SELECT bytes FROM evidence WHERE device = ? ORDER BY received_ms, sequence")
            .bind(&device.0[..])
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))
    }

    async fn follower(
        &self,
        connection: &mut SqliteConnection,
        device: &PublicKey,
    ) -> Result<Follower, StoreError> {
        let sql = "SELECT next_sequence, previous, in_flight FROM devices WHERE device = ?";
        let row: Option<(i64, Vec<u8>, i64)> = sqlx::query_as(sql)
            .bind(&device.0[..])
            .fetch_optional(connection)
            .await
            .map_err(|source| self.failed(source))?;
        let position = match row {
            None => Position::default(),
            Some((next, previous, in_flight)) => Position {
                next_sequence: loaded(next),
                previous: Hash256(bytes32("devices.previous", &previous)?),
                in_flight: loaded(in_flight),
            },
        };
        Ok(Follower::resume(device.id(), position))
    }

    async fn keep_position(
        &self,
        connection: &mut SqliteConnection,
        device: &PublicKey,
        position: Position,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO devices (device, next_sequence, previous, in_flight) VALUES (?, ?, ?, ?)
            ON CONFLICT (device) DO UPDATE SET next_sequence = excluded.next_sequence,
            previous = excluded.previous, in_flight = excluded.in_flight";
        let done = sqlx::query(sql)
            .bind(&device.0[..])
            .bind(stored(position.next_sequence))
            .bind(&position.previous.0[..])
            .bind(stored(position.in_flight))
            .execute(connection)
            .await;
        done.map(|_| ()).map_err(|source| self.failed(source))
    }

    async fn insert(
        &self,
        connection: &mut SqliteConnection,
        signed: &SignedRecord,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO records (hash, device, sequence, bytes, time_ms, closing, accepted_ms)
            VALUES (?, ?, ?, ?, ?, ?, ?)";
        let done = sqlx::query(sql)
            .bind(&signed.target_hash().0[..])
            .bind(&signed.signer().0[..])
            .bind(stored(signed.record().sequence))
            .bind(signed.bytes())
            .bind(stored(claimed_ms(signed)))
            .bind(matches!(signed.record().body, Body::Closing { .. }))
            .bind(stored(now_ms))
            .execute(connection)
            .await;
        done.map(|_| ()).map_err(|source| self.failed(source))
    }

    /// Whether just this record was accepted before.
    async fn has(
        &self,
        connection: &mut SqliteConnection,
        signed: &SignedRecord,
    ) -> Result<bool, StoreError> {
        let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM records WHERE hash = ?")
            .bind(&signed.target_hash().0[..])
            .fetch_optional(connection)
            .await
            .map_err(|source| self.failed(source))?;
        Ok(found.is_some())
    }

    async fn keep_evidence(
        &self,
        connection: &mut SqliteConnection,
        signed: &SignedRecord,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO evidence (hash, device, sequence, bytes, received_ms)
            SELECT ?1, ?2, ?3, ?4, ?5 WHERE (SELECT count(*) FROM evidence WHERE device = ?2) < ?6
            ON CONFLICT (hash) DO NOTHING";
        let done = sqlx::query(sql)
            .bind(&signed.target_hash().0[..])
            .bind(&signed.signer().0[..])
            .bind(stored(signed.record().sequence))
            .bind(signed.bytes())
            .bind(stored(now_ms))
            .bind(EVIDENCE_PER_DEVICE_MAX)
            .execute(connection)
            .await;
        done.map(|_| ()).map_err(|source| self.failed(source))
    }
}

/// The time that a record claims, in ms since 1970 UTC; 0 where its clock does not say.
fn claimed_ms(signed: &SignedRecord) -> u64 {
    match signed.record().clock {
        Clock::UtcGps | Clock::UtcHost | Clock::Simulated => signed.record().time_us / 1_000,
        Clock::Boot => 0,
    }
}
