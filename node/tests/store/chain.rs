//! A chain that grows beside the store, and folders filled with it.

use std::fs;
use std::path::{Path, PathBuf};

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::header::{Header, SignedHeader};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::{Place, Role, Roll};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, NetworkTemplate};
use dronechain_chain_spec::state::{Draft, State, StateDelta, Undo};
use dronechain_chain_spec::target::Work;
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, CheckedTransaction, Sender, TransactionBody,
};
use dronechain_node::core::view::{
    BatchId, Changes, Connected, Moved, Stage, StateChanges, StoredHeader, View as _,
};
use dronechain_node::store::{Loaded, Options, Store, StoreError};
use tempfile::TempDir;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn spec(name: &str) -> ChainSpec {
    ChainSpec {
        name: name.to_owned(),
        genesis_time_ms: 1_700_000_000_000,
        nodes: vec![PublicKey::of(&key(1)), PublicKey::of(&key(2))],
        parameters: NetworkTemplate::dev().parameters,
        admins: AdminSet { threshold: 1, keys: vec![PublicKey::of(&key(9))] },
    }
}

pub(crate) fn open(path: &Path) -> Result<(Store, Loaded), StoreError> {
    Store::open(path, &spec("one"), &Options::default())
}

pub(crate) fn refused(path: &Path) -> StoreError {
    let error = open(path).expect_err("the folder is refused");
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error} names the folder");
    error
}

pub(crate) fn same(left: &State, right: &State) -> bool {
    [Roll::Nodes, Roll::Accounts].into_iter().all(|roll| {
        let places = |state: &State| {
            let all = (0..state.registry.len(roll)).map(|index| Place { roll, index });
            all.map(|place| state.registry.at(place).cloned()).collect::<Vec<_>>()
        };
        left.registry.root(roll) == right.registry.root(roll) && places(left) == places(right)
    }) && left.admins == right.admins
        && left.history == right.history
}

/// A chain that grows in memory and says what to write.
pub(crate) struct Chain {
    spec: ChainSpec,
    pub(crate) state: State,
    pub(crate) tip: Header,
}

pub(crate) struct Grown {
    pub(crate) changes: Changes,
    pub(crate) moved: Moved,
    delta: StateDelta,
    pub(crate) undo: Undo,
}

impl Chain {
    /// From where the store stands.
    pub(crate) fn new(store: &Store, loaded: &Loaded) -> Self {
        let tip = store.header(&loaded.tip).expect("reads").expect("is there").signed.header;
        Self { spec: spec("one"), state: loaded.state.clone(), tip }
    }

    fn chain_id(&self) -> Hash256 {
        self.spec.genesis().hash()
    }

    fn send(&self, sender: Sender, by: &SigningKey, sequence: u64, action: Action) -> CheckedTransaction {
        let body = TransactionBody { sender, sequence, action };
        let transaction = body.signed(&[by], &self.chain_id());
        transaction.check(&self.chain_id()).expect("well-formed")
    }

    fn admit(&self, sequence: u64, seed: u8) -> CheckedTransaction {
        let action = Action::Admit { role: Role::Controller, key: PublicKey::of(&key(seed)) };
        self.send(Sender::Admins, &key(9), sequence, action)
    }

    pub(crate) fn anchor(&self, seed: u8, sequence: u64, leaves: &[Hash256]) -> CheckedTransaction {
        let anchor = Anchor {
            kind: AnchorKind::Data,
            root: merkle::root(leaves),
            leaf_count: u32::try_from(leaves.len()).expect("few"),
            first_time: 0,
            last_time: 0,
        };
        let sender = Sender::Key(PublicKey::of(&key(seed)));
        self.send(sender, &key(seed), sequence, Action::Anchor(anchor))
    }

    /// The next block: its work and signature are no matter for the store.
    pub(crate) fn grow(&mut self, transactions: &[CheckedTransaction]) -> Grown {
        let height = self.tip.height + 1;
        let mut draft = Draft::new(&self.state, height);
        for transaction in transactions {
            draft.apply(transaction).expect("valid");
        }
        let delta = draft.finish();
        let txids: Vec<_> = transactions.iter().map(CheckedTransaction::txid).collect();
        let header = Header {
            height,
            parent: self.tip.hash(),
            tx_root: merkle::root(&txids),
            commitments: delta.commitments.hash(),
            tx_count: u32::try_from(transactions.len()).expect("few"),
            time_ms: self.tip.time_ms + 1_000,
            miner: self.spec.nodes[0],
            ..self.tip.clone()
        };
        let hash = header.hash();
        let (undo, completed) = self.state.advance(&delta, hash);
        let list: Vec<_> = transactions.iter().map(|checked| checked.get().clone()).collect();
        let moved = Moved { hash, height, transactions: list.clone(), outcomes: delta.outcomes.clone() };
        let signed: SignedHeader = header.clone().signed(&key(1), &self.chain_id());
        let stored = StoredHeader {
            signed,
            work: Work::ZERO,
            stage: Stage::Valid,
            commitments: delta.commitments,
            roster: spec("one").genesis().hash(),
            connected: Some(Connected { accounts_since: height, live: 0 }),
        };
        self.tip = header;
        let changes = Changes {
            headers: [(hash, stored)].into(),
            blocks: [(hash, list)].into(),
            undos: [(hash, undo.clone())].into(),
            active: [(height, Some(hash))].into(),
            connected: vec![moved.clone()],
            history_nodes: completed.iter().map(|node| ((node.level, node.position), node.hash)).collect(),
            state: self.state_changes(&delta, hash, height),
            ..Changes::default()
        };
        Grown { changes, moved, delta, undo }
    }

    fn state_changes(&self, delta: &StateDelta, tip: Hash256, height: u64) -> StateChanges {
        let at = |place| (place, self.state.registry.at(place).cloned());
        StateChanges {
            accounts: delta.changes.keys().copied().map(at).collect(),
            admins: Some(self.state.admins.clone()),
            history: Some(self.state.history.clone()),
            tip: Some((tip, height)),
        }
    }

    pub(crate) fn shrink(&mut self, grown: &Grown, parent: Header) -> Changes {
        self.state.rewind(&grown.undo);
        self.tip = parent;
        Changes {
            active: [(grown.moved.height, None)].into(),
            disconnected: vec![Moved { outcomes: Vec::new(), ..grown.moved.clone() }],
            state: self.state_changes(&grown.delta, self.tip.hash(), self.tip.height),
            ..Changes::default()
        }
    }
}

/// The batch of so many [`leaves`].
pub(crate) fn batch(count: u8) -> BatchId {
    BatchId { root: merkle::root(&leaves(count)), leaf_count: count.into() }
}

pub(crate) fn leaves(count: u8) -> Vec<Hash256> {
    (0..count).map(|n| sha256(&[&[n]])).collect()
}

/// A folder with two blocks, the second with an anchor, and a transaction in the mempool.
pub(crate) fn filled() -> (TempDir, Chain, Grown) {
    let folder = tempfile::tempdir().expect("temp dir");
    let (store, loaded) = open(folder.path()).expect("opens");
    let mut chain = Chain::new(&store, &loaded);
    let first = chain.grow(&[chain.admit(0, 20)]);
    store.commit(&first.changes).expect("commits");
    let mut second = chain.grow(&[chain.anchor(20, 0, &leaves(5))]);
    second.changes.bodies = [(batch(5), leaves(5))].into();
    let pooled = chain.anchor(20, 1, &leaves(3)).get().clone();
    second.changes.pool = [((pooled.body.sender, 1), Some(pooled))].into();
    store.commit(&second.changes).expect("commits");
    (folder, chain, second)
}

pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let list = fs::read_dir(folder.join("db")).expect("db").map(|entry| entry.expect("entry").path());
    list.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

impl Grown {
    /// Hash of the block before.
    pub(crate) fn undo_parent(&self) -> Hash256 {
        self.changes.headers[&self.moved.hash].signed.header.parent
    }
}
