//! Header chains that begin at a checkpoint follow the same rules as those from genesis.

#![allow(clippy::unwrap_used)]

mod common;

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::chain::{CHECKPOINT_MAGIC, ChainError, HeaderChain};
use dronechain_chain_spec::checkpoint::{Checkpoint, CheckpointError};
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::receipt::{Receipt, ReceiptError};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::transaction::{Action, AnchorKind};

use common::{CONTROLLER, NODES, Net, admit, anchor, leaves, revoke};

/// Five miners in turns, a node admitted on the way, another one revoked behind every checkpoint tried.
fn grown() -> Net {
    let mut net = Net::new(5);
    for turn in 0..12 {
        let transactions = match turn {
            2 => vec![net.by_admins(0, admit(Role::Controller, CONTROLLER))],
            4 => vec![net.by_admins(1, admit(Role::Node, 0x16))],
            6 => vec![net.by(0x16, 0, Action::Ready)],
            9 => vec![net.by_admins(2, revoke(NODES[1]))],
            _ => vec![],
        };
        let miner = [0, 1, 2, 3, 4, 0, 2, 3, 4, 0, 2, 3][turn];
        net.push(NODES[miner], transactions).unwrap();
    }
    net
}

fn at(chain: &HeaderChain, height: u64) -> HeaderChain {
    let checkpoint = Checkpoint::of(chain, height).expect("it has all below");
    let id = checkpoint.id();
    HeaderChain::from_checkpoint(checkpoint.check(id).expect("it is trusted")).expect("a sound spec")
}

#[test]
fn chain_from_any_checkpoint_takes_the_same_links_to_the_same_state() {
    let net = grown();
    let whole = &net.chain;
    for height in 1..=whole.height() {
        let mut chain = at(whole, height);
        assert_eq!(
            (chain.base(), chain.height(), chain.tip()),
            (height, height, whole.hash(height).unwrap())
        );
        for next in height + 1..=whole.height() {
            chain.push(whole.link(next).unwrap().clone()).unwrap();
        }
        assert_eq!((chain.tip(), chain.work()), (whole.tip(), whole.work()));
        for known in height..=whole.height() {
            assert_eq!(chain.header(known), whole.header(known));
            assert_eq!(chain.roster(known), whole.roster(known));
            assert_eq!(chain.confirmations(known), whole.confirmations(known));
        }
        assert_eq!(chain.hash(height - 1).is_some(), height == 1, "nothing below but genesis");
        // A checkpoint above is the same whoever makes it.
        for above in height..=whole.height() {
            assert_eq!(Checkpoint::of(&chain, above), Checkpoint::of(whole, above));
        }
        chain.truncate(0);
        assert_eq!(chain.height(), height, "nothing is known below");
    }
    assert_eq!(Checkpoint::of(whole, 0), None);
    assert_eq!(Checkpoint::of(whole, whole.height() + 1), None);
}

#[test]
fn h9_h10_h15_hold_across_a_checkpoint() {
    let net = grown();
    let height = net.chain.height();
    let mut wrong = Vec::new();
    // Who made the tip, and the one before: s is 3.
    for miner in [3, 2] {
        let block = net.block(NODES[miner], vec![]);
        let from_genesis = net.chain.clone().push(link(&net, &block)).unwrap_err();
        let begun = at(&net.chain, height).push(link(&net, &block)).unwrap_err();
        assert_eq!(begun, from_genesis);
        wrong.push(begun.rule().0);
    }
    assert!(wrong.iter().all(|rule| *rule == "H15"), "{wrong:?}");
    let mut other = net.block(NODES[4], vec![]);
    other.header.header.bits.0 -= 1;
    let header = common::mined(other.header.header.clone(), NODES[4], &net.id());
    other.header = header;
    let refused = at(&net.chain, height).push(link(&net, &other)).unwrap_err();
    assert_eq!(refused.rule().0, "H10");
    at(&net.chain, height).push(link(&net, &net.block(NODES[4], vec![]))).unwrap();
}

fn link(net: &Net, block: &Block) -> Link {
    Link { header: block.header.clone(), commitments: net.commitments(&[]), changes: vec![] }
}

#[test]
fn file_from_a_checkpoint_reads_back_only_for_whoever_trusts_it() {
    let net = grown();
    let mut chain = at(&net.chain, 5);
    let id = chain.checkpoint().unwrap().id();
    let alone = chain.to_bytes();
    for height in 6..=net.chain.height() {
        chain.push(net.chain.link(height).unwrap().clone()).unwrap();
    }
    let bytes = chain.to_bytes();
    assert!(bytes.starts_with(CHECKPOINT_MAGIC) && bytes.starts_with(&alone));
    assert_eq!(HeaderChain::from_bytes_trusting(&bytes, id).unwrap().tip(), net.chain.tip());
    assert_eq!(HeaderChain::from_bytes_trusting(&alone, id).unwrap().height(), 5);
    let untrusted = |trusted| ChainError::Checkpoint(CheckpointError::Untrusted { found: id, trusted });
    let nobody_asked = ChainError::Checkpoint(CheckpointError::NoneTrusted { found: id });
    assert_eq!(HeaderChain::from_bytes(&bytes).unwrap_err(), nobody_asked);
    let other = Hash256([7; 32]);
    assert_eq!(HeaderChain::from_bytes_trusting(&bytes, other).unwrap_err(), untrusted(other));
    // A file from genesis needs no trust, and is not made less by it.
    assert_eq!(HeaderChain::from_bytes_trusting(&net.chain.to_bytes(), other).unwrap().base(), 0);
    for cut in [0, 10, 24, 30, alone.len() - 1, alone.len() + 1] {
        assert!(HeaderChain::from_bytes_trusting(&bytes[..cut], id).is_err(), "cut at {cut}");
    }
}

#[test]
fn checkpoint_of_parts_that_do_not_belong_together_is_refused_even_if_trusted() {
    let net = grown();
    let good = Checkpoint::of(&net.chain, 10).unwrap();
    let refused = |change: &dyn Fn(&mut Checkpoint)| {
        let mut bad = good.clone();
        change(&mut bad);
        assert_ne!(bad.id(), good.id());
        let id = bad.id();
        bad.check(id).unwrap_err()
    };
    let other = Checkpoint::of(&net.chain, 3).unwrap();
    assert_eq!(refused(&|bad| bad.roster = other.roster.clone()), CheckpointError::Part("roster"));
    assert!(matches!(refused(&|bad| bad.link = other.link.clone()), CheckpointError::Part(_)));
    assert!(matches!(refused(&|bad| bad.link.commitments.history.0[0] ^= 1), CheckpointError::Block(_)));
    assert!(matches!(refused(&|bad| bad.link.header.signature.0[0] ^= 1), CheckpointError::Block(_)));
    assert!(matches!(refused(&|bad| bad.spec.genesis_time_ms += 1), CheckpointError::Block(_)));
    assert!(matches!(refused(&|bad| bad.spec.nodes.clear()), CheckpointError::Spec(_)));
    for change in [
        (|bad: &mut Checkpoint| bad.miners.truncate(2)) as fn(&mut Checkpoint),
        |bad| bad.miners.push(0),
        |bad| bad.miners[0] = 6,
    ] {
        assert_eq!(refused(&change), CheckpointError::Part("list of miners"));
    }
    let bytes = codec::encode(&good);
    assert_eq!(codec::decode::<Checkpoint>(&bytes), Ok(good));
}

#[test]
fn receipts_below_a_checkpoint_are_refused_and_those_from_it_on_verify() {
    let mut net = grown();
    let target = leaves(1)[0];
    for (sequence, miner) in [(0, 4), (1, 0)] {
        let sent = net.by(CONTROLLER, sequence, anchor(AnchorKind::Data, &[target]));
        net.push(NODES[miner], vec![sent]).unwrap();
    }
    let tip = net.chain.height();
    let of = |height| Receipt::new(net.id(), target, 0, vec![], net.anchor_proof(height, 0, None)).unwrap();
    of(tip).verify(&target, &at(&net.chain, tip), 1).expect("of the checkpoint's own block");
    let mut chain = at(&net.chain, tip - 1);
    chain.push(net.chain.link(tip).unwrap().clone()).unwrap();
    of(tip - 1).verify(&target, &chain, 2).expect("the checkpoint's and one above");
    let below = of(tip - 1).verify(&target, &at(&net.chain, tip), 1);
    assert_eq!(below.unwrap_err(), ReceiptError::BelowBase { height: tip - 1, base: tip });
}
