//! What backup, restore, export, import, reindex and recovery share: their errors, and folders that are
//! filled beside their place and put there at once.

use std::fs::{self, File};
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use dronechain_chain_spec::hash::Hash256;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Serialize;

use super::{Report, StoreError, folder};
use crate::core::replay::ReplayError;
use crate::core::view::ViewError;

/// Why a store was not saved, brought back or rebuilt. Nothing was put in place then.
#[derive(Debug, thiserror::Error)]
pub enum CareError {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has faults.
    #[error("{}: {} faults, the first: {} {}: {}", path.display(), count(report), first(report).0,
        first(report).1, first(report).2)]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        report: Box<Report>,
    },
    /// There is something at the place of the result.
    #[error("{}: is there already and not empty", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// A backup or file that is none, is damaged or belongs to another network.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// The backup or file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A block that breaks a rule or cannot be stored.
    #[error("{error}")]
    Replay {
        /// Why.
        #[from]
        error: ReplayError,
    },
    /// A file or folder could not be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

fn count(report: &Report) -> u64 {
    report.faults.len() as u64 + report.more_faults
}

fn first(report: &Report) -> (&str, &str, &str) {
    let fault = report.faults.first();
    fault.map_or(("", "", ""), |fault| (fault.column, &fault.key, &fault.what))
}

impl CareError {
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::Io { path: path.to_owned(), error }
    }

    pub(super) fn refused(path: &Path, reason: impl Into<String>) -> Self {
        Self::Refused { path: path.to_owned(), reason: reason.into() }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(error) => error.hint(),
            Self::Damaged { .. } => {
                "`dronechain-node db check` names the faults; `dronechain-node run --recover` keeps what is sound"
            }
            Self::Exists { .. } => "name a new place, or move away what is there",
            Self::Refused { .. } => "take another copy; this one is not used",
            Self::Replay { error: ReplayError::View(_) } => {
                "`dronechain-node db check` names the faults; `dronechain-node run --recover` keeps what is sound"
            }
            Self::Replay { .. } => "take another copy, or let the node sync from its peers",
            Self::Io { .. } => "check the path, its permissions and the free space",
        }
    }
}

impl From<ViewError> for CareError {
    fn from(error: ViewError) -> Self {
        ReplayError::View(error).into()
    }
}

/// Where a ledger stands after it was saved, brought back or rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Hash of the tip.
    pub tip: Hash256,
    /// Its height.
    pub height: u64,
    /// The state digest.
    pub digest: Hash256,
}

/// The place beside the result's where its content is made ready. What is there goes with this, unless it
/// was put in place.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
    placed: bool,
}

impl Deref for Staged {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            // The error that led here is the one to tell; the next attempt removes what is left.
            let _ = clear(&self.path);
        }
    }
}

/// The place where the content of `path` is made ready; what an attempt that was killed left is removed.
pub(super) fn staging(path: &Path) -> Result<Staged, CareError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let staged = path.with_file_name(name);
    if folder::is_store(&staged) {
        // Refuses one that another process fills at the moment.
        folder::lock(&staged)?;
    }
    clear(&staged)?;
    Ok(Staged { path: staged, placed: false })
}

/// Removes a file or folder that may be there.
pub(super) fn clear(path: &Path) -> Result<(), CareError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CareError::io(path)(error)),
        Err(_) | Ok(()) => Ok(()),
    }
}

/// Whether something may be put at `path`: nothing is there, or an empty folder.
pub(super) fn vacant(path: &Path) -> Result<(), CareError> {
    let is_empty = match fs::read_dir(path) {
        Ok(mut list) => list.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
        Err(error) => return Err(CareError::io(path)(error)),
    };
    if is_empty { Ok(()) } else { Err(CareError::Exists { path: path.to_owned() }) }
}

impl Staged {
    /// Gives what was made ready its name, durably. An empty folder of that name is replaced.
    pub(super) fn place(mut self, path: &Path) -> Result<(), CareError> {
        fs::rename(&self.path, path).map_err(CareError::io(path))?;
        self.placed = true;
        sync_parent(path).map_err(CareError::io(path))
    }

    /// Exchanges two folders in one step: at no moment is there none. Gives where the old one is.
    pub(super) fn exchange(mut self, path: &Path) -> Result<PathBuf, CareError> {
        let exchanged = renameat_with(CWD, &self.path, CWD, path, RenameFlags::EXCHANGE);
        exchanged.map_err(|error| CareError::io(path)(error.into()))?;
        // What is there now is the old one.
        self.placed = true;
        sync_parent(path).map_err(CareError::io(path))?;
        Ok(self.path.clone())
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
