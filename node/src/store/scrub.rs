//! The scrub: a slow walk over what is stored, in the running node, so that damage is found while peers
//! still have what is damaged, and not when it is needed.
//!
//! Reads headers, blocks, undo data, outcomes and bodies; decodes them and holds each against its key.
//! RocksDB compares its own checksums on the way, but for what is in its cache. Behind a row that cannot be
//! read, the rest of its column family waits for the next pass. Indexes and state are `db check`'s.

use std::sync::Arc;
use std::time::Duration;

use rocksdb::{Direction, IteratorMode, ReadOptions};
use tracing::{error, info};

use super::check::rows;
use super::keys::Column;
use super::{Fault, Store};

/// How often a slice is read.
const PAUSE: Duration = Duration::from_secs(1);
/// What is walked, in order.
const COLUMNS: [Column; 5] =
    [Column::Headers, Column::Blocks, Column::Undos, Column::Outcomes, Column::Bodies];

/// How far the walk has come: the next row is the first behind `after` in `COLUMNS[column]`.
#[derive(Debug, Default)]
struct Cursor {
    column: usize,
    after: Option<Vec<u8>>,
}

/// Walks for ever, `rows_per_s` rows a second.
pub async fn scrub(store: Arc<Store>, rows_per_s: u32) {
    let mut cursor = Cursor::default();
    loop {
        tokio::time::sleep(PAUSE).await;
        let store = Arc::clone(&store);
        let slice = move || {
            store.slice(&mut cursor, rows_per_s);
            cursor
        };
        match tokio::task::spawn_blocking(slice).await {
            Ok(next) => cursor = next,
            // The node stops.
            Err(_) => return,
        }
    }
}

impl Store {
    fn slice(&self, cursor: &mut Cursor, rows: u32) {
        let column = COLUMNS[cursor.column];
        let mut options = ReadOptions::default();
        // What nobody asked for must not drive out what somebody did.
        options.fill_cache(false);
        let start = cursor.after.clone().unwrap_or_default();
        let from = IteratorMode::From(&start, Direction::Forward);
        let mut read = 0;
        for row in self.db.iterator_cf_opt(self.family(column), options, from) {
            let (key, value) = match row {
                Ok(row) => row,
                Err(error) => {
                    self.faulty(column, cursor.after.as_deref().unwrap_or_default(), error.to_string());
                    break;
                }
            };
            if cursor.after.as_deref() == Some(&*key) {
                continue;
            }
            if let Err(what) = rows::sound(self, column, &key, &value) {
                self.faulty(column, &key, what);
            }
            cursor.after = Some(key.into());
            read += 1;
            if read == rows {
                return self.disk.read(read.into());
            }
        }
        self.disk.read(read.into());
        *cursor = Cursor { column: (cursor.column + 1) % COLUMNS.len(), after: None };
        if cursor.column == 0 {
            let (pass, faults) = (self.disk.passed(), self.disk.scrubbed().faults);
            info!(pass, faults, "scrub: came to the end");
        }
    }

    fn faulty(&self, column: Column, key: &[u8], what: String) {
        let fault = Fault { column: column.name(), key: hex::encode(key), what };
        if self.disk.faulty(&fault) {
            let Fault { column, key, what } = fault;
            error!(column, key, what, "FAULT in the store; `db check` tells more, peers have what is lost");
        }
    }
}
