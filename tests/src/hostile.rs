//! Chains that a test makes block by block, and who serves them: a peer that is the project's own, or
//! one that answers whatever the test says.

use std::collections::BTreeSet;
use std::sync::Arc;

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Header, VERSION};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::merkle::{self, Tree};
use dronechain_chain_spec::registry::Roll;
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_chain_spec::state::{Draft, State};
use dronechain_chain_spec::target::{Target, Work};
use dronechain_chain_spec::transaction::Transaction;
use dronechain_chain_spec::wire::{Request, Response, Status};
use dronechain_node::core::view::{BatchId, Changes, Connected, Moved, Stage, StoredHeader};
use dronechain_node::p2p::{self, NodeKeys, P2p};
use dronechain_node::store::{Options, Store};
use tokio::sync::{mpsc, watch};

use crate::cluster::now_ms;

/// A chain in the making, valid but for what the test puts into it.
#[derive(Clone)]
pub struct Forge {
    spec: ChainSpec,
    state: State,
    tip: Header,
    work: Work,
    /// The block that left the roster.
    roster: Hash256,
    /// Root of the accounts, and the height that left it.
    accounts: (Hash256, u64),
    changes: Changes,
    made: Vec<Made>,
}

/// A block of a made chain with its link.
#[derive(Debug, Clone)]
pub struct Made {
    /// As headers travel.
    pub link: Link,
    /// As blocks travel.
    pub block: Block,
}

impl Made {
    /// The block's hash.
    pub fn hash(&self) -> Hash256 {
        self.block.header.header.hash()
    }
}

/// A made chain as a peer tells of it.
#[derive(Debug, Clone)]
pub struct Book {
    chain_id: Hash256,
    work: Work,
    /// The blocks from height 1 on.
    pub made: Vec<Made>,
}

impl Book {
    /// What an honest peer with this chain answers, but that it has no bodies.
    pub fn answer(&self, request: &Request) -> Response {
        match request {
            Request::Status => {
                let tip = self.made.last().map_or(self.chain_id, Made::hash);
                let (height, work) = (self.made.len() as u64, self.work);
                Response::Status(Status { chain_id: self.chain_id, tip, height, work, time_ms: now_ms() })
            }
            Request::Headers { locator } => {
                let at = |hash: &Hash256| self.made.iter().position(|made| made.hash() == *hash);
                let from = locator.iter().find_map(at).map_or(0, |at| at + 1);
                Response::Headers(self.made[from..].iter().map(|made| made.link.clone()).collect())
            }
            Request::Blocks { hashes } => {
                let block = |hash: &Hash256| self.made.iter().find(|made| made.hash() == *hash);
                Response::Blocks(hashes.iter().filter_map(block).map(|made| made.block.clone()).collect())
            }
            Request::Body { .. } => Response::Body(None),
        }
    }
}

impl Forge {
    /// A chain with only the genesis block.
    pub fn new(spec: &ChainSpec) -> Self {
        let tip = spec.genesis();
        let mut state = spec.genesis_state();
        state.history.push(tip.hash());
        let roster = tip.hash();
        let accounts = (state.registry.root(Roll::Accounts), 0);
        Self {
            spec: spec.clone(),
            state,
            tip,
            work: Work::ZERO,
            roster,
            accounts,
            changes: Changes::default(),
            made: Vec::new(),
        }
    }

    /// The chain so far, as a peer tells of it.
    pub fn book(&self) -> Book {
        Book { chain_id: self.spec.network().chain_id, work: self.work, made: self.made.clone() }
    }

    /// The header of an empty block after the last one, which does not become part of the chain: with
    /// what `change` did to it, then mined if its bits are a target, and signed.
    pub fn child(&self, miner: &SigningKey, change: impl FnOnce(&mut Header)) -> Link {
        let commitments = Draft::new(&self.state, self.tip.height + 1).finish().commitments;
        let mut header = self.header(miner, &[], commitments.hash());
        change(&mut header);
        let header = mined(header).signed(miner, &self.spec.network().chain_id);
        Link { header, commitments, changes: Vec::new() }
    }

    fn header(&self, miner: &SigningKey, txids: &[Hash256], commitments: Hash256) -> Header {
        Header {
            version: VERSION,
            height: self.tip.height + 1,
            parent: self.tip.hash(),
            tx_root: merkle::root(txids),
            commitments,
            tx_count: u32::try_from(txids.len()).expect("few"),
            time_ms: self.tip.time_ms + self.spec.parameters.block_time_ms,
            bits: self.spec.parameters.initial_bits,
            network: self.spec.network().tag,
            miner: PublicKey::of(miner),
            nonce: 0,
        }
    }

    /// Mines the next block with `miner`'s key. `valid` transactions take effect on the state and the
    /// commitments, `smuggled` ones only stand in the block.
    pub fn block(&mut self, miner: &SigningKey, valid: Vec<Transaction>, smuggled: Vec<Transaction>) {
        let network = self.spec.network();
        let height = self.tip.height + 1;
        let mut draft = Draft::new(&self.state, height);
        for transaction in &valid {
            let checked = transaction.clone().check(&network.chain_id).expect("well-formed");
            draft.apply(&checked).expect("in order");
        }
        let delta = draft.finish();
        let transactions: Vec<_> = valid.into_iter().chain(smuggled).collect();
        let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
        let header = mined(self.header(miner, &txids, delta.commitments.hash()));
        let target = Target::from_bits(header.bits).expect("the spec's bits");
        let hash = header.hash();
        let signed = header.clone().signed(miner, &network.chain_id);
        let mut changes = Vec::new();
        if !delta.shown.is_empty() {
            let tree = Tree::new(txids);
            let shown = delta.shown.iter().map(|&index| Shown {
                index,
                path: tree.path(u64::from(index)).expect("it stands there"),
                transaction: transactions[index as usize].clone(),
            });
            changes.extend(shown);
            self.changes.shown.insert(hash, changes.clone());
            self.roster = hash;
        }
        self.made.push(Made {
            link: Link { header: signed.clone(), commitments: delta.commitments, changes },
            block: Block { header: signed.clone(), transactions: transactions.clone() },
        });
        let (undo, completed) = self.state.advance(&delta, hash);
        if delta.commitments.accounts != self.accounts.0 {
            self.accounts = (delta.commitments.accounts, height);
        }
        self.work = self.work.saturating_add(target.work());
        let stored = StoredHeader {
            signed,
            work: self.work,
            stage: Stage::Valid,
            commitments: delta.commitments,
            roster: self.roster,
            connected: Some(Connected { accounts_since: self.accounts.1, live: 0 }),
        };
        let outcomes = delta.outcomes;
        self.changes.headers.insert(hash, stored);
        self.changes.undos.insert(hash, undo);
        self.changes.active.insert(height, Some(hash));
        self.changes.blocks.insert(hash, transactions.clone());
        let outcomes = outcomes.into_iter().cycle().take(transactions.len()).collect();
        self.changes.connected.push(Moved { hash, height, transactions, outcomes });
        let nodes = completed.into_iter().map(|node| ((node.level, node.position), node.hash));
        self.changes.history_nodes.extend(nodes);
        let state = &mut self.changes.state;
        let registry = &self.state.registry;
        state.accounts.extend(delta.changes.keys().map(|place| (*place, registry.at(*place).cloned())));
        state.admins = delta.admins.or(state.admins.take());
        state.history = Some(self.state.history.clone());
        state.tip = Some((hash, height));
        self.tip = header;
    }

    /// Serves the batch of these leaves too; an anchor in some block commits to it.
    pub fn body(&mut self, leaves: Vec<Hash256>) {
        let leaf_count = u32::try_from(leaves.len()).expect("few");
        self.changes.bodies.insert(BatchId { root: merkle::root(&leaves), leaf_count }, leaves);
    }

    /// Writes the blocks made since the last time into `store`, as a node that connected them would.
    pub fn write(&mut self, store: &Store) {
        store.commit(&std::mem::take(&mut self.changes)).expect("a commit");
    }

    /// Lets go of the blocks that were made so far: they are told of no more.
    pub fn forget(&mut self) {
        self.made.clear();
    }

    /// Keeps the headers and loses the blocks: they are announced and never delivered.
    pub fn withhold_blocks(&mut self) {
        self.changes.blocks.clear();
    }

    /// Hash of the last block.
    pub fn tip(&self) -> Hash256 {
        self.tip.hash()
    }

    /// Blocks on the genesis block.
    pub fn height(&self) -> usize {
        usize::try_from(self.tip.height).expect("few blocks")
    }

    /// Serves the chain to the peer at `victim` under `identity`; ends when dropped.
    pub async fn serve(self, identity: &SigningKey, victim: &str, victim_key: PublicKey) -> Hostile {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = Store::open(&folder.path().join("ledger"), &self.spec, &Options::default())
            .expect("a fresh store");
        store.commit(&self.changes).expect("a commit");
        let (events, mut received) = mpsc::channel(64);
        let drain = tokio::spawn(async move { while received.recv().await.is_some() {} });
        let (_allow, allowed) = watch::channel(Arc::new(NodeKeys {
            admitted: BTreeSet::from([victim_key]),
            revoked: BTreeSet::new(),
        }));
        let setup = p2p::Setup {
            key: identity.clone(),
            preshared_key: None,
            network: self.spec.network(),
            listen: "/ip4/127.0.0.1/tcp/0".parse().expect("an address"),
            static_peers: vec![victim.parse().expect("an address")],
            allowed,
        };
        let peer = p2p::spawn(setup, Arc::new(store), events).await.expect("a peer");
        Hostile { peer, drain, _allow, _folder: folder }
    }
}

/// The header with a nonce that meets its target, if its bits are one.
pub fn mined(mut header: Header) -> Header {
    if let Ok(target) = Target::from_bits(header.bits) {
        while !target.is_met_by(&header.hash()) {
            header.nonce += 1;
        }
    }
    header
}

/// A serving peer.
pub struct Hostile {
    peer: P2p,
    drain: tokio::task::JoinHandle<()>,
    _allow: watch::Sender<Arc<NodeKeys>>,
    _folder: tempfile::TempDir,
}

impl Hostile {
    /// Closes its connections and ends.
    pub async fn stop(self) {
        self.peer.shutdown().await;
        self.drain.abort();
    }
}
