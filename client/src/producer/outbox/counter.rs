//! How many commits were acknowledged, beside the store: a store that lost some opens without a word.
//!
//! Written after each commit and not synced: behind a commit that is durable it never runs ahead, and what a power
//! failure leaves of it is at worst an earlier count. Eight bytes of count and eight of their SHA-256, in place.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use dronechain_chain_spec::hash::sha256;

const NAME: &str = "commits";
const BYTES: usize = 16;

#[derive(Debug)]
pub(super) struct Counter {
    file: File,
    /// As found when it was opened.
    found: Option<u64>,
}

impl Counter {
    /// Opens the counter in the folder at `path`, or makes it at 0.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join(NAME))?;
        let mut bytes = Vec::new();
        (&file).take(BYTES as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            file.write_all_at(&encode(0), 0)?;
            file.sync_all()?;
            return Ok(Self { file, found: Some(0) });
        }
        let count = bytes.first_chunk().map(|count| u64::from_le_bytes(*count));
        Ok(Self { file, found: count.filter(|count| bytes == encode(*count)) })
    }

    /// Commits that were acknowledged before it was opened; none if its bytes are no count.
    pub(super) fn found(&self) -> Option<u64> {
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
