//! The controller's database: one SQLite file, one writer, durable at every commit.
//!
//! This file owns tables and format version. Writes that belong together are one transaction; the
//! write-ahead log is synced before a commit returns (`synchronous = FULL`).

mod outbox;
mod records;

use std::path::{Path, PathBuf};

use dronechain_chain_spec::codec::CodecError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

use crate::limits::{BUSY_WAIT, READERS_MAX};

pub use outbox::{Counts, OutboxState, Outgoing};
pub use records::{Accepted, Conflict, Taken};

/// Version of the tables.
const FORMAT: &str = "1";

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS devices (
    device BLOB PRIMARY KEY,
    next_sequence INTEGER NOT NULL,
    previous BLOB NOT NULL,
    in_flight INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS records (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    device BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    time_ms INTEGER NOT NULL,
    closing INTEGER NOT NULL,
    accepted_ms INTEGER NOT NULL,
    batch INTEGER,
    UNIQUE (device, sequence)
) STRICT;
CREATE INDEX IF NOT EXISTS records_open ON records (ordinal) WHERE batch IS NULL;
CREATE INDEX IF NOT EXISTS records_batch ON records (batch, ordinal);
CREATE TABLE IF NOT EXISTS evidence (
    hash BLOB PRIMARY KEY,
    device BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    received_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS evidence_device ON evidence (device);
CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY,
    txid BLOB NOT NULL,
    bytes BLOB NOT NULL,
    leaf_count INTEGER,
    last_ordinal INTEGER,
    device BLOB,
    state INTEGER NOT NULL,
    announced INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_state ON outbox (state, sequence);
CREATE INDEX IF NOT EXISTS outbox_device ON outbox (device) WHERE device IS NOT NULL;
CREATE INDEX IF NOT EXISTS outbox_unannounced ON outbox (sequence) WHERE announced = 0 AND leaf_count > 0;
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
    /// A value has another length than its type.
    #[error("database: {column} has {found} bytes, {expected} are wanted")]
    Length {
        /// Table and column.
        column: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes wanted.
        expected: usize,
    },
    /// A stored transaction is none.
    #[error("database: outbox {sequence} holds no transaction: {error}")]
    Transaction {
        /// The sequence.
        sequence: u64,
        /// What is wrong.
        error: CodecError,
    },
}

/// The database. Readers do not wait for the writer.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    writer: Mutex<SqliteConnection>,
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
        let mut writer = options.connect().await.map_err(failed)?;
        let mut all = writer.begin().await.map_err(failed)?;
        sqlx::raw_sql(TABLES).execute(&mut *all).await.map_err(failed)?;
        all.commit().await.map_err(failed)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options)
            .await
            .map_err(failed)?;
        let store = Self { path: path.to_owned(), writer: Mutex::new(writer), readers };
        match store.remember("format", FORMAT).await? {
            found if found == FORMAT => Ok(store),
            found => Err(StoreError::Format { path: store.path, found }),
        }
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
            .execute(&mut *writer)
            .await
            .map_err(|source| self.failed(source))?;
        sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_one(&mut *writer)
            .await
            .map_err(|source| self.failed(source))
    }

    async fn writer(&self) -> MutexGuard<'_, SqliteConnection> {
        self.writer.lock().await
    }

    fn failed(&self, source: sqlx::Error) -> StoreError {
        StoreError::Sqlite { path: self.path.clone(), source }
    }
}

/// Numbers are held to the signed range where they come in.
fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn loaded(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn bytes32(column: &'static str, bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Length { column, found: bytes.len(), expected: 32 })
}
