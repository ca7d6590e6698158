//! The data folder: one process at a time, and files that appear whole or not at all.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process uses the folder.
    #[error("data folder {} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder cannot be made, opened or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A data folder that this process alone uses, until the value is dropped or the process ends.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be and locks it.
    ///
    /// # Errors
    /// [`FolderError::InUse`] for a second start, [`FolderError::Io`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        std::fs::create_dir_all(path).map_err(|source| failed(path, source))?;
        let file = path.join(LOCK_FILE);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&file);
        let lock = opened.map_err(|source| failed(&file, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(&file, source)),
        }
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Writes `text` beside `path`, then renames: readers see all of it or nothing.
///
/// # Errors
/// [`FolderError::Io`].
pub fn write_whole(path: &Path, text: &str) -> Result<(), FolderError> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> FolderError {
    FolderError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opening_is_refused_until_the_first_ends() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = Folder::open(dir.path()).expect("free");
        assert!(matches!(Folder::open(dir.path()), Err(FolderError::InUse { .. })));
        drop(first);
        Folder::open(dir.path()).expect("free again");
    }
}
