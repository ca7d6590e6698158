//! Checking a store: every row is read, decoded and held against the others, and the state is worked out
//! anew from genesis. Nothing is changed.
//!
//! Finds what storage does to data: rows that are unreadable, missing, surplus or contradict each
//! other. The ledger's rules for headers were applied when they came; only `reindex` applies them all again.

mod chain;
pub(super) mod rows;

use std::path::Path;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::spec::ChainSpec;
use schemars::JsonSchema;
use serde::Serialize;

use super::keys::Column;
use super::{Options, Store, StoreError, state_digest};
use crate::core::view::ViewError;

/// Faults that are named; further ones are counted.
const FAULTS_MAX: usize = 20;

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// The column family; `store` for the folder as a whole.
    pub column: &'static str,
    /// The row's key in hex; empty where no single row is at fault.
    pub key: String,
    /// What is wrong.
    pub what: String,
}

/// How many rows of each kind were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Headers, those of side branches included.
    pub headers: u64,
    /// Blocks with their transactions.
    pub blocks: u64,
    /// Blocks of the active chain, genesis included.
    pub active: u64,
    /// Transactions of the active chain.
    pub transactions: u64,
    /// Anchors of the active chain.
    pub anchors: u64,
    /// Accounts, nodes included.
    pub accounts: u64,
    /// Batch bodies.
    pub bodies: u64,
    /// Anchors of the active chain whose body is not here: none was brought, or it was pruned or lost.
    pub bodies_missing: u64,
    /// Leaves of all bodies.
    pub leaves: u64,
    /// Transactions in the mempool.
    pub pool: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Hash of the tip, where it can be read.
    pub tip: Option<Hash256>,
    /// Height of the tip.
    pub height: u64,
    /// The state digest; none where the stored state does not fit the tip.
    pub digest: Option<Hash256>,
    /// Commits acknowledged.
    pub commits: u64,
    /// Rows read.
    pub counts: Counts,
    /// The first faults.
    pub faults: Vec<Fault>,
    /// Faults beyond those named.
    pub more_faults: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_fine(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, column: &'static str, key: &[u8], what: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { column, key: hex::encode(key), what: what.into() });
        } else {
            self.more_faults += 1;
        }
    }
}

/// Checks the store in the folder `path`, which no process may have open.
///
/// # Errors
/// When it cannot be looked at: there is none, it is another's or in use. Damage is no error but in the
/// report.
pub fn check(path: &Path, spec: &ChainSpec, options: &Options) -> Result<Report, StoreError> {
    match Store::inspect(path, spec, options) {
        Ok(store) => Ok(examine(&store, spec)),
        Err(StoreError::Corrupt { reason, .. } | StoreError::Lost { reason, .. }) => {
            let mut report = Report::default();
            report.fault("store", &[], reason);
            Ok(report)
        }
        Err(error) => Err(error),
    }
}

/// The same for a store that is open to be looked at.
pub(super) fn examine(store: &Store, spec: &ChainSpec) -> Report {
    let mut report = Report::default();
    Checker { store, spec, report: &mut report }.run();
    report
}

struct Checker<'a> {
    store: &'a Store,
    spec: &'a ChainSpec,
    report: &'a mut Report,
}

impl Checker<'_> {
    fn run(&mut self) {
        self.report.commits = self.store.counter().count();
        self.headers();
        self.blocks();
        self.bodies();
        self.pool();
        self.beside();
        self.active();
        match self.store.load() {
            Ok(loaded) => {
                let height = self.report.height;
                self.report.digest = Some(state_digest(&loaded.state, &loaded.tip, height));
            }
            Err(error) => self.report.fault("store", &[], error.to_string()),
        }
    }

    fn fault(&mut self, column: Column, key: &[u8], what: impl Into<String>) {
        self.report.fault(column.name(), key, what);
    }

    /// Calls `look` with every row of a column. A row that cannot be read ends the column.
    fn walk(&mut self, column: Column, mut look: impl FnMut(&mut Self, &[u8], &[u8]) -> Result<(), String>) {
        let store = self.store;
        let read = store.each(column, &[], |key, value| {
            if let Err(what) = look(self, key, value) {
                self.fault(column, key, what);
            }
            Ok(true)
        });
        if let Err(ViewError(what)) = read {
            self.fault(column, &[], what);
        }
    }
}
