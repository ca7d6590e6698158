//! Connecting and disconnecting blocks: how the tip moves.
//!
//! A tip change is worked out beside the pending changes and taken over whole. While syncing, one
//! change connects up to [`CONNECT_MAX`] blocks.

use std::collections::{BTreeMap, BTreeSet};

use dronechain_chain_spec::block::CheckedBlock;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::registry::{Place, Roll};
use dronechain_chain_spec::rules::BlockError;
use dronechain_chain_spec::state::{State, Undo};
use dronechain_chain_spec::target::Work;
use dronechain_chain_spec::transaction::Transaction;

use super::branch::Rank;
use super::fresh::Fresh;
use super::ledger::Ledger;
use super::view::{Connected, Moved, Opening, Stage, StateChanges, StoredHeader, View, ViewError};

/// Blocks that one tip change connects at most.
pub(super) const CONNECT_MAX: usize = 1_000;

/// The active chain's last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) hash: Hash256,
    pub(super) height: u64,
    pub(super) work: Work,
    /// What is known of it.
    pub(super) opening: Opening,
}

impl Tip {
    pub(super) fn rank(&self) -> Rank {
        Rank::new(self.work, self.hash)
    }
}

/// Why a tip change stopped early.
pub(super) enum Stop {
    /// The block breaks a rule.
    Invalid { hash: Hash256, error: BlockError },
    /// The store failed.
    View(ViewError),
}

impl From<ViewError> for Stop {
    fn from(error: ViewError) -> Self {
        Self::View(error)
    }
}

/// A tip change in the making.
pub(super) struct Move {
    pub(super) state: State,
    pub(super) tip: Tip,
    pub(super) disconnected: Vec<Moved>,
    pub(super) connected: Vec<CheckedBlock>,
    moved: Vec<Moved>,
    touched: BTreeSet<Place>,
    lengths: [u32; 2],
    headers: BTreeMap<Hash256, StoredHeader>,
    undos: BTreeMap<Hash256, Undo>,
    history_nodes: BTreeMap<(u8, u64), Hash256>,
    height_before: u64,
    admins_changed: bool,
    /// New blocks that left and have no successors as new: counted on with the next block.
    carried: u64,
}

impl Move {
    /// Starts from the tip.
    pub(super) fn new(state: State, tip: Tip) -> Self {
        let lengths = [Roll::Nodes, Roll::Accounts].map(|roll| state.registry.len(roll));
        Self {
            state,
            tip,
            disconnected: Vec::new(),
            connected: Vec::new(),
            moved: Vec::new(),
            touched: BTreeSet::new(),
            lengths,
            headers: BTreeMap::new(),
            undos: BTreeMap::new(),
            history_nodes: BTreeMap::new(),
            height_before: tip.height,
            admins_changed: false,
            carried: 0,
        }
    }

    /// Disconnects the tip.
    pub(super) fn disconnect<V: View>(&mut self, ledger: &Ledger<V>) -> Result<(), ViewError> {
        let Tip { hash, height, .. } = self.tip;
        let undo = ledger.undo(&hash)?;
        self.touched.extend(undo.earlier.iter().map(|(place, _)| *place));
        self.admins_changed |= undo.admins.is_some();
        self.state.rewind(&undo);
        let transactions = ledger.transactions(&hash)?;
        self.disconnected.push(Moved { hash, height, transactions, outcomes: Vec::new() });
        let parent = ledger.known(&hash)?.signed.header.parent;
        let stored = ledger.known(&parent)?;
        let opening = stored.opening().ok_or_else(|| ViewError(format!("opening of {parent} is missing")))?;
        self.tip = Tip { hash: parent, height: height - 1, work: stored.work, opening };
        Ok(())
    }

    /// Connects `block` on the tip under every rule that needs the state: B6 and B7. Its header was checked
    /// when it was accepted. `is_live`: it is connected while it is new.
    pub(super) fn connect<V: View>(
        &mut self,
        ledger: &Ledger<V>,
        block: CheckedBlock,
        is_live: impl Fn(u64) -> bool,
    ) -> Result<(), Stop> {
        let hash = block.hash();
        let delta = self.state.execute(&block).map_err(|error| Stop::Invalid { hash, error })?;
        let height = self.tip.height + 1;
        let (undo, completed) = self.state.advance(&delta, hash);
        self.touched.extend(delta.changes.keys().copied());
        self.admins_changed |= delta.admins.is_some();
        self.undos.insert(hash, undo);
        self.history_nodes.extend(completed.into_iter().map(|node| ((node.level, node.position), node.hash)));
        let commitments = delta.commitments;
        let same = commitments.accounts == self.tip.opening.commitments.accounts;
        let accounts_since = if same { self.tip.opening.accounts_since } else { height };
        let is_new = u64::from(is_live(block.header().header().time_ms));
        let live = self.tip.opening.live + is_new + std::mem::take(&mut self.carried);
        let opening = Opening { commitments, accounts_since, live };
        let mut stored = ledger.known(&hash)?;
        stored.stage = Stage::Valid;
        stored.connected = Some(Connected { accounts_since, live });
        self.tip = Tip { hash, height, work: stored.work, opening };
        self.headers.insert(hash, stored);
        let transactions = block.transactions().iter().map(|tx| tx.get().clone()).collect();
        self.moved.push(Moved { hash, height, transactions, outcomes: delta.outcomes });
        self.connected.push(block);
        Ok(())
    }

    /// Writes the change into the ledger's pending changes; gives the new state and tip, the
    /// transactions of blocks that left, and the blocks that joined.
    pub(super) fn finish<V: View>(mut self, ledger: &mut Ledger<V>) -> Finished {
        let state_changes = self.state_changes();
        let pending = &mut ledger.pending;
        pending.headers.append(&mut self.headers);
        pending.undos.append(&mut self.undos);
        pending.history_nodes.append(&mut self.history_nodes);
        for height in self.tip.height + 1..=self.height_before {
            pending.active.insert(height, None);
        }
        pending.active.extend(self.moved.iter().map(|moved| (moved.height, Some(moved.hash))));
        merge_moves(&mut pending.connected, &mut pending.disconnected, &self.disconnected, self.moved);
        merge_state(&mut pending.state, state_changes);
        let returned = self.disconnected.into_iter().rev().flat_map(|moved| moved.transactions).collect();
        Finished { state: self.state, tip: self.tip, returned, connected: self.connected }
    }

    fn state_changes(&self) -> StateChanges {
        let mut accounts: BTreeMap<_, _> =
            self.touched.iter().map(|place| (*place, self.state.registry.at(*place).cloned())).collect();
        for (roll, before) in [(Roll::Nodes, self.lengths[0]), (Roll::Accounts, self.lengths[1])] {
            for index in self.state.registry.len(roll)..before {
                accounts.insert(Place { roll, index }, None);
            }
        }
        StateChanges {
            accounts,
            admins: self.admins_changed.then(|| self.state.admins.clone()),
            history: Some(self.state.history.clone()),
            tip: Some((self.tip.hash, self.tip.height)),
        }
    }
}

/// What a finished move leaves to do.
pub(super) struct Finished {
    pub(super) state: State,
    pub(super) tip: Tip,
    pub(super) returned: Vec<Transaction>,
    pub(super) connected: Vec<CheckedBlock>,
}

/// A block that was connected in the same set of changes and leaves again is as if never connected.
fn merge_moves(
    connected: &mut Vec<Moved>,
    disconnected: &mut Vec<Moved>,
    left: &[Moved],
    mut joined: Vec<Moved>,
) {
    for moved in left {
        match connected.last() {
            Some(last) if last.hash == moved.hash => {
                connected.pop();
            }
            _ => disconnected.push(moved.clone()),
        }
    }
    connected.append(&mut joined);
}

fn merge_state(into: &mut StateChanges, mut from: StateChanges) {
    into.accounts.append(&mut from.accounts);
    into.admins = from.admins.or(into.admins.take());
    into.history = from.history.or(into.history.take());
    into.tip = from.tip.or(into.tip.take());
}

/// Moves the tip back to `fork`, then over the blocks of `path`. Stops before the first invalid block,
/// which is told.
pub(super) fn follow<V: View>(
    ledger: &Ledger<V>,
    start: Move,
    fork: u64,
    path: Vec<Hash256>,
    fresh: &Fresh,
    is_live: impl Fn(u64) -> bool,
) -> Result<(Move, Option<(Hash256, BlockError)>), ViewError> {
    let mut change = start;
    let live = change.tip.opening.live;
    while change.tip.height > fork {
        change.disconnect(ledger)?;
    }
    // The count never falls: else a chain of old blocks would lift finality from all that is below it.
    let mut new = 0;
    for hash in &path {
        new += u64::from(is_live(ledger.known(hash)?.signed.header.time_ms));
    }
    change.carried = (live - change.tip.opening.live).saturating_sub(new);
    for hash in path {
        let block = match fresh.get(&hash) {
            Some(block) => block.clone(),
            None => ledger.block(&hash)?,
        };
        match change.connect(ledger, block, &is_live) {
            Ok(()) => {}
            Err(Stop::Invalid { hash, error }) => return Ok((change, Some((hash, error)))),
            Err(Stop::View(error)) => return Err(error),
        }
    }
    Ok((change, None))
}
