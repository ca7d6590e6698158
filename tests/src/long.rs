//! Long valid chains, made fast: blocks and batches are written into a node's store as the node that connected them would
//! have, without being verified once more.

use std::path::Path;

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, Enrolment, PossessionClaim, Sender, Transaction, TransactionBody,
};
use dronechain_node::store::{Options, Store};

use crate::cluster::{Cluster, now_ms};
use crate::hostile::Forge;

/// Every hash meets it: only the signatures cost.
const EASIEST: Bits = Bits(0x2100_ffff);
/// Blocks written at once.
const GROUP: u64 = 2_000;
/// The first blocks admit and enrol.
const SETUP_BLOCKS: u64 = 2;
/// Devices of the controller.
const DEVICES: u8 = 10;
/// The sooner the last block, the longer a node waits before it counts the chain as old.
const SPARE_BLOCKS: u64 = 60;

/// A network of three nodes, none of which runs, whose first node has a long chain.
pub struct Long {
    /// Node 0 has the chain.
    pub cluster: Cluster,
    /// Anchors the records, a batch a block.
    pub controller: PublicKey,
    /// Blocks above genesis.
    pub blocks: u64,
    /// Records of a batch.
    pub per_block: u64,
}

impl Long {
    /// Writes `blocks` blocks with at least `records` records in all, evenly spread.
    pub fn new(blocks: u64, records: u64) -> Self {
        let cluster = Cluster::new(3, |spec| {
            spec.parameters.limit_bits = EASIEST;
            spec.parameters.initial_bits = EASIEST;
            spec.genesis_time_ms = now_ms() - (blocks + SPARE_BLOCKS) * spec.parameters.block_time_ms;
        });
        let data = cluster.path("node0");
        std::fs::create_dir_all(&data).expect("a folder");
        let per_block = records.div_ceil(blocks - SETUP_BLOCKS).max(1);
        write(&cluster, &data.join("ledger"), blocks, per_block);
        Self { cluster, controller: PublicKey::of(&controller()), blocks, per_block }
    }

    /// Heights that have a batch.
    pub fn anchored(&self) -> std::ops::RangeInclusive<u64> {
        SETUP_BLOCKS + 1..=self.blocks
    }
}

/// The key that anchors.
pub fn controller() -> SigningKey {
    SigningKey::from_bytes(&[77; 32])
}

/// The record with that `index` in the batch of the block at `height`, which is above the first two.
pub fn record(height: u64, index: u64) -> Vec<u8> {
    [&b"record"[..], &height.to_be_bytes(), &index.to_be_bytes()].concat()
}

/// Its hash.
pub fn leaf(height: u64, index: u64) -> Hash256 {
    sha256(&[&record(height, index)])
}

fn write(cluster: &Cluster, ledger: &Path, blocks: u64, per_block: u64) {
    let (store, _) = Store::open(ledger, &cluster.spec, &Options::default()).expect("a store");
    let (chain_id, controller) = (cluster.chain_id(), controller());
    let mut forge = Forge::new(&cluster.spec);
    let mut sequence = 0;
    for (height, miner) in (1..=blocks).zip(cluster.keys.iter().cycle()) {
        let transactions = match height {
            1 => admissions(cluster, &controller),
            2 => enrolments(&controller, &chain_id, &mut sequence),
            _ => {
                let leaves: Vec<_> = (0..per_block).map(|index| leaf(height, index)).collect();
                let anchor = anchor(cluster, height, &leaves);
                forge.body(leaves);
                vec![signed(&controller, &chain_id, &mut sequence, Action::Anchor(anchor))]
            }
        };
        forge.block(miner, transactions, Vec::new());
        if height % GROUP == 0 || height == blocks {
            forge.write(&store);
            forge.forget();
        }
    }
}

fn admissions(cluster: &Cluster, controller: &SigningKey) -> Vec<Transaction> {
    let keys = [(Role::Controller, controller.clone()), (Role::Operator, SigningKey::from_bytes(&[78; 32]))];
    let admit = |(sequence, (role, key)): (u64, (Role, SigningKey))| {
        let action = Action::Admit { role, key: PublicKey::of(&key) };
        let body = TransactionBody { sender: Sender::Admins, sequence, action };
        body.signed(&[&cluster.admin], &cluster.chain_id())
    };
    (0..).zip(keys).map(admit).collect()
}

fn enrolments(controller: &SigningKey, chain_id: &Hash256, sequence: &mut u64) -> Vec<Transaction> {
    let enrol = |number: u8| {
        let key = SigningKey::from_bytes(&[100 + number; 32]);
        let (device, kind, area) = (PublicKey::of(&key), "multicopter", "north");
        let claim = PossessionClaim { controller: PublicKey::of(controller), device, kind, area };
        let possession = claim.sign(&key, chain_id);
        let enrolment = Enrolment { device, kind: kind.to_owned(), area: area.to_owned(), possession };
        signed(controller, chain_id, sequence, Action::Enrol(enrolment))
    };
    (0..DEVICES).map(enrol).collect()
}

fn anchor(cluster: &Cluster, height: u64, leaves: &[Hash256]) -> Anchor {
    let time = cluster.spec.genesis_time_ms + height * cluster.spec.parameters.block_time_ms;
    let leaf_count = u32::try_from(leaves.len()).expect("a batch's");
    let (first_time, last_time) = (time - 1_000, time - 1);
    Anchor { kind: AnchorKind::Data, root: merkle::root(leaves), leaf_count, first_time, last_time }
}

fn signed(key: &SigningKey, chain_id: &Hash256, sequence: &mut u64, action: Action) -> Transaction {
    let body = TransactionBody { sender: Sender::Key(PublicKey::of(key)), sequence: *sequence, action };
    *sequence += 1;
    body.signed(&[key], chain_id)
}
