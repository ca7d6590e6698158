//! A small network with known keys, and what makes decoded things valid in it.

use std::sync::LazyLock;

use dronechain_chain_spec::block::{Block, CheckedBlock};
use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Header, SignedHeader, VERSION};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::merkle::{self, Tree};
use dronechain_chain_spec::receipt::{AnchorProof, Authority, EntryProof};
use dronechain_chain_spec::registry::{Role, Roll};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, Network, Parameters};
use dronechain_chain_spec::state::{Draft, State};
use dronechain_chain_spec::target::{Bits, Target};
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, CheckedTransaction, Enrolment, PossessionClaim, Sender, Transaction,
    TransactionBody,
};

/// Every second hash meets it.
pub const EASY: Bits = Bits(0x207f_ffff);

const NODES: [u8; 3] = [0x11, 0x12, 0x13];
/// A node that has not said that it is ready.
const IDLE_NODE: u8 = 0x14;
const CONTROLLER: u8 = 0x21;
const OPERATOR: u8 = 0x31;
const DEVICE: u8 = 0x41;
/// Whom sequences are kept for; what is signed anew is signed by one of them.
const SENDERS: [u8; 7] = [NODES[0], NODES[1], NODES[2], IDLE_NODE, CONTROLLER, OPERATOR, DEVICE];

/// Public keys by the byte that their seeds are made of.
static KEYS: LazyLock<Vec<(SigningKey, PublicKey)>> = LazyLock::new(|| {
    let pair = |byte| {
        let key = SigningKey::from_bytes(&[byte; 32]);
        (key.clone(), PublicKey::of(&key))
    };
    (0..=u8::MAX).map(pair).collect()
});

/// The network with a controller, an operator, a device and a fourth node in block 1 and an anchor in block 2.
pub static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// The key whose seed is `byte` 32 times.
pub fn key(byte: u8) -> &'static SigningKey {
    &KEYS[usize::from(byte)].0
}

/// Its public half.
pub fn public(byte: u8) -> PublicKey {
    KEYS[usize::from(byte)].1
}

/// The network's spec: three nodes, two of three admins.
pub fn spec() -> ChainSpec {
    let (block_time_ms, finality_depth) = (1_000, 0);
    ChainSpec {
        name: "fuzz".into(),
        genesis_time_ms: 1_000_000,
        nodes: NODES.map(public).to_vec(),
        parameters: Parameters { block_time_ms, initial_bits: EASY, limit_bits: EASY, finality_depth },
        admins: AdminSet { threshold: 2, keys: [1, 2, 3].map(public).to_vec() },
    }
}

/// A full node's state beside a light chain of the same blocks.
pub struct World {
    /// The light chain.
    pub chain: HeaderChain,
    /// The state at its tip.
    pub state: State,
    /// Its blocks from height 1 on.
    pub blocks: Vec<CheckedBlock>,
}

impl World {
    fn new() -> Self {
        let chain = HeaderChain::new(spec()).expect("the spec is sound");
        let mut state = spec().genesis_state();
        state.history.push(chain.chain_id());
        let mut world = Self { chain, state, blocks: Vec::new() };
        world.push(vec![
            world.signed(body(Sender::Admins, 0, admit(Role::Controller, CONTROLLER))),
            world.signed(body(Sender::Admins, 1, admit(Role::Operator, OPERATOR))),
            world.signed(body(Sender::Admins, 2, admit(Role::Node, IDLE_NODE))),
            world.signed(body(by(CONTROLLER), 0, enrol())),
        ]);
        world.push(vec![world.signed(body(by(CONTROLLER), 1, anchor(AnchorKind::Data, &leaves())))]);
        world
    }

    /// The network as the rules see it.
    pub fn network(&self) -> &Network {
        self.chain.network()
    }

    /// Hash of the genesis block.
    pub fn id(&self) -> Hash256 {
        self.chain.chain_id()
    }

    /// Whose turn it is to make the next block.
    fn miner(&self) -> u8 {
        NODES[self.blocks.len() % NODES.len()]
    }

    fn push(&mut self, transactions: Vec<Transaction>) {
        let (checked, link, delta) = self.connect(transactions);
        self.chain.push(link).expect("light clients follow what nodes build");
        self.state.advance(&delta, checked.hash());
        self.blocks.push(checked);
    }

    fn connect(
        &self,
        transactions: Vec<Transaction>,
    ) -> (CheckedBlock, Link, dronechain_chain_spec::state::StateDelta) {
        let block = self.block(transactions);
        let checked = block.check(self.network()).expect("a block made by the rules");
        let delta = self.state.execute(&checked).expect("its transactions were applied before");
        let link = Link::of(&checked, &delta);
        (checked, link, delta)
    }

    /// A valid block on the tip. All of `transactions` must apply.
    pub fn block(&self, transactions: Vec<Transaction>) -> Block {
        let mut draft = Draft::new(&self.state, self.chain.height() + 1);
        for transaction in &transactions {
            let checked = transaction.clone().check(&self.id()).expect("a valid transaction");
            draft.apply(&checked).expect("a transaction that applies");
        }
        let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
        let header = self.header(&txids, draft.finish().commitments.hash());
        Block { header, transactions }
    }

    /// The link of a valid block on the tip.
    pub fn link(&self, transactions: Vec<Transaction>) -> Link {
        self.connect(transactions).1
    }

    /// A header on the tip with work and signature.
    pub fn header(&self, txids: &[Hash256], commitments: Hash256) -> SignedHeader {
        let parent = self.chain.header(self.chain.height()).expect("the tip has a header");
        let header = Header {
            version: VERSION,
            height: self.chain.height() + 1,
            parent: self.chain.tip(),
            tx_root: merkle::root(txids),
            commitments,
            tx_count: u32::try_from(txids.len()).expect("few transactions"),
            time_ms: parent.time_ms + 1_000,
            bits: EASY,
            network: self.network().tag,
            miner: public(self.miner()),
            nonce: 0,
        };
        self.mined(header, self.miner())
    }

    /// Counts the nonce on until the header meets its target, at most the easiest, and signs.
    pub fn mined(&self, mut header: Header, miner: u8) -> SignedHeader {
        header.bits = EASY;
        header.miner = public(miner);
        let target = Target::from_bits(header.bits).expect("EASY is canonical");
        while !target.is_met_by(&header.hash()) {
            header.nonce = header.nonce.wrapping_add(1);
        }
        header.signed(key(miner), &self.id())
    }

    /// The body with signatures that hold: by the sender if its key is known, else by one that is.
    pub fn signed(&self, mut body: TransactionBody) -> Transaction {
        let Sender::Key(sender) = body.sender else {
            return body.signed(&[key(1), key(3)], &self.id());
        };
        let known = SENDERS.into_iter().find(|byte| public(*byte) == sender);
        let sender = known.unwrap_or(SENDERS[usize::from(sender.0[0]) % SENDERS.len()]);
        let controller = public(sender);
        body.sender = Sender::Key(controller);
        let possess = |device: &mut PublicKey, kind: &str, area: &str| {
            let byte = (0..=u8::MAX).find(|byte| public(*byte) == *device).unwrap_or(device.0[0]);
            *device = public(byte);
            PossessionClaim { controller, device: *device, kind, area }.sign(key(byte), &self.id())
        };
        match &mut body.action {
            Action::Enrol(Enrolment { device, kind, area, possession }) => {
                *possession = possess(device, kind, area);
            }
            Action::Succeed { successor, possession } => *possession = possess(successor, "", ""),
            _ => {}
        }
        body.signed(&[key(sender)], &self.id())
    }

    /// Those of `transactions` that apply one after the other, signed anew, with their senders' next
    /// sequences if not their own.
    pub fn applying(&self, transactions: Vec<Transaction>) -> Vec<Transaction> {
        let mut draft = Draft::new(&self.state, self.chain.height() + 1);
        let admins_first = |transaction: &Transaction| transaction.body.sender != Sender::Admins;
        let mut transactions = transactions;
        transactions.sort_by_key(admins_first);
        let mut taken: Vec<Transaction> = Vec::new();
        for transaction in transactions {
            let first = self.signed(transaction.body);
            let sender = first.body.sender;
            let before = taken.iter().filter(|other| other.body.sender == sender).count() as u64;
            let sequence = self.next_sequence(sender) + before;
            let second = (first.body.sequence != sequence)
                .then(|| self.signed(TransactionBody { sequence, ..first.body.clone() }));
            for transaction in [Some(first), second].into_iter().flatten() {
                let checked = transaction.clone().check(&self.id());
                if checked.is_ok_and(|checked| draft.apply(&checked).is_ok()) {
                    taken.push(transaction);
                    break;
                }
            }
        }
        taken
    }

    fn next_sequence(&self, sender: Sender) -> u64 {
        match sender {
            Sender::Admins => self.state.admins.next_sequence,
            Sender::Key(key) => self.state.registry.account(&key).map_or(0, |account| account.next_sequence),
        }
    }

    /// The proof of the anchor in block 2 with the tip's registry.
    pub fn anchor_proof(&self) -> AnchorProof {
        let block = &self.blocks[1];
        let transaction = &block.transactions()[0];
        let txids = block.transactions().iter().map(CheckedTransaction::txid).collect();
        let mut before = spec().genesis_state();
        before.history.push(self.id());
        for block in &self.blocks[..1] {
            let delta = before.execute(block).expect("connected before");
            before.advance(&delta, block.hash());
        }
        AnchorProof {
            transaction: codec::encode(transaction.get()),
            tx_index: 0,
            block_path: Tree::new(txids).path(0).expect("there is one"),
            height: 2,
            header: block.header().signed().clone(),
            authority: Authority {
                height: 2,
                commitments: before.execute(block).expect("connected before").commitments,
                sender: self.entry_proof(CONTROLLER),
                device: Some(self.entry_proof(DEVICE)),
            },
        }
    }

    fn entry_proof(&self, byte: u8) -> EntryProof {
        let place = self.state.registry.place(&public(byte)).expect("registered");
        let tree = Tree::new(self.state.registry.leaves(Roll::Accounts).to_vec());
        let entry = self.state.registry.at(place).expect("registered").entry.clone();
        EntryProof { entry, path: tree.path(place.index.into()).expect("registered") }
    }
}

fn by(byte: u8) -> Sender {
    Sender::Key(public(byte))
}

/// A body of known parts.
pub fn body(sender: Sender, sequence: u64, action: Action) -> TransactionBody {
    TransactionBody { sender, sequence, action }
}

fn admit(role: Role, byte: u8) -> Action {
    Action::Admit { role, key: public(byte) }
}

fn anchor(kind: AnchorKind, leaves: &[Hash256]) -> Action {
    let leaf_count = u32::try_from(leaves.len()).expect("few leaves");
    Action::Anchor(Anchor { kind, root: merkle::root(leaves), leaf_count, first_time: 1, last_time: 2 })
}

fn enrol() -> Action {
    // World::signed fills the signature in.
    let possession = dronechain_chain_spec::key::Signature([0; 64]);
    Action::Enrol(Enrolment {
        device: public(DEVICE),
        kind: "multicopter".into(),
        area: "field 7".into(),
        possession,
    })
}

/// Leaves of the anchored batch.
pub fn leaves() -> Vec<Hash256> {
    (0..5u8).map(|n| dronechain_chain_spec::hash::sha256(&[&[n]])).collect()
}

/// One transaction of each kind, valid on the world's tip one by one.
pub fn transactions() -> Vec<(&'static str, Transaction)> {
    use dronechain_chain_spec::governance::Tuning;
    let world = &*WORLD;
    let admins = |action| world.signed(body(Sender::Admins, 3, action));
    let sent = |byte, sequence, action| world.signed(body(by(byte), sequence, action));
    let possession = dronechain_chain_spec::key::Signature([0; 64]);
    let parameters = Tuning { block_time_ms: 2_000, finality_depth: 100 };
    let keys = [1, 2, 3, 4].map(public).to_vec();
    vec![
        ("admit", admins(admit(Role::Node, 0x16))),
        ("revoke", admins(Action::Revoke { key: public(NODES[2]), suspect_since: 1 })),
        ("set-admins", admins(Action::SetAdmins { threshold: 3, keys })),
        ("set-parameters", admins(Action::SetParameters { parameters, height: 100 })),
        ("activate", admins(Action::Activate { rule: 1, height: 100 })),
        (
            "revoke-device",
            sent(CONTROLLER, 2, Action::RevokeDevice { device: public(DEVICE), suspect_since: 1 }),
        ),
        ("succeed", sent(NODES[0], 0, Action::Succeed { successor: public(0x15), possession })),
        ("ready", sent(IDLE_NODE, 0, Action::Ready)),
        ("anchor", sent(CONTROLLER, 2, anchor(AnchorKind::Command, &leaves()))),
        ("access", sent(OPERATOR, 0, anchor(AnchorKind::Access, &leaves()[..1]))),
        ("heartbeat", sent(CONTROLLER, 2, anchor(AnchorKind::Data, &[]))),
        ("enrol", sent(CONTROLLER, 2, enrol())),
    ]
}
