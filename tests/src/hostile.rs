//! A peer with an admitted key that serves whatever chain it was given, over real libp2p.

use std::collections::BTreeSet;
use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Header, VERSION};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::link::Shown;
use dronechain_chain_spec::merkle::{self, Tree};
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_chain_spec::state::{Draft, State};
use dronechain_chain_spec::target::{Target, Work};
use dronechain_chain_spec::transaction::Transaction;
use dronechain_node::core::view::{BatchId, Changes, Connected, Moved, Stage, StoredHeader};
use dronechain_node::p2p::{self, P2p};
use dronechain_node::store::{Options, Store};
use tokio::sync::{mpsc, watch};

/// A chain in the making, valid but for what the test puts into it.
#[derive(Clone)]
pub struct Forge {
    spec: ChainSpec,
    state: State,
    tip: Header,
    work: Work,
    /// The block that left the roster.
    roster: Hash256,
    changes: Changes,
}

impl Forge {
    /// A chain with only the genesis block.
    pub fn new(spec: &ChainSpec) -> Self {
        let tip = spec.genesis();
        let mut state = spec.genesis_state();
        state.history.push(tip.hash());
        let roster = tip.hash();
        Self { spec: spec.clone(), state, tip, work: Work::ZERO, roster, changes: Changes::default() }
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
        let bits = self.spec.parameters.initial_bits;
        let mut header = Header {
            version: VERSION,
            height,
            parent: self.tip.hash(),
            tx_root: merkle::root(&txids),
            commitments: delta.commitments.hash(),
            tx_count: u32::try_from(txids.len()).expect("few"),
            time_ms: self.tip.time_ms + self.spec.parameters.block_time_ms,
            bits,
            network: network.tag,
            miner: PublicKey::of(miner),
            nonce: 0,
        };
        let target = Target::from_bits(bits).expect("the spec's bits");
        while !target.is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        let hash = header.hash();
        let signed = header.clone().signed(miner, &network.chain_id);
        if !delta.shown.is_empty() {
            let tree = Tree::new(txids);
            let shown = delta.shown.iter().map(|&index| Shown {
                index,
                path: tree.path(u64::from(index)).expect("it stands there"),
                transaction: transactions[index as usize].clone(),
            });
            self.changes.shown.insert(hash, shown.collect());
            self.roster = hash;
        }
        let (undo, completed) = self.state.advance(&delta, hash);
        self.work = self.work.saturating_add(target.work());
        let stored = StoredHeader {
            signed,
            work: self.work,
            stage: Stage::Valid,
            commitments: delta.commitments,
            roster: self.roster,
            connected: Some(Connected { accounts_since: height, live: 0 }),
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
        let (_allow, allowed) = watch::channel(Arc::new(BTreeSet::from([victim_key])));
        let setup = p2p::Setup {
            key: identity.clone(),
            network: self.spec.network(),
            listen: "/ip4/127.0.0.1/tcp/0".parse().expect("an address"),
            static_peers: vec![victim.parse().expect("an address")],
            allowed,
        };
        let peer = p2p::spawn(setup, Arc::new(store), events).await.expect("a peer");
        Hostile { peer, drain, _allow, _folder: folder }
    }
}

/// A serving peer.
pub struct Hostile {
    peer: P2p,
    drain: tokio::task::JoinHandle<()>,
    _allow: watch::Sender<Arc<BTreeSet<PublicKey>>>,
    _folder: tempfile::TempDir,
}

impl Hostile {
    /// Closes its connections and ends.
    pub async fn stop(self) {
        self.peer.shutdown().await;
        self.drain.abort();
    }
}
