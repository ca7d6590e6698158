//! The cloud's database: one SQLite file, one writer, durable at every commit. `SCHEMA.md` beside
//! this crate describes it for others who read the file.
//!
//! This file owns tables and format version. The file is not trusted: whoever can write to the disk
//! can alter it, and the sweep finds out. So reads for the sweep take whatever type a column holds.

mod anchors;
mod records;
mod reports;
mod walk;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

use crate::limits::{BUSY_WAIT, READERS_MAX};

pub use anchors::{AnchorName, FetchedAnchor, Wanted};
pub use records::{Kept, Placement, Stored};
pub use walk::{AnchorRow, Row};

/// Version of the tables.
const FORMAT: &str = "1";

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    hash BLOB PRIMARY KEY NOT NULL,
    device BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    sender BLOB,
    anchor_sequence INTEGER,
    leaf_index INTEGER,
    bytes BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS records_device ON records (device, sequence);
CREATE INDEX IF NOT EXISTS records_leaf ON records (sender, anchor_sequence, leaf_index);
CREATE TABLE IF NOT EXISTS anchors (
    sender BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    root BLOB NOT NULL,
    leaf_count INTEGER NOT NULL,
    proof TEXT NOT NULL,
    leaves BLOB NOT NULL,
    height INTEGER NOT NULL,
    block BLOB NOT NULL,
    placed INTEGER NOT NULL,
    PRIMARY KEY (sender, sequence)
);
CREATE INDEX IF NOT EXISTS anchors_height ON anchors (height);
CREATE TABLE IF NOT EXISTS wanted (
    sender BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    asked_ms INTEGER NOT NULL,
    tried_ms INTEGER NOT NULL,
    PRIMARY KEY (sender, sequence)
);
CREATE TABLE IF NOT EXISTS findings (sweep INTEGER PRIMARY KEY, report TEXT NOT NULL);
";

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite failed.
    #[error("database {}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The file was written by another version.
    #[error("database {} has format {found}, this program knows {FORMAT}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
    },
}

/// Where a leaf without a record stands.
type Vacant = HashMap<Hash256, (AnchorName, u32)>;

/// What one task at a time may write with.
#[derive(Debug)]
struct Writer {
    connection: SqliteConnection,
    /// Leaves of stored anchors whose records are not here.
    vacant: Vacant,
}

/// The database. Readers do not wait for the writer.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    writer: Mutex<Writer>,
    readers: SqlitePool,
}

impl Store {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Format`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Sqlite { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_WAIT);
        let mut connection = options.connect().await.map_err(failed)?;
        let mut all = connection.begin().await.map_err(failed)?;
        sqlx::raw_sql(TABLES).execute(&mut *all).await.map_err(failed)?;
        all.commit().await.map_err(failed)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options)
            .await
            .map_err(failed)?;
        let writer = Mutex::new(Writer { connection, vacant: Vacant::new() });
        let store = Self { path: path.to_owned(), writer, readers };
        match store.remember("format", FORMAT).await? {
            found if found == FORMAT => {}
            found => return Err(StoreError::Format { path: store.path, found }),
        }
        store.find_vacant().await?;
        Ok(store)
    }

    /// A remembered value, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn recall(&self, key: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| self.failed(source))
    }

    /// Remembers a value unless there is one already; gives the one that stands.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub async fn remember(&self, key: &str, value: &str) -> Result<String, StoreError> {
        let mut writer = self.writer().await;
        sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING")
            .bind(key)
            .bind(value)
            .execute(&mut writer.connection)
            .await
            .map_err(|source| self.failed(source))?;
        sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_one(&mut writer.connection)
            .await
            .map_err(|source| self.failed(source))
    }

    async fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().await
    }

    fn failed(&self, source: sqlx::Error) -> StoreError {
        StoreError::Sqlite { path: self.path.clone(), source }
    }
}

/// Numbers beyond the signed range are held to its end; none of the protocol's get there.
fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn loaded(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

/// A hash or key as a column holds it; none for another length.
fn bytes32(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}

fn key_of(bytes: &[u8]) -> Option<PublicKey> {
    bytes32(bytes).map(PublicKey)
}
