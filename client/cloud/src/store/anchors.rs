//! Anchors with their proofs and leaves, and those that are still to be fetched.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::receipt::AnchorProof;
use serde::{Deserialize, Serialize};
use sqlx::Connection;

use super::{Store, StoreError, bytes32, key_of, loaded, stored};
use crate::limits::{VACANT_MAX, WANTED_MAX};

/// An anchor's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorName {
    /// Who anchored.
    pub sender: PublicKey,
    /// The sender's sequence.
    pub sequence: u64,
}

/// An anchor whose proof was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedAnchor {
    /// Which one.
    pub name: AnchorName,
    /// Root of its tree.
    pub root: Hash256,
    /// Its leaves.
    pub leaves: Vec<Hash256>,
    /// Everything between the root and the header chain.
    pub proof: AnchorProof,
    /// Hash of its block.
    pub block: Hash256,
}

/// An anchor that is to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Which one.
    pub name: AnchorName,
    /// When it was asked for first, ms since 1970 UTC.
    pub asked_ms: u64,
}

impl Store {
    /// Queues an anchor to be fetched; durable on return. False if the queue is full.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn want(&self, name: AnchorName, now_ms: u64) -> Result<bool, StoreError> {
        let mut writer = self.writer().await;
        let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM wanted")
            .fetch_one(&mut writer.connection)
            .await
            .map_err(|source| self.failed(source))?;
        if loaded(waiting) >= WANTED_MAX {
            return Ok(false);
        }
        let sql = "INSERT INTO wanted (sender, sequence, asked_ms, tried_ms) VALUES (?, ?, ?, 0)
            ON CONFLICT DO NOTHING";
        sqlx::query(sql)
            .bind(&name.sender.0[..])
            .bind(stored(name.sequence))
            .bind(stored(now_ms))
            .execute(&mut writer.connection)
            .await
            .map_err(|source| self.failed(source))?;
        Ok(true)
    }

    /// Anchors to be fetched, those first that were not tried for longest; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wanted(&self, limit: u32) -> Result<Vec<Wanted>, StoreError> {
        let sql =
            "SELECT sender, sequence, asked_ms FROM wanted ORDER BY tried_ms, asked_ms, sequence LIMIT ?";
        let rows: Vec<(Vec<u8>, i64, i64)> = sqlx::query_as(sql)
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        let wanted = rows.into_iter().filter_map(|(sender, sequence, asked_ms)| {
            let name = AnchorName { sender: key_of(&sender)?, sequence: loaded(sequence) };
            Some(Wanted { name, asked_ms: loaded(asked_ms) })
        });
        Ok(wanted.collect())
    }

    /// Notes that an anchor could not be fetched at `now_ms`; the others come first then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tried(&self, name: AnchorName, now_ms: u64) -> Result<(), StoreError> {
        let sql = "UPDATE wanted SET tried_ms = ? WHERE sender = ? AND sequence = ?";
        let mut writer = self.writer().await;
        let done = sqlx::query(sql)
            .bind(stored(now_ms))
            .bind(&name.sender.0[..])
            .bind(stored(name.sequence))
            .execute(&mut writer.connection)
            .await;
        done.map(|_| ()).map_err(|source| self.failed(source))
    }

    /// Takes an anchor off the queue without having it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give_up(&self, name: AnchorName) -> Result<(), StoreError> {
        let mut writer = self.writer().await;
        let done = sqlx::query("DELETE FROM wanted WHERE sender = ? AND sequence = ?")
            .bind(&name.sender.0[..])
            .bind(stored(name.sequence))
            .execute(&mut writer.connection)
            .await;
        done.map(|_| ()).map_err(|source| self.failed(source))
    }

    /// Stores an anchor (anew) and places its leaves, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_anchor(&self, anchor: &FetchedAnchor) -> Result<(), StoreError> {
        let FetchedAnchor { name, root, leaves, proof, block } = anchor;
        let place = "UPDATE records SET sender = ?1, anchor_sequence = ?2, leaf_index = ?3
            WHERE hash = ?4 AND (sender IS NULL OR (sender = ?1 AND anchor_sequence = ?2))";
        let insert = "INSERT INTO anchors
            (sender, sequence, root, leaf_count, proof, leaves, height, block, placed)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (sender, sequence) DO UPDATE SET root = excluded.root,
            leaf_count = excluded.leaf_count, proof = excluded.proof, leaves = excluded.leaves,
            height = excluded.height, block = excluded.block, placed = max(placed, excluded.placed)";
        let mut writer = self.writer().await;
        let writer = &mut *writer;
        let mut all = writer.connection.begin().await.map_err(|source| self.failed(source))?;
        let (mut placed, mut vacant) = (0, Vec::new());
        for (leaf, index) in leaves.iter().zip(0u32..) {
            let done = sqlx::query(place)
                .bind(&name.sender.0[..])
                .bind(stored(name.sequence))
                .bind(index)
                .bind(&leaf.0[..])
                .execute(&mut *all)
                .await
                .map_err(|source| self.failed(source))?;
            placed += stored(done.rows_affected());
            if done.rows_affected() == 0 {
                vacant.push((*leaf, index));
            }
        }
        sqlx::query(insert)
            .bind(&name.sender.0[..])
            .bind(stored(name.sequence))
            .bind(&root.0[..])
            .bind(stored(leaves.len() as u64))
            .bind(serde_json::to_string(proof).expect("strings, numbers and lists are JSON"))
            .bind(leaves.iter().flat_map(|leaf| leaf.0).collect::<Vec<_>>())
            .bind(stored(proof.height))
            .bind(&block.0[..])
            .bind(placed)
            .execute(&mut *all)
            .await
            .map_err(|source| self.failed(source))?;
        sqlx::query("DELETE FROM wanted WHERE sender = ? AND sequence = ?")
            .bind(&name.sender.0[..])
            .bind(stored(name.sequence))
            .execute(&mut *all)
            .await
            .map_err(|source| self.failed(source))?;
        all.commit().await.map_err(|source| self.failed(source))?;
        let room = VACANT_MAX.saturating_sub(writer.vacant.len());
        writer.vacant.extend(vacant.into_iter().take(room).map(|(leaf, index)| (leaf, (*name, index))));
        Ok(())
    }

    /// Anchors above `height`, with their blocks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn anchors_above(&self, height: u64) -> Result<Vec<(AnchorName, u64, Hash256)>, StoreError> {
        let sql = "SELECT CAST(sender AS BLOB), sequence, height, CAST(block AS BLOB) FROM anchors WHERE height > ?";
        let rows: Vec<(Vec<u8>, i64, i64, Vec<u8>)> = sqlx::query_as(sql)
            .bind(stored(height))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| self.failed(source))?;
        let anchors = rows.into_iter().filter_map(|(sender, sequence, height, block)| {
            let name = AnchorName { sender: key_of(&sender)?, sequence: loaded(sequence) };
            Some((name, loaded(height), Hash256(bytes32(&block)?)))
        });
        Ok(anchors.collect())
    }

    /// Remembers the leaves whose records are not here, of anchors that are not wholly placed.
    pub(super) async fn find_vacant(&self) -> Result<(), StoreError> {
        let sql = "SELECT CAST(a.sender AS BLOB), a.sequence, CAST(a.leaves AS BLOB) FROM anchors a
            WHERE a.leaf_count > (SELECT count(*) FROM records r
                WHERE r.sender = a.sender AND r.anchor_sequence = a.sequence)
            ORDER BY a.height DESC LIMIT ?";
        let mut writer = self.writer().await;
        let writer = &mut *writer;
        let rows: Vec<(Vec<u8>, i64, Vec<u8>)> = sqlx::query_as(sql)
            .bind(stored(VACANT_MAX as u64))
            .fetch_all(&mut writer.connection)
            .await
            .map_err(|source| self.failed(source))?;
        for (sender, sequence, leaves) in rows {
            let Some(sender) = key_of(&sender) else { continue };
            let name = AnchorName { sender, sequence: loaded(sequence) };
            let filled: Vec<Vec<u8>> = sqlx::query_scalar(
                "SELECT CAST(hash AS BLOB) FROM records WHERE sender = ? AND anchor_sequence = ?",
            )
            .bind(&name.sender.0[..])
            .bind(sequence)
            .fetch_all(&mut writer.connection)
            .await
            .map_err(|source| self.failed(source))?;
            let filled: std::collections::HashSet<_> =
                filled.iter().filter_map(|hash| bytes32(hash)).collect();
            for (leaf, index) in leaves.chunks_exact(32).filter_map(bytes32).zip(0u32..) {
                if !filled.contains(&leaf) && writer.vacant.len() < VACANT_MAX {
                    writer.vacant.insert(Hash256(leaf), (name, index));
                }
            }
        }
        Ok(())
    }
}
