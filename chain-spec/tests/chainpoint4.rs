//! Chainpoint v4 proofs: what they carry, and that they are read in one form only.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read as _, Write as _};

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256, sha256d};
use dronechain_chain_spec::merkle::{PathError, Tree, parent};
use dronechain_chain_spec::receipt::chainpoint4::FormatError;
use dronechain_chain_spec::receipt::{Document, ExistenceProof, Part, Receipt, ReceiptError};
use dronechain_chain_spec::transaction::{Action, AnchorKind, Transaction};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};

use common::{CONTROLLER, CONTROLLER_2, NODES, Net, anchor, leaves, public};

const HOST: &str = "127.0.0.1:7700";

/// Anchors of 1 to 12 leaves by the controller, three a block from height 2 on, and two blocks on top.
fn anchored() -> Net {
    let mut net = Net::populated(3);
    for count in (1..=12).step_by(3) {
        let at = |count: usize| net.by(CONTROLLER, count as u64, anchor(AnchorKind::Data, &leaves(count)));
        let transactions = vec![at(count), at(count + 1), at(count + 2)];
        net.push(NODES[net.blocks.len() % 3], transactions).unwrap();
    }
    net.push(NODES[net.blocks.len() % 3], vec![]).unwrap();
    net.push(NODES[net.blocks.len() % 3], vec![]).unwrap();
    net
}

fn receipt(net: &Net, count: usize, index: u32) -> Receipt {
    let (height, tx_index) = (2 + (count as u64 - 1) / 3, u32::try_from((count - 1) % 3).unwrap());
    let proof = net.anchor_proof(height, tx_index, None);
    let path = Tree::new(leaves(count)).path(index.into()).unwrap();
    Receipt::new(net.id(), leaves(count)[index as usize], index, path, proof).unwrap()
}

fn document(net: &Net, count: usize, index: u32) -> Value {
    let proof = ExistenceProof::of(&receipt(net, count, index), HOST).unwrap();
    serde_json::from_str(&proof.to_json()).unwrap()
}

fn ops(document: &mut Value) -> &mut Vec<Value> {
    document["branches"][0]["ops"].as_array_mut().unwrap()
}

fn parse(document: &Value) -> Result<ExistenceProof, FormatError> {
    match ExistenceProof::parse_json(document.to_string().as_bytes()) {
        Ok(proof) => Ok(proof),
        Err(ReceiptError::Chainpoint4(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn malformed(document: &Value) {
    assert!(matches!(parse(document), Err(FormatError::Fields(_))), "{document}");
}

/// As any reader of the format does it, knowing nothing of ledgers.
fn walk(document: &Value) -> Hash256 {
    let mut value = hex::decode(document["hash"].as_str().unwrap()).unwrap();
    for op in document["branches"][0]["ops"].as_array().unwrap() {
        let operand = |name: &str| op[name].as_str().map(|text| hex::decode(text).unwrap());
        if let Some(left) = operand("l") {
            value = [left, value].concat();
        } else if let Some(right) = operand("r") {
            value.extend(right);
        } else if op["op"] == "sha-256" {
            value = sha256(&[&value]).0.to_vec();
        } else if op["op"] == "sha-256-x2" {
            value = sha256d(&[&value]).0.to_vec();
        }
    }
    Hash256(value.try_into().unwrap())
}

#[test]
fn every_leaf_of_every_batch_comes_through_both_forms_and_verifies() {
    let net = anchored();
    for count in 1..=12 {
        for index in 0..u32::try_from(count).unwrap() {
            let receipt = receipt(&net, count, index);
            let proof = ExistenceProof::of(&receipt, HOST).unwrap();
            assert_eq!(ExistenceProof::parse_json(proof.to_json().as_bytes()).as_ref(), Ok(&proof));
            assert_eq!(ExistenceProof::parse_binary(&proof.to_binary()).as_ref(), Ok(&proof));
            assert_eq!((proof.target(), proof.index()), (receipt.target, index));
            assert_eq!((proof.txid(), proof.height()), (receipt.source_id, receipt.anchor.height));
            let existence = proof.verify(&receipt.target, &net.chain, 3).unwrap();
            assert_eq!(existence, receipt.verify(&receipt.target, &net.chain, 3).unwrap().existence());
            assert_eq!(proof.receipt(&net.chain, receipt.anchor.authority.clone()), Ok(receipt));
        }
    }
}

#[test]
fn operations_arrive_at_the_block_hash_that_the_address_answers_with() {
    let net = anchored();
    for (count, index) in [(1, 0), (2, 1), (5, 4), (12, 7)] {
        let document = document(&net, count, index);
        let height = 2 + (count as u64 - 1) / 3;
        assert_eq!(walk(&document), net.chain.hash(height).unwrap());
        let ops = document["branches"][0]["ops"].as_array().unwrap();
        let uri = format!("http://{HOST}/calendar/{height}/data");
        let anchor = json!({"type": "cal", "anchor_id": height.to_string(), "uris": [uri]});
        assert_eq!(ops.last().unwrap(), &json!({ "anchors": [anchor] }));
        assert_eq!(document["type"], "Chainpoint");
        assert_eq!(document["@context"], "https://w3id.org/chainpoint/v4");
        assert_eq!(document["hash_received"].as_str().unwrap().len(), 20);
    }
}

#[test]
fn proof_of_one_record_is_always_the_same_one_and_of_another_another() {
    let net = anchored();
    let id = |count, index| document(&net, count, index)["proof_id"].clone();
    assert_eq!(id(5, 3), id(5, 3));
    assert_ne!(id(5, 3), id(5, 2));
    // One record, two batches of one block.
    assert_ne!(id(5, 3), id(4, 3));
}

#[test]
fn receipt_with_a_broken_step_has_no_proof() {
    let net = anchored();
    let good = receipt(&net, 5, 3);
    let of = |receipt: &Receipt| ExistenceProof::of(receipt, HOST).unwrap_err().part();
    assert_eq!(of(&Receipt { target: Hash256::ZERO, ..good.clone() }), Part::Proof);
    assert_eq!(of(&Receipt { root: Hash256::ZERO, ..good.clone() }), Part::Proof);
    let mut bad = good.clone();
    bad.anchor.transaction = receipt(&net, 6, 3).anchor.transaction;
    assert_eq!(of(&bad), Part::Transaction);
    bad.anchor.transaction.pop();
    assert_eq!(of(&bad), Part::Transaction);
    let mut bad = good.clone();
    bad.anchor.header.header.tx_root = Hash256::ZERO;
    assert_eq!(of(&bad), Part::BlockPath);
    let mut bad = good.clone();
    bad.anchor.tx_index += 1;
    assert_eq!(of(&bad), Part::BlockPath);
    for host in ["", "a/b", "a b", "user@host", "host?query", "host#part", "höst", &"h".repeat(256)] {
        let found = ExistenceProof::of(&good, host).unwrap_err();
        assert!(matches!(found, ReceiptError::Chainpoint4(FormatError::Host(_))), "{host}");
    }
    for host in ["node.example", "[::1]:7700", "localhost", &"h".repeat(255)] {
        let proof = ExistenceProof::of(&good, host).unwrap();
        assert_eq!(ExistenceProof::parse_json(proof.to_json().as_bytes()).unwrap().host(), host);
    }
}

#[test]
fn every_altered_operand_ends_elsewhere() {
    let net = anchored();
    for (count, index) in [(1, 0), (3, 2), (12, 9)] {
        let good = document(&net, count, index);
        let target: Hash256 = good["hash"].as_str().unwrap().parse().unwrap();
        let alter = |pointer: String| {
            let text = good.pointer(&pointer).unwrap().as_str().unwrap().to_owned();
            for at in 0..text.len() {
                let mut digits = text.clone().into_bytes();
                digits[at] = if digits[at] == b'0' { b'1' } else { b'0' };
                let mut bad = good.clone();
                *bad.pointer_mut(&pointer).unwrap() = json!(String::from_utf8(digits).unwrap());
                let result = ExistenceProof::parse_json(bad.to_string().as_bytes())
                    .and_then(|proof| proof.verify(&target, &net.chain, 1));
                assert!(result.is_err(), "{pointer} at {at}");
            }
        };
        alter("/hash".into());
        for (at, op) in good["branches"][0]["ops"].as_array().unwrap().iter().enumerate() {
            for name in ["l", "r"] {
                if op.get(name).is_some() {
                    alter(format!("/branches/0/ops/{at}/{name}"));
                }
            }
        }
    }
}

#[test]
fn what_follows_from_the_operations_is_held_to_them() {
    let net = anchored();
    let good = document(&net, 5, 3);
    let anchor =
        format!("/branches/0/ops/{}/anchors/0", good["branches"][0]["ops"].as_array().unwrap().len() - 1);
    let with = |pointer: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        parse(&bad).unwrap_err()
    };
    let other = json!("5eb63bbb-e01e-11ee-8e67-85a4b2c5d5e2");
    assert!(matches!(with("/proof_id", other), FormatError::ProofId { .. }));
    let later = json!("2030-01-01T00:00:00Z");
    assert!(matches!(with("/hash_received", later), FormatError::HashReceived { .. }));
    assert!(matches!(with(&format!("{anchor}/anchor_id"), json!("4")), FormatError::AnchorId { .. }));
    assert!(matches!(with(&format!("{anchor}/anchor_id"), json!("03")), FormatError::AnchorId { .. }));
    for uri in [
        "http://127.0.0.1:7700/calendar/4/data",
        "http://127.0.0.1:7700/calendar/3/data/",
        "http://127.0.0.1:7700//calendar/3/data",
        "http://127.0.0.1:7700",
        "https://127.0.0.1:7700/calendar/3/data",
    ] {
        assert!(matches!(with(&format!("{anchor}/uris/0"), json!(uri)), FormatError::Uri(_)), "{uri}");
    }
    let uri = json!("http://user@host/calendar/3/data");
    assert!(matches!(with(&format!("{anchor}/uris/0"), uri), FormatError::Host(_)));
    for kind in ["btc", "eth", "tcal", "CAL", "DroneChain"] {
        assert!(matches!(with(&format!("{anchor}/type"), json!(kind)), FormatError::AnchorType(_)));
    }
    let both = json!(["http://a/calendar/3/data", "http://b/calendar/3/data"]);
    assert_eq!(with(&format!("{anchor}/uris"), both), FormatError::Uris(2));
    assert_eq!(with(&format!("{anchor}/uris"), json!([])), FormatError::Uris(0));
    let v3 = json!("https://w3id.org/chainpoint/v3");
    assert!(matches!(with("/@context", v3), FormatError::Context(_)));
    assert!(matches!(with("/type", json!("ChainpointSHA256v2")), FormatError::Type(_)));
    assert!(matches!(with("/branches/0/label", json!("btc_anchor_branch")), FormatError::Label(_)));
    assert_eq!(with("/branches", json!([])), FormatError::Branches(0));
    let branch = good["branches"][0].clone();
    assert_eq!(with("/branches", json!([branch, branch])), FormatError::Branches(2));
    let parent = anchor.strip_suffix("/0").unwrap();
    assert_eq!(with(parent, json!([])), FormatError::Anchors(0));
    let one = good.pointer(&anchor).unwrap();
    assert_eq!(with(parent, json!([one, one])), FormatError::Anchors(2));
}

/// Operations of a proof with one step in the batch and two in the block, changed by `change`.
fn changed(change: impl FnOnce(&mut Vec<Value>)) -> FormatError {
    let mut document = document(&anchored(), 2, 0);
    let ops = ops(&mut document);
    // Batch step, transaction, two block steps, header, anchor.
    assert_eq!(ops.len(), 2 + 3 + 4 + 3 + 1);
    change(ops);
    parse(&document).unwrap_err()
}

#[test]
fn operations_have_one_shape() {
    let hash = json!({"op": "sha-256"});
    // Another hash.
    for (at, other) in [(1, "sha-512"), (1, "sha-256-x2"), (4, "sha3-256"), (4, "sha-256-x2"), (6, "sha-1")] {
        let found = changed(|ops| ops[at] = json!({"op": other}));
        assert_eq!(found, FormatError::Hash { at, found: other.into() });
    }
    assert!(matches!(changed(|ops| ops[11] = hash.clone()), FormatError::Hash { at: 11, .. }));
    // A hash more, and one less.
    assert_eq!(changed(|ops| ops.insert(2, hash.clone())), FormatError::Step { at: 2 });
    assert_eq!(changed(|ops| ops.insert(0, hash.clone())), FormatError::Step { at: 0 });
    assert_eq!(changed(|ops| drop(ops.remove(11))), FormatError::Unhashed);
    // Merged into what follows it.
    assert!(matches!(changed(|ops| drop(ops.remove(1))), FormatError::TransactionCodec(_)));
    assert!(matches!(changed(|ops| drop(ops.remove(6))), FormatError::Step { at: 7 }));
    // Parts left out.
    assert_eq!(changed(|ops| drop(ops.drain(2..12))), FormatError::NoHeader);
    assert_eq!(changed(|ops| drop(ops.drain(..12))), FormatError::NoHeader);
    assert_eq!(changed(|ops| drop(ops.drain(..9))), FormatError::NoTransaction);
    assert!(matches!(changed(|ops| drop(ops.drain(9..12))), FormatError::NoHeader));
    // Anchors elsewhere, and none.
    assert_eq!(changed(|ops| drop(ops.pop())), FormatError::AnchorPlace);
    assert_eq!(changed(|ops| ops.rotate_right(1)), FormatError::AnchorPlace);
    let again = |ops: &mut Vec<Value>| ops.insert(5, ops[12].clone());
    assert_eq!(changed(again), FormatError::AnchorPlace);
    // Steps that are no hash, or on both sides.
    let short = json!({"r": "00".repeat(31)});
    assert_eq!(changed(|ops| ops[0] = short.clone()), FormatError::Step { at: 1 });
    assert_eq!(changed(|ops| ops[5] = short), FormatError::Step { at: 6 });
    let both = |ops: &mut Vec<Value>| ops.insert(6, json!({"l": "00".repeat(32)}));
    assert_eq!(changed(both), FormatError::Step { at: 7 });
}

#[test]
fn operands_have_one_spelling() {
    let digits = |op: &Value, name: &str| op[name].as_str().unwrap().to_owned();
    // Prefix and suffix change places; a prefix in two pieces, and a suffix.
    assert_eq!(changed(|ops| ops.swap(2, 3)), FormatError::Spelling);
    let split = |ops: &mut Vec<Value>, at: usize, name: &str| {
        let whole = digits(&ops[at], name);
        let (a, b) = whole.split_at(20);
        let (first, second) = if name == "l" { (b, a) } else { (a, b) };
        ops[at] = json!({ name: first });
        ops.insert(at + 1, json!({ name: second }));
    };
    assert_eq!(changed(|ops| split(ops, 2, "l")), FormatError::Spelling);
    assert_eq!(changed(|ops| split(ops, 3, "r")), FormatError::Spelling);
    assert_eq!(changed(|ops| split(ops, 9, "l")), FormatError::Spelling);
    assert_eq!(changed(|ops| split(ops, 0, "r")), FormatError::Spelling);
    // Nothing, and more than the format allows.
    let empty = changed(|ops| ops.insert(0, json!({"l": ""})));
    assert_eq!(empty, FormatError::OperandLength { at: 0, found: 0 });
    let long = changed(|ops| ops[3] = json!({"r": "00".repeat(257)}));
    assert_eq!(long, FormatError::OperandLength { at: 3, found: 257 });
}

#[test]
fn hashes_stand_where_transaction_and_header_have_them() {
    // A byte goes from before the root to behind it: the value stands elsewhere.
    let moved = |ops: &mut Vec<Value>, at: usize| {
        let before = ops[at]["l"].as_str().unwrap().to_owned();
        let behind = ops[at + 1]["r"].as_str().unwrap().to_owned();
        let (before, byte) = before.split_at(before.len() - 2);
        ops[at] = json!({ "l": before });
        ops[at + 1] = json!({ "r": format!("{byte}{behind}") });
    };
    let found = changed(|ops| moved(ops, 2));
    assert!(matches!(found, FormatError::TransactionCodec(_) | FormatError::RootElsewhere), "{found}");
    assert_eq!(changed(|ops| moved(ops, 9)), FormatError::TxRootElsewhere(43));
    let longer = |ops: &mut Vec<Value>| ops[10] = json!({"r": "00".repeat(93)});
    assert_eq!(changed(longer), FormatError::HeaderLength(169));
}

#[test]
fn another_transaction_than_an_anchor_proves_nothing() {
    // Admission of a controller whose key is the record's hash: the hash does stand in the transaction.
    let mut net = Net::populated(3);
    let target = Hash256(public(CONTROLLER_2).0);
    let admission =
        net.by_admins(2, common::admit(dronechain_chain_spec::registry::Role::Controller, CONTROLLER_2));
    net.push(NODES[1], vec![admission.clone()]).unwrap();
    let bytes = codec::encode(&admission);
    let at = bytes.windows(32).position(|window| window == target.0).unwrap();
    let header = net.chain.header(2).unwrap().to_bytes();
    let mut document = document(&anchored(), 1, 0);
    document["hash"] = json!(target);
    let ops = ops(&mut document);
    let anchors = ops.pop().unwrap();
    *ops = vec![json!({"l": hex::encode(&bytes[..at])})];
    ops.extend(bytes[at + 32..].chunks(256).map(|piece| json!({"r": hex::encode(piece)})));
    ops.push(json!({"op": "sha-256"}));
    ops.push(json!({"l": hex::encode(&header[..44])}));
    ops.push(json!({"r": hex::encode(&header[76..])}));
    ops.push(json!({"op": "sha-256-x2"}));
    ops.push(anchors);
    assert_eq!(walk(&document), net.chain.hash(2).unwrap());
    assert_eq!(parse(&document), Err(FormatError::RootElsewhere));
}

#[test]
fn inner_node_is_no_record() {
    let net = anchored();
    for count in 2..=12 {
        let all = leaves(count);
        let mut bad = document(&net, count, 0);
        bad["hash"] = json!(parent(&all[0], &all[1]));
        ops(&mut bad).drain(..2);
        // All operations are those of the chain, and the path is too short.
        assert_eq!(walk(&bad), net.chain.hash(2 + (count as u64 - 1) / 3).unwrap());
        assert!(matches!(parse(&bad), Err(FormatError::PathShape(PathError::Length { .. }))), "{count}");
        // The root itself.
        let steps = 2 * receipt(&net, count, 0).path.len();
        let mut bad = document(&net, count, 0);
        bad["hash"] = json!(Tree::new(all).root());
        ops(&mut bad).drain(..steps);
        assert!(matches!(parse(&bad), Err(FormatError::PathShape(PathError::Length { .. }))), "{count}");
    }
}

#[test]
fn verification_applies_the_rules_of_receipts() {
    let net = anchored();
    let good = receipt(&net, 5, 3);
    let proof = ExistenceProof::of(&good, HOST).unwrap();
    let verify =
        |proof: &ExistenceProof, confirmations| proof.verify(&good.target, &net.chain, confirmations);
    assert_eq!(
        proof.verify(&leaves(5)[2], &net.chain, 1).unwrap_err(),
        ReceiptError::RecordAltered { found: leaves(5)[2], expected: good.target }
    );
    assert!(verify(&proof, 5).is_ok());
    assert_eq!(verify(&proof, 6).unwrap_err(), ReceiptError::TooFewConfirmations { found: 5, wanted: 6 });
    let mut short = net.chain.clone();
    short.truncate(2);
    let found = proof.verify(&good.target, &short, 1).unwrap_err();
    assert_eq!(found, ReceiptError::BeyondTip { height: 3, tip: 2 });
    // A header that was never mined on this chain.
    let mut other = good.clone();
    other.anchor.header.header.nonce ^= 1;
    let found = verify(&ExistenceProof::of(&other, HOST).unwrap(), 1).unwrap_err();
    assert!(matches!(found, ReceiptError::UnknownBlock { height: 3, .. }));
    // Another network's chain, on which the signature does not hold.
    let foreign = Net::new(1);
    let found = proof.verify(&good.target, &foreign.chain, 1).unwrap_err();
    assert!(matches!(found, ReceiptError::TransactionRule(_)), "{found}");
    assert!(proof.receipt(&foreign.chain, good.anchor.authority.clone()).is_err());
    assert!(ExistenceProof::of(&other, HOST).unwrap().receipt(&net.chain, good.anchor.authority).is_err());
}

#[test]
fn forged_signature_is_refused_though_all_hashes_hold() {
    let mut net = Net::populated(3);
    let mut forged: Transaction = net.by(CONTROLLER, 1, anchor(AnchorKind::Data, &leaves(1)));
    forged.approvals[0].signature.0[0] ^= 1;
    // A light chain takes the block; no node would.
    let commitments = net.commitments(&[]);
    let header = common::header_on(&net.chain, NODES[1], &[forged.txid()], commitments.hash());
    let header = common::mined(header, NODES[1], &net.id());
    let link = dronechain_chain_spec::link::Link { header: header.clone(), commitments, changes: vec![] };
    let mut proof = net.anchor_proof(1, 2, None);
    net.chain.push(link).unwrap();
    let Action::Anchor(_) = forged.body.action else { panic!("an anchor") };
    (proof.transaction, proof.tx_index, proof.block_path) = (codec::encode(&forged), 0, vec![]);
    (proof.height, proof.header) = (2, header);
    let receipt = Receipt::new(net.id(), leaves(1)[0], 0, vec![], proof).unwrap();
    assert_eq!(receipt.verify_hashes(&leaves(1)[0], &net.chain), Ok(net.chain.tip()));
    let proof = ExistenceProof::of(&receipt, HOST).unwrap();
    let found = proof.verify(&leaves(1)[0], &net.chain, 1).unwrap_err();
    assert!(matches!(found, ReceiptError::TransactionRule(_)), "{found}");
}

// The documents' form.

#[test]
fn fields_are_exactly_these() {
    let good = document(&anchored(), 5, 3);
    let last = good["branches"][0]["ops"].as_array().unwrap().len() - 1;
    for object in ["", "/branches/0", "/branches/0/ops/0", &format!("/branches/0/ops/{last}/anchors/0")] {
        let mut more = good.clone();
        more.pointer_mut(object).unwrap().as_object_mut().unwrap().insert("extra".into(), json!("1"));
        malformed(&more);
        let names: Vec<_> = good.pointer(object).unwrap().as_object().unwrap().keys().cloned().collect();
        for name in names {
            let mut less = good.clone();
            less.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(&name);
            malformed(&less);
            let mut null = good.clone();
            *null.pointer_mut(&format!("{object}/{name}")).unwrap() = Value::Null;
            malformed(&null);
        }
        // The list of an object's values is no object.
        let mut list = good.clone();
        let values = list.pointer(object).unwrap().as_object().unwrap().values().cloned().collect();
        *list.pointer_mut(object).unwrap() = Value::Array(values);
        malformed(&list);
    }
    let text = good.to_string();
    let twice = text.replacen("\"type\":", "\"type\":\"Chainpoint\",\"type\":", 1);
    assert!(ExistenceProof::parse_json(twice.as_bytes()).is_err());
    for bytes in [&b""[..], b"{", b"[]", b"null", b"\xff"] {
        assert_eq!(ExistenceProof::parse_json(bytes).unwrap_err().part(), Part::Format);
    }
}

#[test]
fn operations_are_lower_case_hex_of_one_side() {
    let good = document(&anchored(), 5, 3);
    let hash = leaves(1)[0].to_string();
    for op in [
        json!({"l": hash, "r": hash}),
        json!({"r": hash.to_uppercase()}),
        json!({"r": hash[1..]}),
        json!({"r": format!("0x{}", &hash[2..])}),
        json!({"r": "not hex"}),
        json!({"r": 1}),
        json!({"op": null}),
        json!({"op": {"sha-256": null}}),
        json!({}),
        json!(null),
        json!("r"),
        json!(["r", hash]),
    ] {
        let mut bad = good.clone();
        ops(&mut bad)[0] = op;
        malformed(&bad);
    }
    let mut bad = good;
    bad["hash"] = json!(bad["hash"].as_str().unwrap().to_uppercase());
    malformed(&bad);
}

#[test]
fn long_paths_are_refused() {
    let step = [json!({"l": "00".repeat(32)}), json!({"op": "sha-256"})];
    let found = changed(|ops| drop(ops.splice(..0, step.iter().cloned().cycle().take(64))));
    assert_eq!(found, FormatError::PathTooLong);
    let found = changed(|ops| drop(ops.splice(5..5, step.iter().cloned().cycle().take(64))));
    assert_eq!(found, FormatError::PathTooLong);
}

#[test]
fn json_is_bounded() {
    let text = document(&anchored(), 5, 3).to_string();
    let padded = |len: usize| format!("{text}{}", " ".repeat(len - text.len()));
    assert!(ExistenceProof::parse_json(padded(64 << 10).as_bytes()).is_ok());
    let found = ExistenceProof::parse_json(padded((64 << 10) + 1).as_bytes());
    assert_eq!(found, Err(ReceiptError::Chainpoint4(FormatError::TooLong((64 << 10) + 1))));
}

// Binary.

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut inflated = Vec::new();
    ZlibDecoder::new(bytes).read_to_end(&mut inflated).unwrap();
    inflated
}

#[track_caller]
fn refused(binary: &[u8]) -> FormatError {
    match ExistenceProof::parse_binary(binary).unwrap_err() {
        ReceiptError::Chainpoint4(error) => error,
        error => panic!("{error}"),
    }
}

#[test]
fn binary_is_one_whole_stream_of_one_value() {
    let net = anchored();
    let proof = ExistenceProof::of(&receipt(&net, 12, 7), HOST).unwrap();
    let good = proof.to_binary();
    let packed = inflate(&good);
    // Another compressor's stream of the same value is as good.
    assert_eq!(ExistenceProof::parse_binary(&deflate(&packed)).as_ref(), Ok(&proof));
    for cut in 0..good.len() {
        assert!(matches!(refused(&good[..cut]), FormatError::Zlib(_)), "{cut}");
    }
    assert_eq!(refused(&[&good[..], &[0]].concat()), FormatError::Trailing(1));
    assert_eq!(refused(&deflate(&[&packed[..], &[0xa0]].concat())), FormatError::Trailing(1));
    for cut in 0..packed.len() {
        assert!(matches!(refused(&deflate(&packed[..cut])), FormatError::MessagePack(_)), "{cut}");
    }
    let mut flipped = good;
    *flipped.last_mut().unwrap() ^= 1;
    assert!(matches!(refused(&flipped), FormatError::Zlib(_)), "a wrong checksum");
    // No MessagePack of maps, lists and texts.
    for other in [&[0xc0][..], &[0x01], &[0xc4, 0x01, 0x00], &[0xa1, 0xff], &[0xdb, 0xff, 0xff, 0xff, 0xff]] {
        assert!(matches!(refused(&deflate(other)), FormatError::MessagePack(_)), "{other:?}");
    }
    // Declared and not there: no memory is reserved for it.
    for other in [[0xdd, 0xff, 0xff, 0xff, 0xff], [0xdf, 0xff, 0xff, 0xff, 0xff]] {
        assert!(matches!(refused(&deflate(&other)), FormatError::MessagePack(_)), "{other:?}");
    }
    assert!(matches!(refused(&deflate(&[0x90])), FormatError::Fields(_)), "a list for the document");
    let twice = [0x82, 0xa1, b'a', 0xa0, 0xa1, b'a', 0xa0];
    assert_eq!(refused(&deflate(&twice)), FormatError::RepeatedField("a".into()));
    assert_eq!(refused(&deflate(&[0x91; 1000])), FormatError::TooDeep);
}

#[test]
fn inflating_is_bounded() {
    let bomb = deflate(&vec![0x90; 8 << 20]);
    assert!(bomb.len() <= 64 << 10, "{}", bomb.len());
    assert_eq!(refused(&bomb), FormatError::InflatedTooLong);
    assert_eq!(refused(&deflate(&vec![0x90; (64 << 10) + 1])), FormatError::InflatedTooLong);
    assert_eq!(refused(&deflate(&vec![0x90; 64 << 10])), FormatError::Trailing((64 << 10) - 1));
    assert_eq!(refused(&vec![0; (64 << 10) + 1]), FormatError::TooLong((64 << 10) + 1));
}

#[test]
fn format_is_told_by_content() {
    let net = anchored();
    let receipt = receipt(&net, 12, 7);
    let proof = ExistenceProof::of(&receipt, HOST).unwrap();
    let existence = Document::Existence(Box::new(proof.clone()));
    assert_eq!(Document::parse(receipt.to_json().as_bytes()), Ok(Document::Receipt(Box::new(receipt))));
    assert_eq!(Document::parse(proof.to_json().as_bytes()), Ok(existence.clone()));
    assert_eq!(Document::parse(&proof.to_binary()), Ok(existence.clone()));
    let spaced = format!(" \n{}", proof.to_json());
    assert_eq!(Document::parse(spaced.as_bytes()), Ok(existence));
    // Errors are those of the format that the bytes claim.
    let v4 = proof.to_json().replace("\"l\"", "\"x\"");
    assert!(matches!(Document::parse(v4.as_bytes()), Err(ReceiptError::Chainpoint4(_))));
    assert!(matches!(Document::parse(&[0x78, 0x9c]), Err(ReceiptError::Chainpoint4(FormatError::Zlib(_)))));
    assert!(matches!(Document::parse(b"{}"), Err(ReceiptError::Malformed(_))));
    assert!(matches!(Document::parse(b""), Err(ReceiptError::Malformed(_))));
}
