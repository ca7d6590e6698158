//! What an outbox finds of itself: after a power failure, a failed sync, many segments.

use std::os::unix::fs::MetadataExt as _;

use super::super::record::Record;
use super::*;
use crate::limits::SEGMENT_BYTES;

/// Bytes of a folder's files, of which some may leave meanwhile.
fn size(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else {
        return path.metadata().map_or(0, |file| file.len());
    };
    entries.flatten().map(|entry| size(&entry.path())).sum()
}

fn owner() -> Owner {
    Owner { key: PublicKey([7; 32]), chain_id: Hash256([8; 32]) }
}

/// One record of so many bytes.
fn group(first: u64, bytes: usize) -> Changes {
    let record = Record::new(vec![0x55; bytes]);
    let mut row = Vec::new();
    record.encode(&mut row);
    Changes { records: Some((first, 1, row)), ..Changes::default() }
}

fn newest(folder: &Path) -> PathBuf {
    let paths = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    paths.max_by_key(|path| path.extension().is_some_and(|it| it == "jnl")).expect("a journal")
}

/// An outbox of three records, each in a commit of its own, with a hole in the last one.
fn with_hole(folder: &Path) -> Vec<u8> {
    let (mut outbox, _) = Outbox::open(folder, 0, owner(), false).expect("a new one");
    for number in 0..3 {
        outbox.commit(&group(number, 30_000)).expect("a commit");
    }
    drop(outbox);
    let path = newest(folder);
    let mut bytes = std::fs::read(&path).expect("a journal");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("something");
    let page = (end - 12_000) / 4_096 * 4_096;
    bytes[page..page + 4_096].fill(0);
    std::fs::write(&path, &bytes).expect("a journal");
    bytes
}

/// Acknowledged as a power failure may leave the count: earlier than it was.
fn counted(folder: &Path, commits: u64) {
    Counter::open(folder).and_then(|counter| counter.set(commits)).expect("a counter");
}

#[test]
fn write_of_which_a_power_failure_left_parts_is_taken_for_none() {
    let folder = tempfile::tempdir().expect("a folder");
    with_hole(folder.path());
    counted(folder.path(), 2);
    let (mut outbox, found) = Outbox::open(folder.path(), 0, owner(), false).expect("it opens");
    assert_eq!((found.marks.next, found.loose.len()), (2, 2));
    outbox.commit(&group(2, 30_000)).expect("it goes on");
    drop(outbox);
    let (_, found) = Outbox::open(folder.path(), 0, owner(), false).expect("it opens");
    assert_eq!(found.loose.len(), 3);
}

#[test]
fn damage_of_what_was_acknowledged_is_told_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = with_hole(folder.path());
    let refused = Outbox::open(folder.path(), 0, owner(), false).err();
    assert!(matches!(refused, Some(OpenError::Shortened { found: 2, acknowledged: 3, .. })), "{refused:?}");
    assert_eq!(std::fs::read(newest(folder.path())).expect("a journal"), before);
    let (_, found) = Outbox::open(folder.path(), 0, owner(), true).expect("accepted");
    assert_eq!(found.loose.len(), 2);
}

#[test]
fn cut_that_a_kill_left_unsettled_is_undone() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = with_hole(folder.path());
    let cut = journal::cut(folder.path()).expect("a closed store").expect("a write");
    assert_ne!(std::fs::read(newest(folder.path())).expect("a journal"), before);
    drop(cut);
    journal::undo_cuts(folder.path()).expect("a closed store");
    assert_eq!(std::fs::read(newest(folder.path())).expect("a journal"), before);
}

#[test]
fn commit_that_failed_and_is_seen_is_written_anew_before_it_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut outbox, _) = Outbox::open(folder.path(), 0, owner(), false).expect("a new one");
    let file = |path: &Path| std::fs::metadata(path).expect("a file").ino();
    let before = file(&newest(folder.path()));
    let marks = outbox.marks;
    outbox.commit(&group(0, 100)).expect("a commit");
    // As after a sync that failed: what the next start finds was never acknowledged.
    (outbox.marks, outbox.spaces) = (marks, None);
    outbox.commit(&group(0, 100)).expect("it is there");
    assert_ne!(file(&newest(folder.path())), before);
    drop(outbox);
    let (_, found) = Outbox::open(folder.path(), 0, owner(), false).expect("it opens");
    assert_eq!((found.marks.commit, found.loose.len()), (1, 1));
}

#[test]
fn outbox_does_not_keep_what_it_knew_of_segments_that_are_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut outbox, _) = Outbox::open(folder.path(), 0, owner(), false).expect("a new one");
    for number in 0..300 {
        outbox.spaces.as_mut().expect("no failure").segments.fill(SEGMENT_BYTES);
        let changes = Changes { left: number, passed: number, ..group(number, 40) };
        outbox.commit(&changes).expect("a commit");
        outbox.reclaim(false);
    }
    // 160 MB without being closed in between.
    let size = size(folder.path());
    assert!(size < 110_000_000, "{size} bytes, 67 million of which are a journal's");
}
