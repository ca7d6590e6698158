//! The file of a header chain: appended to, or replaced as a whole.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use dronechain_chain_spec::chain::{ChainError, HeaderChain};
use dronechain_chain_spec::checkpoint::TrustedCheckpoint;
use dronechain_chain_spec::hash::Hash256;
use tracing::warn;

use super::HeadersError;
use crate::limits::HEADERS_FILE_BYTES_MAX;

/// An open, locked file whose first `length` bytes are a whole chain.
#[derive(Debug)]
pub(super) struct HeadersFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl HeadersFile {
    /// Opens and verifies the file, or writes `fresh` to a new one. If `fresh` begins at a checkpoint, the file
    /// may too, at the same.
    pub(super) fn open(path: PathBuf, fresh: HeaderChain) -> Result<(Self, HeaderChain), HeadersError> {
        let trusted = fresh.checkpoint().map(TrustedCheckpoint::id);
        let (mut this, bytes) = Self::open_any(path)?;
        if bytes.is_empty() {
            this.replace(&fresh)?;
            return Ok((this, fresh));
        }
        let chain = this.read(&bytes, trusted)?;
        let (expected, found) = (fresh.chain_id(), chain.chain_id());
        if found != expected {
            return Err(HeadersError::WrongNetwork { path: this.path, expected, found });
        }
        Ok((this, chain))
    }

    /// Opens and verifies the file, if there is one; it may begin at the checkpoint that is trusted.
    pub(super) fn reopen(
        path: PathBuf,
        trusted: Option<Hash256>,
    ) -> Result<Option<(Self, HeaderChain)>, HeadersError> {
        match std::fs::metadata(&path) {
            Ok(found) if found.len() > 0 => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(HeadersError::Io { path, source }),
        }
        let (mut this, bytes) = Self::open_any(path)?;
        let chain = this.read(&bytes, trusted)?;
        Ok(Some((this, chain)))
    }

    fn open_any(path: PathBuf) -> Result<(Self, Vec<u8>), HeadersError> {
        let failed = |source| HeadersError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        lock(&file, &path)?;
        let found = file.metadata().map_err(failed)?.len();
        if found > HEADERS_FILE_BYTES_MAX {
            return Err(HeadersError::TooLong { path, found, max: HEADERS_FILE_BYTES_MAX });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        Ok((Self { path, file, length: found }, bytes))
    }

    /// Verifies the bytes; a link that a crash cut off is dropped.
    fn read(&mut self, bytes: &[u8], trusted: Option<Hash256>) -> Result<HeaderChain, HeadersError> {
        let parse = |bytes: &[u8]| match trusted {
            Some(id) => HeaderChain::from_bytes_trusting(bytes, id),
            None => HeaderChain::from_bytes(bytes),
        };
        let cut = match parse(bytes) {
            Ok(chain) => return Ok(chain),
            Err(ChainError::Truncated { at }) => at,
            Err(error) => return Err(HeadersError::Chain { path: self.path.clone(), error }),
        };
        let chain =
            parse(&bytes[..cut]).map_err(|error| HeadersError::Chain { path: self.path.clone(), error })?;
        warn!(path = %self.path.display(), at = cut, "dropped a header that was cut off");
        self.length = cut as u64;
        self.settle(|file| file.set_len(cut as u64))?;
        Ok(chain)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends encoded links durably; the file stays as it was if that fails.
    pub(super) fn append(&mut self, links: &[u8]) -> Result<(), HeadersError> {
        let length = self.length;
        let appended = self.settle(|file| {
            file.seek(SeekFrom::Start(length))?;
            file.write_all(links)
        });
        match appended {
            Ok(()) => self.length += links.len() as u64,
            // What was half written would be dropped at the next opening anyway.
            Err(_) => drop(self.file.set_len(length)),
        }
        appended
    }

    /// Puts the file of `chain` in the place of this one, in one step.
    pub(super) fn replace(&mut self, chain: &HeaderChain) -> Result<(), HeadersError> {
        let bytes = chain.to_bytes();
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let write = || {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = write().map_err(|source| HeadersError::Io { path: beside.clone(), source })?;
        lock(&file, &beside)?;
        let renamed = std::fs::rename(&beside, &self.path).and_then(|()| sync_folder(&self.path));
        renamed.map_err(|source| HeadersError::Io { path: self.path.clone(), source })?;
        self.file = file;
        self.length = bytes.len() as u64;
        Ok(())
    }

    /// Does something to the file and makes it durable.
    fn settle(&mut self, change: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), HeadersError> {
        change(&mut self.file)
            .and_then(|()| self.file.sync_data())
            .map_err(|source| HeadersError::Io { path: self.path.clone(), source })
    }
}

fn lock(file: &File, path: &Path) -> Result<(), HeadersError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => HeadersError::InUse { path: path.to_owned() },
        TryLockError::Error(source) => HeadersError::Io { path: path.to_owned(), source },
    })
}

/// A renamed file is durable only with its folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
