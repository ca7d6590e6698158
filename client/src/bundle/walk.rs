//! Which files a folder of evidence has.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use dronechain_chain_spec::receipt::Part;

use super::{BundleError, Failure, RECEIPT_SUFFIX, RECORD_EXTENSION, receipt_name, record_name};
use crate::limits::BUNDLE_FILES_MAX;

/// A record, a receipt, or both, by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) sequence: u64,
    pub(super) record: bool,
    pub(super) receipt: bool,
}

impl Item {
    /// The failure of an item of which one file is missing.
    pub(super) fn incomplete(&self) -> Failure {
        if self.record {
            Failure::of(record_name(self.sequence), Part::Format, "it has no receipt".to_owned())
        } else {
            Failure::of(receipt_name(self.sequence), Part::Record, "its record is missing".to_owned())
        }
    }
}

/// The items in order of their numbers, and a failure for each name that should be one and is not.
pub(super) fn items(dir: &Path) -> Result<(Vec<Item>, Vec<Failure>), BundleError> {
    let failed = |source| BundleError::Io { path: dir.to_owned(), source };
    let mut items = BTreeMap::new();
    let mut failures = Vec::new();
    for (count, entry) in fs::read_dir(dir).map_err(failed)?.enumerate() {
        if count == BUNDLE_FILES_MAX {
            return Err(BundleError::TooManyFiles { path: dir.to_owned(), max: BUNDLE_FILES_MAX });
        }
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let record = name.strip_suffix(RECORD_EXTENSION).and_then(|stem| stem.strip_suffix('.'));
        let receipt = name.strip_suffix(RECEIPT_SUFFIX);
        let Some(stem) = record.or(receipt) else { continue };
        // Only the one name that a number has: two files must not claim one place.
        let sequence = stem.parse().ok().filter(|sequence: &u64| format!("{sequence:08}") == stem);
        let Some(sequence) = sequence else {
            failures.push(Failure::of(name, Part::Record, "its name is no sequence number".to_owned()));
            continue;
        };
        let item = items.entry(sequence).or_insert(Item { sequence, record: false, receipt: false });
        item.record |= record.is_some();
        item.receipt |= receipt.is_some();
    }
    Ok((items.into_values().collect(), failures))
}

/// A file's bytes, at most one more than are allowed.
pub(super) fn read(path: PathBuf, max: usize) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(max as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(source) => Err(BundleError::Io { path, source }),
    }
}
