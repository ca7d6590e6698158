//! A new store filled with blocks that are checked by every rule, as if peers had sent them.

use std::path::Path;
use std::sync::Arc;

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::spec::{ChainSpec, Network};
use dronechain_chain_spec::transaction::Transaction;

use super::care::{CareError, Standing};
use super::commit::Batch;
use super::keys::Column;
use super::{Options, Store, state_digest};
use crate::core::event::{Action, CheckedBody, Event, Ticket};
use crate::core::replay::ReplayError;
use crate::core::view::{Changes, StoredHeader, View as _};
use crate::core::{Core, Start};

/// Blocks, bodies and transactions that one commit takes at most.
const GROUP_MAX: usize = 500;
/// Bytes of blocks and bodies after which they are committed.
const GROUP_BYTES: usize = 4 << 20;

/// A store in the making.
pub(super) struct Rebuild {
    store: Arc<Store>,
    network: Network,
    core: Core<Arc<Store>>,
    now_ms: u64,
    rows: usize,
    bytes: usize,
}

impl Rebuild {
    /// A new store in the folder `path`, with genesis alone. `now_ms` is the clock.
    pub(super) fn start(
        path: &Path,
        spec: &ChainSpec,
        options: &Options,
        now_ms: u64,
    ) -> Result<Self, CareError> {
        let (store, loaded) = Store::open(path, spec, options)?;
        let (store, network) = (Arc::new(store), spec.network());
        let start = Start {
            state: loaded.state,
            tip: loaded.tip,
            pool: loaded.pool,
            rivals: loaded.rivals,
            follow: None,
            miner: None,
        };
        let core = Core::new(network.clone(), Arc::clone(&store), start)?;
        Ok(Self { store, network, core, now_ms, rows: 0, bytes: 0 })
    }

    /// The next block of the active chain.
    pub(super) fn block(&mut self, block: Block, bytes: usize) -> Result<(), CareError> {
        let hash = block.header.header.hash();
        let block = block.check(&self.network).map_err(|error| ReplayError::Block { hash, error })?;
        self.core.replay(self.now_ms, block)?;
        self.grown(bytes)
    }

    /// A batch body.
    pub(super) fn body(&mut self, body: CheckedBody) -> Result<(), CareError> {
        let bytes = 32 * body.leaves().len();
        self.core.keep_bodies(vec![body])?;
        self.grown(bytes)
    }

    /// A block of a side branch, or its header alone; refused ones are left out.
    pub(super) fn side(
        &mut self,
        link: Link,
        transactions: Option<Vec<Transaction>>,
    ) -> Result<(), CareError> {
        let signed = link.header.clone();
        let Ok(link) = link.check(&self.network) else { return Ok(()) };
        let block = transactions
            .and_then(|transactions| Block { header: signed, transactions }.check(&self.network).ok());
        match self.core.keep_side(self.now_ms, &link, block) {
            Err(ReplayError::View(error)) => Err(error.into()),
            Ok(()) | Err(_) => self.grown(0),
        }
    }

    /// A header that was taken over.
    pub(super) fn header(&self, hash: &Hash256) -> Result<StoredHeader, CareError> {
        let missing = || CareError::refused(self.store.path(), format!("header {hash} is missing"));
        self.store.header(hash)?.ok_or_else(missing)
    }

    /// Changes that the core need not know of.
    pub(super) fn amend(&mut self, changes: &Changes) -> Result<(), CareError> {
        self.commit()?;
        Ok(self.store.commit(changes)?)
    }

    /// Rows that say nothing of the chain, as they are.
    pub(super) fn raw(&mut self, column: Column, rows: &[(Vec<u8>, Vec<u8>)]) -> Result<(), CareError> {
        self.commit()?;
        let put = |batch: &mut Batch<'_>| rows.iter().for_each(|(key, value)| batch.put(column, key, value));
        Ok(self.store.write(&Changes::default(), put)?)
    }

    /// A transaction of the mempool; whether it still waits.
    pub(super) fn pooled(&mut self, transaction: Transaction) -> Result<bool, CareError> {
        self.commit()?;
        let Ok(transaction) = transaction.check(&self.network.chain_id) else { return Ok(false) };
        let submitted = Event::Submitted { ticket: Ticket(0), transaction, body: None };
        let mut actions = self.core.handle(self.now_ms, submitted)?;
        actions.append(&mut self.write()?);
        Ok(actions.iter().any(|action| matches!(action, Action::Answer { result: Ok(_), .. })))
    }

    /// Writes what is left and closes the store.
    pub(super) fn finish(mut self) -> Result<Standing, CareError> {
        self.commit()?;
        let Self { store, core, .. } = self;
        drop(core);
        let (_, height) = store.tip()?;
        let loaded = store.load()?;
        let digest = state_digest(&loaded.state, &loaded.tip, height);
        Ok(Standing { tip: loaded.tip, height, digest })
    }

    fn grown(&mut self, bytes: usize) -> Result<(), CareError> {
        (self.rows, self.bytes) = (self.rows + 1, self.bytes + bytes);
        if self.rows >= GROUP_MAX || self.bytes >= GROUP_BYTES { self.commit() } else { Ok(()) }
    }

    /// Commits what has come.
    pub(super) fn commit(&mut self) -> Result<(), CareError> {
        (self.rows, self.bytes) = (0, 0);
        self.write().map(drop)
    }

    fn write(&mut self) -> Result<Vec<Action>, CareError> {
        let mut actions = Vec::new();
        while let Some(changes) = self.core.take_changes() {
            self.store.commit(&changes)?;
            actions.append(&mut self.core.handle(self.now_ms, Event::Committed)?);
        }
        Ok(actions)
    }
}
