//! The light chain: verified headers without blocks.
//!
//! A [`HeaderChain`] applies every rule that a header can be held to without its block: work,
//! difficulty, signatures, time, and the spacing rule with the roster that it follows through what the
//! links show. What it cannot know: whether the blocks' other transactions are valid.

use std::collections::BTreeMap;

use crate::checkpoint::{Checkpoint, CheckpointError, TrustedCheckpoint};
use crate::codec::{self, Canonical, CodecError};
use crate::hash::Hash256;
use crate::header::{Header, Parent};
use crate::key::PublicKey;
use crate::limits::CHAIN_SPEC_BYTES_MAX;
use crate::link::{CheckedLink, Link};
use crate::registry::NodeSet;
use crate::roster::Roster;
use crate::rules::HeaderError;
use crate::spec::{ChainSpec, Network, SpecError};
use crate::target::{Target, Work};

/// Why bytes are no chain of headers, or not a valid one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The file does not begin as one of headers does.
    #[error("not a file of headers")]
    Foreign,
    /// The bytes end in the middle of something.
    #[error("cut off at byte {at}")]
    Truncated {
        /// Offset of what is cut.
        at: usize,
    },
    /// The chain spec inside is none.
    #[error("chain spec: {0}")]
    SpecCodec(CodecError),
    /// The chain spec inside breaks a rule.
    #[error("chain spec: {0}")]
    Spec(#[from] SpecError),
    /// The checkpoint inside is none.
    #[error("checkpoint: {0}")]
    CheckpointCodec(CodecError),
    /// It begins at a checkpoint that is not trusted, or at a broken one.
    #[error("it begins at a checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A link is no canonical encoding.
    #[error("link at byte {at}: {error}")]
    Link {
        /// Offset of the link.
        at: usize,
        /// What is wrong.
        error: CodecError,
    },
    /// A header breaks a rule.
    #[error("header at height {height}: {error}")]
    Header {
        /// Height that the header should have.
        height: u64,
        /// The rule.
        error: HeaderError,
    },
}

/// Begins a file of headers; then a length and the chain spec's bytes, then links.
pub const HEADERS_MAGIC: &[u8; 21] = b"DRONECHAIN HEADERS 2\n";

/// Begins a file of headers from a checkpoint on; then a length and the checkpoint's bytes, then links.
pub const CHECKPOINT_MAGIC: &[u8; 24] = b"DRONECHAIN CHECKPOINT 1\n";

/// Splits concatenated links, each a 4-byte little-endian length and the canonical bytes.
pub fn decode_links(bytes: &[u8]) -> Result<Vec<Link>, ChainError> {
    let mut links = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let link = framed(bytes, &mut at, Link::MAX)?;
        let start = at - link.len();
        links.push(codec::decode(link).map_err(|error| ChainError::Link { at: start, error })?);
    }
    Ok(links)
}

/// Appends a link with its length.
pub fn encode_link(link: &Link, out: &mut Vec<u8>) {
    put_framed(&codec::encode(link), out);
}

fn put_framed(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).expect("canonical encodings are far below 4 GiB");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn framed<'a>(bytes: &'a [u8], at: &mut usize, max: usize) -> Result<&'a [u8], ChainError> {
    let cut = ChainError::Truncated { at: *at };
    let (len, rest) = bytes[*at..].split_first_chunk::<4>().ok_or(cut.clone())?;
    let len = u32::from_le_bytes(*len) as usize;
    if len > max {
        return Err(ChainError::Link { at: *at, error: CodecError::TooLong { found: len, max } });
    }
    let body = rest.get(..len).ok_or(cut)?;
    *at += 4 + len;
    Ok(body)
}

/// A verified chain of headers from genesis, or from a trusted checkpoint, to a tip.
#[derive(Debug, Clone)]
pub struct HeaderChain {
    spec: ChainSpec,
    network: Network,
    genesis: Header,
    /// Where it begins, unless at genesis. Its block is the first link.
    checkpoint: Option<TrustedCheckpoint>,
    /// Height of the first link.
    first: u64,
    links: Vec<Step>,
    heights: BTreeMap<Hash256, u64>,
    /// Rosters by the height that brought them; the beginning's is the first.
    rosters: BTreeMap<u64, Roster>,
}

#[derive(Debug, Clone)]
struct Step {
    hash: Hash256,
    work: Work,
    target: Target,
    link: Link,
}

impl HeaderChain {
    /// The chain that has only the genesis block of `spec`.
    pub fn new(spec: ChainSpec) -> Result<Self, SpecError> {
        spec.check()?;
        let network = spec.network();
        let genesis = spec.genesis();
        let roster = spec.genesis_state().roster();
        Ok(Self {
            network,
            checkpoint: None,
            first: 1,
            links: Vec::new(),
            heights: BTreeMap::from([(genesis.hash(), 0)]),
            rosters: BTreeMap::from([(0, roster)]),
            genesis,
            spec,
        })
    }

    /// The chain that begins with the block of `checkpoint`, which is as trusted as that: nothing below it is known.
    pub fn from_checkpoint(checkpoint: TrustedCheckpoint) -> Result<Self, SpecError> {
        let Checkpoint { spec, link, roster, work, .. } = checkpoint.get();
        let mut chain = Self::new(spec.clone())?;
        let header = &link.header.header;
        chain.first = header.height;
        chain.heights.insert(header.hash(), header.height);
        chain.rosters = BTreeMap::from([(header.height, roster.clone())]);
        let (hash, target) = (header.hash(), checkpoint.target());
        chain.links.push(Step { hash, work: *work, target, link: link.clone() });
        chain.checkpoint = Some(checkpoint);
        Ok(chain)
    }

    /// Where it begins, unless at genesis.
    pub fn checkpoint(&self) -> Option<&TrustedCheckpoint> {
        self.checkpoint.as_ref()
    }

    /// The lowest height from which on every block is known: 0 unless it begins at a checkpoint.
    pub fn base(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.get().height())
    }

    /// The chain spec it started from.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The network as the rules see it.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Hash of the genesis block.
    pub fn chain_id(&self) -> Hash256 {
        self.network.chain_id
    }

    /// Height of the tip.
    pub fn height(&self) -> u64 {
        self.first - 1 + self.links.len() as u64
    }

    /// Hash of the tip.
    pub fn tip(&self) -> Hash256 {
        self.links.last().map_or(self.network.chain_id, |step| step.hash)
    }

    /// Work up to the tip.
    pub fn work(&self) -> Work {
        self.links.last().map_or(Work::ZERO, |step| step.work)
    }

    fn step(&self, height: u64) -> Option<&Step> {
        self.links.get(usize::try_from(height.checked_sub(self.first)?).ok()?)
    }

    /// Work up to the block at `height`, its own included.
    pub fn work_at(&self, height: u64) -> Option<Work> {
        if height == 0 { Some(Work::ZERO) } else { self.step(height).map(|step| step.work) }
    }

    /// Time of the block at `height`, ms since 1970 UTC; known of the block below a checkpoint's too.
    pub fn time_ms(&self, height: u64) -> Option<u64> {
        match &self.checkpoint {
            Some(checkpoint) if height + 1 == self.first => Some(checkpoint.get().parent_time_ms),
            Some(_) | None => self.header(height).map(|header| header.time_ms),
        }
    }

    /// Miners of the blocks below `height`, newest first, as far back as they are known.
    pub fn miners_below(&self, height: u64) -> impl Iterator<Item = PublicKey> {
        let links = usize::try_from(height.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let steps = self.links[..links.min(self.links.len())].iter().rev();
        let before = self.checkpoint.iter().flat_map(TrustedCheckpoint::miners);
        steps.map(|step| step.link.header.header.miner).chain(before)
    }

    /// The header at `height`; of genesis in any case.
    pub fn header(&self, height: u64) -> Option<&Header> {
        if height == 0 { Some(&self.genesis) } else { self.step(height).map(|step| &step.link.header.header) }
    }

    /// The hash of the block at `height`.
    pub fn hash(&self, height: u64) -> Option<Hash256> {
        if height == 0 { Some(self.network.chain_id) } else { self.step(height).map(|step| step.hash) }
    }

    /// The height of a block on this chain.
    pub fn height_of(&self, hash: &Hash256) -> Option<u64> {
        self.heights.get(hash).copied()
    }

    /// Blocks from `height` to the tip, itself included: 1 when it is the tip.
    pub fn confirmations(&self, height: u64) -> u64 {
        (self.height() + 1).saturating_sub(height)
    }

    /// The link at `height`, at least 1.
    pub fn link(&self, height: u64) -> Option<&Link> {
        self.step(height).map(|step| &step.link)
    }

    /// The node set after the block at `height`.
    pub fn node_set(&self, height: u64) -> &NodeSet {
        &self.roster(height).nodes
    }

    /// Governance and nodes after the block at `height`; below a checkpoint, where they are not known, those
    /// of its block.
    pub fn roster(&self, height: u64) -> &Roster {
        let after = self.rosters.range(..=height).next_back().or_else(|| self.rosters.first_key_value());
        after.expect("the beginning has a roster").1
    }

    fn parent(&self) -> Parent {
        match self.links.last() {
            None => self.network.genesis_parent,
            Some(step) => Parent {
                hash: step.hash,
                height: self.height(),
                time_ms: step.link.header.header.time_ms,
                target: step.target,
                grandparent_time_ms: self.time_ms(self.height() - 1),
            },
        }
    }

    /// Verifies the next link under every rule but H12, which needs a clock.
    pub fn push(&mut self, link: Link) -> Result<(), HeaderError> {
        self.push_checked(&link.check(&self.network)?)
    }

    /// The same for a link whose own rules were checked before.
    pub fn push_checked(&mut self, link: &CheckedLink) -> Result<(), HeaderError> {
        let header = link.header();
        let height = self.height() + 1;
        let roster = self.roster(height - 1);
        header.check_lineage(&self.network, roster.block_time_ms(height), &self.parent())?;
        if let Some(after) = roster.follow(link, self.miners_below(height))? {
            self.rosters.insert(height, after);
        }
        self.heights.insert(header.hash(), height);
        self.links.push(Step {
            hash: header.hash(),
            work: self.work().saturating_add(header.target().work()),
            target: header.target(),
            link: link.to_link(),
        });
        Ok(())
    }

    /// Cuts the chain back to `height`, or to the checkpoint at which it begins.
    pub fn truncate(&mut self, height: u64) {
        let height = height.max(self.base());
        let keep = usize::try_from(height + 1 - self.first).unwrap_or(usize::MAX).min(self.links.len());
        for step in self.links.drain(keep..) {
            self.heights.remove(&step.hash);
        }
        self.rosters.retain(|since, _| *since <= height);
    }

    /// The bytes of a file of headers: magic, chain spec or checkpoint, links.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.file_head();
        let in_head = usize::from(self.checkpoint.is_some());
        for step in &self.links[in_head..] {
            encode_link(&step.link, &mut bytes);
        }
        bytes
    }

    /// How a file of headers begins: magic, and chain spec or checkpoint.
    pub fn file_head(&self) -> Vec<u8> {
        let (magic, head) = match &self.checkpoint {
            None => (&HEADERS_MAGIC[..], codec::encode(&self.spec)),
            Some(checkpoint) => (&CHECKPOINT_MAGIC[..], codec::encode(checkpoint.get())),
        };
        let mut bytes = magic.to_vec();
        put_framed(&head, &mut bytes);
        bytes
    }

    /// Reads a file of headers and verifies every one from genesis. One that begins at a checkpoint is refused;
    /// the error says which: [`HeaderChain::from_bytes_trusting`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ChainError> {
        Self::read(bytes, None)
    }

    /// Reads a file of headers, from genesis or from the checkpoint with the id `trusted`, and verifies all above.
    pub fn from_bytes_trusting(bytes: &[u8], trusted: Hash256) -> Result<Self, ChainError> {
        Self::read(bytes, Some(trusted))
    }

    fn read(bytes: &[u8], trusted: Option<Hash256>) -> Result<Self, ChainError> {
        let (magic, max) = match bytes {
            _ if bytes.starts_with(HEADERS_MAGIC) => (HEADERS_MAGIC.len(), CHAIN_SPEC_BYTES_MAX),
            _ if bytes.starts_with(CHECKPOINT_MAGIC) => (CHECKPOINT_MAGIC.len(), Checkpoint::MAX),
            _ => return Err(ChainError::Foreign),
        };
        let (rest, mut at) = (&bytes[magic..], 0);
        let head = framed(rest, &mut at, max).map_err(|error| error.moved(magic))?;
        let mut chain = if magic == HEADERS_MAGIC.len() {
            Self::new(codec::decode(head).map_err(ChainError::SpecCodec)?)?
        } else {
            let checkpoint: Checkpoint = codec::decode(head).map_err(ChainError::CheckpointCodec)?;
            let trusted = trusted.ok_or_else(|| CheckpointError::NoneTrusted { found: checkpoint.id() })?;
            Self::from_checkpoint(checkpoint.check(trusted)?)?
        };
        let links = decode_links(&rest[at..]).map_err(|error| error.moved(magic + at))?;
        for link in links {
            let height = chain.height() + 1;
            chain.push(link).map_err(|error| ChainError::Header { height, error })?;
        }
        Ok(chain)
    }
}

impl ChainError {
    /// The same error where offsets count from `by` bytes earlier.
    fn moved(self, by: usize) -> Self {
        match self {
            Self::Truncated { at } => Self::Truncated { at: at + by },
            Self::Link { at, error } => Self::Link { at: at + by, error },
            Self::Foreign
            | Self::SpecCodec(_)
            | Self::Spec(_)
            | Self::CheckpointCodec(_)
            | Self::Checkpoint(_)
            | Self::Header { .. } => self,
        }
    }
}
