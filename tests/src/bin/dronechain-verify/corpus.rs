//! Records in batches on a chain, all made by the real rules in memory.

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::receipt::{AnchorProof, Authority, EntryProof, Receipt};
use dronechain_chain_spec::registry::{Commitments, Role, Roll};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, NetworkTemplate};
use dronechain_chain_spec::state::State;
use dronechain_chain_spec::target::Bits;
use dronechain_chain_spec::transaction::{
    Action, AnchorKind, Enrolment, PossessionClaim, Sender, Transaction, TransactionBody,
};
use dronechain_client::Batch;
use dronechain_record::{Body, Clock, Draft, Flight, Kind, Location, NoLocation, Position, SignedRecord};
use dronechain_tests::hostile::{Forge, Made};

/// Records of one batch.
pub(crate) const BATCH: usize = 1_000;
/// Anchors of one block.
const ANCHORS: usize = 8;
/// Bytes of a record's body.
const BODY: usize = 200;
/// Every hash meets it.
const EASIEST: Bits = Bits(0x2100_ffff);

/// A verified header chain, records, and the receipt of each.
pub(crate) struct Corpus {
    pub(crate) chain: HeaderChain,
    pub(crate) records: Vec<SignedRecord>,
    pub(crate) receipts: Vec<Receipt>,
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn spec() -> ChainSpec {
    let NetworkTemplate { name, mut parameters } = NetworkTemplate::dev();
    (parameters.limit_bits, parameters.initial_bits) = (EASIEST, EASIEST);
    let (node, admin) = (PublicKey::of(&key(1)), PublicKey::of(&key(2)));
    let admins = AdminSet { threshold: 1, keys: vec![admin] };
    ChainSpec { name, genesis_time_ms: 1_700_000_000_000, nodes: vec![node], parameters, admins }
}

impl Corpus {
    /// `count` records of one drone, [`BATCH`] to an anchor.
    pub(crate) fn new(count: usize) -> Self {
        let (spec, controller, drone) = (spec(), key(3), key(4));
        let chain_id = spec.network().chain_id;
        let sign = |sender, key: &SigningKey, sequence, action| {
            TransactionBody { sender, sequence, action }.signed(&[key], &chain_id)
        };
        let by_controller =
            |sequence, action| sign(Sender::Key(PublicKey::of(&controller)), &controller, sequence, action);
        let mut forge = Forge::new(&spec);
        let admit = Action::Admit { role: Role::Controller, key: PublicKey::of(&controller) };
        forge.block(&key(1), vec![sign(Sender::Admins, &key(2), 0, admit)], Vec::new());
        let (controller_key, device) = (PublicKey::of(&controller), PublicKey::of(&drone));
        let claim = PossessionClaim { controller: controller_key, device, kind: "multicopter", area: "" };
        let possession = claim.sign(&drone, &chain_id);
        let enrolment = Enrolment { device, kind: "multicopter".into(), area: String::new(), possession };
        forge.block(&key(1), vec![by_controller(0, Action::Enrol(enrolment))], Vec::new());

        let mut flight = Flight::new(drone, chain_id, Position::default());
        let records: Vec<_> = (0..count as u64).map(|at| record(&mut flight, at)).collect();
        let mut batches = Vec::new();
        for part in records.chunks(BATCH) {
            let mut batch = Batch::new();
            for record in part {
                batch.push(record.target_hash(), 1).expect("records differ");
            }
            batches.push(batch);
        }
        let anchors = (1..)
            .zip(&batches)
            .map(|(sequence, batch)| by_controller(sequence, Action::Anchor(batch.anchor(AnchorKind::Data))));
        let anchors: Vec<Transaction> = anchors.collect();
        for block in anchors.chunks(ANCHORS) {
            forge.block(&key(1), block.to_vec(), Vec::new());
        }
        Self::prove(&spec, &forge.book().made, &batches, records, [controller_key, device])
    }

    fn prove(
        spec: &ChainSpec,
        made: &[Made],
        batches: &[Batch],
        records: Vec<SignedRecord>,
        keys: [PublicKey; 2],
    ) -> Self {
        let mut chain = HeaderChain::new(spec.clone()).expect("a sound spec");
        let mut state = spec.genesis_state();
        state.history.push(chain.chain_id());
        let mut commitments = None;
        for made in made {
            let block = made.block.clone().check(&spec.network()).expect("a sound block");
            let delta = state.execute(&block).expect("a valid block");
            chain.push(made.link.clone()).expect("a valid header");
            state.advance(&delta, block.hash());
            commitments = Some(delta.commitments);
        }
        let commitments = commitments.expect("there are blocks");
        let authority = authority(&state, commitments, chain.height(), keys);
        let mut receipts = Vec::with_capacity(records.len());
        let places = made[2..].iter().flat_map(|made| {
            let txids: Vec<_> = made.block.transactions.iter().map(Transaction::txid).collect();
            let tree = Tree::new(txids);
            let proof = |(tx_index, transaction): (u32, &Transaction)| AnchorProof {
                transaction: codec::encode(transaction),
                tx_index,
                block_path: tree.path(tx_index.into()).expect("it is in the block"),
                height: made.block.header.header.height,
                header: made.block.header.clone(),
                authority: authority.clone(),
            };
            (0..).zip(&made.block.transactions).map(proof).collect::<Vec<_>>()
        });
        for (batch, proof) in batches.iter().zip(places) {
            receipts.extend(batch.receipts(chain.chain_id(), &proof).expect("its own proof"));
        }
        Self { chain, records, receipts }
    }
}

fn authority(state: &State, commitments: Commitments, height: u64, keys: [PublicKey; 2]) -> Authority {
    let tree = Tree::new(state.registry.leaves(Roll::Accounts).to_vec());
    let [sender, device] = keys.map(|key| {
        let place = state.registry.place(&key).expect("registered");
        EntryProof {
            entry: state.registry.at(place).expect("it has a place").entry.clone(),
            path: tree.path(place.index.into()).expect("it is in the tree"),
        }
    });
    Authority { height, commitments, sender, device: Some(device) }
}

fn record(flight: &mut Flight, at: u64) -> SignedRecord {
    let mut body = vec![7; BODY];
    body[..8].copy_from_slice(&at.to_le_bytes());
    let draft = Draft {
        kind: Kind::Data,
        known_block: dronechain_chain_spec::hash::Hash256::ZERO,
        time_us: at,
        clock: Clock::Boot,
        location: Location::None(NoLocation::NoReceiver),
        content_type: "application/octet-stream".to_owned(),
        body: Body::Clear(body),
    };
    flight.append(draft, [0; 16]).expect("a sound record")
}
