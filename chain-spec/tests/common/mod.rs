//! A small network in memory: full state and light chain side by side, mined by brute force.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use dronechain_chain_spec::block::{Block, CheckedBlock};
use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::governance::Tuning;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::header::{Header, Parent, SignedHeader, VERSION};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::merkle::{Tree, root};
use dronechain_chain_spec::receipt::{AnchorProof, Authority, EntryProof};
use dronechain_chain_spec::registry::{Account, Commitments, Role, Roll};
use dronechain_chain_spec::rules::{BlockError, TxError};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, Parameters};
use dronechain_chain_spec::state::{Draft, Outcome, State, Undo};
use dronechain_chain_spec::target::{Bits, Target};
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, CheckedTransaction, Enrolment, PossessionClaim, Sender, Transaction,
    TransactionBody,
};

/// Every second hash meets it.
pub const EASY: Bits = Bits(0x207f_ffff);

pub const NODES: [u8; 5] = [0x11, 0x12, 0x13, 0x14, 0x15];
pub const CONTROLLER: u8 = 0x21;
pub const CONTROLLER_2: u8 = 0x22;
pub const OPERATOR: u8 = 0x31;
pub const DEVICE: u8 = 0x41;
pub const STRANGER: u8 = 0x61;

/// One key a byte; making them takes longer than anything else here.
static KEYS: LazyLock<Vec<SigningKey>> =
    LazyLock::new(|| (0..=u8::MAX).map(|byte| SigningKey::from_bytes(&[byte; 32])).collect());

pub fn key(byte: u8) -> SigningKey {
    KEYS[usize::from(byte)].clone()
}

pub fn public(byte: u8) -> PublicKey {
    PublicKey::of(&KEYS[usize::from(byte)])
}

/// A network of `nodes` nodes and admins 1, 2, 3, of whom two act together.
pub fn spec(nodes: usize) -> ChainSpec {
    ChainSpec {
        name: "test".into(),
        genesis_time_ms: 1_000_000,
        nodes: NODES[..nodes].iter().map(|byte| public(*byte)).collect(),
        parameters: Parameters {
            block_time_ms: 1_000,
            initial_bits: EASY,
            limit_bits: EASY,
            finality_depth: 0,
        },
        admins: AdminSet { threshold: 2, keys: [1, 2, 3].map(public).to_vec() },
    }
}

pub fn body(sender: u8, sequence: u64, action: Action) -> TransactionBody {
    TransactionBody { sender: Sender::Key(public(sender)), sequence, action }
}

pub fn admin_body(sequence: u64, action: Action) -> TransactionBody {
    TransactionBody { sender: Sender::Admins, sequence, action }
}

pub fn admit(role: Role, key: u8) -> Action {
    Action::Admit { role, key: public(key) }
}

pub fn revoke(key: u8) -> Action {
    Action::Revoke { key: public(key), suspect_since: 0 }
}

pub fn anchor(kind: AnchorKind, leaves: &[Hash256]) -> Action {
    let leaf_count = u32::try_from(leaves.len()).unwrap();
    Action::Anchor(Anchor { kind, root: root(leaves), leaf_count, first_time: 1, last_time: 2 })
}

pub fn enrol(controller: u8, device: u8, chain_id: &Hash256) -> Action {
    let (kind, area) = ("multicopter", "field 7");
    let claim = PossessionClaim { controller: public(controller), device: public(device), kind, area };
    let possession = claim.sign(&key(device), chain_id);
    Action::Enrol(Enrolment { device: public(device), kind: kind.into(), area: area.into(), possession })
}

/// The successor's possession claim over the key that it succeeds.
pub fn succeed(old: u8, successor: u8, chain_id: &Hash256) -> Action {
    let claim = PossessionClaim { controller: public(old), device: public(successor), kind: "", area: "" };
    Action::Succeed { successor: public(successor), possession: claim.sign(&key(successor), chain_id) }
}

pub fn set_parameters(block_time_ms: u64, height: u64) -> Action {
    Action::SetParameters { parameters: Tuning { block_time_ms, finality_depth: 7 }, height }
}

pub fn set_admins(threshold: u32, admins: &[u8]) -> Action {
    Action::SetAdmins { threshold, keys: admins.iter().map(|byte| public(*byte)).collect() }
}

pub fn leaves(count: usize) -> Vec<Hash256> {
    (0..count).map(|at| sha256(&[b"leaf", &[u8::try_from(at).unwrap()]])).collect()
}

/// Counts the nonce up until the header meets its own target, and signs.
pub fn mined(mut header: Header, miner: u8, chain_id: &Hash256) -> SignedHeader {
    let target = Target::from_bits(header.bits).unwrap_or(Target::MAX);
    while !target.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    header.signed(&key(miner), chain_id)
}

/// A header on the chain's tip, as `miner` would make it a block time later; neither mined nor held to any
/// rule.
pub fn header_on(chain: &HeaderChain, miner: u8, txids: &[Hash256], commitments: Hash256) -> Header {
    let height = chain.height() + 1;
    let parent = parent(chain);
    let block_time_ms = chain.roster(height - 1).block_time_ms(height);
    Header {
        version: VERSION,
        height,
        parent: chain.tip(),
        tx_root: root(txids),
        commitments,
        tx_count: u32::try_from(txids.len()).unwrap(),
        time_ms: parent.time_ms + block_time_ms,
        bits: parent.next_bits(chain.network(), block_time_ms),
        network: chain.network().tag,
        miner: public(miner),
        nonce: 0,
    }
}

/// What the next header's rules need to know of the tip.
pub fn parent(chain: &HeaderChain) -> Parent {
    let header = |height| chain.header(height).unwrap();
    let height = chain.height();
    Parent {
        hash: chain.tip(),
        height,
        time_ms: header(height).time_ms,
        target: Target::from_bits(header(height).bits).unwrap(),
        grandparent_time_ms: height.checked_sub(1).map(|before| header(before).time_ms),
    }
}

/// Transactions of a block with their places in it.
pub fn shown(transactions: &[Transaction], indices: &[u32]) -> Vec<Shown> {
    let tree = Tree::new(transactions.iter().map(Transaction::txid).collect());
    let one = |index: &u32| Shown {
        index: *index,
        path: tree.path(u64::from(*index)).unwrap(),
        transaction: transactions[*index as usize].clone(),
    };
    indices.iter().map(one).collect()
}

/// A full node's state with the light chain of its blocks.
pub struct Net {
    pub chain: HeaderChain,
    pub state: State,
    pub blocks: Vec<CheckedBlock>,
    pub undos: Vec<Undo>,
}

impl Net {
    pub fn new(nodes: usize) -> Self {
        let spec = spec(nodes);
        let mut state = spec.genesis_state();
        let chain = HeaderChain::new(spec).unwrap();
        state.history.push(chain.chain_id());
        Self { chain, state, blocks: Vec::new(), undos: Vec::new() }
    }

    /// With a controller, an operator and a device, admitted and enrolled in block 1.
    pub fn populated(nodes: usize) -> Self {
        let mut net = Self::new(nodes);
        let transactions = vec![
            net.by_admins(0, admit(Role::Controller, CONTROLLER)),
            net.by_admins(1, admit(Role::Operator, OPERATOR)),
            net.by(CONTROLLER, 0, enrol(CONTROLLER, DEVICE, &net.id())),
        ];
        net.push(NODES[0], transactions).unwrap();
        net
    }

    pub fn id(&self) -> Hash256 {
        self.chain.chain_id()
    }

    pub fn by(&self, sender: u8, sequence: u64, action: Action) -> Transaction {
        body(sender, sequence, action).signed(&[&key(sender)], &self.id())
    }

    pub fn by_admins(&self, sequence: u64, action: Action) -> Transaction {
        admin_body(sequence, action).signed(&[&key(1), &key(3)], &self.id())
    }

    pub fn checked(&self, transaction: Transaction) -> CheckedTransaction {
        transaction.check(&self.id()).unwrap()
    }

    /// A draft of the next block.
    pub fn draft(&self) -> Draft<'_> {
        Draft::new(&self.state, self.chain.height() + 1)
    }

    /// What the next block makes of one transaction.
    pub fn apply(&self, transaction: Transaction) -> Result<Outcome, TxError> {
        self.draft().apply(&self.checked(transaction))
    }

    /// The header of a block with these transactions, not mined. Those that are refused change nothing.
    pub fn header(&self, miner: u8, transactions: &[Transaction]) -> Header {
        let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
        header_on(&self.chain, miner, &txids, self.commitments(transactions).hash())
    }

    /// What the header of a block with these transactions commits to.
    pub fn commitments(&self, transactions: &[Transaction]) -> Commitments {
        let mut draft = self.draft();
        for transaction in transactions {
            if let Ok(checked) = transaction.clone().check(&self.id()) {
                let _ = draft.apply(&checked);
            }
        }
        draft.finish().commitments
    }

    pub fn block(&self, miner: u8, transactions: Vec<Transaction>) -> Block {
        let header = mined(self.header(miner, &transactions), miner, &self.id());
        Block { header, transactions }
    }

    /// Mines a block and connects it under every rule but H12.
    pub fn push(&mut self, miner: u8, transactions: Vec<Transaction>) -> Result<Vec<Outcome>, BlockError> {
        self.connect(self.block(miner, transactions))
    }

    pub fn connect(&mut self, block: Block) -> Result<Vec<Outcome>, BlockError> {
        let block = block.check(self.chain.network())?;
        let delta = self.state.execute(&block)?;
        self.chain.push(Link::of(&block, &delta))?;
        let (undo, _) = self.state.advance(&delta, block.hash());
        self.undos.push(undo);
        self.blocks.push(block);
        Ok(delta.outcomes)
    }

    /// Disconnects the tip.
    pub fn pop(&mut self) {
        self.state.rewind(&self.undos.pop().unwrap());
        self.blocks.pop().unwrap();
        self.chain.truncate(self.chain.height() - 1);
    }

    /// The proof of the account of `key` against the tip.
    pub fn entry_proof(&self, key: u8) -> EntryProof {
        let place = self.state.registry.place(&public(key)).unwrap();
        let tree = Tree::new(self.state.registry.leaves(Roll::Accounts).to_vec());
        let entry = self.state.registry.at(place).unwrap().entry.clone();
        EntryProof { entry, path: tree.path(place.index.into()).unwrap() }
    }

    /// The proof of transaction `tx_index` of the block at `height`, with its authority at the tip.
    pub fn anchor_proof(&self, height: u64, tx_index: u32, device: Option<u8>) -> AnchorProof {
        let block = &self.blocks[usize::try_from(height - 1).unwrap()];
        let transaction = &block.transactions()[tx_index as usize];
        let Sender::Key(sender) = transaction.body().sender else { panic!("no key's transaction") };
        let sender = (0..=u8::MAX).find(|byte| public(*byte) == sender).unwrap();
        let txids = block.transactions().iter().map(CheckedTransaction::txid).collect();
        let tip = self.blocks.last().unwrap();
        // The tip's own commitments: history without the tip, registry after it.
        let mut before = self.state.clone();
        before.rewind(self.undos.last().unwrap());
        let commitments = before.execute(tip).unwrap().commitments;
        AnchorProof {
            transaction: codec::encode(transaction.get()),
            tx_index,
            block_path: Tree::new(txids).path(tx_index.into()).unwrap(),
            height,
            header: block.header().signed().clone(),
            authority: Authority {
                height: self.chain.height(),
                commitments,
                sender: self.entry_proof(sender),
                device: device.map(|device| self.entry_proof(device)),
            },
        }
    }
}

/// All that a state is, in comparable form.
pub fn digest(state: &State) -> impl PartialEq + std::fmt::Debug + use<> {
    let registry = &state.registry;
    let roll = |roll| {
        let accounts: Vec<Account> = registry.accounts(roll).to_vec();
        (accounts, registry.leaves(roll).to_vec(), registry.root(roll))
    };
    let places: BTreeMap<_, _> = (0..=u8::MAX).map(|byte| (byte, registry.place(&public(byte)))).collect();
    let committed = (state.nodes_root(), state.admins.clone(), state.history.clone());
    (roll(Roll::Nodes), roll(Roll::Accounts), places, committed)
}

pub const DEVICE_2: u8 = 0x42;

pub fn revoke_device(device: u8) -> Action {
    Action::RevokeDevice { device: public(device), suspect_since: 0 }
}

pub const fn activate(rule: u32, height: u64) -> Action {
    Action::Activate { rule, height }
}

pub fn heartbeat(kind: AnchorKind) -> Action {
    anchor(kind, &[])
}

/// The stateless verdict.
pub fn form(net: &Net, transaction: Transaction) -> Result<(), TxError> {
    transaction.check(&net.id()).map(|_| ())
}

#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, TxError>, rule: &str) {
    assert_eq!(result.unwrap_err().rule().0, rule);
}

/// An administrators' transaction that the keys of these bytes sign, in this order.
pub fn by_keys(net: &Net, keys: &[u8], sequence: u64, action: Action) -> Transaction {
    let keys: Vec<_> = keys.iter().map(|byte| key(*byte)).collect();
    admin_body(sequence, action).signed(&keys.iter().collect::<Vec<_>>(), &net.id())
}
