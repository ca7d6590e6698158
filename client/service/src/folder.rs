//! The data folder: one process at a time, and files that appear whole or not at all.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";
const PRIVATE_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;

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
    write_with_mode(path, text, PUBLIC_MODE)
}

/// As [`write_whole`], with mode 0600 from the start.
///
/// # Errors
/// [`FolderError::Io`].
pub fn write_private(path: &Path, text: &str) -> Result<(), FolderError> {
    write_with_mode(path, text, PRIVATE_MODE)
}

fn write_with_mode(path: &Path, text: &str, mode: u32) -> Result<(), FolderError> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || {
        // A leftover would keep the mode that it was made with.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_opening_is_refused_until_the_first_ends() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = Folder::open(dir.path()).expect("free");
        assert!(matches!(Folder::open(dir.path()), Err(FolderError::InUse { .. })));
        drop(first);
        Folder::open(dir.path()).expect("free again");
    }

    #[test]
    fn private_files_are_readable_by_their_owner_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("cookie");
        for text in ["one", "two"] {
            write_private(&path, text).expect("written");
            assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
            assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        }
    }
}
