//! Blocks from a file or an older store instead of from peers: the same acceptance, every rule applied.

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::link::{CheckedLink, Link};
use dronechain_chain_spec::rules::{BlockError, HeaderError};

use super::Core;
use super::chain::HeaderFate;
use super::event::CheckedBody;
use super::view::{View, ViewError};

/// Why a block is not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The block before it is not the tip, or not here.
    #[error("block {0} does not follow the one before it")]
    Orphan(Hash256),
    /// Its header breaks a rule.
    #[error("block {hash}: {error}")]
    Header {
        /// The block.
        hash: Hash256,
        /// The rule.
        error: HeaderError,
    },
    /// It breaks a rule.
    #[error("block {hash}: {error}")]
    Block {
        /// The block.
        hash: Hash256,
        /// The rule.
        error: BlockError,
    },
    /// A block before it is invalid.
    #[error("block {0} follows an invalid block")]
    OnInvalid(Hash256),
    /// The store could not be read or written.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl<V: View> Core<V> {
    /// Connects the block behind the tip. What its header shows to whoever has no state is worked out here,
    /// and held to the same rules.
    ///
    /// # Errors
    /// When it breaks a rule; the tip stays.
    pub fn replay(&mut self, now_ms: u64, block: CheckedBlock) -> Result<(), ReplayError> {
        let hash = block.hash();
        if block.header().header().parent != self.tip.hash {
            return Err(ReplayError::Orphan(hash));
        }
        let delta = self.state.execute(&block).map_err(|error| ReplayError::Block { hash, error })?;
        let link = Link::of(&block, &delta).check_shown(block.header().clone(), &self.network);
        let link = link.map_err(|error| ReplayError::Header { hash, error })?;
        self.keep_side(now_ms, &link, Some(block))?;
        self.advance()?;
        self.out.clear();
        if self.tip.hash == hash { Ok(()) } else { Err(ReplayError::Orphan(hash)) }
    }

    /// Stores a header, and its block if there is one, without connecting it.
    ///
    /// # Errors
    /// When the header breaks a rule or has no parent here.
    pub fn keep_side(
        &mut self,
        now_ms: u64,
        link: &CheckedLink,
        block: Option<CheckedBlock>,
    ) -> Result<(), ReplayError> {
        self.set_clock(now_ms);
        let hash = link.header().hash();
        match self.accept_header(link, true)? {
            HeaderFate::New | HeaderFate::Known => {}
            HeaderFate::Orphan | HeaderFate::Light => return Err(ReplayError::Orphan(hash)),
            HeaderFate::Refused(error) => return Err(ReplayError::Header { hash, error }),
            HeaderFate::OnInvalid => return Err(ReplayError::OnInvalid(hash)),
        }
        if let Some(block) = block {
            self.accept_block(block, None)?;
        }
        Ok(())
    }

    /// Stores batch bodies.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn keep_bodies(&mut self, bodies: Vec<CheckedBody>) -> Result<(), ViewError> {
        bodies.into_iter().try_for_each(|body| self.keep_body(body))
    }
}
