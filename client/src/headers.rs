//! The own verified header chain, on disk.
//!
//! The file is the one that `dronechain headers export` writes and
//! [`HeaderChain::from_bytes`] reads. New links are verified, appended and synced before
//! [`Headers::sync`] returns; a reorganisation writes the file anew beside the old one and renames.
//! Links that a crash cut off are dropped and asked for again. The file is locked while it is open:
//! two writers would mix their links.

mod file;
mod sync;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use dronechain_chain_spec::chain::{ChainError, HeaderChain, encode_link};
use dronechain_chain_spec::checkpoint::TrustedCheckpoint;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::link::CheckedLink;
use dronechain_chain_spec::rules::HeaderError;
use dronechain_chain_spec::spec::{ChainSpec, SpecError};
use tokio::sync::RwLock;

use crate::error::ClientError;
use crate::node::NodeClient;

use file::HeadersFile;
use sync::push_all;
pub(crate) use sync::{Moved, sync};

/// A header chain and its file.
#[derive(Debug)]
pub struct Headers {
    chain: HeaderChain,
    file: HeadersFile,
}

/// What one [`Headers::sync`] changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncReport {
    /// Blocks that came on top.
    pub added: u64,
    /// Blocks of the old branch that a reorganisation took off.
    pub removed: u64,
    /// The tip now.
    pub tip: Hash256,
    /// Its height.
    pub height: u64,
}

/// Why the header chain cannot be opened or followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadersError {
    /// The file could not be read or written.
    #[error("headers file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process follows headers into this file.
    #[error("headers file {} is in use, by another process or by a client of this one", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is longer than any header chain.
    #[error("headers file {} has {found} bytes, at most {max} are allowed", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its bytes.
        found: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// The file's bytes are no valid header chain.
    #[error("headers file {}: {error}", path.display())]
    Chain {
        /// The file.
        path: PathBuf,
        /// The place and the rule.
        error: ChainError,
    },
    /// The file is of another network.
    #[error("headers file {} is of network {found}, wanted is {expected}", path.display())]
    WrongNetwork {
        /// The file.
        path: PathBuf,
        /// The network wanted.
        expected: Hash256,
        /// The file's.
        found: Hash256,
    },
    /// The chain spec breaks a rule.
    #[error("chain spec: {0}")]
    Spec(#[from] SpecError),
    /// The node could not be asked.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The node is on another branch, with less work.
    #[error("{node} is on another branch, with less work, at {tip}")]
    Weaker {
        /// The node's address.
        node: String,
        /// Its tip.
        tip: Hash256,
    },
    /// The node's chain does not have the checkpoint's block.
    #[error("{node} is on another chain than the checkpoint at height {height}")]
    OtherCheckpoint {
        /// The node's address.
        node: String,
        /// Height of the checkpoint.
        height: u64,
    },
    /// The node gave a header that breaks a rule.
    #[error("{node} gave a bad header at height {height}: {error}")]
    Header {
        /// The node's address.
        node: String,
        /// The header's height.
        height: u64,
        /// The rule.
        error: HeaderError,
    },
}

impl Headers {
    /// That the chain is the one of a trusted checkpoint, as far as it reaches.
    ///
    /// # Errors
    /// [`HeadersError::OtherCheckpoint`] with the file's name.
    pub(crate) fn holds(&self, checkpoint: &TrustedCheckpoint) -> Result<(), HeadersError> {
        let (chain, height) = (self.chain(), checkpoint.get().height());
        let wanted = checkpoint.get().block();
        match chain.hash(height) {
            Some(found) if found != wanted => {
                let node = self.file.path().display().to_string();
                Err(HeadersError::OtherCheckpoint { node, height })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Opens the file at `path`, or makes it with the genesis block of `spec` alone. With `expected`
    /// only that network is accepted; a file must be of the spec's network in any case.
    ///
    /// # Errors
    /// Every variant of [`HeadersError`] but those of nodes.
    pub fn open(
        path: impl Into<PathBuf>,
        expected: Option<Hash256>,
        spec: ChainSpec,
    ) -> Result<Self, HeadersError> {
        let path = path.into();
        let chain = HeaderChain::new(spec)?;
        let found = chain.chain_id();
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(HeadersError::WrongNetwork { path, expected, found });
        }
        let (file, chain) = HeadersFile::open(path, chain)?;
        Ok(Self { chain, file })
    }

    /// Opens the file at `path`, or makes it with the block of `checkpoint` alone, below which nothing is known. A
    /// file there is of the same network, and begins at genesis or at the same checkpoint.
    ///
    /// # Errors
    /// As [`Headers::open`].
    pub fn begin(path: impl Into<PathBuf>, checkpoint: TrustedCheckpoint) -> Result<Self, HeadersError> {
        let (file, chain) = HeadersFile::open(path.into(), HeaderChain::from_checkpoint(checkpoint)?)?;
        Ok(Self { chain, file })
    }

    /// Opens the file at `path` if it is there, whatever the network, or with `expected` that one only. It begins at
    /// genesis, or at the checkpoint with the id `trusted`.
    ///
    /// # Errors
    /// As [`Headers::open`].
    pub fn reopen(
        path: impl Into<PathBuf>,
        expected: Option<Hash256>,
        trusted: Option<Hash256>,
    ) -> Result<Option<Self>, HeadersError> {
        let path = path.into();
        let Some((file, chain)) = HeadersFile::reopen(path.clone(), trusted)? else { return Ok(None) };
        let found = chain.chain_id();
        match expected.filter(|expected| *expected != found) {
            Some(expected) => Err(HeadersError::WrongNetwork { path, expected, found }),
            None => Ok(Some(Self { chain, file })),
        }
    }

    /// Opens the file of the network that `node` is of, or makes it.
    ///
    /// # Errors
    /// Every variant of [`HeadersError`] but [`HeadersError::Header`].
    pub async fn follow(
        path: impl Into<PathBuf>,
        expected: Option<Hash256>,
        node: &NodeClient,
    ) -> Result<Self, HeadersError> {
        Self::open(path, expected, node.spec().await?)
    }

    /// The verified chain.
    pub fn chain(&self) -> &HeaderChain {
        &self.chain
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Takes over what `node` has more of. Another branch is taken only if it has more work. Writes
    /// are durable on return; on an error everything before it is kept.
    ///
    /// # Errors
    /// [`HeadersError::Client`], [`HeadersError::Header`], [`HeadersError::Io`].
    pub async fn sync(&mut self, node: &NodeClient) -> Result<SyncReport, HeadersError> {
        let mut moved = Moved::default();
        sync(&RwLock::new(&mut *self), node, &mut moved).await?;
        let Moved { added, removed } = moved;
        Ok(SyncReport { added, removed, tip: self.chain.tip(), height: self.chain.height() })
    }

    /// Appends links that attach to the tip; on a bad one the good ones before it stay.
    fn extend(&mut self, node: &NodeClient, links: Vec<CheckedLink>) -> Result<u64, HeadersError> {
        let before = self.chain.height();
        let pushed = push_all(&mut self.chain, node, links);
        let mut bytes = Vec::new();
        for height in before + 1..=self.chain.height() {
            encode_link(self.chain.link(height).expect("it was just pushed"), &mut bytes);
        }
        if let Err(error) = self.file.append(&bytes) {
            self.chain.truncate(before);
            return Err(error);
        }
        pushed?;
        Ok(self.chain.height() - before)
    }

    /// Takes over another branch.
    fn replace(&mut self, branch: HeaderChain) -> Result<Moved, HeadersError> {
        let fork = fork_height(&self.chain, &branch);
        self.file.replace(&branch)?;
        let moved = Moved { added: branch.height() - fork, removed: self.chain.height() - fork };
        self.chain = branch;
        Ok(moved)
    }
}

/// The highest height at which both chains have the same block.
fn fork_height(ours: &HeaderChain, theirs: &HeaderChain) -> u64 {
    let (mut same, mut other) = (ours.base(), ours.height().min(theirs.height()) + 1);
    while other - same > 1 {
        let middle = same + (other - same) / 2;
        if ours.hash(middle) == theirs.hash(middle) { same = middle } else { other = middle }
    }
    same
}

/// The own clock, ms since 1970 UTC.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
