//! A node's store as plain maps: what the core reads, how a commit changes it, what peers are told.
//!
//! Mirrors `store/{commit,read,serve,open}.rs`; survives crashes of its node.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::evidence::Evidence;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::limits::{BLOCKS_PER_MESSAGE, HEADERS_PER_MESSAGE, LOCATOR_MAX};
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::mountain::Peaks;
use dronechain_chain_spec::registry::{Account, Commitments, Place, Registry, Roll};
use dronechain_chain_spec::roster::Roster;
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_chain_spec::state::{Admins, State, Undo};
use dronechain_chain_spec::transaction::{Sender, Transaction};
use dronechain_chain_spec::wire::{Request, Response, Status};
use dronechain_node::core::Start;
use dronechain_node::core::view::{BatchId, Changes, Conflict, Rival, Stage, StoredHeader, View, ViewError};
use dronechain_node::store::genesis;

/// The rows.
pub(super) struct Tables {
    pub(super) headers: BTreeMap<Hash256, StoredHeader>,
    pub(super) active: BTreeMap<u64, Hash256>,
    pub(super) blocks: BTreeMap<Hash256, Vec<Transaction>>,
    undos: BTreeMap<Hash256, Undo>,
    bodies: BTreeMap<BatchId, Vec<Hash256>>,
    shown: BTreeMap<Hash256, Vec<Shown>>,
    rosters: BTreeMap<Hash256, Roster>,
    pub(super) evidence: BTreeMap<Conflict, Evidence>,
    rivals: BTreeMap<Hash256, Rival>,
    /// Heights of transactions on the active chain, by txid.
    pub(super) places: BTreeMap<Hash256, u64>,
    accounts: BTreeMap<Place, Account>,
    pub(super) admins: Admins,
    history: Peaks,
    pub(super) tip: (Hash256, u64),
    pub(super) pool: BTreeMap<(Sender, u64), Transaction>,
}

/// A store shared by the core that reads it and the simulation that writes it.
#[derive(Clone)]
pub(super) struct Disk(Rc<RefCell<Tables>>);

impl Disk {
    /// What a fresh store holds.
    pub(super) fn new(spec: &ChainSpec) -> Self {
        let genesis = genesis(spec);
        let complete = "genesis has all of a state";
        let disk = Self(Rc::new(RefCell::new(Tables {
            headers: BTreeMap::new(),
            active: BTreeMap::new(),
            blocks: BTreeMap::new(),
            undos: BTreeMap::new(),
            bodies: BTreeMap::new(),
            shown: BTreeMap::new(),
            rosters: BTreeMap::new(),
            evidence: BTreeMap::new(),
            rivals: BTreeMap::new(),
            places: BTreeMap::new(),
            accounts: BTreeMap::new(),
            admins: genesis.state.admins.clone().expect(complete),
            history: genesis.state.history.clone().expect(complete),
            tip: genesis.state.tip.expect(complete),
            pool: BTreeMap::new(),
        })));
        disk.apply(&genesis);
        disk
    }

    pub(super) fn tables(&self) -> Ref<'_, Tables> {
        self.0.borrow()
    }

    /// One commit: all of it, at once.
    pub(super) fn apply(&self, changes: &Changes) {
        let mut tables = self.0.borrow_mut();
        let copy = |(hash, row): (&Hash256, &StoredHeader)| (*hash, row.clone());
        tables.headers.extend(changes.headers.iter().map(copy));
        tables.blocks.extend(changes.blocks.iter().map(|(hash, list)| (*hash, list.clone())));
        tables.undos.extend(changes.undos.iter().map(|(hash, undo)| (*hash, undo.clone())));
        tables.bodies.extend(changes.bodies.iter().map(|(batch, leaves)| (*batch, leaves.clone())));
        tables.shown.extend(changes.shown.iter().map(|(hash, shown)| (*hash, shown.clone())));
        tables.rosters.extend(changes.rosters.iter().map(|(hash, roster)| (*hash, roster.clone())));
        tables.evidence.extend(changes.evidence.iter().map(|(place, found)| (*place, found.clone())));
        tables.rivals.extend(changes.rivals.iter().map(|(first, rival)| (*first, rival.clone())));
        write(&mut tables.active, &changes.active);
        write(&mut tables.pool, &changes.pool);
        write(&mut tables.accounts, &changes.state.accounts);
        for moved in &changes.disconnected {
            for transaction in &moved.transactions {
                tables.places.remove(&transaction.txid());
            }
        }
        for moved in &changes.connected {
            for transaction in &moved.transactions {
                tables.places.insert(transaction.txid(), moved.height);
            }
        }
        let state = &changes.state;
        if let Some(admins) = &state.admins {
            tables.admins = admins.clone();
        }
        if let Some(history) = &state.history {
            tables.history = history.clone();
        }
        if let Some(tip) = state.tip {
            tables.tip = tip;
        }
    }

    /// What a core starts from; refuses rows that contradict each other, as the store does.
    pub(super) fn load(&self, miner: PublicKey, follow: Option<Hash256>) -> Result<Start, String> {
        let tables = self.tables();
        let (tip, height) = tables.tip;
        if tables.active.last_key_value() != Some((&height, &tip)) {
            return Err(format!("the active chain does not end at the tip {height} {tip}"));
        }
        if tables.history.count() != height + 1 {
            return Err("the history does not end at the tip".into());
        }
        let roll = |roll| {
            let rows = tables.accounts.iter().filter(|(place, _)| place.roll == roll);
            (0..)
                .zip(rows)
                .map(|(index, (place, account))| {
                    (place.index == index).then(|| account.clone()).ok_or("a roll has a gap".to_owned())
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let registry = Registry::new(roll(Roll::Nodes)?, roll(Roll::Accounts)?);
        let opening = tables.headers.get(&tip).and_then(StoredHeader::opening);
        let Commitments { nodes, accounts, .. } = opening.ok_or("the tip has no opening")?.commitments;
        let state = State { admins: tables.admins.clone(), registry, history: tables.history.clone() };
        if (state.nodes_root(), state.registry.root(Roll::Accounts)) != (nodes, accounts) {
            return Err("the registry is not the one that the tip commits to".into());
        }
        let (pool, rivals) = (tables.pool.values().cloned().collect(), tables.rivals.clone());
        Ok(Start { state, tip, pool, miner: Some(miner), rivals, follow })
    }

    /// The answer to a peer's request, from committed rows alone.
    pub(super) fn answer(&self, request: &Request, chain_id: Hash256, now_ms: u64) -> Response {
        let tables = self.tables();
        match request {
            Request::Status => {
                let (tip, height) = tables.tip;
                let work = tables.headers[&tip].work;
                Response::Status(Status { chain_id, tip, height, work, time_ms: now_ms })
            }
            Request::Headers { locator } => Response::Headers(tables.headers_behind(locator)),
            Request::Blocks { hashes } => {
                let here = hashes.iter().take(BLOCKS_PER_MESSAGE).filter_map(|hash| {
                    let stored = tables.headers.get(hash).filter(|stored| stored.stage == Stage::Valid)?;
                    let transactions = tables.blocks.get(hash)?.clone();
                    Some(Block { header: stored.signed.clone(), transactions })
                });
                Response::Blocks(here.collect())
            }
            Request::Body { root, leaf_count } => {
                let batch = BatchId { root: *root, leaf_count: *leaf_count };
                Response::Body(tables.bodies.get(&batch).cloned())
            }
        }
    }
}

impl Tables {
    fn headers_behind(&self, locator: &[Hash256]) -> Vec<Link> {
        let common = locator.iter().take(LOCATOR_MAX).find_map(|hash| {
            let height = self.headers.get(hash)?.signed.header.height;
            (self.active.get(&height) == Some(hash)).then_some(height)
        });
        let Some(common) = common else { return Vec::new() };
        let behind = self.active.range(common + 1..).take(HEADERS_PER_MESSAGE);
        let link = |hash: &Hash256| {
            let stored = &self.headers[hash];
            let changes = self.shown.get(hash).cloned().unwrap_or_default();
            Link { header: stored.signed.clone(), commitments: stored.commitments, changes }
        };
        behind.map(|(_, hash)| link(hash)).collect()
    }

    /// Whether the block was stored with its transactions.
    pub(super) fn has_block(&self, hash: &Hash256) -> bool {
        self.blocks.contains_key(hash)
    }

    /// Whether the block is on the active chain.
    pub(super) fn is_active(&self, hash: &Hash256) -> bool {
        let header = self.headers.get(hash);
        header.is_some_and(|stored| self.active.get(&stored.signed.header.height) == Some(hash))
    }
}

fn write<K: Ord + Copy, V: Clone>(rows: &mut BTreeMap<K, V>, changes: &BTreeMap<K, Option<V>>) {
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(*key, value.clone()),
            None => rows.remove(key),
        };
    }
}

impl View for Disk {
    fn header(&self, hash: &Hash256) -> Result<Option<StoredHeader>, ViewError> {
        Ok(self.tables().headers.get(hash).cloned())
    }

    fn active(&self, height: u64) -> Result<Option<Hash256>, ViewError> {
        Ok(self.tables().active.get(&height).copied())
    }

    fn transactions(&self, hash: &Hash256) -> Result<Option<Vec<Transaction>>, ViewError> {
        Ok(self.tables().blocks.get(hash).cloned())
    }

    fn undo(&self, hash: &Hash256) -> Result<Option<Undo>, ViewError> {
        Ok(self.tables().undos.get(hash).cloned())
    }

    fn transaction_height(&self, txid: &Hash256) -> Result<Option<u64>, ViewError> {
        Ok(self.tables().places.get(txid).copied())
    }

    fn has_body(&self, batch: &BatchId) -> Result<bool, ViewError> {
        Ok(self.tables().bodies.contains_key(batch))
    }

    fn roster(&self, hash: &Hash256) -> Result<Option<Roster>, ViewError> {
        Ok(self.tables().rosters.get(hash).cloned())
    }

    fn has_evidence(&self, conflict: &Conflict) -> Result<bool, ViewError> {
        Ok(self.tables().evidence.contains_key(conflict))
    }
}
