//! Signed transactions on their way, by sequence: durable before any node sees them.

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::transaction::{Action, Anchor, AnchorKind, Sender, Transaction, TransactionBody};
use dronechain_chain_spec::wire::BatchBody;
use dronechain_client::Batch;
use serde::Serialize;
use sqlx::{Connection, SqliteConnection};

use super::{Store, StoreError, bytes32, loaded, stored};

/// How far a transaction has come; the stored number is the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutboxState {
    /// Signed, not known to be at a node.
    Queued = 0,
    /// A node has it.
    Submitted = 1,
    /// In a block.
    Included = 2,
    /// In a block with enough on top.
    Confirmed = 3,
}

/// A transaction that is not confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its sequence.
    pub sequence: u64,
    /// Its name.
    pub txid: Hash256,
    /// How far it has come.
    pub state: OutboxState,
}

/// Batches by how far they have come; heartbeats and device transactions are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Closed and not at a node yet, and one more while records wait for their batch.
    pub open: u64,
    /// At a node.
    pub submitted: u64,
    /// In a block.
    pub included: u64,
    /// In a block with enough on top.
    pub confirmed: u64,
}

/// What an outbox row needs beside its transaction.
#[derive(Default)]
struct Extra {
    leaf_count: Option<u32>,
    last_ordinal: Option<i64>,
    device: Option<PublicKey>,
}

impl Store {
    /// Signs a transaction about `device` at the next sequence, at least `first`, and keeps it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn enqueue(
        &self,
        action: Action,
        device: PublicKey,
        first: u64,
        key: &SigningKey,
        chain_id: &Hash256,
    ) -> Result<Transaction, StoreError> {
        let mut writer = self.writer().await;
        let mut all = writer.begin().await.map_err(|source| self.failed(source))?;
        let extra = Extra { device: Some(device), ..Extra::default() };
        let transaction = self.append(&mut all, action, first, (key, chain_id), extra).await?;
        all.commit().await.map_err(|source| self.failed(source))?;
        Ok(transaction)
    }

    /// Closes a batch of the first `limit` records that are in none, in order of acceptance, and
    /// keeps its signed anchor; without records it is a heartbeat. Gives the anchor's sequence.
    ///
    /// # Errors
    /// [`StoreError`]; then no batch was closed.
    pub async fn close_batch(
        &self,
        limit: u32,
        first: u64,
        key: &SigningKey,
        chain_id: &Hash256,
    ) -> Result<u64, StoreError> {
        let sql = "SELECT ordinal, hash, time_ms FROM records WHERE batch IS NULL ORDER BY ordinal LIMIT ?";
        let mut writer = self.writer().await;
        let mut all = writer.begin().await.map_err(|source| self.failed(source))?;
        let rows: Vec<(i64, Vec<u8>, i64)> = sqlx::query_as(sql)
            .bind(limit)
            .fetch_all(&mut *all)
            .await
            .map_err(|source| self.failed(source))?;
        let leaves = rows.iter().map(|(_, hash, _)| bytes32("records.hash", hash).map(Hash256));
        let leaves = leaves.collect::<Result<Vec<_>, _>>()?;
        let batch = Batch::from_leaves(leaves).expect("hashes are unique, and limit is at most LEAVES_MAX");
        let times = || rows.iter().map(|(_, _, time_ms)| loaded(*time_ms)).filter(|time_ms| *time_ms > 0);
        let anchor = Anchor {
            first_time: times().min().unwrap_or_default(),
            last_time: times().max().unwrap_or_default(),
            ..batch.anchor(AnchorKind::Data)
        };
        let last_ordinal = rows.last().map(|(ordinal, ..)| *ordinal);
        let extra = Extra { leaf_count: Some(anchor.leaf_count), last_ordinal, device: None };
        let action = Action::Anchor(anchor);
        let transaction = self.append(&mut all, action, first, (key, chain_id), extra).await?;
        let sequence = transaction.body.sequence;
        if let Some(last) = last_ordinal {
            sqlx::query("UPDATE records SET batch = ? WHERE batch IS NULL AND ordinal <= ?")
                .bind(stored(sequence))
                .bind(last)
                .execute(&mut *all)
                .await
                .map_err(|source| self.failed(source))?;
        }
        all.commit().await.map_err(|source| self.failed(source))?;
        Ok(sequence)
    }

    async fn append(
        &self,
        connection: &mut SqliteConnection,
        action: Action,
        first: u64,
        (key, chain_id): (&SigningKey, &Hash256),
        extra: Extra,
    ) -> Result<Transaction, StoreError> {
        let last: Option<i64> = sqlx::query_scalar("SELECT max(sequence) FROM outbox")
            .fetch_one(&mut *connection)
            .await
            .map_err(|source| self.failed(source))?;
        let sequence = last.map_or(first, |last| first.max(loaded(last) + 1));
        let sender = Sender::Key(PublicKey::of(key));
        let transaction = TransactionBody { sender, sequence, action }.signed(&[key], chain_id);
        let sql = "INSERT INTO outbox
            (sequence, txid, bytes, leaf_count, last_ordinal, device, state, announced)
            VALUES (?, ?, ?, ?, ?, ?, 0, 0)";
        sqlx::query(sql)
            .bind(stored(sequence))
            .bind(&transaction.txid().0[..])
            .bind(codec::encode(&transaction))
            .bind(extra.leaf_count)
            .bind(extra.last_ordinal)
            .bind(extra.device.map(|device| device.0.to_vec()))
            .execute(connection)
            .await
            .map_err(|source| self.failed(source))?;
        Ok(transaction)
    }

    /// Transactions that are not confirmed, in order of sequence, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn outgoing(&self, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        let sql = "SELECT sequence, txid, state FROM outbox WHERE state < 3 ORDER BY sequence LIMIT ?";
        let rows: Vec<(i64, Vec<u8>, i64)> = sqlx::query_as(sql)
            .bind(stored(limit as u64))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        let outgoing = rows.into_iter().map(|(sequence, txid, state)| {
            let txid = Hash256(bytes32("outbox.txid", &txid)?);
            let state = match state {
                1 => OutboxState::Submitted,
                2 => OutboxState::Included,
                _ => OutboxState::Queued,
            };
            Ok(Outgoing { sequence: loaded(sequence), txid, state })
        });
        outgoing.collect()
    }

    /// The signed bytes at `sequence`, with the batch's leaves for an anchor of records.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn submission(&self, sequence: u64) -> Result<(Transaction, Option<BatchBody>), StoreError> {
        let bytes: Vec<u8> = sqlx::query_scalar("SELECT bytes FROM outbox WHERE sequence = ?")
            .bind(stored(sequence))
            .fetch_one(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        let transaction =
            codec::decode(&bytes).map_err(|error| StoreError::Transaction { sequence, error })?;
        let leaves: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT hash FROM records WHERE batch = ? ORDER BY ordinal")
                .bind(stored(sequence))
                .fetch_all(&self.readers)
                .await
                .map_err(|source| self.failed(source))?;
        let leaves = leaves.iter().map(|leaf| bytes32("records.hash", leaf).map(Hash256));
        let leaves = leaves.collect::<Result<Vec<_>, _>>()?;
        Ok((transaction, (!leaves.is_empty()).then_some(BatchBody(leaves))))
    }

    /// Notes how far a transaction has come. One that is in no block (any more) is announced anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_state(&self, sequence: u64, state: OutboxState) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET state = ?1, announced = CASE WHEN ?1 < 2 THEN 0 ELSE announced END
            WHERE sequence = ?2";
        let mut writer = self.writer().await;
        let done = sqlx::query(sql).bind(state as i64).bind(stored(sequence)).execute(&mut *writer).await;
        done.map(|_| ()).map_err(|source| self.failed(source))
    }

    /// Queues everything again that a reorganisation took out of the chain, given the sender's next
    /// sequence by the chain. Gives the number of transactions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rewind(&self, next_sequence: u64) -> Result<u64, StoreError> {
        let sql = "UPDATE outbox SET state = 0, announced = 0 WHERE sequence >= ? AND state >= 2";
        let mut writer = self.writer().await;
        let done = sqlx::query(sql).bind(stored(next_sequence)).execute(&mut *writer).await;
        done.map(|done| done.rows_affected()).map_err(|source| self.failed(source))
    }

    /// Included batches of records that the cloud was not told of and whose records it all has, in
    /// order of sequence.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unannounced(&self, forwarded: u64, limit: usize) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT sequence FROM outbox WHERE state >= 2 AND announced = 0
            AND leaf_count > 0 AND last_ordinal <= ? ORDER BY sequence LIMIT ?";
        let rows: Vec<i64> = sqlx::query_scalar(sql)
            .bind(stored(forwarded))
            .bind(stored(limit as u64))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        Ok(rows.into_iter().map(loaded).collect())
    }

    /// Notes that the cloud was told of the batch at `sequence`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_announced(&self, sequence: u64) -> Result<(), StoreError> {
        let mut writer = self.writer().await;
        let done = sqlx::query("UPDATE outbox SET announced = 1 WHERE sequence = ? AND state >= 2")
            .bind(stored(sequence))
            .execute(&mut *writer)
            .await;
        done.map(|_| ()).map_err(|source| self.failed(source))
    }

    /// The name of a transaction about `device` that is in no block yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending_for(&self, device: &PublicKey) -> Result<Option<Hash256>, StoreError> {
        let sql = "SELECT txid FROM outbox WHERE device = ? AND state < 2 ORDER BY sequence DESC LIMIT 1";
        let txid: Option<Vec<u8>> = sqlx::query_scalar(sql)
            .bind(&device.0[..])
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        txid.map(|txid| bytes32("outbox.txid", &txid).map(Hash256)).transpose()
    }

    /// Batches by how far they have come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let sql = "SELECT state, count(*) FROM outbox WHERE leaf_count > 0 GROUP BY state";
        let rows: Vec<(i64, i64)> =
            sqlx::query_as(sql).fetch_all(&self.readers).await.map_err(|source| self.failed(source))?;
        let of = |wanted: OutboxState| {
            rows.iter().filter(|(state, _)| *state == wanted as i64).map(|(_, count)| loaded(*count)).sum()
        };
        let (waiting, _, _) = self.unbatched(1, 0).await?;
        let queued: u64 = of(OutboxState::Queued);
        Ok(Counts {
            open: queued + u64::from(waiting),
            submitted: of(OutboxState::Submitted),
            included: of(OutboxState::Included),
            confirmed: of(OutboxState::Confirmed),
        })
    }
}
