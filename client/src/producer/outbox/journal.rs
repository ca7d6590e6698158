//! The store's newest journal, where the store alone does not get over what a power failure or a failing disk leaves.
//!
//! Journals are files named by a number with the extension `jnl`, longer than what is in them: zeros follow, and the last
//! byte of a whole write is none. The store takes a write whose end is missing for one that never was, and refuses to
//! open if a part before its end is: pages of one sync reach the disk in any order.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

const EXTENSION: &str = "jnl";
/// The store's lock.
const LOCK: &str = "lock";
/// Of a journal as it was, until it is settled that it stays without its last write.
const ASIDE: &str = "cut";
/// A journal that is being written anew.
const ANEW: &str = "journal.new";
const CHUNK_BYTES: usize = 64 << 10;

/// A journal without its last write, and the one that it was.
#[derive(Debug)]
#[must_use]
pub(super) struct Cut {
    folder: PathBuf,
    journal: PathBuf,
}

/// Takes the last write out of the newest journal of the store in `folder`, which is closed. None if nothing is in it.
pub(super) fn cut(folder: &Path) -> io::Result<Option<Cut>> {
    let _lock = lock(folder)?;
    let Some(journal) = all(folder)?.pop() else { return Ok(None) };
    let end = end(&File::open(&journal)?)?;
    if end == 0 {
        return Ok(None);
    }
    write_anew(folder, &journal, end - 1)?;
    fs::hard_link(&journal, journal.with_extension(ASIDE))?;
    replace(folder, &journal)?;
    Ok(Some(Cut { folder: folder.to_owned(), journal }))
}

impl Cut {
    /// The journal is again what it was; the store is closed.
    pub(super) fn undo(self) -> io::Result<()> {
        let _lock = lock(&self.folder)?;
        put_back(&self.folder, &self.journal)
    }

    /// The write stays away. To be done before the store is written: what is found of a cut is undone by the next start.
    pub(super) fn settle(self) -> io::Result<()> {
        fs::remove_file(self.journal.with_extension(ASIDE))?;
        sync(&self.folder)
    }
}

/// Undoes a cut that a kill left unsettled, of the store in `folder`, which is closed.
pub(super) fn undo_cuts(folder: &Path) -> io::Result<()> {
    for path in files(folder, ASIDE)? {
        let _lock = lock(folder)?;
        put_back(folder, &path.with_extension(EXTENSION))?;
    }
    Ok(())
}

/// Writes every journal anew, of the store in `folder`, which is closed: after a sync that failed, memory may show what
/// the disk does not have.
pub(super) fn renew(folder: &Path) -> io::Result<()> {
    let _lock = lock(folder)?;
    for journal in all(folder)? {
        let end = end(&File::open(&journal)?)?;
        write_anew(folder, &journal, end)?;
        replace(folder, &journal)?;
    }
    Ok(())
}

fn put_back(folder: &Path, journal: &Path) -> io::Result<()> {
    fs::rename(journal.with_extension(ASIDE), journal)?;
    sync(folder)
}

fn lock(folder: &Path) -> io::Result<File> {
    let file = File::options().read(true).write(true).open(folder.join(LOCK))?;
    file.try_lock().map_err(|error| match error {
        TryLockError::Error(error) => error,
        TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
    })?;
    Ok(file)
}

/// The journals, the newest last.
fn all(folder: &Path) -> io::Result<Vec<PathBuf>> {
    files(folder, EXTENSION)
}

/// Files named by a number with that extension, by their numbers.
fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        let is_wanted = path.extension().is_some_and(|it| it == extension);
        found.extend(number.filter(|_| is_wanted).map(|number| (number, path)));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Where the zeros begin that are the rest of the file.
fn end(file: &File) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut end = file.metadata()?.len();
    while end > 0 {
        let begin = end.saturating_sub(CHUNK_BYTES as u64);
        let part = &mut chunk[..usize::try_from(end - begin).expect("a chunk")];
        file.read_exact_at(part, begin)?;
        if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// Writes the first `bytes` of a journal to another file, synced.
fn write_anew(folder: &Path, journal: &Path, bytes: u64) -> io::Result<()> {
    let path = folder.join(ANEW);
    let written = || {
        let mut to = File::create(&path)?;
        io::copy(&mut File::open(journal)?.take(bytes), &mut to)?;
        to.sync_all()
    };
    written().inspect_err(|_| {
        // Room, where there may be none; an error here is the lesser one.
        let _ = fs::remove_file(&path);
    })
}

fn replace(folder: &Path, journal: &Path) -> io::Result<()> {
    fs::rename(folder.join(ANEW), journal)?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
