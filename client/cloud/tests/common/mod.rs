//! A cloud's data folder over a chain of three blocks: one controller, one device, two batches.

use std::path::PathBuf;

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Header, VERSION};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::merkle::{self, Tree};
use dronechain_chain_spec::receipt::{AnchorProof, Authority, EntryProof};
use dronechain_chain_spec::registry::{Commitments, Role, Roll};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, Parameters};
use dronechain_chain_spec::state::{Draft as BlockDraft, State};
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::transaction::{Action, Anchor, AnchorKind, Sender, Transaction, TransactionBody};
use dronechain_client::Headers;
use dronechain_cloud::Report;
use dronechain_cloud::store::{AnchorName, FetchedAnchor, Store};
use dronechain_cloud::sweep::Sweeper;
use dronechain_record::{Body, Clock, Draft, Flight, Kind, Location, NoLocation, Position, SignedRecord};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::RwLock;

pub(crate) const RECORDS: usize = 12;
const FIRST_BATCH: usize = 7;

/// The folder alone, for a server to open.
pub(crate) struct Closed {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) records: Vec<SignedRecord>,
}

pub(crate) struct House {
    folder: tempfile::TempDir,
    chain_id: Hash256,
    pub(crate) store: Store,
    chain: RwLock<HeaderChain>,
    pub(crate) device: PublicKey,
    pub(crate) records: Vec<SignedRecord>,
    flight: Position,
}

fn admin() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn miner() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

fn controller() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn device() -> SigningKey {
    SigningKey::from_bytes(&[4; 32])
}

fn spec() -> ChainSpec {
    ChainSpec {
        name: "test".into(),
        genesis_time_ms: 1_700_000_000_000,
        nodes: vec![PublicKey::of(&miner())],
        parameters: Parameters {
            block_time_ms: 1_000,
            initial_bits: Bits(0x2007_ffff),
            limit_bits: Bits(0x2007_ffff),
            finality_depth: 0,
        },
        admins: AdminSet { threshold: 1, keys: vec![PublicKey::of(&admin())] },
    }
}

/// A chain with the state at its tip.
struct Ledger {
    chain: HeaderChain,
    state: State,
}

impl Ledger {
    fn new() -> Self {
        let (spec, mut state) = (spec(), spec().genesis_state());
        state.history.push(spec.genesis().hash());
        Self { chain: HeaderChain::new(spec).unwrap(), state }
    }

    /// Mines a block; gives proofs of its transactions as anchors of the controller.
    fn mine(&mut self, transactions: &[Transaction]) -> Vec<AnchorProof> {
        let network = self.chain.network().clone();
        let height = self.chain.height() + 1;
        let mut draft = BlockDraft::new(&self.state, height);
        for transaction in transactions {
            draft.apply(&transaction.clone().check(&network.chain_id).unwrap()).unwrap();
        }
        let delta = draft.finish();
        let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
        let parent = self.chain.header(height - 1).unwrap().clone();
        let mut header = Header {
            version: VERSION,
            height,
            parent: self.chain.tip(),
            tx_root: merkle::root(&txids),
            commitments: delta.commitments.hash(),
            tx_count: u32::try_from(txids.len()).unwrap(),
            time_ms: parent.time_ms + 1_000,
            bits: self.next_bits(height),
            network: network.tag,
            miner: PublicKey::of(&miner()),
            nonce: 0,
        };
        let target = dronechain_chain_spec::target::Target::from_bits(header.bits).unwrap();
        while !target.is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        let signed = header.signed(&miner(), &network.chain_id);
        let block = Block { header: signed.clone(), transactions: transactions.to_vec() };
        let block = block.check(&network).unwrap();
        assert_eq!(self.state.execute(&block).unwrap(), delta);
        self.state.advance(&delta, signed.header.hash());
        self.chain.push(Link::of(&block, &delta)).unwrap();
        let tree = Tree::new(txids);
        let proof = |(transaction, index): (&Transaction, u32)| AnchorProof {
            transaction: codec::encode(transaction),
            tx_index: index,
            block_path: tree.path(index.into()).unwrap(),
            height,
            header: signed.clone(),
            authority: self.authority(height, delta.commitments),
        };
        transactions.iter().zip(0..).map(proof).collect()
    }

    fn next_bits(&self, height: u64) -> Bits {
        let network = self.chain.network();
        let Some(grandparent) = height.checked_sub(2).and_then(|height| self.chain.header(height)) else {
            return network.genesis_parent.next_bits(network, 1_000);
        };
        let parent = self.chain.header(height - 1).unwrap();
        let target = dronechain_chain_spec::target::Target::from_bits(parent.bits).unwrap();
        dronechain_chain_spec::header::Parent {
            hash: parent.hash(),
            height: height - 1,
            time_ms: parent.time_ms,
            target,
            grandparent_time_ms: Some(grandparent.time_ms),
        }
        .next_bits(network, 1_000)
    }

    fn authority(&self, height: u64, commitments: Commitments) -> Authority {
        let registry = &self.state.registry;
        let entry = registry.accounts(Roll::Accounts).first().map(|account| account.entry.clone());
        let tree = Tree::new(registry.leaves(Roll::Accounts).to_vec());
        Authority {
            height,
            commitments,
            sender: EntryProof { entry: entry.unwrap(), path: tree.path(0).unwrap() },
            device: None,
        }
    }
}

fn draft(body: &[u8]) -> Draft {
    Draft {
        kind: Kind::Data,
        known_block: Hash256([9; 32]),
        time_us: 1,
        clock: Clock::Simulated,
        location: Location::None(NoLocation::NoFix),
        content_type: "text/plain".into(),
        body: Body::Clear(body.to_vec()),
    }
}

fn anchor(leaves: &[Hash256], sequence: u64, chain_id: &Hash256) -> Transaction {
    let action = Action::Anchor(Anchor {
        kind: AnchorKind::Data,
        root: merkle::root(leaves),
        leaf_count: u32::try_from(leaves.len()).unwrap(),
        first_time: 0,
        last_time: 0,
    });
    let key = controller();
    TransactionBody { sender: Sender::Key(PublicKey::of(&key)), sequence, action }.signed(&[&key], chain_id)
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::new();
        let chain_id = ledger.chain.chain_id();
        let mut flight = Flight::new(device(), chain_id, Position::default());
        let records: Vec<_> = (0..RECORDS)
            .map(|at| flight.append(draft(format!("{at}").as_bytes()), [7; 16]).unwrap())
            .collect();
        let hashes: Vec<_> = records.iter().map(SignedRecord::target_hash).collect();

        let admit = Action::Admit { role: Role::Controller, key: PublicKey::of(&controller()) };
        let admit = TransactionBody { sender: Sender::Admins, sequence: 0, action: admit };
        ledger.mine(&[admit.signed(&[&admin()], &chain_id)]);
        let batches = [&hashes[..FIRST_BATCH], &hashes[FIRST_BATCH..]];
        let anchors = [anchor(batches[0], 0, &chain_id), anchor(batches[1], 1, &chain_id)];
        let proofs = ledger.mine(&anchors);
        ledger.mine(&[]);
        std::fs::write(folder.path().join("headers.bin"), ledger.chain.to_bytes()).unwrap();

        let (store, chain) = open(folder.path().to_owned()).await;
        store.keep(&records[..9], 0).await.unwrap();
        let block = ledger.chain.hash(2).unwrap();
        for ((proof, leaves), sequence) in proofs.into_iter().zip(batches).zip(0..) {
            let name = AnchorName { sender: PublicKey::of(&controller()), sequence };
            let (root, leaves) = (merkle::root(leaves), leaves.to_vec());
            store.keep_anchor(&FetchedAnchor { name, root, leaves, proof, block }).await.unwrap();
        }
        // These come behind their anchor.
        store.keep(&records[9..], 0).await.unwrap();
        let flight = flight.position();
        let device = PublicKey::of(&device());
        Self { folder, chain_id, store, chain, device, records, flight }
    }

    pub(crate) async fn reopened(self) -> Self {
        drop(self.store);
        let (store, chain) = open(self.folder.path().to_owned()).await;
        Self { store, chain, ..self }
    }

    pub(crate) async fn sweep(&self) -> Report {
        Sweeper::new(0, 1).sweep(1, &self.store, &self.chain).await.unwrap()
    }

    pub(crate) async fn other_connection(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.folder.path().join("cloud.sqlite")).connect().await.unwrap()
    }

    pub(crate) fn extra_record(&self) -> SignedRecord {
        Flight::new(device(), self.chain_id, self.flight).append(draft(b"extra"), [8; 16]).unwrap()
    }

    pub(crate) fn rival_of_first(&self) -> SignedRecord {
        Flight::new(device(), self.chain_id, Position::default()).append(draft(b"rival"), [8; 16]).unwrap()
    }
}

impl House {
    pub(crate) fn spec_hex(&self) -> String {
        hex::encode(codec::encode(&spec()))
    }

    pub(crate) fn closed(self) -> Closed {
        Closed { folder: self.folder, records: self.records }
    }
}

impl Closed {
    pub(crate) async fn other_connection(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.folder.path().join("cloud.sqlite")).connect().await.unwrap()
    }
}

async fn open(folder: PathBuf) -> (Store, RwLock<HeaderChain>) {
    let store = Store::open(&folder.join("cloud.sqlite")).await.unwrap();
    let headers = Headers::open(folder.join("headers.bin"), None, spec()).unwrap();
    (store, RwLock::new(headers.chain().clone()))
}
