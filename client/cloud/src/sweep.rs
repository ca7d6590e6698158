//! The validation daemon's walk over every stored record.
//!
//! First anchor by anchor: the anchor is proven once against the own header chain, then each of its
//! leaves wants the row that is placed there. Then the rows that are placed nowhere. The walk goes
//! by placement, so a row whose hash was altered is still known by its leaf. Nothing is trusted but
//! the header chain, and nothing is written to `records`.

mod leaves;
mod pace;

use std::collections::{HashMap, HashSet};

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::merkle::Tree;
use dronechain_service::clock::now_ms;
use tokio::sync::RwLock;

use crate::examine::Examined;
use crate::limits::PENDING_GRACE_MS;
use crate::proof::{Doubt, prove_row, tree};
use crate::report::{Missing, Report, Surplus};
use crate::store::{AnchorName, AnchorRow, Row, Store, StoreError};

use leaves::Leaves;
use pace::Pace;

/// What lasts from sweep to sweep.
#[derive(Debug, Default)]
pub struct Sweeper {
    /// Rows a second; 0 for as fast as it goes.
    pub records_per_second: u32,
    /// Blocks that an anchor needs (1: its own).
    pub confirmations: u64,
    /// Since when (ms since 1970 UTC) an anchor's block is not on the chain.
    in_doubt: HashMap<AnchorName, u64>,
}

/// One sweep under way.
struct Walk<'a> {
    store: &'a Store,
    report: Report,
    /// Rows that were dealt with by their hash, though they stand elsewhere.
    adopted: HashSet<i64>,
    /// Rows at the leaf of another record, until it is clear that no anchor misses them.
    suspects: Vec<(i64, Surplus)>,
    pace: Pace,
}

impl Sweeper {
    /// A sweeper with the given pace.
    pub fn new(records_per_second: u32, confirmations: u64) -> Self {
        Self { records_per_second, confirmations, in_doubt: HashMap::new() }
    }

    /// Walks over every stored record once.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn sweep(
        &mut self,
        sweep: u64,
        store: &Store,
        chain: &RwLock<HeaderChain>,
    ) -> Result<Report, StoreError> {
        let report = Report { sweep, started_ms: now_ms(), ..Report::default() };
        let pace = Pace::new(self.records_per_second);
        let mut walk = Walk { store, report, adopted: HashSet::new(), suspects: Vec::new(), pace };
        let mut after = None;
        loop {
            let names = store.anchors_behind(after).await?;
            let Some(last) = names.last() else { break };
            after = Some(*last);
            for name in names {
                self.anchor(&mut walk, name, chain).await?;
            }
        }
        for (rowid, surplus) in std::mem::take(&mut walk.suspects) {
            if !walk.adopted.contains(&rowid) {
                walk.report.surplus(surplus);
            }
        }
        let chain_id = chain.read().await.chain_id();
        walk.strays(&chain_id).await?;
        walk.report.finished_ms = now_ms();
        Ok(walk.report)
    }

    async fn anchor(
        &mut self,
        walk: &mut Walk<'_>,
        name: AnchorName,
        chain: &RwLock<HeaderChain>,
    ) -> Result<(), StoreError> {
        let Some(row) = walk.store.anchor(name).await? else { return Ok(()) };
        let parts = tree(&row);
        let proof = match &parts {
            Ok((leaves, tree)) => {
                let chain = chain.read().await;
                prove_row(name, &row, tree, leaves, &chain, self.confirmations).map(|_| ())
            }
            Err(doubt) => Err(doubt.clone()),
        };
        let waits = self.waits(name, proof.as_ref().err());
        let rows = match &parts {
            Ok((leaves, tree)) => walk.leaves(name, &row, (leaves, tree), proof.is_ok()).await?,
            Err(_) => walk.plain_rows(name).await?,
        };
        match proof {
            Ok(()) => {}
            Err(_) if waits => walk.report.pending += rows,
            Err(doubt) => {
                walk.report.unverifiable(name, rows, doubt.to_string());
                walk.store.want(name, now_ms()).await?;
            }
        }
        Ok(())
    }

    /// Whether a doubt may still pass.
    fn waits(&mut self, name: AnchorName, doubt: Option<&Doubt>) -> bool {
        match doubt {
            Some(doubt) if doubt.may_pass() => {
                let since = *self.in_doubt.entry(name).or_insert_with(now_ms);
                now_ms().saturating_sub(since) < PENDING_GRACE_MS
            }
            _ => {
                self.in_doubt.remove(&name);
                false
            }
        }
    }
}

impl Walk<'_> {
    /// Goes over an anchor's rows and leaves; gives the number of genuine rows if it is not proven.
    async fn leaves(
        &mut self,
        name: AnchorName,
        row: &AnchorRow,
        (leaves, tree): (&[Hash256], &Tree),
        proven: bool,
    ) -> Result<u64, StoreError> {
        let index = leaves.iter().copied().zip(0..).collect();
        let held = vec![false; leaves.len()];
        let mut state = Leaves { leaves, tree, index, held, odd: Vec::new(), proven, genuine: 0 };
        let mut behind = (-1, -1);
        loop {
            let rows = self.store.rows_at(name, behind).await?;
            let Some(last) = rows.last() else { break };
            behind = (last.leaf_index.unwrap_or(i64::MAX), last.rowid);
            self.pace.took(rows.len()).await;
            for row in rows {
                self.report.records += 1;
                state.place(Examined::new(row), &mut self.report);
            }
        }
        if row.ours {
            self.vacant(name, &mut state).await?;
        }
        for (claimed, examined) in std::mem::take(&mut state.odd) {
            if self.adopted.contains(&examined.row.rowid) {
                continue;
            }
            match leaves.get(claimed) {
                Some(leaf) if !state.held[claimed] => {
                    state.held[claimed] = true;
                    self.report.altered(examined.altered_bytes(&leaf.0, vec!["bytes", "hash"]));
                }
                // An anchor that comes later in the walk may miss just this row.
                _ => {
                    let surplus = examined.surplus("in no anchor, at the leaf of another record");
                    self.suspects.push((examined.row.rowid, surplus));
                }
            }
        }
        Ok(state.genuine)
    }

    /// Leaves that no row is placed at: the row stands elsewhere, was altered beyond recognition
    /// (then it is among the odd ones), or is missing.
    async fn vacant(&mut self, name: AnchorName, state: &mut Leaves<'_>) -> Result<(), StoreError> {
        let vacant: Vec<_> = (0..state.leaves.len()).filter(|at| !state.held[*at]).collect();
        for at in vacant {
            let leaf = state.leaves[at];
            if state.odd.iter().any(|(claimed, _)| *claimed == at) {
                continue;
            }
            let Some(row) = self.store.row_of(&leaf).await? else {
                let AnchorName { sender, sequence } = name;
                self.report.missing(Missing { hash: leaf, sender, anchor_sequence: sequence, index: at });
                continue;
            };
            let unplaced = row.sender.is_none();
            if !unplaced && self.store.leaf(&row).await? == Some(leaf) {
                // Anchored twice; it is checked where it is placed.
                continue;
            }
            if !self.adopted.insert(row.rowid) {
                continue;
            }
            let examined = Examined::new(row);
            state.held[at] = true;
            if examined.found != leaf {
                self.report.altered(examined.altered_bytes(&leaf.0, vec!["bytes"]));
            } else if unplaced {
                state.judge(&examined, Vec::new(), &mut self.report);
            } else {
                state.judge(&examined, vec!["placement"], &mut self.report);
            }
        }
        Ok(())
    }

    /// Rows of an anchor whose leaves are damaged: all that can be said is whether they agree with
    /// themselves.
    async fn plain_rows(&mut self, name: AnchorName) -> Result<u64, StoreError> {
        let (mut behind, mut agreeing) = ((-1, -1), 0);
        loop {
            let rows = self.store.rows_at(name, behind).await?;
            let Some(last) = rows.last() else { return Ok(agreeing) };
            behind = (last.leaf_index.unwrap_or(i64::MAX), last.rowid);
            self.pace.took(rows.len()).await;
            for row in rows {
                self.report.records += 1;
                let examined = Examined::new(row);
                match examined.differing_columns() {
                    differs if differs.is_empty() => agreeing += 1,
                    differs => self.report.altered(examined.altered_columns(differs)),
                }
            }
        }
    }

    /// Rows that are placed at no stored anchor.
    async fn strays(&mut self, chain_id: &Hash256) -> Result<(), StoreError> {
        let mut behind = 0;
        let mut lost: HashMap<AnchorName, u64> = HashMap::new();
        loop {
            let rows = self.store.strays(behind).await?;
            let Some(last) = rows.last() else { break };
            behind = last.rowid;
            self.pace.took(rows.len()).await;
            self.report.records += rows.len() as u64;
            for row in rows {
                if self.adopted.contains(&row.rowid) {
                    continue;
                }
                if let Some(name) = self.stray(Examined::new(row), chain_id).await? {
                    *lost.entry(name).or_default() += 1;
                }
            }
        }
        for (name, records) in lost {
            self.report.unverifiable(name, records, "the anchor is not stored (any more)".to_owned());
            self.store.want(name, now_ms()).await?;
        }
        Ok(())
    }

    /// Judges one of them; gives the anchor at which it says it is placed.
    async fn stray(
        &mut self,
        examined: Examined,
        chain_id: &Hash256,
    ) -> Result<Option<AnchorName>, StoreError> {
        let genuine = examined.is_genuine(chain_id);
        let mut differs = examined.differing_columns();
        if !genuine && !examined.claims(&examined.found) {
            self.report.altered(examined.altered_bytes(&examined.row.hash, vec!["bytes"]));
            return Ok(None);
        }
        if !genuine {
            self.report.surplus(examined.surplus("no record that a device signed"));
            return Ok(None);
        }
        let Row { sender, anchor_sequence, leaf_index, received_ms, .. } = &examined.row;
        let placement = match (sender, anchor_sequence, leaf_index) {
            (None, None, None) => Ok(None),
            (Some(sender), Some(sequence), Some(0..)) => {
                let sender = <[u8; 32]>::try_from(&sender[..]).map(dronechain_chain_spec::key::PublicKey);
                match (sender, u64::try_from(*sequence)) {
                    (Ok(sender), Ok(sequence)) => Ok(Some(AnchorName { sender, sequence })),
                    _ => Err(()),
                }
            }
            _ => Err(()),
        };
        if placement.is_err() {
            differs.push("placement");
        }
        if !differs.is_empty() {
            self.report.altered(examined.altered_columns(differs));
            return Ok(None);
        }
        if let Ok(Some(name)) = placement {
            return Ok(Some(name));
        }
        let age_ms = now_ms().saturating_sub(u64::try_from(*received_ms).unwrap_or_default());
        if self.store.has_twin(&examined.row).await? {
            self.report.surplus(examined.surplus("a second record at this number of the device"));
        } else if age_ms < PENDING_GRACE_MS {
            self.report.pending += 1;
        } else {
            self.report.unanchored(examined.unanchored());
        }
        Ok(None)
    }
}
