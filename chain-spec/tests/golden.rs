//! The golden vectors of SPEC.md, built with the crate.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::process::Command;

use dronechain_chain_spec::block::{Block, CheckedBlock};
use dronechain_chain_spec::chain::{HeaderChain, encode_link};
use dronechain_chain_spec::checkpoint::Checkpoint;
use dronechain_chain_spec::codec::{self, Canonical};
use dronechain_chain_spec::difficulty::next_bits;
use dronechain_chain_spec::evidence::Evidence;
use dronechain_chain_spec::governance::{Activation, Governance, Planned, Tuning};
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::header::{Header, VERSION};
use dronechain_chain_spec::key::{PublicKey, Purpose, SigningKey};
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::merkle::{Step, Tree, root};
use dronechain_chain_spec::mountain::Peaks;
use dronechain_chain_spec::promise::{self, BrokenPromise, Previous, Promise};
use dronechain_chain_spec::receipt::{AnchorProof, Authority, EntryProof, Receipt};
use dronechain_chain_spec::registry::{Entry, Role, Roll};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, Parameters};
use dronechain_chain_spec::state::{Draft, Outcome, State};
use dronechain_chain_spec::target::{Bits, Target};
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, CheckedTransaction, Enrolment, PossessionClaim, Sender, Transaction,
    TransactionBody,
};
use dronechain_chain_spec::wire::{BatchBody, Request, Response, Status, Submission};

const SPEC: &str = include_str!("../SPEC.md");
const GENESIS_TIME: u64 = 1_700_000_000_000;

/// The rows of the golden block that no comparison has taken yet.
struct Rows(BTreeMap<&'static str, &'static str>);

impl Rows {
    fn read() -> Self {
        let (_, block) = SPEC.split_once("```golden\n").unwrap();
        let (block, _) = block.split_once("```\n").unwrap();
        let mut rows = BTreeMap::new();
        for line in block.lines() {
            let (name, value) = line.split_once(" = ").unwrap();
            assert_eq!(rows.insert(name, value), None, "{name} stands twice");
        }
        Self(rows)
    }

    fn text(&mut self, name: &str, value: impl Display) {
        let found = self.0.remove(name).unwrap_or_else(|| panic!("SPEC.md has no row {name}"));
        assert_eq!(value.to_string(), found, "{name}");
    }

    fn bytes(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.text(name, hex::encode(value));
    }

    /// The value's encoding, which must decode to the value again.
    fn canonical<T: Canonical + PartialEq + std::fmt::Debug>(&mut self, name: &str, value: &T) {
        let bytes = codec::encode(value);
        assert_eq!(codec::decode::<T>(&bytes).as_ref(), Ok(value), "{name}");
        self.bytes(name, bytes);
    }
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32])
}

fn public(byte: u8) -> PublicKey {
    PublicKey::of(&key(byte))
}

const NODES: [u8; 3] = [0x11, 0x12, 0x13];
const NODE_4: u8 = 0x14;
const CONTROLLER: u8 = 0x21;
const SUCCESSOR: u8 = 0x22;
const OPERATOR: u8 = 0x31;
const DEVICE: u8 = 0x41;

fn chain_spec() -> ChainSpec {
    ChainSpec {
        name: "golden".into(),
        genesis_time_ms: GENESIS_TIME,
        nodes: NODES.map(public).to_vec(),
        parameters: Parameters {
            block_time_ms: 1000,
            initial_bits: Bits(0x2007_ffff),
            limit_bits: Bits(0x207f_ffff),
            finality_depth: 720,
        },
        admins: AdminSet { threshold: 2, keys: [1, 2, 3].map(public).to_vec() },
    }
}

fn leaves() -> Vec<Hash256> {
    (b'a'..=b'e').map(|letter| sha256(&[&[letter]])).collect()
}

/// All transactions of the golden network, by name.
struct Transactions {
    chain_id: Hash256,
}

impl Transactions {
    fn by_admins(&self, sequence: u64, action: Action) -> Transaction {
        let body = TransactionBody { sender: Sender::Admins, sequence, action };
        body.signed(&[&key(1), &key(3)], &self.chain_id)
    }

    fn by(&self, sender: u8, sequence: u64, action: Action) -> Transaction {
        let body = TransactionBody { sender: Sender::Key(public(sender)), sequence, action };
        body.signed(&[&key(sender)], &self.chain_id)
    }

    fn admit(&self) -> Transaction {
        self.by_admins(0, Action::Admit { role: Role::Controller, key: public(CONTROLLER) })
    }

    fn anchor(&self) -> Transaction {
        let anchor = Anchor {
            kind: AnchorKind::Data,
            root: root(&leaves()),
            leaf_count: 5,
            first_time: GENESIS_TIME,
            last_time: GENESIS_TIME + 4000,
        };
        self.by(CONTROLLER, 0, Action::Anchor(anchor))
    }

    fn admit_node(&self) -> Transaction {
        self.by_admins(1, Action::Admit { role: Role::Node, key: public(NODE_4) })
    }

    /// At the sequence of [`Self::anchor`].
    fn other_anchor(&self) -> Transaction {
        let (kind, root) = (AnchorKind::Data, leaves()[0]);
        let anchor = Anchor { kind, root, leaf_count: 1, first_time: 0, last_time: 0 };
        self.by(CONTROLLER, 0, Action::Anchor(anchor))
    }

    fn heartbeat(&self) -> Transaction {
        let root = Hash256::ZERO;
        let anchor = Anchor { kind: AnchorKind::Command, root, leaf_count: 0, first_time: 0, last_time: 0 };
        self.by(CONTROLLER, 1, Action::Anchor(anchor))
    }

    fn claim(device: u8) -> PossessionClaim<'static> {
        let (kind, area) = if device == DEVICE { ("multicopter", "field 7") } else { ("", "") };
        PossessionClaim { controller: public(CONTROLLER), device: public(device), kind, area }
    }

    fn all(&self) -> Vec<(&'static str, Transaction)> {
        let possession = |device| Self::claim(device).sign(&key(device), &self.chain_id);
        let enrolment = Enrolment {
            device: public(DEVICE),
            kind: "multicopter".into(),
            area: "field 7".into(),
            possession: possession(DEVICE),
        };
        let access = Anchor {
            kind: AnchorKind::Access,
            root: leaves()[0],
            leaf_count: 1,
            first_time: 0,
            last_time: 0,
        };
        let parameters = Tuning { block_time_ms: 5000, finality_depth: 1000 };
        let succeed = Action::Succeed { successor: public(SUCCESSOR), possession: possession(SUCCESSOR) };
        vec![
            ("admit", self.admit()),
            ("revoke", self.by_admins(1, Action::Revoke { key: public(NODES[2]), suspect_since: 7 })),
            (
                "set-admins",
                self.by_admins(2, Action::SetAdmins { threshold: 1, keys: [1, 2].map(public).to_vec() }),
            ),
            ("set-parameters", self.by_admins(3, Action::SetParameters { parameters, height: 100 })),
            ("activate", self.by_admins(4, Action::Activate { rule: 17, height: 200 })),
            ("enrol", self.by(CONTROLLER, 2, Action::Enrol(enrolment))),
            (
                "revoke-device",
                self.by(CONTROLLER, 3, Action::RevokeDevice { device: public(DEVICE), suspect_since: 9 }),
            ),
            ("succeed", self.by(CONTROLLER, 4, succeed)),
            ("ready", self.by(NODE_4, 0, Action::Ready)),
            ("anchor", self.anchor()),
            ("anchor-heartbeat", self.heartbeat()),
            ("anchor-access", self.by(OPERATOR, 0, Action::Anchor(access))),
        ]
    }
}

#[test]
fn every_golden_row_is_what_the_crate_computes() {
    let mut rows = Rows::read();
    let spec = chain_spec();
    let chain_id = spec.network().chain_id;
    keys(&mut rows);
    network(&mut rows, &spec);
    signatures(&mut rows, &chain_id);
    for (name, transaction) in (Transactions { chain_id }).all() {
        rows.canonical(&format!("tx.{name}"), &transaction);
        rows.text(&format!("tx.{name}.id"), transaction.txid());
        let checked = transaction.check(&chain_id).unwrap();
        assert_eq!(checked.size(), codec::encode(checked.get()).len());
    }
    entries(&mut rows);
    governance(&mut rows, &spec);
    trees(&mut rows);
    targets(&mut rows);
    block_1(&mut rows, &spec);
    assert_eq!(rows.0, BTreeMap::new(), "rows that no comparison took");
}

fn keys(rows: &mut Rows) {
    for (at, byte) in (1..=3).enumerate() {
        rows.text(&format!("key.admin-{at}"), public(byte));
    }
    for (at, byte) in (0x11..=0x14).enumerate() {
        rows.text(&format!("key.node-{at}"), public(byte));
    }
    rows.text("key.controller", public(CONTROLLER));
    rows.text("key.successor", public(SUCCESSOR));
    rows.text("key.operator", public(OPERATOR));
    rows.text("key.device", public(DEVICE));
    rows.text("key.device.id", public(DEVICE).id());
}

fn network(rows: &mut Rows, spec: &ChainSpec) {
    spec.check().unwrap();
    assert_eq!(ChainSpec::from_toml(&spec.to_toml()).as_ref(), Ok(spec));
    rows.canonical("spec.bytes", spec);
    rows.text("spec.hash", sha256(&[&codec::encode(spec)]));
    rows.bytes("network.tag", spec.network().tag);
    let genesis = spec.genesis();
    rows.bytes("genesis.header", genesis.to_bytes());
    rows.text("chain-id", genesis.hash());
    rows.text("commitments.genesis", genesis.commitments);
}

fn signatures(rows: &mut Rows, chain_id: &Hash256) {
    for (name, purpose) in [
        ("tx", Purpose::Transaction),
        ("block", Purpose::Block),
        ("possession", Purpose::Possession),
        ("record", Purpose::Record),
        ("promise", Purpose::Promise),
    ] {
        rows.bytes(&format!("preimage.{name}"), purpose.preimage(chain_id, b"body"));
    }
    let claim = Transactions::claim(DEVICE);
    rows.bytes("possession.claim", codec::encode(&claim));
    rows.text("possession.signature", claim.sign(&key(DEVICE), chain_id));
}

fn entries(rows: &mut Rows) {
    let node = Entry { ready: Some(0), ..Entry::new(public(NODES[0]), Role::Node, None, 0) };
    let device = Entry {
        suspect_since: Some(3),
        revoked: Some(5),
        ..Entry::new(public(DEVICE), Role::Device, Some(public(CONTROLLER)), 2)
    };
    let revoked = Entry {
        ready: Some(3),
        suspect_since: Some(4),
        revoked: Some(5),
        ..Entry::new(public(NODE_4), Role::Node, None, 2)
    };
    let controller = Entry::new(public(CONTROLLER), Role::Controller, None, 1);
    let successor = Entry::new(public(SUCCESSOR), Role::Controller, Some(public(CONTROLLER)), 6);
    for (name, entry) in [
        ("node", node),
        ("controller", controller),
        ("device-revoked", device),
        ("node-revoked", revoked),
        ("successor", successor),
    ] {
        rows.canonical(&format!("entry.{name}"), &entry);
        rows.text(&format!("entry.{name}.leaf"), entry.leaf());
    }
}

fn governance(rows: &mut Rows, spec: &ChainSpec) {
    let genesis = spec.genesis_state();
    let tuning = Tuning { block_time_ms: 1000, finality_depth: 720 };
    let planned = Governance {
        admins: AdminSet { threshold: 1, keys: [2, 3].map(public).to_vec() },
        tuning,
        planned: Some(Planned { tuning: Tuning { block_time_ms: 5000, finality_depth: 1000 }, height: 100 }),
        activations: vec![Activation { rule: 9, height: 300 }, Activation { rule: 17, height: 200 }],
    };
    for (name, governance) in [("genesis", &genesis.admins.governance), ("planned", &planned)] {
        rows.canonical(&format!("governance.{name}"), governance);
        rows.text(&format!("governance.{name}.leaf"), governance.leaf());
    }
    rows.canonical("roster.genesis", &genesis.roster());
    rows.text("roster.genesis.root", genesis.roster().root());
}

fn trees(rows: &mut Rows) {
    let tree = Tree::new(leaves());
    rows.text("batch.root", tree.root());
    for index in 0..5 {
        let steps = tree.path(index).unwrap().into_iter().map(|step| match step {
            Step::Left(hash) => format!("left:{hash}"),
            Step::Right(hash) => format!("right:{hash}"),
        });
        rows.text(&format!("batch.path.{index}"), steps.collect::<Vec<_>>().join(" "));
    }
    rows.canonical("batch-body", &BatchBody(leaves()));
    let mut peaks = Peaks::default();
    for count in 0..9 {
        rows.text(&format!("range.root.{count}"), peaks.root());
        peaks.push(sha256(&[&[count]]));
    }
}

fn targets(rows: &mut Rows) {
    for bits in [0x0101_0000, 0x0300_ffff, 0x1d00_ffff, 0x1e7f_ffff, 0x2007_ffff, 0x2100_ffff] {
        let target = Target::from_bits(Bits(bits)).unwrap();
        assert_eq!(target.to_bits(), Bits(bits));
        rows.text(&format!("target.{bits:08x}"), target);
        rows.text(&format!("work.{bits:08x}"), target.work());
    }
    let target = |bits| Target::from_bits(Bits(bits)).unwrap();
    let dev = 0x2007_ffff;
    for (parent, solve_time, block_time, limit) in [
        (0x1e7f_ffff, 1000, 1000, dev),
        (0x1e7f_ffff, 0, 1000, dev),
        (0x1e7f_ffff, 1, 1000, dev),
        (0x1e7f_ffff, 2500, 1000, dev),
        (0x1e7f_ffff, 12_000, 1000, dev),
        (0x1e7f_ffff, 43_200_000, 1000, dev),
        (dev, 9000, 1000, dev),
        (0x1d00_ffff, 4999, 5000, 0x207f_ffff),
        (0x1b04_04cb, 17_000, 5000, 0x207f_ffff),
        (0x0101_0000, 0, 5000, 0x207f_ffff),
    ] {
        let Bits(bits) = next_bits(target(parent), solve_time, block_time, target(limit));
        let name = format!("next-bits.{parent:08x}.{solve_time}.{block_time}.{limit:08x}");
        rows.text(&name, format!("{bits:08x}"));
    }
}

/// Block 1 by the ledger's own code, and all that is made of it; with the other block 1 of the same miner.
fn block_1(rows: &mut Rows, spec: &ChainSpec) {
    let network = spec.network();
    let transactions = Transactions { chain_id: network.chain_id };
    let (admit, anchor) = (transactions.admit(), transactions.anchor());
    let mut state = spec.genesis_state();
    state.history.push(network.chain_id);

    let other = mined(spec, &state, vec![admit.clone(), transactions.admit_node()]);
    let block = mined(spec, &state, vec![admit, anchor]);
    rows.canonical("block-1.bytes", &block);
    rows.bytes("block-1.header", block.header.header.to_bytes());
    rows.text("block-1.hash", block.header.header.hash());
    rows.text("block-1.signature", block.header.signature);
    assert_eq!(Header::from_bytes(&block.header.header.to_bytes()), block.header.header);
    let link = |block: &Block| {
        let checked = block.clone().check(&network).unwrap();
        Link::of(&checked, &state.execute(&checked).unwrap())
    };
    let links = vec![link(&block), link(&other)];
    let checked = block.clone().check(&network).unwrap();
    let delta = state.execute(&checked).unwrap();
    assert_eq!(delta.outcomes, [Outcome::Applied; 2]);
    rows.text("commitments.1", delta.commitments.hash());
    let chain = headers_file(rows, spec, &links);
    promises(rows, spec, &checked);
    evidence(rows, spec, &block, &other);
    messages(rows, &network.chain_id, &block, links);
    submissions(rows, &transactions);

    state.advance(&delta, checked.hash());
    let place = state.registry.place(&public(CONTROLLER)).unwrap();
    let path = Tree::new(state.registry.leaves(Roll::Accounts).to_vec()).path(place.index.into()).unwrap();
    let sender = EntryProof { entry: state.registry.at(place).unwrap().entry.clone(), path };
    let txids = block.transactions.iter().map(Transaction::txid).collect();
    let proof = AnchorProof {
        transaction: codec::encode(&block.transactions[1]),
        tx_index: 1,
        block_path: Tree::new(txids).path(1).unwrap(),
        height: 1,
        header: block.header,
        authority: Authority { height: 1, commitments: delta.commitments, sender, device: None },
    };
    let path = Tree::new(leaves()).path(3).unwrap();
    let receipt = Receipt::new(network.chain_id, leaves()[3], 3, path, proof).unwrap();
    rows.text("receipt.3", receipt.to_json());
    let proven = receipt.verify(&leaves()[3], &chain, 1).unwrap();
    assert_eq!((proven.height, proven.confirmations, proven.sequence), (1, 1, 0));
}

/// The block at height 1 with these transactions by node 1.
fn mined(spec: &ChainSpec, state: &State, transactions: Vec<Transaction>) -> Block {
    let network = spec.network();
    let mut draft = Draft::new(state, 1);
    for transaction in &transactions {
        draft.apply(&transaction.clone().check(&network.chain_id).unwrap()).unwrap();
    }
    let mut header = Header {
        version: VERSION,
        height: 1,
        parent: network.chain_id,
        tx_root: root(&transactions.iter().map(Transaction::txid).collect::<Vec<_>>()),
        commitments: draft.finish().commitments.hash(),
        tx_count: 2,
        time_ms: GENESIS_TIME + 1500,
        bits: network.genesis_parent.next_bits(&network, 1000),
        network: network.tag,
        miner: public(NODES[1]),
        nonce: 0,
    };
    while !network.genesis_parent.target.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    Block { header: header.signed(&key(NODES[1]), &network.chain_id), transactions }
}

fn evidence(rows: &mut Rows, spec: &ChainSpec, block: &Block, other: &Block) {
    let network = spec.network();
    let transactions = Transactions { chain_id: network.chain_id };
    let blocks = Evidence::of_headers(&block.header, &other.header).unwrap();
    let anchors = Evidence::of_transactions(&transactions.anchor(), &transactions.other_anchor()).unwrap();
    for (name, evidence) in [("blocks", blocks), ("transactions", anchors)] {
        rows.canonical(&format!("evidence.{name}"), &evidence);
        rows.text(&format!("evidence.{name}.id"), evidence.id());
        evidence.check(&network).unwrap();
    }
}

/// Promises of the controller's anchor and of the heartbeat behind it, and the layout of what shows them broken.
fn promises(rows: &mut Rows, spec: &ChainSpec, block: &CheckedBlock) {
    let chain_id = spec.network().chain_id;
    let transactions = Transactions { chain_id };
    let promise = |transaction: Transaction, tip| {
        let checked = transaction.check(&chain_id).unwrap();
        Promise::new(chain_id, public(NODES[0]), &checked, tip).unwrap().signed(&key(NODES[0]))
    };
    let first = promise(transactions.anchor(), (chain_id, 0));
    first.clone().check(&chain_id).unwrap();
    rows.canonical("promise", &first);
    let txids: Vec<_> = block.transactions().iter().map(CheckedTransaction::txid).collect();
    let blocks = vec![Vec::new(), txids.clone()];
    let broken = BrokenPromise { promise: first, previous: None, blocks, authority: None };
    rows.canonical("broken-promise.first", &broken);
    let path = Tree::new(txids).path(1).unwrap();
    let shown = Shown { index: 1, path, transaction: transactions.anchor() };
    let entry = Entry::new(public(CONTROLLER), Role::Controller, None, 1);
    let authority = promise::Authority { height: 121, entry, path: vec![Step::Left(leaves()[0])] };
    let broken = BrokenPromise {
        promise: promise(transactions.heartbeat(), (block.hash(), 1)),
        previous: Some(Previous { height: 1, shown }),
        blocks: vec![Vec::new()],
        authority: Some(authority),
    };
    rows.canonical("broken-promise.next", &broken);
}

fn messages(rows: &mut Rows, chain_id: &Hash256, block: &Block, links: Vec<Link>) {
    let hash = block.header.header.hash();
    rows.canonical("request.status", &Request::Status);
    rows.canonical("request.headers", &Request::Headers { locator: vec![hash, *chain_id] });
    rows.canonical("request.blocks", &Request::Blocks { hashes: vec![hash] });
    rows.canonical("request.body", &Request::Body { root: root(&leaves()), leaf_count: 5 });
    let status = Status {
        chain_id: *chain_id,
        tip: hash,
        height: 1,
        work: Target::from_bits(block.header.header.bits).unwrap().work(),
        time_ms: GENESIS_TIME + 2000,
    };
    rows.canonical("response.status", &Response::Status(status));
    rows.canonical("response.headers", &Response::Headers(links));
    rows.canonical("response.blocks", &Response::Blocks(vec![block.clone()]));
    rows.canonical("response.body", &Response::Body(Some(leaves())));
    rows.canonical("response.body.none", &Response::Body(None));
}

fn submissions(rows: &mut Rows, transactions: &Transactions) {
    let body = Some(BatchBody(leaves()));
    rows.canonical("submission.anchor", &Submission { transaction: transactions.anchor(), body });
    rows.canonical("submission.heartbeat", &Submission { transaction: transactions.heartbeat(), body: None });
}

fn headers_file(rows: &mut Rows, spec: &ChainSpec, links: &[Link]) -> HeaderChain {
    let [plain, change] = links else { panic!("two links") };
    rows.canonical("link.plain", plain);
    rows.canonical("link.change", change);
    let mut chain = HeaderChain::new(spec.clone()).unwrap();
    chain.push(change.clone()).unwrap();
    chain.truncate(0);
    let mut bytes = chain.file_head();
    rows.bytes("headers-file.head", &bytes);
    encode_link(plain, &mut bytes);
    chain.push(plain.clone()).unwrap();
    assert_eq!(chain.to_bytes(), bytes);
    assert_eq!(HeaderChain::from_bytes(&bytes).unwrap().tip(), chain.tip());
    rows.bytes("headers-file.1", bytes);
    let checkpoint = Checkpoint::of(&chain, 1).unwrap();
    rows.canonical("checkpoint.1", &checkpoint);
    rows.bytes("checkpoint.1.id", checkpoint.id().0);
    chain
}

#[test]
fn python_computes_the_block_too() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/golden.py");
    match Command::new("python3").args([script, "--check"]).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => println!("skipped: no python3: {error}"),
    }
}
