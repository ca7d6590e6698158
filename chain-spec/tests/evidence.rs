//! Rules E1 to E4: what evidence shows, of whom, and what shows nothing.

#![allow(clippy::unwrap_used)]

mod common;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::evidence::{Evidence, EvidenceError, Misbehaviour};
use dronechain_chain_spec::header::{Header, SignedHeader};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::rules::{HeaderError, TxError};
use dronechain_chain_spec::target::BitsError;
use dronechain_chain_spec::transaction::{AnchorKind, Transaction};

use common::{
    CONTROLLER, CONTROLLER_2, NODES, Net, admin_body, admit, anchor, key, leaves, mined, public, revoke,
};

fn header(net: &Net, miner: u8, change: impl FnOnce(&mut Header)) -> SignedHeader {
    let mut header = net.header(miner, &[]);
    change(&mut header);
    mined(header, miner, &net.id())
}

/// The two in order of their hashes.
fn blocks(one: &SignedHeader, other: &SignedHeader) -> Evidence {
    let (first, second) = if one.header.hash() < other.header.hash() { (one, other) } else { (other, one) };
    Evidence::Blocks { first: first.clone(), second: second.clone() }
}

/// The two in order of their txids.
fn transactions(one: &Transaction, other: &Transaction) -> Evidence {
    let (first, second) = if one.txid() < other.txid() { (one, other) } else { (other, one) };
    Evidence::Transactions { first: first.clone(), second: second.clone() }
}

#[test]
fn two_blocks_by_one_miner_at_one_height() {
    let net = Net::populated(3);
    let one = header(&net, NODES[1], |_| ());
    let other = header(&net, NODES[1], |header| header.time_ms += 1);
    let evidence = blocks(&one, &other);
    assert_eq!(evidence.misbehaviour(), Misbehaviour::TwoBlocks);
    assert_eq!(evidence.offenders(), [public(NODES[1])]);
    assert_eq!(evidence.clone().check(net.chain.network()).unwrap().get(), &evidence);
    // One fact has one encoding, whichever was seen first.
    for found in [Evidence::of_headers(&one, &other), Evidence::of_headers(&other, &one)] {
        assert_eq!(found.as_ref(), Some(&evidence));
        assert_eq!(found.unwrap().id(), evidence.id());
    }
    assert_eq!(codec::decode::<Evidence>(&codec::encode(&evidence)).as_ref(), Ok(&evidence));
}

#[test]
fn e1_both_headers_meet_the_rules_by_themselves() {
    let net = Net::populated(3);
    let network = net.chain.network();
    let one = header(&net, NODES[1], |_| ());
    let version = header(&net, NODES[1], |header| header.version = 2);
    let found = blocks(&one, &version).check(network);
    assert_eq!(found, Err(EvidenceError::Header(HeaderError::Version(2))));
    // Without work or signature anybody could say it of anybody.
    let mut unsigned = header(&net, NODES[1], |header| header.time_ms += 1);
    unsigned.signature.0[0] ^= 1;
    let found = blocks(&one, &unsigned).check(network).unwrap_err();
    assert!(matches!(found, EvidenceError::Header(HeaderError::Signature(_))), "{found}");
    let mut easy = header(&net, NODES[1], |header| header.bits.0 = 0x2100_ffff);
    easy = easy.header.signed(&key(NODES[1]), &net.id());
    let found = blocks(&one, &easy).check(network).unwrap_err();
    assert!(matches!(found, EvidenceError::Header(HeaderError::Bits(BitsError::Overflow(_)))), "{found}");
}

#[test]
fn e3_headers_that_do_not_contradict_each_other() {
    let net = Net::populated(3);
    let network = net.chain.network();
    let one = header(&net, NODES[1], |_| ());
    let height = header(&net, NODES[1], |header| header.height += 1);
    let miner = header(&net, NODES[2], |_| ());
    // What an honest miner does whose chain was left in between.
    let parent = header(&net, NODES[1], |header| header.parent.0[31] ^= 1);
    for other in [&one, &height, &miner, &parent] {
        assert_eq!(Evidence::of_headers(&one, other), None);
        assert_eq!(blocks(&one, other).check(network), Err(EvidenceError::NoConflict));
    }
}

#[test]
fn two_transactions_by_one_sender_at_one_sequence() {
    let net = Net::populated(3);
    let batch = |sender, sequence, count| net.by(sender, sequence, anchor(AnchorKind::Data, &leaves(count)));
    let (one, other) = (batch(CONTROLLER, 1, 1), batch(CONTROLLER, 1, 2));
    let evidence = transactions(&one, &other);
    assert_eq!(evidence.misbehaviour(), Misbehaviour::TwoTransactions);
    assert_eq!(evidence.offenders(), [public(CONTROLLER)]);
    assert_eq!(evidence.clone().check(net.chain.network()).unwrap().get(), &evidence);
    for found in [Evidence::of_transactions(&one, &other), Evidence::of_transactions(&other, &one)] {
        assert_eq!(found.as_ref(), Some(&evidence));
    }
    assert_eq!(codec::decode::<Evidence>(&codec::encode(&evidence)).as_ref(), Ok(&evidence));
    // E3: the same, another sequence, another sender.
    for other in [one.clone(), batch(CONTROLLER, 2, 2), batch(CONTROLLER_2, 1, 2)] {
        assert_eq!(transactions(&one, &other).check(net.chain.network()), Err(EvidenceError::NoConflict));
        assert_eq!(Evidence::of_transactions(&one, &other), None);
    }
}

#[test]
fn of_the_admins_those_who_approved_both() {
    let net = Net::populated(3);
    let by = |keys: &[u8], role| {
        let keys: Vec<_> = keys.iter().map(|byte| key(*byte)).collect();
        let body = admin_body(2, admit(role, CONTROLLER_2));
        body.signed(&keys.iter().collect::<Vec<_>>(), &net.id())
    };
    let offenders = |one: &[u8], other: &[u8]| {
        let evidence = transactions(&by(one, Role::Controller), &by(other, Role::Operator));
        evidence.check(net.chain.network()).map(|checked| checked.get().offenders())
    };
    assert_eq!(offenders(&[1, 2], &[2, 3]), Ok(vec![public(2)]));
    // Each once, however often it stands there.
    assert_eq!(offenders(&[1, 2, 2], &[2, 3, 2]), Ok(vec![public(2)]));
    let mut both = offenders(&[1, 2], &[1, 2]).unwrap();
    both.sort();
    let mut expected = vec![public(1), public(2)];
    expected.sort();
    assert_eq!(both, expected);
    // Nobody approved both; and one body with two sets of approvals is one decision.
    assert_eq!(offenders(&[1], &[2, 3]), Err(EvidenceError::NoConflict));
    let (one, other) = (by(&[1, 2], Role::Controller), by(&[2, 3], Role::Controller));
    assert_ne!(one.txid(), other.txid());
    let found = transactions(&one, &other).check(net.chain.network());
    assert_eq!(found, Err(EvidenceError::NoConflict));
    assert_eq!(Evidence::of_transactions(&one, &other), None);
}

#[test]
fn e2_both_transactions_meet_the_rules_by_themselves() {
    let net = Net::populated(3);
    let (one, other) = (net.by_admins(2, revoke(CONTROLLER)), net.by_admins(2, revoke(CONTROLLER_2)));
    assert!(transactions(&one, &other).check(net.chain.network()).is_ok());
    let mut forged = other.clone();
    forged.approvals[0].signature.0[0] ^= 1;
    let found = transactions(&one, &forged).check(net.chain.network()).unwrap_err();
    assert!(matches!(found, EvidenceError::Transaction(TxError::Signature(_))), "{found}");
    // Signed for another network, it is no statement on this one.
    let foreign = Net::new(2);
    let found = transactions(&one, &other).check(foreign.chain.network()).unwrap_err();
    assert!(matches!(found, EvidenceError::Transaction(TxError::Signature(_))), "{found}");
}

#[test]
fn e4_the_smaller_hash_stands_first() {
    let net = Net::populated(3);
    let (one, other) = (header(&net, NODES[1], |_| ()), header(&net, NODES[1], |header| header.time_ms += 1));
    let Evidence::Blocks { first, second } = blocks(&one, &other) else { unreachable!() };
    let found = Evidence::Blocks { first: second, second: first }.check(net.chain.network());
    assert_eq!(found, Err(EvidenceError::Order));
    let (one, other) = (net.by_admins(2, revoke(CONTROLLER)), net.by_admins(2, revoke(CONTROLLER_2)));
    let Evidence::Transactions { first, second } = transactions(&one, &other) else { unreachable!() };
    let found = Evidence::Transactions { first: second, second: first }.check(net.chain.network());
    assert_eq!(found, Err(EvidenceError::Order));
}
