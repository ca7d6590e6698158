//! The records, in keyspaces that leave whole: the store gives a row's room back late, and needs room for it, a
//! keyspace's at once.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::compaction::Leveled;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch};

use super::spaces::MEMTABLE_BYTES;
use crate::limits::SEGMENT_BYTES;

/// Before the number of the first record, as 16 hex digits.
const PREFIX: &str = "records-";
/// The store's folder of them, in its own.
const KEYSPACES: &str = "keyspaces";
/// Above the number of sorted files that a segment comes to: they are in the order of their keys, merging gains nothing.
const MERGED_FROM: u8 = 64;

struct Segment {
    /// Number of its first record.
    first: u64,
    space: Keyspace,
}

pub(super) struct Segments {
    database: Database,
    /// Where the store has its keyspaces.
    folder: PathBuf,
    /// By their first records.
    all: VecDeque<Segment>,
    /// Bytes of groups in the last one.
    bytes: u64,
    /// Whether the next group begins another one.
    is_full: bool,
    /// Begun since the store was opened.
    begun: u32,
}

impl Segments {
    /// Those of `database`, which is in the folder at `path`.
    pub(super) fn find(database: &Database, path: &Path) -> fjall::Result<Self> {
        let mut all = Vec::new();
        for name in database.list_keyspace_names() {
            let first = name.strip_prefix(PREFIX).and_then(|first| u64::from_str_radix(first, 16).ok());
            if let Some(first) = first {
                all.push(Segment { first, space: database.keyspace(&name, options)? });
            }
        }
        all.sort_by_key(|segment| segment.first);
        let folder = path.join(KEYSPACES);
        Ok(Self { database: database.clone(), folder, all: all.into(), bytes: 0, is_full: false, begun: 0 })
    }

    /// So many bytes of groups are in the last one.
    pub(super) fn fill(&mut self, bytes: u64) {
        self.bytes = bytes;
    }

    /// How many were begun since the store was opened.
    pub(super) fn begun(&self) -> u32 {
        self.begun
    }

    /// Bytes of groups in the last one.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a group of records to `batch`; `first` is the number of its first one.
    pub(super) fn insert(
        &mut self,
        batch: &mut OwnedWriteBatch,
        first: u64,
        group: Vec<u8>,
    ) -> fjall::Result<()> {
        if self.all.is_empty() || self.is_full || self.bytes >= SEGMENT_BYTES {
            // One that was begun for this group by a commit that did not come to be is there already.
            if self.all.back().is_none_or(|last| last.first < first) {
                let space = self.database.keyspace(&format!("{PREFIX}{first:016x}"), options)?;
                // A commit in it is durable only if it is itself.
                File::open(&self.folder)?.sync_all()?;
                self.all.push_back(Segment { first, space });
                self.begun += 1;
            }
            (self.bytes, self.is_full) = (0, false);
        }
        let last = self.all.back().expect("there is one now");
        self.bytes += group.len() as u64;
        batch.insert(&last.space, first.to_be_bytes(), group);
        Ok(())
    }

    /// The groups that hold any of the records from number `first` to before `end`.
    pub(super) fn range(&self, first: u64, end: u64) -> fjall::Result<impl Iterator<Item = fjall::Guard>> {
        let segment = self.all.partition_point(|segment| segment.first <= first).saturating_sub(1);
        let segments = self.all.range(segment..);
        // A group's key is the number of its first record.
        let mut begin = first.to_be_bytes().to_vec();
        if let Some(group) = self.all.get(segment).and_then(|it| it.space.range(..=&begin[..]).next_back()) {
            begin = group.key()?.to_vec();
        }
        Ok(segments.flat_map(move |segment| segment.space.range(begin.clone()..end.to_be_bytes().to_vec())))
    }

    /// Every group, with the number of its segment's first record.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, fjall::Guard)> {
        self.all.iter().flat_map(|segment| segment.space.iter().map(|group| (segment.first, group)))
    }

    /// Takes those out that have no record from number `kept` on, of which `next` is the next one. On a full disk the
    /// last one is not to grow on, so that it leaves with what is in it.
    pub(super) fn take_gone(&mut self, kept: u64, next: u64, is_disk_full: bool) -> Vec<Keyspace> {
        let is_begun = self.all.back().is_some_and(|last| last.first < kept);
        self.is_full |= is_disk_full && is_begun;
        let mut gone = Vec::new();
        while let Some(front) = self.all.front() {
            let is_last_full = self.is_full && front.first < next;
            let end = self.all.get(1).map(|segment| segment.first).or(is_last_full.then_some(next));
            if end.is_none_or(|end| end > kept) {
                break;
            }
            gone.extend(self.all.pop_front().map(|segment| segment.space));
        }
        gone
    }

    /// The one that grows.
    pub(super) fn last(&self) -> Option<Keyspace> {
        self.all.back().map(|segment| segment.space.clone())
    }
}

fn options() -> KeyspaceCreateOptions {
    let merging = Leveled::default().with_l0_threshold(MERGED_FROM);
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES).compaction_strategy(Arc::new(merging))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inserted(segments: &mut Segments, database: &Database, first: u64) -> OwnedWriteBatch {
        let mut batch = database.batch();
        segments.insert(&mut batch, first, vec![7]).expect("a segment");
        batch
    }

    #[test]
    fn segment_that_a_killed_commit_began_takes_the_group_and_does_not_leave_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::builder(folder.path()).open().expect("a store");
        let mut segments = Segments::find(&database, folder.path()).expect("none");
        inserted(&mut segments, &database, 0).commit().expect("a commit");
        segments.is_full = true;
        drop(inserted(&mut segments, &database, 5));
        // The next start finds it, and the one before as full as it was.
        let mut segments = Segments::find(&database, folder.path()).expect("two");
        segments.fill(SEGMENT_BYTES);
        inserted(&mut segments, &database, 5).commit().expect("a commit");
        assert_eq!(segments.take_gone(5, 6, false).len(), 1, "the first one is delivered");
        assert!(segments.take_gone(5, 6, false).is_empty(), "the second one is not");
        let groups: Vec<_> = segments.iter().map(|(segment, _)| segment).collect();
        assert_eq!(groups, [5]);
        assert_eq!(segments.range(5, 6).expect("readable").count(), 1);
        // On a full disk it ends, and leaves with its last group.
        assert!(segments.take_gone(5, 6, true).is_empty());
        assert_eq!(segments.take_gone(6, 6, true).len(), 1);
        inserted(&mut segments, &database, 6).commit().expect("a commit");
        assert_eq!(segments.iter().map(|(segment, _)| segment).collect::<Vec<_>>(), [6]);
    }
}
