//! Rules P1 to P5 and K1 to K17: what a promise is, and what shows that it was not kept.

#![allow(clippy::unwrap_used)]

mod common;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::checkpoint::Checkpoint;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::limits::{PROMISE_BLOCKS, PROMISE_SLACK};
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::merkle::{PathError, Step, root};
use dronechain_chain_spec::promise::{
    Authority, BrokenPromise, BrokenPromiseError, Previous, Promise, PromiseError, SignedPromise,
};
use dronechain_chain_spec::receipt::EntryProof;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::transaction::{Action, AnchorKind, CheckedTransaction, Sender, Transaction};

use common::{
    CONTROLLER, CONTROLLER_2, NODES, Net, admit, anchor, header_on, heartbeat, key, leaves, mined, public,
    revoke, shown,
};

/// Where the promise's tip is: behind the controller's enrolment of a device at sequence 0.
const TIP: u64 = 1;
const DEADLINE: u64 = TIP + PROMISE_BLOCKS;

/// Two of the three nodes in turn; the first one promises.
fn miner(height: u64) -> u8 {
    if height.is_multiple_of(2) { NODES[1] } else { NODES[2] }
}

/// A network at height 1, to go on with.
struct Scene {
    net: Net,
    tip: Hash256,
}

impl Scene {
    fn new() -> Self {
        let net = Net::populated(3);
        let tip = net.chain.tip();
        Self { net, tip }
    }

    /// The controller's anchor at its next sequence.
    fn anchor(&self) -> Transaction {
        self.net.by(CONTROLLER, 1, anchor(AnchorKind::Data, &leaves(3)))
    }

    fn promise(&self, transaction: &Transaction) -> Promise {
        let checked = self.net.checked(transaction.clone());
        Promise::new(self.net.id(), public(NODES[0]), &checked, (self.tip, TIP)).unwrap()
    }

    fn signed(&self, transaction: &Transaction) -> SignedPromise {
        self.promise(transaction).signed(&key(NODES[0]))
    }

    /// Mines blocks up to `height`, `at` with these transactions.
    fn goes_on(&mut self, height: u64, mut at: Vec<(u64, Vec<Transaction>)>) {
        while self.net.chain.height() < height {
            let next = self.net.chain.height() + 1;
            let found = at.iter().position(|(height, _)| *height == next);
            let transactions = found.map_or_else(Vec::new, |found| at.swap_remove(found).1);
            self.net.push(miner(next), transactions).unwrap();
        }
    }

    fn previous(&self, height: u64, index: u32) -> Previous {
        let transactions = self.transactions(height);
        Previous { height, shown: shown(&transactions, &[index]).remove(0) }
    }

    fn transactions(&self, height: u64) -> Vec<Transaction> {
        let block = &self.net.blocks[usize::try_from(height - 1).unwrap()];
        block.transactions().iter().map(|transaction| transaction.get().clone()).collect()
    }

    fn txids(&self, from: u64, to: u64) -> Vec<Vec<Hash256>> {
        let txids = |height| self.transactions(height).iter().map(Transaction::txid).collect();
        (from..=to).map(txids).collect()
    }

    fn authority(&self, sender: u8) -> Authority {
        let EntryProof { entry, path } = self.net.entry_proof(sender);
        Authority { height: self.net.chain.height(), entry, path }
    }

    /// What shows that the controller's anchor was promised and not included.
    fn broken(&self) -> BrokenPromise {
        BrokenPromise {
            promise: self.signed(&self.anchor()),
            previous: Some(self.previous(1, 2)),
            blocks: self.txids(TIP + 1, DEADLINE),
            authority: Some(self.authority(CONTROLLER)),
        }
    }
}

/// The deadline has passed without the anchor; other transactions stand in some blocks.
fn passed() -> Scene {
    let mut scene = Scene::new();
    let other = scene.net.by_admins(2, admit(Role::Controller, CONTROLLER_2));
    let beat = scene.net.by(CONTROLLER_2, 0, heartbeat(AnchorKind::Data));
    scene.goes_on(DEADLINE + 2, vec![(5, vec![other, beat])]);
    scene
}

#[track_caller]
fn refused(broken: &BrokenPromise, chain: &HeaderChain, number: &str) {
    assert_eq!(broken.check(chain).unwrap_err().rule().0, number);
}

#[test]
fn promise_says_what_the_node_took_in_and_travels() {
    let scene = Scene::new();
    let transaction = scene.anchor();
    let signed = scene.signed(&transaction);
    let checked = signed.clone().check(&scene.net.id()).unwrap();
    let promise = checked.promise();
    assert!(promise.is_of(&scene.net.checked(transaction)));
    assert_eq!((promise.tip_height, promise.deadline), (TIP, DEADLINE));
    assert_eq!(promise.root, root(&leaves(3)));
    assert_eq!(checked.get(), &signed);
    assert_eq!(codec::decode::<SignedPromise>(&codec::encode(&signed)).as_ref(), Ok(&signed));
    let json = serde_json::to_string(&signed).unwrap();
    assert_eq!(serde_json::from_str::<SignedPromise>(&json).unwrap(), signed);
    assert!(serde_json::from_str::<SignedPromise>(&json.to_uppercase()).is_err());
    assert!(serde_json::from_str::<SignedPromise>(&json.replace("\"", "\"00")).is_err());
    assert_eq!(promise.check_node(&scene.net.chain), Ok(()));
    let beat = scene.net.by(CONTROLLER, 1, heartbeat(AnchorKind::Data));
    assert_eq!(scene.promise(&beat).root, Hash256::ZERO);
}

#[test]
fn promise_is_of_one_transaction_only() {
    let scene = Scene::new();
    let transaction = scene.net.checked(scene.anchor());
    let promise = scene.promise(&scene.anchor());
    type Change = fn(&mut Promise);
    let changes: [Change; 4] = [
        |promise| promise.txid = sha256(&[b"another"]),
        |promise| promise.sender = Sender::Key(public(CONTROLLER_2)),
        |promise| promise.sequence += 1,
        |promise| promise.root = Hash256::ZERO,
    ];
    for change in changes {
        let mut changed = promise.clone();
        change(&mut changed);
        assert!(!changed.is_of(&transaction));
    }
    // A second transaction at the place voids it, in another body or under another signature.
    let other = scene.net.checked(scene.net.by(CONTROLLER, 1, heartbeat(AnchorKind::Data)));
    let later = scene.net.checked(scene.net.by(CONTROLLER, 2, heartbeat(AnchorKind::Data)));
    let stranger = scene.net.checked(scene.net.by(CONTROLLER_2, 1, heartbeat(AnchorKind::Data)));
    let voids = |other: &CheckedTransaction| promise.is_void_by(other);
    assert_eq!([&other, &later, &stranger, &transaction].map(voids), [true, false, false, false]);
}

#[test]
fn p1_p2_p3_p4_network_sender_deadline_and_signature() {
    let scene = Scene::new();
    let id = scene.net.id();
    let promise = scene.promise(&scene.anchor());
    let check = |change: fn(&mut Promise)| {
        let mut changed = promise.clone();
        change(&mut changed);
        changed.signed(&key(NODES[0])).check(&id)
    };
    assert!(check(|_| ()).is_ok());
    let other = check(|promise| promise.chain_id = Hash256::ZERO);
    assert_eq!(other, Err(PromiseError::Network { found: Hash256::ZERO, expected: id }));
    assert_eq!(check(|promise| promise.sender = Sender::Admins), Err(PromiseError::Sender));
    let late = check(|promise| promise.deadline += 1);
    assert_eq!(late, Err(PromiseError::Deadline { found: DEADLINE + 1, tip_height: TIP }));
    let never = check(|promise| (promise.tip_height, promise.deadline) = (u64::MAX - 1, PROMISE_BLOCKS - 2));
    assert_eq!(never.unwrap_err().rule().0, "P3");
    let forged = promise.clone().signed(&key(NODES[1])).check(&id);
    assert_eq!(forged.unwrap_err().rule().0, "P4");
    let mut altered = promise.clone().signed(&key(NODES[0]));
    altered.promise.sequence += 1;
    assert_eq!(altered.check(&id).unwrap_err().rule().0, "P4");
    let admins = scene.net.checked(scene.net.by_admins(2, revoke(CONTROLLER)));
    assert_eq!(Promise::new(id, public(NODES[0]), &admins, (scene.tip, TIP)), None);
}

#[test]
fn p5_a_key_off_the_roll_of_nodes_promises_nothing() {
    let mut scene = Scene::new();
    let mut promise = scene.promise(&scene.anchor());
    promise.node = public(CONTROLLER);
    let refused = Err(PromiseError::Node { node: public(CONTROLLER), height: TIP });
    assert_eq!(promise.check_node(&scene.net.chain), refused);
    // One that is revoked later was a node at the promise's tip, and is none at later tips.
    let revoked = scene.net.by_admins(2, revoke(NODES[0]));
    scene.goes_on(3, vec![(2, vec![revoked])]);
    promise.node = public(NODES[0]);
    assert_eq!(promise.check_node(&scene.net.chain), Ok(()));
    promise.tip_height = 2;
    assert!(promise.check_node(&scene.net.chain).is_err());
}

#[test]
fn passed_deadline_is_evidence_that_travels() {
    let scene = passed();
    let broken = scene.broken();
    assert_eq!(broken.check(&scene.net.chain), Ok(()));
    let bytes = codec::encode(&broken);
    assert_eq!(codec::decode::<BrokenPromise>(&bytes).as_ref(), Ok(&broken));
}

#[test]
fn k1_only_nodes_promises_count() {
    let scene = passed();
    let mut broken = scene.broken();
    broken.promise.promise.tip = Hash256::ZERO;
    refused(&broken, &scene.net.chain, "K1");
    let mut promise = scene.promise(&scene.anchor());
    promise.node = public(CONTROLLER);
    broken.promise = promise.signed(&key(CONTROLLER));
    let found = broken.check(&scene.net.chain).unwrap_err();
    assert!(matches!(found, BrokenPromiseError::Promise(PromiseError::Node { .. })), "{found}");
}

#[test]
fn k2_the_deadline_must_have_passed() {
    let mut scene = passed();
    let broken = scene.broken();
    for _ in 0..3 {
        scene.net.pop();
    }
    let early = BrokenPromiseError::Early { deadline: DEADLINE, tip: DEADLINE - 1 };
    assert_eq!(broken.check(&scene.net.chain), Err(early));
}

#[test]
fn k3_k4_k5_the_transaction_before_is_the_senders_own() {
    let scene = passed();
    let mut broken = scene.broken();
    broken.previous = None;
    refused(&broken, &scene.net.chain, "K3");
    for index in 0..2 {
        broken.previous = Some(scene.previous(1, index));
        refused(&broken, &scene.net.chain, "K5");
    }
    // A light client takes a block whose transaction nobody signed.
    let mut scene = Scene::new();
    let mut forged = scene.net.by(CONTROLLER, 1, heartbeat(AnchorKind::Data));
    forged.approvals[0].signature.0[0] ^= 1;
    push_unchecked(&mut scene.net, &[forged.txid()]);
    let tip = (scene.net.chain.tip(), 2);
    while scene.net.chain.height() < 2 + PROMISE_BLOCKS {
        push_unchecked(&mut scene.net, &[]);
    }
    let after = scene.net.checked(scene.net.by(CONTROLLER, 2, heartbeat(AnchorKind::Data)));
    let promise = Promise::new(scene.net.id(), public(NODES[0]), &after, tip).unwrap();
    let shown = Shown { index: 0, path: Vec::new(), transaction: forged };
    let broken = BrokenPromise {
        promise: promise.signed(&key(NODES[0])),
        previous: Some(Previous { height: 2, shown }),
        blocks: vec![Vec::new(); usize::try_from(PROMISE_BLOCKS).unwrap()],
        authority: Some(scene.authority(CONTROLLER)),
    };
    let found = broken.check(&scene.net.chain).unwrap_err();
    assert!(matches!(found, BrokenPromiseError::PreviousRule(TxError::Signature { .. })), "{found}");
}

/// The next header over these txids, whatever they stand for.
fn push_unchecked(net: &mut Net, txids: &[Hash256]) {
    let miner = miner(net.chain.height() + 1);
    let commitments = net.commitments(&[]);
    let header = mined(header_on(&net.chain, miner, txids, commitments.hash()), miner, &net.id());
    net.chain.push(Link { header, commitments, changes: Vec::new() }).unwrap();
}

#[test]
fn k6_k7_k8_the_transaction_before_stands_in_its_block() {
    let scene = passed();
    let chain = &scene.net.chain;
    let with = |change: fn(&mut Previous)| {
        let mut broken = scene.broken();
        change(broken.previous.as_mut().unwrap());
        broken
    };
    for height in [0, DEADLINE + 3] {
        let mut broken = scene.broken();
        broken.previous.as_mut().unwrap().height = height;
        assert_eq!(broken.check(chain), Err(BrokenPromiseError::PreviousHeight { height }));
    }
    let short = with(|previous| previous.shown.path.clear()).check(chain);
    assert!(matches!(short, Err(BrokenPromiseError::PreviousPath(PathError::Length { .. }))), "{short:?}");
    refused(&with(|previous| previous.height = 2), chain, "K7");
    refused(&with(|previous| previous.shown.path[0] = Step::Left(Hash256::ZERO)), chain, "K8");
    // Of the same transaction with another signature: the txid is another.
    refused(&with(|previous| previous.shown.transaction.approvals[0].signature.0[0] ^= 1), chain, "K8");
}

/// Of the second controller's first transaction, promised at its admission.
fn first(scene: &Scene, tip: (Hash256, u64)) -> BrokenPromise {
    let beat = scene.net.checked(scene.net.by(CONTROLLER_2, 0, heartbeat(AnchorKind::Data)));
    let promise = Promise::new(scene.net.id(), public(NODES[0]), &beat, tip).unwrap();
    BrokenPromise {
        blocks: scene.txids(promise.tip_height + 1, promise.deadline),
        promise: promise.signed(&key(NODES[0])),
        previous: None,
        authority: Some(scene.authority(CONTROLLER_2)),
    }
}

#[test]
fn k18_headers_from_a_checkpoint_must_reach_down_to_the_first_block() {
    let mut scene = Scene::new();
    let admitted = scene.net.by_admins(2, admit(Role::Controller, CONTROLLER_2));
    scene.goes_on(3, vec![(2, vec![admitted])]);
    scene.goes_on(3 + PROMISE_BLOCKS, Vec::new());
    let broken = first(&scene, (scene.net.id(), 0));
    let from = |height| {
        let checkpoint = Checkpoint::of(&scene.net.chain, height).unwrap();
        let id = checkpoint.id();
        let mut chain = HeaderChain::from_checkpoint(checkpoint.check(id).unwrap()).unwrap();
        for above in height + 1..=scene.net.chain.height() {
            chain.push(scene.net.chain.link(above).unwrap().clone()).unwrap();
        }
        chain
    };
    assert_eq!(broken.check(&from(1)), Ok(()));
    assert_eq!(broken.check(&from(2)), Err(BrokenPromiseError::Below { first: 1, base: 2 }));
}

#[test]
fn k9_a_first_transaction_counts_from_the_promises_tip() {
    let mut scene = Scene::new();
    let admitted = scene.net.by_admins(2, admit(Role::Controller, CONTROLLER_2));
    scene.goes_on(3, vec![(2, vec![admitted])]);
    let tip = (scene.net.chain.tip(), 3);
    scene.goes_on(3 + PROMISE_BLOCKS, Vec::new());
    let broken = first(&scene, tip);
    assert_eq!(broken.check(&scene.net.chain), Ok(()));
    let mut with_another = broken;
    with_another.previous = Some(scene.previous(1, 2));
    refused(&with_another, &scene.net.chain, "K3");
    let elsewhere = first(&scene, (sha256(&[b"another block"]), 3));
    refused(&elsewhere, &scene.net.chain, "K9");
}

#[test]
fn k10_a_sender_that_is_late_itself_breaks_nobodys_promise() {
    for (height, verdict) in [(DEADLINE - PROMISE_SLACK, None), (DEADLINE - PROMISE_SLACK + 1, Some("K10"))] {
        let mut scene = Scene::new();
        let before = scene.net.by(CONTROLLER, 1, heartbeat(AnchorKind::Data));
        scene.goes_on(DEADLINE, vec![(height, vec![before])]);
        let ahead = scene.net.by(CONTROLLER, 2, heartbeat(AnchorKind::Data));
        let broken = BrokenPromise {
            promise: scene.signed(&ahead),
            previous: Some(scene.previous(height, 0)),
            blocks: scene.txids(height, DEADLINE),
            authority: Some(scene.authority(CONTROLLER)),
        };
        let found = broken.check(&scene.net.chain).err().map(|error| error.rule().0);
        assert_eq!(found, verdict, "the one before at {height}");
    }
}

#[test]
fn k11_k12_every_block_is_shown_whole() {
    let scene = passed();
    let chain = &scene.net.chain;
    let with = |change: fn(&mut Vec<Vec<Hash256>>)| {
        let mut broken = scene.broken();
        change(&mut broken.blocks);
        broken
    };
    refused(&with(|blocks| drop(blocks.pop())), chain, "K11");
    refused(&with(|blocks| blocks.push(Vec::new())), chain, "K11");
    // Block 5 has two transactions.
    refused(&with(|blocks| blocks[3].truncate(1)), chain, "K12");
    refused(&with(|blocks| blocks[3].swap(0, 1)), chain, "K12");
    refused(&with(|blocks| blocks[3].clear()), chain, "K12");
    refused(&with(|blocks| blocks[0].push(Hash256::ZERO)), chain, "K12");
    // The level above its txids has the same root.
    let joined = with(|blocks| blocks[3] = vec![root(&blocks[3])]);
    refused(&joined, chain, "K12");
}

#[test]
fn k13_a_kept_promise_is_not_broken() {
    for height in [TIP + 1, DEADLINE] {
        let mut scene = Scene::new();
        scene.goes_on(DEADLINE, vec![(height, vec![scene.anchor()])]);
        let kept = Err(BrokenPromiseError::Kept { height });
        assert_eq!(scene.broken().check(&scene.net.chain), kept);
        // Nor by leaving the block out.
        let mut hidden = scene.broken();
        let index = usize::try_from(height - TIP - 1).unwrap();
        hidden.blocks[index].clear();
        refused(&hidden, &scene.net.chain, "K12");
        hidden.blocks.remove(index);
        refused(&hidden, &scene.net.chain, "K11");
    }
    // One block too late is too late.
    let mut scene = Scene::new();
    scene.goes_on(DEADLINE + 1, vec![(DEADLINE + 1, vec![scene.anchor()])]);
    assert_eq!(scene.broken().check(&scene.net.chain), Ok(()));
}

#[test]
fn blocks_below_a_tip_that_was_left_are_shown_too() {
    let mut scene = passed();
    // The node stood on a branch that is not the chain's.
    scene.tip = sha256(&[b"another block"]);
    let mut broken = scene.broken();
    refused(&broken, &scene.net.chain, "K11");
    broken.blocks = scene.txids(1, DEADLINE);
    assert_eq!(broken.check(&scene.net.chain), Ok(()));
}

#[test]
fn k14_k15_k16_the_senders_registration_is_shown_at_the_deadline_or_later() {
    let scene = passed();
    let chain = &scene.net.chain;
    let mut broken = scene.broken();
    broken.authority = None;
    refused(&broken, chain, "K14");
    for height in [DEADLINE - 1, DEADLINE + 3] {
        broken.authority = Some(Authority { height, ..scene.authority(CONTROLLER) });
        assert_eq!(broken.check(chain), Err(BrokenPromiseError::AuthorityHeight { height }));
    }
    broken.authority = Some(scene.authority(CONTROLLER_2));
    refused(&broken, chain, "K16");
    let mut authority = scene.authority(CONTROLLER);
    authority.path.pop();
    broken.authority = Some(authority);
    refused(&broken, chain, "K16");
    let mut authority = scene.authority(CONTROLLER);
    authority.entry.suspect_since = Some(9);
    broken.authority = Some(authority);
    refused(&broken, chain, "K16");
}

#[test]
fn k17_a_sender_revoked_by_the_deadline_voids_the_promise() {
    for (height, verdict) in [(DEADLINE, Some("K17")), (DEADLINE + 1, None)] {
        let mut scene = Scene::new();
        let revoked = scene.net.by_admins(2, revoke(CONTROLLER));
        scene.goes_on(DEADLINE + 2, vec![(height, vec![revoked])]);
        let found = scene.broken().check(&scene.net.chain).err().map(|error| error.rule().0);
        assert_eq!(found, verdict, "revoked at {height}");
    }
}

#[test]
fn a_nodes_registration_is_the_header_chains() {
    for (revoked, verdict) in [(None, None), (Some(DEADLINE), Some("K17")), (Some(DEADLINE + 1), None)] {
        let mut scene = Scene::new();
        let ready = scene.net.by(NODES[0], 0, Action::Ready);
        let promise = scene.signed(&ready);
        let by_admins = |height| (height, vec![scene.net.by_admins(2, revoke(NODES[0]))]);
        let at = revoked.map(by_admins).into_iter().collect();
        scene.goes_on(DEADLINE + 1, at);
        let mut broken = BrokenPromise {
            promise,
            previous: None,
            blocks: scene.txids(TIP + 1, DEADLINE),
            authority: None,
        };
        let found = broken.check(&scene.net.chain).err().map(|error| error.rule().0);
        assert_eq!(found, verdict, "revoked at {revoked:?}");
        broken.authority = Some(scene.authority(CONTROLLER));
        refused(&broken, &scene.net.chain, "K14");
    }
}
