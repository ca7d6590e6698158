//! SPEC.md and the error enums list the same rules.

#![allow(clippy::unwrap_used)]

use dronechain_chain_spec::codec::CodecError;
use dronechain_chain_spec::evidence::EvidenceError;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{KeyError, PublicKey};
use dronechain_chain_spec::merkle::PathError;
use dronechain_chain_spec::promise::{BrokenPromiseError, PromiseError};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::roster::ChangeFault;
use dronechain_chain_spec::rules::{BlockError, HeaderError, TxError};
use dronechain_chain_spec::target::{Bits, BitsError};
use dronechain_chain_spec::transaction::Sender;

const SPEC: &str = include_str!("../SPEC.md");

/// The cells of each table row whose first cell is `letter` and a number.
fn rows(letter: char) -> Vec<Vec<&'static str>> {
    SPEC.lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").collect::<Vec<_>>())
        .filter(|cells| cells[0].strip_prefix(letter).is_some_and(|number| number.parse::<u32>().is_ok()))
        .collect()
}

fn agree(letter: char, rules: &[(&str, &str)]) {
    let listed: Vec<_> = rows(letter).iter().map(|cells| (cells[0], cells[1])).collect();
    assert_eq!(listed, rules);
    for (at, (number, _)) in rules.iter().enumerate() {
        assert_eq!(*number, format!("{letter}{}", at + 1));
    }
}

#[test]
fn spec_and_code_list_the_same_rules_in_the_same_order() {
    agree('T', TxError::RULES);
    agree('H', HeaderError::RULES);
    agree('B', BlockError::RULES);
    agree('E', EvidenceError::RULES);
    agree('P', PromiseError::RULES);
    agree('K', BrokenPromiseError::RULES);
}

#[test]
fn messages_begin_with_the_rules_name() {
    let headers = header_errors().into_iter().map(|error| (error.to_string(), error.rule().1));
    let transactions = tx_errors().into_iter().map(|error| (error.to_string(), error.rule().1));
    let evidence = evidence_errors().into_iter().map(|error| (error.to_string(), error.rule().1));
    let promises = promise_errors().into_iter().map(|error| (error.to_string(), error.rule().1));
    let broken = broken_errors().into_iter().map(|error| (error.to_string(), error.rule().1));
    for (message, name) in headers.chain(transactions).chain(evidence).chain(promises).chain(broken) {
        assert!(message.starts_with(&format!("{name}: ")), "{message} is {name}");
    }
}

#[test]
fn spec_and_code_agree_on_what_refutes_a_hash() {
    let refutes = |letter, number: &str| {
        let rows = rows(letter);
        let row = rows.iter().find(|cells| cells[0] == number).unwrap();
        match row[3].split(':').next().unwrap() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        }
    };
    let errors = header_errors();
    assert_eq!(errors.len(), HeaderError::RULES.len());
    for (error, (number, _)) in errors.into_iter().zip(HeaderError::RULES) {
        assert_eq!(error.rule().0, *number);
        assert_eq!(refutes('H', number), Some(BlockError::Header(error).refutes_hash()), "{number}");
    }
    let errors = block_errors();
    assert_eq!(errors.len() + 1, BlockError::RULES.len());
    assert_eq!(refutes('B', "B1"), None);
    for (error, (number, _)) in errors.into_iter().zip(&BlockError::RULES[1..]) {
        assert_eq!(error.rule().0, *number);
        assert_eq!(refutes('B', number), Some(error.refutes_hash()), "{number}");
    }
}

fn header_errors() -> Vec<HeaderError> {
    let (hash, miner, bits) = (Hash256::ZERO, PublicKey([0; 32]), Bits(0));
    vec![
        HeaderError::Malformed(0),
        HeaderError::Version(0),
        HeaderError::Network { found: [0; 4], expected: [0; 4] },
        HeaderError::Bits(BitsError::Zero(bits)),
        HeaderError::TxCount { found: 0 },
        HeaderError::Work { hash, bits },
        HeaderError::Signature(KeyError::BadSignature(miner)),
        HeaderError::Parent { found: hash, expected: hash },
        HeaderError::Height { found: 0, expected: 0 },
        HeaderError::Difficulty { found: bits, expected: bits },
        HeaderError::Time { found: 0, parent: 0 },
        HeaderError::Future { found: 0, latest: 0 },
        HeaderError::MinerNotAdmitted { miner },
        HeaderError::MinerNotReady { miner, height: 0 },
        HeaderError::MinerOutOfTurn { miner, height: 0, earlier: 0, spacing: 0 },
        HeaderError::Opening { found: hash, expected: hash },
        HeaderError::Change { index: 0, fault: ChangeFault::Order },
        HeaderError::Roster { found: hash, expected: hash },
        HeaderError::RuleUnknown { rule: 1, since: 0 },
    ]
}

fn tx_errors() -> Vec<TxError> {
    let key = PublicKey([0; 32]);
    let errors = vec![
        TxError::Malformed(CodecError::NotCanonical),
        TxError::TooLarge { bytes: 0 },
        TxError::WrongSender,
        TxError::DeviceAdmitted,
        TxError::TextTooLong,
        TxError::LeafCount { found: 0 },
        TxError::AdminSet,
        TxError::Approvals { found: 0 },
        TxError::Signature(KeyError::BadSignature(key)),
        TxError::Possession { device: key },
        TxError::Parameters { found: 0 },
        TxError::SenderUnknown { sender: key },
        TxError::SenderRevoked { sender: key, height: 0 },
        TxError::SenderRole { role: Role::Node },
        TxError::AdminApprovals { threshold: 0 },
        TxError::Sequence { sender: Sender::Admins, found: 0, expected: 0 },
    ];
    assert_eq!(errors.len(), TxError::RULES.len());
    errors
}

fn evidence_errors() -> Vec<EvidenceError> {
    let errors = vec![
        EvidenceError::Header(HeaderError::Version(0)),
        EvidenceError::Transaction(TxError::WrongSender),
        EvidenceError::NoConflict,
        EvidenceError::Order,
    ];
    assert_eq!(errors.len(), EvidenceError::RULES.len());
    errors
}

fn promise_errors() -> Vec<PromiseError> {
    let (hash, node) = (Hash256::ZERO, PublicKey([0; 32]));
    let errors = vec![
        PromiseError::Network { found: hash, expected: hash },
        PromiseError::Sender,
        PromiseError::Deadline { found: 0, tip_height: 0 },
        PromiseError::Signature(KeyError::BadSignature(node)),
        PromiseError::Node { node, height: 0 },
    ];
    assert_eq!(errors.len(), PromiseError::RULES.len());
    errors
}

fn broken_errors() -> Vec<BrokenPromiseError> {
    let (hash, key) = (Hash256::ZERO, PublicKey([0; 32]));
    let errors = vec![
        BrokenPromiseError::Promise(PromiseError::Sender),
        BrokenPromiseError::Early { deadline: 0, tip: 0 },
        BrokenPromiseError::Previous { sequence: 0 },
        BrokenPromiseError::PreviousRule(TxError::WrongSender),
        BrokenPromiseError::PreviousOther { sequence: 0 },
        BrokenPromiseError::PreviousHeight { height: 0 },
        BrokenPromiseError::PreviousPath(PathError::Side { at: 0 }),
        BrokenPromiseError::PreviousRoot { found: hash, expected: hash },
        BrokenPromiseError::Tip { tip: hash },
        BrokenPromiseError::Late { from: 0, deadline: 0 },
        BrokenPromiseError::Blocks { found: 0, expected: 0 },
        BrokenPromiseError::Txids { height: 0 },
        BrokenPromiseError::Kept { height: 0 },
        BrokenPromiseError::Authority,
        BrokenPromiseError::AuthorityHeight { height: 0 },
        BrokenPromiseError::Entry { key },
        BrokenPromiseError::Revoked { key, height: 0 },
        BrokenPromiseError::Below { first: 0, base: 0 },
    ];
    assert_eq!(errors.len(), BrokenPromiseError::RULES.len());
    errors
}

/// All but B1, which is its header's rule.
fn block_errors() -> Vec<BlockError> {
    let hash = Hash256::ZERO;
    vec![
        BlockError::TxCount { found: 0, expected: 0 },
        BlockError::TxRoot { found: hash, expected: hash },
        BlockError::TooLarge { bytes: 0 },
        BlockError::AdminLate { index: 0 },
        BlockError::Transaction { index: 0, error: TxError::AdminSet },
        BlockError::Commitments { found: hash, expected: hash },
    ]
}
