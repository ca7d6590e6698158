//! Along the active chain: every block executed again, and what was derived from it compared.

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::registry::{Account, Place, Roll};
use dronechain_chain_spec::spec::Network;
use dronechain_chain_spec::state::{Admins, State};
use dronechain_chain_spec::transaction::{Action, Transaction};

use super::Checker;
use super::rows::read;
use crate::core::view::{BatchId, Connected, Stage, View as _};
use crate::store::keys::{self, Column, meta};
use crate::store::rows::ShownList;
use crate::store::{SequencePlace, TxPlace};

/// The state on the way, and what the indexes must hold up to here.
struct Walk {
    network: Network,
    state: State,
    last: Hash256,
    /// Accounts' root of the block before, and the height since which it has been so.
    accounts: (Hash256, u64),
    /// The block that left the roster which holds.
    roster: Hash256,
    roots: u64,
}

impl Checker<'_> {
    /// From genesis to the tip, then the state and the indexes as a whole.
    pub(super) fn active(&mut self) {
        let (tip, height) = match read(self.store.tip()) {
            Ok(tip) => tip,
            Err(what) => return self.fault(Column::Meta, meta::TIP, what),
        };
        self.report.tip = Some(tip);
        self.report.height = height;
        let mut walk = match self.genesis() {
            Ok(walk) => walk,
            Err(what) => return self.fault(Column::Headers, &self.store.chain_id().0, what),
        };
        for height in 1..=height {
            if let Err(what) = self.block(&mut walk, height) {
                // What follows cannot be executed without it.
                return self.fault(Column::Active, &keys::active(height), what);
            }
        }
        if walk.last != tip {
            self.fault(Column::Meta, meta::TIP, format!("the active chain ends at {}", walk.last));
        }
        self.counted(Column::Active, height + 1);
        let transactions = self.report.counts.transactions;
        self.counted(Column::Transactions, transactions);
        self.counted(Column::Sequences, transactions);
        self.counted(Column::Kinds, transactions);
        self.counted(Column::Roots, walk.roots);
        self.state(&walk.state);
    }

    fn genesis(&mut self) -> Result<Walk, String> {
        let (network, mut state) = (self.spec.network(), self.spec.genesis_state());
        let hash = network.chain_id;
        self.report.counts.active = 1;
        if read(self.store.active(0))? != Some(hash) {
            return Err("not the active chain's first block".into());
        }
        let stored = read(self.store.header(&hash))?.ok_or("missing")?;
        state.history.push(hash);
        let accounts = (stored.commitments.accounts, 0);
        Ok(Walk { network, state, last: hash, accounts, roster: hash, roots: 0 })
    }

    fn block(&mut self, walk: &mut Walk, height: u64) -> Result<(), String> {
        let store = self.store;
        let hash = read(store.active(height))?.ok_or("missing")?;
        let stored = read(store.header(&hash))?.ok_or_else(|| format!("header {hash} is missing"))?;
        let header = &stored.signed.header;
        let opened = (stored.commitments, stored.roster);
        let since = stored.connected.map(|Connected { accounts_since, .. }| accounts_since);
        if (header.parent, header.height) != (walk.last, height) {
            return Err(format!("{hash} does not follow {}", walk.last));
        }
        if stored.stage != Stage::Valid {
            return Err(format!("{hash} was not connected"));
        }
        let transactions = read(store.transactions(&hash))?.ok_or("its transactions are missing")?;
        self.report.counts.active += 1;
        for (position, transaction) in (0..).zip(&transactions) {
            self.indexed(walk, transaction, TxPlace { height, block: hash, position })?;
        }
        let block = Block { header: stored.signed, transactions };
        let block = block.check(&walk.network).map_err(|error| format!("{hash}: {error}"))?;
        let delta = walk.state.execute(&block).map_err(|error| format!("{hash}: {error}"))?;
        if read(store.outcomes(&hash))?.as_ref() != Some(&delta.outcomes) {
            self.fault(Column::Outcomes, &hash.0, "not what the transactions do");
        }
        if walk.accounts.0 != delta.commitments.accounts {
            walk.accounts = (delta.commitments.accounts, height);
        }
        let (undo, completed) = walk.state.advance(&delta, hash);
        if !delta.shown.is_empty() {
            walk.roster = hash;
            self.shown(&walk.state, &hash, Link::of(&block, &delta).changes)?;
        }
        if (opened, since) != ((delta.commitments, walk.roster), Some(walk.accounts.1)) {
            self.fault(Column::Headers, &hash.0, "not what the chain leads to is noted beside it");
        }
        if read(store.undo(&hash))?.as_ref() != Some(&undo) {
            self.fault(Column::Undos, &hash.0, "does not undo its block");
        }
        for node in completed {
            if read(store.history_node(node.level, node.position))? != Some(node.hash) {
                let key = keys::history(node.level, node.position);
                self.fault(Column::History, &key, "not the history's node");
            }
        }
        walk.last = hash;
        Ok(())
    }

    /// What a block's header shows, and the roster that it left.
    fn shown(&mut self, state: &State, hash: &Hash256, changes: Vec<Shown>) -> Result<(), String> {
        let shown: Option<ShownList> = read(self.store.row(Column::Shown, &hash.0))?;
        if shown != Some(ShownList(changes)) {
            self.fault(Column::Shown, &hash.0, "not what the block changed");
        }
        if read(self.store.roster(hash))? != Some(state.roster()) {
            self.fault(Column::Rosters, &hash.0, "not the roster that the block left");
        }
        Ok(())
    }

    fn indexed(&mut self, walk: &mut Walk, transaction: &Transaction, place: TxPlace) -> Result<(), String> {
        let (store, txid) = (self.store, transaction.txid());
        self.report.counts.transactions += 1;
        if read(store.transaction_place(&txid))? != Some(place) {
            self.fault(Column::Transactions, &txid.0, format!("not at its place in block {}", place.height));
        }
        let (sender, sequence) = (transaction.body.sender, transaction.body.sequence);
        let TxPlace { height, position, .. } = place;
        if read(store.sequence_place(sender, sequence))? != Some(SequencePlace { height, position }) {
            let key = keys::sequence(sender, sequence);
            self.fault(Column::Sequences, &key, format!("not at its place in block {height}"));
        }
        let key = keys::kind(transaction.body.action.kind(), height, position);
        if read(store.bytes(Column::Kinds, &key))?.is_none() {
            self.fault(Column::Kinds, &key, "a transaction of that kind is not told");
        }
        let Action::Anchor(anchor) = &transaction.body.action else { return Ok(()) };
        self.report.counts.anchors += 1;
        if anchor.root != Hash256::ZERO {
            let batch = BatchId { root: anchor.root, leaf_count: anchor.leaf_count };
            // One that cannot be read is a fault of its own.
            let missing = matches!(store.has_body(&batch), Ok(false));
            self.report.counts.bodies_missing += u64::from(missing);
            walk.roots += 1;
            let key = keys::root(&anchor.root, sender, sequence);
            if read(store.bytes(Column::Roots, &key))?.as_deref() != Some(&height.to_be_bytes()) {
                self.fault(Column::Roots, &key, format!("not at height {height}"));
            }
        }
        Ok(())
    }

    /// The stored state against the one worked out.
    fn state(&mut self, state: &State) {
        let mut accounts = 0;
        for roll in [Roll::Nodes, Roll::Accounts] {
            for (index, account) in (0..).zip(state.registry.accounts(roll)) {
                accounts += 1;
                let key = keys::account(Place { roll, index });
                match self.store.row::<Account>(Column::Accounts, &key) {
                    Ok(Some(stored)) if stored == *account => {}
                    Ok(_) => self.fault(Column::Accounts, &key, "not the account that the chain leads to"),
                    Err(error) => self.fault(Column::Accounts, &key, error.0),
                }
            }
        }
        self.report.counts.accounts = accounts;
        self.counted(Column::Accounts, accounts);
        let admins: Result<Option<Admins>, _> = self.store.row(Column::Meta, meta::ADMINS);
        if admins.ok().flatten().as_ref() != Some(&state.admins) {
            self.fault(Column::Meta, meta::ADMINS, "not the admins that the chain leads to");
        }
        let history = self.store.row(Column::Meta, meta::HISTORY);
        if history.ok().flatten().as_ref() != Some(&state.history) {
            self.fault(Column::Meta, meta::HISTORY, "not the history of the chain");
        }
    }
}
