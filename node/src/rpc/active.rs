//! The node's own chain as receipts are held against it: read from the store, height by height.

use std::cell::RefCell;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::Signature;
use dronechain_chain_spec::receipt::Headers;

use crate::core::view::{StoredHeader, View as _, ViewError};
use crate::store::Store;

/// The active chain up to the tip that it had when this was made. Blocks while it reads.
#[derive(Debug)]
pub(crate) struct ActiveChain<'a> {
    store: &'a Store,
    height: u64,
    /// A read that failed: what was made of it is worth nothing.
    failed: RefCell<Option<ViewError>>,
}

impl<'a> ActiveChain<'a> {
    pub(crate) fn of(store: &'a Store) -> Result<Self, ViewError> {
        let (_, height) = store.tip()?;
        Ok(Self { store, height, failed: RefCell::default() })
    }

    /// What was found out with this chain, if all of it could be read.
    pub(crate) fn found<T>(self, value: T) -> Result<T, ViewError> {
        match self.failed.into_inner() {
            None => Ok(value),
            Some(error) => Err(error),
        }
    }

    fn read<T>(&self, read: Result<Option<T>, ViewError>) -> Option<T> {
        read.unwrap_or_else(|error| {
            self.failed.replace(Some(error));
            None
        })
    }

    fn header(&self, height: u64) -> Option<StoredHeader> {
        let hash = self.hash(height)?;
        self.read(self.store.header(&hash))
    }
}

impl Headers for ActiveChain<'_> {
    fn chain_id(&self) -> Hash256 {
        self.store.chain_id()
    }

    fn base(&self) -> u64 {
        0
    }

    fn height(&self) -> u64 {
        self.height
    }

    fn hash(&self, height: u64) -> Option<Hash256> {
        if height > self.height { None } else { self.read(self.store.active(height)) }
    }

    fn signature(&self, height: u64) -> Option<Signature> {
        if height == 0 { None } else { self.header(height).map(|stored| stored.signed.signature) }
    }

    fn time_ms(&self, height: u64) -> Option<u64> {
        self.header(height).map(|stored| stored.signed.header.time_ms)
    }

    fn commitments(&self, height: u64) -> Option<Hash256> {
        self.header(height).map(|stored| stored.signed.header.commitments)
    }

    fn spacing(&self, height: u64) -> u64 {
        let roster = self.header(height).and_then(|stored| self.read(self.store.roster(&stored.roster)));
        // Without a roster the read failed, or the block left the chain meanwhile: the least that can be claimed.
        roster.map_or(1, |roster| roster.nodes.spacing(height))
    }
}
