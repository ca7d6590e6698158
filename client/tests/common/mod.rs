//! A small network in memory, by the real rules: keys, blocks with work, receipts.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod node;

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Header, Parent, SignedHeader, VERSION};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::merkle::{self, Tree};
use dronechain_chain_spec::receipt::{AnchorProof, Authority, EntryProof, Receipt};
use dronechain_chain_spec::registry::{Commitments, Registry, Role, Roll};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, Parameters};
use dronechain_chain_spec::state::{Draft, State};
use dronechain_chain_spec::target::{Bits, Target};
use dronechain_chain_spec::transaction::{
    Action, AnchorKind, Enrolment, PossessionClaim, Sender, Transaction, TransactionBody,
};
use dronechain_client::Batch;
use dronechain_record::{
    Body, Clock, Closing, Draft as RecordDraft, Fix, Flight, Kind, Location, Position, SignedRecord,
};

/// Every second hash meets it.
const EASY: Bits = Bits(0x207f_ffff);
/// Milliseconds between blocks, as the network wants them.
const BLOCK_TIME_MS: u64 = 1_000;
const GENESIS_TIME_MS: u64 = 1_700_000_000_000;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn admin() -> SigningKey {
    key(1)
}

pub(crate) fn miner() -> SigningKey {
    key(2)
}

pub(crate) fn controller() -> SigningKey {
    key(3)
}

pub(crate) fn operator() -> SigningKey {
    key(4)
}

pub(crate) fn device() -> SigningKey {
    key(5)
}

pub(crate) fn spec() -> ChainSpec {
    ChainSpec {
        name: "test".to_owned(),
        genesis_time_ms: GENESIS_TIME_MS,
        nodes: vec![PublicKey::of(&miner())],
        parameters: Parameters {
            block_time_ms: BLOCK_TIME_MS,
            initial_bits: EASY,
            limit_bits: EASY,
            finality_depth: 0,
        },
        admins: AdminSet { threshold: 1, keys: vec![PublicKey::of(&admin())] },
    }
}

/// A block as receipts need it.
#[derive(Clone)]
struct Mined {
    signed: SignedHeader,
    transactions: Vec<Transaction>,
    commitments: Commitments,
    registry: Registry,
}

/// A network with one node, from genesis on.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) chain: HeaderChain,
    state: State,
    blocks: Vec<Mined>,
}

impl World {
    /// Genesis alone.
    pub(crate) fn new() -> Self {
        let chain = HeaderChain::new(spec()).expect("the spec is sound");
        let mut state = spec().genesis_state();
        state.history.push(chain.chain_id());
        Self { chain, state, blocks: Vec::new() }
    }

    /// With a controller and an operator (height 1) and the controller's device (height 2).
    pub(crate) fn peopled() -> Self {
        let mut world = Self::new();
        let admit = |role, key: &SigningKey| Action::Admit { role, key: PublicKey::of(key) };
        let admits = [admit(Role::Controller, &controller()), admit(Role::Operator, &operator())];
        world.mine_actions(&admits.map(|action| (Sender::Admins, admin(), action)));
        let enrol = world.enrolment(&device());
        world.mine_by(&controller(), enrol);
        world
    }

    pub(crate) fn chain_id(&self) -> Hash256 {
        self.chain.chain_id()
    }

    pub(crate) fn enrolment(&self, device: &SigningKey) -> Action {
        let (controller, key) = (PublicKey::of(&controller()), PublicKey::of(device));
        let claim = PossessionClaim { controller, device: key, kind: "multicopter", area: "test" };
        let possession = claim.sign(device, &self.chain_id());
        Action::Enrol(Enrolment { device: key, kind: "multicopter".into(), area: "test".into(), possession })
    }

    /// A block with one transaction of `sender`; gives its height.
    pub(crate) fn mine_by(&mut self, sender: &SigningKey, action: Action) -> u64 {
        self.mine_actions(&[(Sender::Key(PublicKey::of(sender)), sender.clone(), action)])
    }

    pub(crate) fn mine_empty(&mut self, blocks: u64) {
        for _ in 0..blocks {
            self.mine_actions(&[]);
        }
    }

    fn mine_actions(&mut self, actions: &[(Sender, SigningKey, Action)]) -> u64 {
        let mut sent = Vec::new();
        for (sender, key, action) in actions {
            let before = sent.iter().filter(|tx: &&Transaction| tx.body.sender == *sender).count() as u64;
            let sequence = before
                + match sender {
                    Sender::Admins => self.state.admins.next_sequence,
                    Sender::Key(key) => {
                        self.state.registry.account(key).map_or(0, |account| account.next_sequence)
                    }
                };
            let body = TransactionBody { sender: *sender, sequence, action: action.clone() };
            sent.push(body.signed(&[key], &self.chain_id()));
        }
        self.mine(sent, BLOCK_TIME_MS)
    }

    /// A block `later_ms` after the last.
    pub(crate) fn mine(&mut self, transactions: Vec<Transaction>, later_ms: u64) -> u64 {
        let chain_id = self.chain_id();
        let parent = self.parent();
        let height = parent.height + 1;
        let mut draft = Draft::new(&self.state, height);
        for transaction in &transactions {
            let checked = transaction.clone().check(&chain_id).expect("a sound transaction");
            draft.apply(&checked).expect("a valid transaction");
        }
        let delta = draft.finish();
        let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
        let mut header = Header {
            version: VERSION,
            height,
            parent: parent.hash,
            tx_root: merkle::root(&txids),
            commitments: delta.commitments.hash(),
            tx_count: u32::try_from(txids.len()).expect("few"),
            time_ms: parent.time_ms + later_ms,
            bits: parent.next_bits(self.chain.network(), BLOCK_TIME_MS),
            network: self.chain.network().tag,
            miner: PublicKey::of(&miner()),
            nonce: 0,
        };
        let target = Target::from_bits(header.bits).expect("the rule gives strict bits");
        while !target.is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        let signed = header.signed(&miner(), &chain_id);
        let block = Block { header: signed.clone(), transactions: transactions.clone() };
        let block = block.check(self.chain.network()).expect("a sound block");
        self.chain.push(Link::of(&block, &delta)).expect("a valid header");
        self.state.advance(&delta, self.chain.tip());
        let registry = self.state.registry.clone();
        self.blocks.push(Mined { signed, transactions, commitments: delta.commitments, registry });
        height
    }

    fn parent(&self) -> Parent {
        let height = self.chain.height();
        if height == 0 {
            return self.chain.network().genesis_parent;
        }
        let header = self.chain.header(height).expect("the tip");
        Parent {
            hash: self.chain.tip(),
            height,
            time_ms: header.time_ms,
            target: Target::from_bits(header.bits).expect("it was accepted"),
            grandparent_time_ms: self.chain.header(height - 1).map(|header| header.time_ms),
        }
    }

    fn block(&self, height: u64) -> &Mined {
        &self.blocks[usize::try_from(height - 1).expect("small")]
    }

    /// Anchors a batch of data in a block of its own.
    pub(crate) fn anchor(&mut self, batch: &Batch) -> u64 {
        self.mine_by(&controller(), Action::Anchor(batch.anchor(AnchorKind::Data)))
    }

    /// The proof of the only transaction at `height`, with registrations as of `shown`.
    pub(crate) fn proof(&self, height: u64, shown: u64, device: Option<&PublicKey>) -> AnchorProof {
        let Mined { signed, transactions, .. } = self.block(height);
        let Mined { commitments, registry, .. } = self.block(shown);
        let tree = Tree::new(registry.leaves(Roll::Accounts).to_vec());
        let entry = |key: &PublicKey| {
            let place = registry.place(key).expect("registered");
            EntryProof {
                entry: registry.at(place).expect("there").entry.clone(),
                path: tree.path(place.index.into()).expect("there"),
            }
        };
        let Sender::Key(sender) = transactions[0].body.sender else { panic!("an anchor has a key") };
        let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
        AnchorProof {
            transaction: codec::encode(&transactions[0]),
            tx_index: 0,
            block_path: Tree::new(txids).path(0).expect("there"),
            height,
            header: signed.clone(),
            authority: Authority {
                height: shown,
                commitments: *commitments,
                sender: entry(&sender),
                device: device.map(entry),
            },
        }
    }

    /// A flight of `count` records and a closing one.
    pub(crate) fn flight(&self, key: SigningKey, count: u64, start: Position) -> Vec<SignedRecord> {
        let mut flight = Flight::new(key, self.chain_id(), start);
        let known_block = self.chain.tip();
        let location = || {
            let fix =
                Fix { lat_e7: 473_977_420, lon_e7: 85_455_940, altitude_mm: Some(1), accuracy_mm: None };
            Location::Fix(fix)
        };
        let mut records: Vec<_> = (0..count)
            .map(|n| {
                let draft = RecordDraft {
                    kind: Kind::Data,
                    known_block,
                    time_us: 1_700_000_000_000_000 + n,
                    clock: Clock::UtcHost,
                    location: location(),
                    content_type: "text/plain".to_owned(),
                    body: Body::Clear(format!("message {n}").into_bytes()),
                };
                flight.append(draft, [7; 16]).expect("a sound record")
            })
            .collect();
        let closing = Closing { known_block, time_us: 1, clock: Clock::Boot, location: location() };
        records.push(flight.close(closing, [8; 16]).expect("a sound record"));
        records
    }
}

/// A batch of records, in order.
pub(crate) fn batch_of(records: &[SignedRecord]) -> Batch {
    let mut batch = Batch::new();
    for record in records {
        batch.push(record.target_hash(), record.record().time_us / 1_000).expect("all differ");
    }
    batch
}

/// A flight that was anchored in two batches, with the receipts of all records.
pub(crate) struct Flown {
    pub(crate) world: World,
    pub(crate) records: Vec<SignedRecord>,
    pub(crate) receipts: Vec<Receipt>,
}

/// Six records and a closing one, the second batch three blocks below the tip.
pub(crate) fn flown() -> Flown {
    let mut world = World::peopled();
    let records = world.flight(device(), 6, Position::default());
    let device = PublicKey::of(&device());
    let mut receipts = Vec::new();
    for part in records.chunks(4) {
        let batch = batch_of(part);
        let height = world.anchor(&batch);
        let proof = world.proof(height, height, Some(&device));
        receipts.extend(batch.receipts(world.chain_id(), &proof).expect("its own proof"));
    }
    world.mine_empty(3);
    Flown { world, records, receipts }
}
