//! How many commits were acknowledged, beside the store: a store that lost some opens without a word.
//!
//! Written after each commit and not synced: behind a commit that is durable it never runs ahead, and what a power
//! failure leaves of it is at worst an earlier count. Eight bytes of count and eight of their SHA-256, in place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use dronechain_chain_spec::hash::sha256;

const NAME: &str = "commits";
const BYTES: usize = 16;

#[derive(Debug)]
pub(super) struct Counter {
    file: File,
    /// As found when it was opened.
    found: u64,
}

impl Counter {
    /// Opens the counter in the folder at `path`, or makes it at 0.
    ///
    /// # Errors
    /// Also [`io::ErrorKind::InvalidData`], when its bytes are not a count.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join(NAME))?;
        let mut counter = Self { file, found: 0 };
        if counter.file.metadata()?.len() == 0 {
            counter.set(0)?;
            counter.file.sync_all()?;
            return Ok(counter);
        }
        let mut bytes = [0; BYTES];
        counter.file.read_exact_at(&mut bytes, 0)?;
        let count = u64::from_le_bytes(*bytes.first_chunk().expect("16 bytes"));
        if bytes != encode(count) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the count of commits is damaged"));
        }
        counter.found = count;
        Ok(counter)
    }

    /// Commits that were acknowledged before it was opened.
    pub(super) fn found(&self) -> u64 {
        self.found
    }

    /// So many commits are durable.
    pub(super) fn set(&self, commits: u64) -> io::Result<()> {
        self.file.write_all_at(&encode(commits), 0)
    }
}

fn encode(count: u64) -> [u8; BYTES] {
    let count = count.to_le_bytes();
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&count);
    bytes[8..].copy_from_slice(&sha256(&[&count]).0[..8]);
    bytes
}
