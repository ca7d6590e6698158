//! What the tests of this module share: a small network and its blocks.

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Header, SignedHeader};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::registry::{Commitments, Roll};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, NetworkTemplate};
use dronechain_chain_spec::transaction::{Action, Sender, Transaction, TransactionBody};

/// The key of the node with this number.
pub(super) fn key(node: u8) -> SigningKey {
    SigningKey::from_bytes(&[node + 1; 32])
}

/// A network of so many nodes; the first node's key is the admin's too.
pub(super) fn spec(nodes: u8) -> ChainSpec {
    let NetworkTemplate { name, parameters } = NetworkTemplate::dev();
    let nodes: Vec<_> = (0..nodes).map(|node| PublicKey::of(&key(node))).collect();
    let admins = AdminSet { threshold: 1, keys: vec![nodes[0]] };
    ChainSpec { name, genesis_time_ms: 1_000, nodes, parameters, admins }
}

/// A header on genesis with the least work that the network takes; another `time` gives another.
pub(super) fn header(spec: &ChainSpec, time: u64) -> SignedHeader {
    let genesis = spec.genesis();
    let mut header = Header {
        height: 1,
        parent: genesis.hash(),
        tx_root: Hash256::ZERO,
        time_ms: genesis.time_ms + time,
        bits: spec.parameters.limit_bits,
        miner: PublicKey::of(&key(0)),
        ..genesis
    };
    let network = spec.network();
    while !network.limit.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    header.signed(&key(0), &network.chain_id)
}

/// A link to [`header`]; its commitments are genesis's.
pub(super) fn link(spec: &ChainSpec, time: u64) -> Link {
    let state = spec.genesis_state();
    let commitments = Commitments {
        history: state.history.root(),
        nodes: state.nodes_root(),
        accounts: state.registry.root(Roll::Accounts),
    };
    Link { header: header(spec, time), commitments, changes: Vec::new() }
}

/// The block without transactions under [`header`].
pub(super) fn block(spec: &ChainSpec, time: u64) -> Block {
    Block { header: header(spec, time), transactions: Vec::new() }
}

/// A transaction by the first node.
pub(super) fn transaction(spec: &ChainSpec, sequence: u64) -> Transaction {
    let sender = Sender::Key(PublicKey::of(&key(0)));
    TransactionBody { sender, sequence, action: Action::Ready }.signed(&[&key(0)], &spec.network().chain_id)
}
