//! The scrub: a slow walk over what is stored, in the running node, so that damage is found while peers
//! still have what is damaged, and not when it is needed.
//!
//! Reads headers, blocks, undo data, outcomes and bodies; decodes them and holds each against its key.
//! RocksDB compares its own checksums on the way, but for what is in its cache. Behind a row that cannot be
//! read, the rest of its column family waits for the next pass. Indexes and state are `db check`'s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rocksdb::{Direction, IteratorMode, ReadOptions};
use tracing::{debug, error, info};

use super::check::rows;
use super::keys::Column;
use super::{Fault, Store};

/// How often a slice is read.
const PAUSE: Duration = Duration::from_secs(1);
/// How often at most a pass without new faults is told at info; the others are told at debug.
const TOLD_EVERY: Duration = Duration::from_secs(60 * 60);
/// What is walked, in order.
const COLUMNS: [Column; 5] =
    [Column::Headers, Column::Blocks, Column::Undos, Column::Outcomes, Column::Bodies];

/// How far the walk has come: the next row is the first behind `after` in `COLUMNS[column]`.
#[derive(Debug, Default)]
struct Cursor {
    column: usize,
    after: Option<Vec<u8>>,
}

/// A pass that came to its end.
#[derive(Debug, Clone, Copy)]
struct Pass {
    /// Its number, from 1.
    number: u64,
    /// Faults found since the start.
    faults: u64,
}

/// The last pass that was told at info.
#[derive(Debug, Clone, Copy)]
struct Told {
    at: Instant,
    faults: u64,
}

/// Walks for ever, `rows_per_s` rows a second.
pub async fn scrub(store: Arc<Store>, rows_per_s: u32) {
    let mut cursor = Cursor::default();
    let mut told = None;
    loop {
        tokio::time::sleep(PAUSE).await;
        let store = Arc::clone(&store);
        let slice = move || {
            let pass = store.slice(&mut cursor, rows_per_s);
            (cursor, pass)
        };
        // An error means that the node stops.
        let Ok((next, pass)) = tokio::task::spawn_blocking(slice).await else { return };
        cursor = next;
        if let Some(pass) = pass {
            told = tell(told, pass, Instant::now());
        }
    }
}

/// Logs a pass; gives the last that was told at info.
fn tell(told: Option<Told>, Pass { number, faults }: Pass, now: Instant) -> Option<Told> {
    let is_stale = |told: Told| faults > told.faults || now.duration_since(told.at) >= TOLD_EVERY;
    if told.is_none_or(is_stale) {
        info!(pass = number, faults, "scrub: came to the end");
        return Some(Told { at: now, faults });
    }
    debug!(pass = number, faults, "scrub: came to the end");
    told
}

impl Store {
    /// Reads the next rows; the pass, if it came to its end.
    fn slice(&self, cursor: &mut Cursor, rows: u32) -> Option<Pass> {
        let column = COLUMNS[cursor.column];
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
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
                self.disk.read(read.into());
                return None;
            }
        }
        self.disk.read(read.into());
        *cursor = Cursor { column: (cursor.column + 1) % COLUMNS.len(), after: None };
        (cursor.column == 0).then(|| Pass { number: self.disk.passed(), faults: self.disk.scrubbed().faults })
    }

    fn faulty(&self, column: Column, key: &[u8], what: String) {
        let fault = Fault { column: column.name(), key: hex::encode(key), what };
        if self.disk.faulty(&fault) {
            let Fault { column, key, what } = fault;
            error!(column, key, what, "FAULT in the store; `db check` tells more, peers have what is lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_told_once_an_hour_or_with_a_new_fault() {
        let start = Instant::now();
        let mut told = None;
        let mut is_told = |number: u64, faults: u64, after: Duration| {
            let before = told.map(|told: Told| told.at);
            told = tell(told, Pass { number, faults }, start + after);
            told.map(|told| told.at) != before
        };
        let seconds = Duration::from_secs;
        assert!(is_told(1, 0, seconds(5)));
        assert!(!is_told(2, 0, seconds(10)));
        assert!(is_told(3, 1, seconds(15)), "a fault is news");
        assert!(!is_told(4, 1, seconds(3_600)));
        assert!(is_told(5, 1, seconds(3_615)));
    }
}
