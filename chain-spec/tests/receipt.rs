//! Receipts: what verifies, what each altered field is refused for, and what the order of leaves tells.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::merkle::{Path, Step, Tree, index_of, parent, root, root_of};
use dronechain_chain_spec::receipt::{
    AnchorProof, Authority, EntryProof, Part, Proven, Receipt, ReceiptError,
};
use dronechain_chain_spec::registry::{Commitments, Entry, Role};
use dronechain_chain_spec::transaction::{Action, AnchorKind, Transaction};
use serde_json::{Value, json};

use common::{
    CONTROLLER, CONTROLLER_2, DEVICE, NODES, Net, OPERATOR, STRANGER, admit, anchor, header_on, leaves,
    mined, public, revoke,
};

/// A chain with anchors of 1 to 20 leaves, two a block from height 2 on, and two blocks on top.
fn anchored() -> Net {
    let mut net = Net::populated(3);
    for count in (1..=20).step_by(2) {
        let at = |count: usize| net.by(CONTROLLER, count as u64, anchor(AnchorKind::Data, &leaves(count)));
        let transactions = vec![at(count), at(count + 1)];
        net.push(NODES[net.blocks.len() % 3], transactions).unwrap();
    }
    net.push(NODES[net.blocks.len() % 3], vec![]).unwrap();
    net.push(NODES[net.blocks.len() % 3], vec![]).unwrap();
    net
}

/// The receipt of leaf `index` of the batch with `count` leaves.
fn receipt(net: &Net, count: usize, index: u32) -> Receipt {
    let (height, tx_index) = (2 + (count as u64 - 1) / 2, u32::from(count.is_multiple_of(2)));
    let proof = net.anchor_proof(height, tx_index, Some(DEVICE));
    let path = Tree::new(leaves(count)).path(index.into()).unwrap();
    Receipt::new(net.id(), leaves(count)[index as usize], index, path, proof).unwrap()
}

#[test]
fn every_leaf_of_every_batch_verifies() {
    let net = anchored();
    for count in 1..=20 {
        for index in 0..u32::try_from(count).unwrap() {
            let receipt = receipt(&net, count, index);
            let read = Receipt::parse(receipt.to_json().as_bytes()).unwrap();
            assert_eq!(read, receipt);
            let target = leaves(count)[index as usize];
            let proven = read.verify(&target, &net.chain, 3).unwrap();
            let height = 2 + (count as u64 - 1) / 2;
            let expected = Proven {
                target,
                txid: sha256(&[&receipt.anchor.transaction]),
                sender: public(CONTROLLER),
                sequence: count as u64,
                anchor: proven.anchor.clone(),
                height,
                block: net.chain.hash(height).unwrap(),
                confirmations: net.chain.height() + 1 - height,
                // s is 2 of three nodes: the block after.
                not_later_than_ms: Some(net.chain.header(height + 1).unwrap().time_ms),
                sender_entry: Entry::new(public(CONTROLLER), Role::Controller, None, 1),
                device_entry: Some(Entry::new(public(DEVICE), Role::Device, Some(public(CONTROLLER)), 1)),
            };
            assert_eq!(proven, expected);
            assert_eq!(
                (proven.anchor.root, proven.anchor.leaf_count as usize),
                (root(&leaves(count)), count)
            );
            assert_eq!(read.verify_anchor(&net.chain, 3).unwrap().proves(target), proven);
        }
    }
}

#[test]
fn a_receipt_from_the_tip_says_nothing_of_the_time_yet() {
    let mut net = Net::populated(3);
    net.push(NODES[1], vec![net.by(CONTROLLER, 1, anchor(AnchorKind::Data, &leaves(1)))]).unwrap();
    let receipt = Receipt::new(net.id(), leaves(1)[0], 0, vec![], net.anchor_proof(2, 0, None)).unwrap();
    let proven = receipt.verify(&leaves(1)[0], &net.chain, 1).unwrap();
    assert_eq!((proven.confirmations, proven.not_later_than_ms, proven.device_entry), (1, None, None));
    let found = receipt.verify(&leaves(1)[0], &net.chain, 2).unwrap_err();
    assert_eq!(found, ReceiptError::TooFewConfirmations { found: 1, wanted: 2 });
    assert_eq!(found.part(), Part::Header);
    net.push(NODES[2], vec![]).unwrap();
    let proven = receipt.verify(&leaves(1)[0], &net.chain, 2).unwrap();
    assert_eq!(proven.not_later_than_ms, Some(net.chain.header(3).unwrap().time_ms));
}

#[test]
fn access_needs_an_operator() {
    let mut net = Net::populated(3);
    net.push(NODES[1], vec![net.by(OPERATOR, 0, anchor(AnchorKind::Access, &leaves(2)))]).unwrap();
    let path = Tree::new(leaves(2)).path(1).unwrap();
    let receipt = Receipt::new(net.id(), leaves(2)[1], 1, path, net.anchor_proof(2, 0, None)).unwrap();
    let proven = receipt.verify(&leaves(2)[1], &net.chain, 1).unwrap();
    assert_eq!((proven.sender, proven.sender_entry.role), (public(OPERATOR), Role::Operator));
}

// Altered JSON.

fn part_of(json: &Value, target: &Hash256, chain: &HeaderChain) -> Result<Proven, Part> {
    let receipt = Receipt::parse(json.to_string().as_bytes()).map_err(|error| error.part())?;
    receipt.verify(target, chain, 1).map_err(|error| error.part())
}

/// JSON pointers of everything that is no object and no list.
fn leaf_fields(json: &Value) -> Vec<String> {
    fn walk(at: &Value, pointer: &str, found: &mut Vec<String>) {
        match at {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| walk(value, &format!("{pointer}/{name}"), found));
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(at, value)| walk(value, &format!("{pointer}/{at}"), found)),
            _ => found.push(pointer.into()),
        }
    }
    let mut found = Vec::new();
    walk(json, "", &mut found);
    found
}

fn is_hex(text: &str) -> bool {
    text.len() >= 64 && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// Other values of a field: each of some hex digits flipped, numbers one up and one down.
fn altered(value: &Value, pointer: &str) -> Vec<Value> {
    match value {
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            let down = number.checked_sub(1);
            std::iter::once(number + 1).chain(down).map(Value::from).collect()
        }
        Value::String(text) if is_hex(text) => {
            let flip = |at: usize| {
                let mut digits = text.clone().into_bytes();
                digits[at] = if digits[at] == b'0' { b'1' } else { b'0' };
                Value::from(String::from_utf8(digits).unwrap())
            };
            let end = text.len();
            (0..end).step_by(end / 32).chain([end - 1]).map(flip).collect()
        }
        Value::String(role) if pointer.ends_with("/role") => {
            let roles = ["node", "controller", "operator", "device"];
            roles.iter().filter(|other| *other != role).map(|other| Value::from(*other)).collect()
        }
        Value::String(text) => vec![Value::from(format!("{text}x")), Value::from("")],
        Value::Null if pointer.ends_with("/owner") => vec![Value::from(public(CONTROLLER_2).to_string())],
        Value::Null => vec![Value::from(1), Value::from(0)],
        _ => panic!("no other fields"),
    }
}

/// The parts for which an altered field may be refused.
fn parts(pointer: &str) -> &'static [Part] {
    let anchor = "/anchors/0/dronechain/anchor/";
    match pointer {
        "/@context" | "/type" | "/anchors/0/type" | "/anchors/0/dronechain/version" => &[Part::Format],
        "/targetHash" => &[Part::Record],
        "/merkleRoot" | "/anchors/0/dronechain/index" => &[Part::Proof],
        // Trees of other sizes may have a path of the same shape; the transaction says which it is.
        "/anchors/0/dronechain/leafCount" => &[Part::Proof, Part::Transaction],
        "/anchors/0/sourceId" => &[Part::Transaction],
        "/anchors/0/dronechain/chainId" => &[Part::Header],
        _ if pointer.starts_with("/proof/") => &[Part::Proof],
        _ => match pointer.strip_prefix(anchor).unwrap() {
            "transaction" => &[Part::Transaction],
            "txIndex" => &[Part::BlockPath],
            "height" | "header" => &[Part::Header],
            other if other.starts_with("blockPath/") => &[Part::BlockPath],
            other if other.starts_with("authority/") => &[Part::Registry],
            other => panic!("{other}"),
        },
    }
}

#[test]
fn every_altered_field_is_refused_for_the_part_that_it_belongs_to() {
    let net = anchored();
    let mut tried = 0;
    for (count, index) in [(1, 0), (2, 1), (3, 2), (5, 3), (7, 6), (12, 9), (20, 0), (20, 19)] {
        let receipt = receipt(&net, count, index);
        let target = receipt.target;
        let mut good: Value = serde_json::from_str(&receipt.to_json()).unwrap();
        // Not at the tip, so that the block above exists.
        assert!(part_of(&good, &target, &net.chain).is_ok());
        let tip = net.chain.height();
        good["anchors"][0]["dronechain"]["anchor"]["authority"]["height"] = json!(tip);
        for pointer in leaf_fields(&good) {
            for value in altered(good.pointer(&pointer).unwrap(), &pointer) {
                let mut bad = good.clone();
                *bad.pointer_mut(&pointer).unwrap() = value.clone();
                let found = part_of(&bad, &target, &net.chain);
                tried += 1;
                let beyond = pointer.ends_with("authority/height") && value == json!(tip + 1);
                let expected: &[Part] = if beyond { &[Part::Header] } else { parts(&pointer) };
                match found {
                    Err(part) => assert!(expected.contains(&part), "{pointer} to {value}: {part:?}"),
                    Ok(_) => panic!("{pointer} to {value} verifies"),
                }
            }
        }
    }
    assert!(tried > 2_000, "{tried}");
}

#[test]
fn a_record_is_held_to_its_own_receipt() {
    let net = anchored();
    let one = receipt(&net, 5, 3);
    let found = one.verify(&leaves(5)[2], &net.chain, 1).unwrap_err();
    assert_eq!(found, ReceiptError::RecordAltered { found: leaves(5)[2], expected: leaves(5)[3] });
    // Parts of two good receipts do not mix.
    let other = receipt(&net, 7, 3);
    let mixed = Receipt { anchor: other.anchor.clone(), ..one.clone() };
    assert_eq!(mixed.verify(&one.target, &net.chain, 1).unwrap_err().part(), Part::Transaction);
    let mixed = Receipt { anchor: other.anchor, source_id: other.source_id, ..one.clone() };
    let found = mixed.verify(&one.target, &net.chain, 1).unwrap_err();
    assert_eq!(found, ReceiptError::NotThisAnchor { root: one.root, leaf_count: 5 });
    // Nor does a batch of the same size that nobody anchored.
    let mut others = leaves(5);
    others[3] = sha256(&[b"never anchored"]);
    let (target, root) = (others[3], root(&others));
    let forged = Receipt { target, root, ..one };
    let found = forged.verify(&target, &net.chain, 1).unwrap_err();
    assert_eq!(found, ReceiptError::NotThisAnchor { root, leaf_count: 5 });
}

#[test]
fn another_transaction_than_an_anchor_proves_nothing() {
    let net = anchored();
    let good = receipt(&net, 1, 0);
    let enrolment = net.blocks[0].transactions()[2].get().clone();
    let ready = net.by(NODES[0], 0, Action::Ready);
    let admins = net.by_admins(5, admit(Role::Node, STRANGER));
    for transaction in [enrolment, ready, admins] {
        let bytes = codec::encode(&transaction);
        let anchor = AnchorProof { transaction: bytes.clone(), ..good.anchor.clone() };
        let bad = Receipt { source_id: sha256(&[&bytes]), anchor, ..good.clone() };
        let found = bad.verify(&good.target, &net.chain, 1).unwrap_err();
        assert_eq!(found, ReceiptError::NotThisAnchor { root: good.root, leaf_count: 1 });
        assert!(Receipt::new(net.id(), good.target, 0, vec![], bad.anchor).is_err());
    }
    // Consistent, but with a bad signature; then bytes that are no transaction.
    let mut forged: Transaction = codec::decode(&good.anchor.transaction).unwrap();
    forged.approvals[0].signature.0[0] ^= 1;
    for (bytes, rule) in [(codec::encode(&forged), true), (vec![0; 80], false)] {
        let anchor = AnchorProof { transaction: bytes.clone(), ..good.anchor.clone() };
        let bad = Receipt { source_id: sha256(&[&bytes]), anchor, ..good.clone() };
        let found = bad.verify(&good.target, &net.chain, 1).unwrap_err();
        assert_eq!(matches!(found, ReceiptError::TransactionRule(_)), rule);
        assert_eq!(found.part(), Part::Transaction);
    }
}

#[test]
fn an_inner_node_is_no_record() {
    let net = anchored();
    for count in 2..=20_u32 {
        let all = leaves(count as usize);
        let good = receipt(&net, count as usize, 0);
        // Pretends that the parent of the first two leaves is the record, of fewer leaves or as many.
        let inner = parent(&all[0], &all[1]);
        for leaf_count in [count, count.div_ceil(2)] {
            let bad = Receipt { target: inner, path: good.path[1..].to_vec(), leaf_count, ..good.clone() };
            let part = bad.verify(&inner, &net.chain, 1).unwrap_err().part();
            assert!(matches!(part, Part::Proof | Part::Transaction), "{part:?}");
            assert!(Receipt::new(net.id(), inner, 0, bad.path, bad.anchor).is_err());
        }
        // And that the root is.
        let bad = Receipt { target: good.root, path: vec![], leaf_count: 1, ..good.clone() };
        let found = bad.verify(&good.root, &net.chain, 1).unwrap_err();
        assert_eq!(found, ReceiptError::NotThisAnchor { root: good.root, leaf_count: 1 });
    }
    // Below a leaf there is nothing either: 64 bytes whose hash is a leaf are no two leaves.
    let (left, right) = (sha256(&[b"l"]), sha256(&[b"r"]));
    let target = parent(&left, &right);
    let mut net = Net::populated(3);
    net.push(NODES[1], vec![net.by(CONTROLLER, 1, anchor(AnchorKind::Data, &[target]))]).unwrap();
    let good = Receipt::new(net.id(), target, 0, vec![], net.anchor_proof(2, 0, None)).unwrap();
    good.verify(&target, &net.chain, 1).unwrap();
    let bad = Receipt { target: left, path: vec![Step::Right(right)], ..good };
    assert_eq!(bad.verify(&left, &net.chain, 1).unwrap_err().part(), Part::Proof);
}

// The document's form.

#[track_caller]
fn malformed(json: &Value) {
    let error = Receipt::parse(json.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.part(), Part::Format);
}

fn document() -> Value {
    serde_json::from_str(&receipt(&anchored(), 5, 2).to_json()).unwrap()
}

fn with(pointer: &str, value: Value) -> Value {
    let mut json = document();
    *json.pointer_mut(pointer).unwrap() = value;
    json
}

#[test]
fn type_and_context_are_exactly_these() {
    assert!(Receipt::parse(document().to_string().as_bytes()).is_ok());
    for (pointer, value) in [
        ("/@context", "https://w3id.org/chainpoint/v3"),
        ("/@context", "http://w3id.org/chainpoint/v2"),
        ("/type", "chainpointSHA256v2"),
        ("/type", "ChainpointSHA512v2"),
        ("/anchors/0/type", "BTCOpReturn"),
        ("/anchors/0/type", "dronechain"),
    ] {
        malformed(&with(pointer, json!(value)));
    }
    malformed(&with("/anchors/0/dronechain/version", json!(2)));
    malformed(&json!(null));
    malformed(&json!([]));
    malformed(&json!({}));
    for bytes in [&b""[..], b"{", b"\xff"] {
        assert_eq!(Receipt::parse(bytes).unwrap_err().part(), Part::Format);
    }
}

#[test]
fn path_items_have_one_side() {
    let hash = leaves(1)[0].to_string();
    for path in ["/proof", "/anchors/0/dronechain/anchor/authority/sender/path"] {
        for item in [
            json!({"left": hash, "right": hash}),
            json!({"left": hash, "extra": 1}),
            json!({}),
            json!(null),
            json!({"left": null}),
            json!({"up": hash}),
            json!("left"),
            json!([hash]),
            json!({"left": hash.to_uppercase()}),
            json!({"left": hash[1..]}),
            json!({"left": format!("{hash}00")}),
            json!({"left": format!("0x{}", &hash[2..])}),
        ] {
            malformed(&with(path, json!([item])));
        }
        malformed(&with(path, json!(null)));
        malformed(&with(path, json!({})));
        let long: Vec<_> = (0..33).map(|_| json!({"left": hash})).collect();
        malformed(&with(path, json!(long)));
    }
    // A side that stands twice in the text.
    let text = document().to_string();
    let side = text.find("{\"left\":").unwrap();
    let twice = format!("{}{{\"left\":\"{hash}\",{}", &text[..side], &text[side + 1..]);
    assert_eq!(Receipt::parse(twice.as_bytes()).unwrap_err().part(), Part::Format);
}

#[test]
fn anchors_are_exactly_one() {
    let one = document()["anchors"][0].clone();
    for anchors in [json!([]), json!(null), json!({}), json!([null]), json!([one, one])] {
        malformed(&with("/anchors", anchors));
    }
    let mut none = document();
    none.as_object_mut().unwrap().remove("anchors");
    malformed(&none);
}

#[test]
fn upper_case_hex_is_refused_everywhere() {
    let good = document();
    let mut seen = 0;
    for pointer in leaf_fields(&good) {
        let Value::String(text) = good.pointer(&pointer).unwrap() else { continue };
        if is_hex(text) {
            malformed(&with(&pointer, json!(text.to_uppercase())));
            malformed(&with(&pointer, json!(text[1..])));
            malformed(&with(&pointer, json!(format!("{}g", &text[1..]))));
            seen += 1;
        }
    }
    assert!(seen >= 15, "{seen}");
}

/// JSON pointers of all objects, the document's own first.
fn objects(json: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    for pointer in leaf_fields(json) {
        let parts: Vec<_> = pointer.split('/').collect();
        for end in 1..parts.len() {
            let prefix = parts[..end].join("/");
            if json.pointer(&prefix).unwrap().is_object() && !found.contains(&prefix) {
                found.push(prefix);
            }
        }
    }
    found
}

#[test]
fn unknown_and_repeated_fields_are_refused_in_every_object() {
    let good = document();
    let objects = objects(&good);
    assert!(objects.iter().any(|pointer| pointer.ends_with("/entry")));
    assert!(objects.iter().any(|pointer| pointer.ends_with("/commitments")));
    for pointer in objects {
        let mut bad = good.clone();
        let fields = bad.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
        fields.insert("extra".into(), json!(1));
        malformed(&bad);
    }
    let text = good.to_string();
    let twice = text.replacen("\"type\":", "\"type\":\"ChainpointSHA256v2\",\"type\":", 1);
    assert_eq!(Receipt::parse(twice.as_bytes()).unwrap_err().part(), Part::Format);
}

/// An object as serde's derived code would take it too: the list of its fields, in their order.
fn as_list(object: &str) -> String {
    let (mut list, mut in_text, mut depth, mut name) = (String::from("["), false, 0, true);
    for c in object[1..object.len() - 1].chars() {
        in_text ^= c == '"';
        match c {
            '{' | '[' if !in_text => depth += 1,
            '}' | ']' if !in_text => depth -= 1,
            ',' if !in_text && depth == 0 => name = true,
            _ => {}
        }
        match c {
            ':' if !in_text && depth == 0 && name => name = false,
            _ if name && c != ',' => {}
            _ => list.push(c),
        }
    }
    list + "]"
}

#[test]
fn no_object_may_be_a_list() {
    let text = receipt(&anchored(), 5, 2).to_json();
    let starts: Vec<_> = text.match_indices('{').map(|(at, _)| at).collect();
    // Document, anchor, extension, proof, authority, commitments, twice proof and entry; steps of paths.
    assert!(starts.len() > 10, "{}", starts.len());
    for start in starts {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        values.next().unwrap().unwrap();
        let object = &text[start..start + values.byte_offset()];
        let bad = text.replacen(object, &as_list(object), 1);
        assert!(serde_json::from_str::<Value>(&bad).is_ok(), "{bad}");
        assert_eq!(Receipt::parse(bad.as_bytes()).unwrap_err().part(), Part::Format, "{bad}");
    }
    // Without that, serde would have taken them.
    let authority = "/anchors/0/dronechain/anchor/authority";
    let commitments = document().pointer(&format!("{authority}/commitments")).unwrap().to_string();
    assert!(serde_json::from_str::<Commitments>(&as_list(&commitments)).is_ok());
}

#[test]
fn a_role_is_a_name_and_a_device_an_object() {
    let authority = "/anchors/0/dronechain/anchor/authority";
    for role in [json!({"controller": null}), json!(["controller"]), json!(1), json!("Controller")] {
        malformed(&with(&format!("{authority}/sender/entry/role"), role));
    }
    malformed(&with(&format!("{authority}/device"), json!(null)));
}

#[test]
fn index_and_count_of_entries_are_unknown_fields() {
    let authority = "/anchors/0/dronechain/anchor/authority";
    for (object, field) in [("", "count"), ("/sender", "index"), ("/device", "index")] {
        let mut bad = document();
        let fields = bad.pointer_mut(&format!("{authority}{object}")).unwrap().as_object_mut().unwrap();
        fields.insert(field.into(), json!(1));
        malformed(&bad);
    }
}

#[test]
fn missing_fields_are_refused_in_every_object() {
    let net = anchored();
    let good = document();
    for pointer in objects(&good) {
        let names: Vec<_> = good.pointer(&pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        for name in names {
            let mut bad = good.clone();
            bad.pointer_mut(&pointer).unwrap().as_object_mut().unwrap().remove(&name);
            match name.as_str() {
                // None is null or left out; the device's owner is in its leaf.
                "owner" | "ready" | "suspect_since" | "revoked" => {
                    let verdict = part_of(&bad, &leaves(5)[2], &net.chain);
                    let owned = name == "owner" && pointer.contains("/device/");
                    assert_eq!(verdict.err(), owned.then_some(Part::Registry));
                }
                "device" => {
                    let proven = part_of(&bad, &leaves(5)[2], &net.chain).unwrap();
                    assert_eq!(proven.device_entry, None);
                }
                _ => malformed(&bad),
            }
        }
    }
}

#[test]
fn a_receipt_is_bounded() {
    let text = document().to_string();
    let most = 128 << 10;
    let padded = |len: usize| format!("{text}{}", " ".repeat(len - text.len()));
    assert!(Receipt::parse(padded(most).as_bytes()).is_ok());
    assert_eq!(Receipt::parse(padded(most + 1).as_bytes()).unwrap_err().part(), Part::Format);
}

// The header chain.

#[test]
fn another_chain_knows_no_such_block() {
    let net = anchored();
    let receipt = receipt(&net, 9, 4);
    let target = receipt.target;
    let mut short = net.chain.clone();
    short.truncate(5);
    assert_eq!(
        receipt.verify(&target, &short, 1).unwrap_err(),
        ReceiptError::BeyondTip { height: 6, tip: 5 }
    );
    // Another branch from height 5 on.
    let mut other = Net::populated(3);
    while other.blocks.len() < 8 {
        let block = net.blocks[other.blocks.len().min(net.blocks.len() - 1)].to_block();
        if other.blocks.len() < 5 {
            other.connect(block).unwrap();
        } else {
            let miner = NODES[(other.blocks.len() + 1) % 3];
            other.push(miner, vec![]).unwrap();
        }
    }
    assert_eq!(other.chain.hash(5), net.chain.hash(5));
    let found = receipt.verify(&target, &other.chain, 1).unwrap_err();
    let [found_hash, expected] = [&net, &other].map(|net| net.chain.hash(6).unwrap());
    assert_eq!(found, ReceiptError::UnknownBlock { found: found_hash, expected, height: 6 });
    // Another network.
    let foreign = Net::new(1);
    let found = receipt.verify(&target, &foreign.chain, 1).unwrap_err();
    assert_eq!(found, ReceiptError::OtherNetwork { found: net.id(), expected: foreign.id() });
    assert_eq!(found.part(), Part::Header);
    // Genesis anchors nothing.
    let mut genesis = receipt;
    genesis.anchor.height = 0;
    genesis.anchor.header.header = net.chain.header(0).unwrap().clone();
    assert_eq!(genesis.verify(&target, &net.chain, 1).unwrap_err().part(), Part::Header);
}

// Authority.

#[test]
fn a_later_registry_shows_the_earlier_state() {
    let mut net = Net::populated(3);
    net.push(NODES[1], vec![net.by(CONTROLLER, 1, anchor(AnchorKind::Data, &leaves(1)))]).unwrap();
    let early = net.anchor_proof(2, 0, Some(DEVICE));
    net.push(NODES[2], vec![net.by_admins(2, admit(Role::Controller, CONTROLLER_2))]).unwrap();
    net.push(NODES[0], vec![net.by_admins(3, revoke(CONTROLLER)), net.by_admins(4, revoke(DEVICE))]).unwrap();
    let late = net.anchor_proof(2, 0, Some(DEVICE));
    assert_eq!((early.authority.height, late.authority.height), (2, 4));
    for (proof, revoked) in [(early, None), (late, Some(4))] {
        let receipt = Receipt::new(net.id(), leaves(1)[0], 0, vec![], proof).unwrap();
        let proven = receipt.verify(&leaves(1)[0], &net.chain, 1).unwrap();
        assert_eq!(proven.sender_entry.revoked, revoked);
        assert_eq!(proven.device_entry.unwrap().revoked, revoked);
    }
}

#[test]
fn a_registry_from_before_the_anchor_is_refused() {
    let mut net = Net::populated(3);
    let early = {
        net.push(NODES[1], vec![net.by(CONTROLLER, 1, anchor(AnchorKind::Data, &leaves(1)))]).unwrap();
        net.anchor_proof(2, 0, None).authority
    };
    net.push(NODES[2], vec![net.by(CONTROLLER, 2, anchor(AnchorKind::Data, &leaves(1)))]).unwrap();
    let mut proof = net.anchor_proof(3, 0, None);
    proof.authority = early;
    let receipt = Receipt::new(net.id(), leaves(1)[0], 0, vec![], proof).unwrap();
    let found = receipt.verify(&leaves(1)[0], &net.chain, 1).unwrap_err();
    assert_eq!(found, ReceiptError::AuthorityTooEarly { authority: 2, anchor: 3 });
}

#[test]
fn another_keys_entry_entitles_nobody() {
    let net = anchored();
    let mut receipt = receipt(&net, 3, 1);
    receipt.anchor.authority.sender = net.entry_proof(OPERATOR);
    let found = receipt.verify(&leaves(3)[1], &net.chain, 1).unwrap_err();
    assert_eq!(found, ReceiptError::NotEntitled { key: public(OPERATOR) });
    // Another controller's neither.
    let mut both = Net::populated(3);
    let transactions = vec![
        both.by_admins(2, admit(Role::Controller, CONTROLLER_2)),
        both.by(CONTROLLER, 1, anchor(AnchorKind::Data, &leaves(1))),
    ];
    both.push(NODES[1], transactions).unwrap();
    let mut proof = both.anchor_proof(2, 1, None);
    proof.authority.sender = both.entry_proof(CONTROLLER_2);
    let found = Receipt::new(both.id(), leaves(1)[0], 0, vec![], proof).unwrap();
    let found = found.verify(&leaves(1)[0], &both.chain, 1).unwrap_err();
    assert_eq!(found, ReceiptError::NotEntitled { key: public(CONTROLLER_2) });
    // Nor does the right entry with another's path.
    let mut receipt = self::receipt(&net, 3, 1);
    receipt.anchor.authority.sender.path = net.entry_proof(OPERATOR).path;
    let found = receipt.verify(&leaves(3)[1], &net.chain, 1).unwrap_err();
    assert_eq!(found, ReceiptError::EntryPath { key: public(CONTROLLER) });
}

#[test]
fn an_entrys_path_is_its_own_only() {
    let net = anchored();
    let good = receipt(&net, 3, 1);
    let (target, key) = (good.target, public(CONTROLLER));
    let path = good.anchor.authority.sender.path.clone();
    assert_eq!(path.len(), 2);
    let flipped = |step| match step {
        Step::Left(hash) => Step::Right(hash),
        Step::Right(hash) => Step::Left(hash),
    };
    let step = Step::Right(Hash256::ZERO);
    let with = |at: usize, step| {
        let mut path = path.clone();
        path[at] = step;
        path
    };
    for bad in [
        vec![],
        path[..1].to_vec(),
        path[1..].to_vec(),
        [&path[..], &[step]].concat(),
        [&[step], &path[..]].concat(),
        vec![path[1], path[0]],
        with(0, flipped(path[0])),
        with(1, flipped(path[1])),
        with(1, step),
        // More than any path has, which JSON cannot bring.
        [&path[..], &[step; 40]].concat(),
    ] {
        let mut receipt = good.clone();
        receipt.anchor.authority.sender.path = bad;
        assert_eq!(receipt.verify(&target, &net.chain, 1).unwrap_err(), ReceiptError::EntryPath { key });
    }
}

#[test]
fn no_entry_hashes_as_many_bytes_as_an_inner_node() {
    let some = |bits: u8, bit: u8| (bits & bit != 0).then_some(u64::MAX);
    let lengths = (0..16).map(|bits| {
        let entry = Entry {
            owner: some(bits, 8).map(|_| public(CONTROLLER)),
            ready: some(bits, 4),
            suspect_since: some(bits, 2),
            revoked: some(bits, 1),
            ..Entry::new(public(DEVICE), Role::Device, None, 0)
        };
        let encoded = codec::encode(&entry);
        assert_eq!(entry.leaf(), sha256(&[&[0], &encoded]));
        encoded.len()
    });
    let lengths: BTreeSet<_> = lengths.collect();
    assert_eq!(lengths, BTreeSet::from([48, 56, 64, 72, 80, 88, 96, 104]));
}

/// A receipt on a light chain whose miners keep no rule that a light chain cannot see: block 1 holds the
/// anchor, block 2 commits to `entry` as the only account.
fn by_dishonest_miners(entry: Entry, kind: AnchorKind) -> Result<Proven, ReceiptError> {
    let net = Net::new(3);
    let mut chain = net.chain.clone();
    let transaction = net.by(CONTROLLER, 0, anchor(kind, &leaves(1)));
    let nodes = net.state.nodes_root();
    let commitments = Commitments { history: Hash256::ZERO, nodes, accounts: entry.leaf() };
    for (miner, txids) in [(NODES[0], &[transaction.txid()][..]), (NODES[1], &[]), (NODES[2], &[])] {
        let header = mined(header_on(&chain, miner, txids, commitments.hash()), miner, &net.id());
        chain.push(Link { header, commitments, changes: Vec::new() }).unwrap();
    }
    let proof = AnchorProof {
        transaction: codec::encode(&transaction),
        tx_index: 0,
        block_path: Path::new(),
        height: 1,
        header: chain.link(1).unwrap().header.clone(),
        authority: Authority {
            height: 2,
            commitments,
            sender: EntryProof { entry, path: Path::new() },
            device: None,
        },
    };
    Receipt::new(net.id(), leaves(1)[0], 0, vec![], proof)?.verify(&leaves(1)[0], &chain, 1)
}

#[test]
fn the_sender_was_entitled_at_the_anchors_height() {
    let key = public(CONTROLLER);
    let entry = |admitted, revoked| Entry { revoked, ..Entry::new(key, Role::Controller, None, admitted) };
    let verdict = |entry| by_dishonest_miners(entry, AnchorKind::Data);
    let refused = Err(ReceiptError::NotEntitled { key });
    assert!(verdict(entry(0, None)).is_ok() && verdict(entry(1, None)).is_ok());
    // Revoked in the anchor's block or later; before it; admitted only later.
    assert!(verdict(entry(0, Some(1))).is_ok() && verdict(entry(0, Some(2))).is_ok());
    assert_eq!(verdict(entry(0, Some(0))), refused);
    assert_eq!(verdict(entry(2, None)), refused);
}

#[test]
fn the_senders_role_goes_with_the_kind() {
    let key = public(CONTROLLER);
    for role in [Role::Node, Role::Controller, Role::Operator, Role::Device] {
        for kind in [AnchorKind::Data, AnchorKind::Command, AnchorKind::Access] {
            let right = if kind == AnchorKind::Access { Role::Operator } else { Role::Controller };
            let verdict = by_dishonest_miners(Entry::new(key, role, None, 0), kind);
            match verdict {
                Ok(_) => assert_eq!(role, right),
                Err(error) => {
                    assert_ne!(role, right);
                    assert_eq!(error, ReceiptError::NotEntitled { key });
                }
            }
        }
    }
}

// Paths.

#[test]
fn the_published_receipts_path_verifies() {
    let step = "c108bfba805d899faa0ef53b0c064fad650249f6a648fec2bc79fd563106b1f8".parse().unwrap();
    let expected = "326c0c924a162c8637b8fa392add7c8c98f64f5194f3d2591caf88d7b0b956bd".parse();
    let path = [Step::Left(step)];
    assert_eq!(root_of(&sha256(&[b"foo"]), 1, 2, &path), Ok(expected.unwrap()));
    assert_eq!(index_of(&path, 2), Ok(1));
    assert!(root_of(&sha256(&[b"foo"]), 0, 2, &path).is_err());
}

#[test]
fn left_was_collected_earlier() {
    for count in 1..=64 {
        let collected = leaves(count);
        let tree = Tree::new(collected.clone());
        let paths: Vec<_> = (0..count as u64).map(|index| tree.path(index).unwrap()).collect();
        let place = |path: &Path| index_of(path, count as u64).unwrap();
        for (earlier, path) in paths.iter().enumerate() {
            assert_eq!(root_of(&collected[earlier], place(path), count as u64, path), Ok(tree.root()));
            for later in &paths[earlier + 1..] {
                assert!(place(path) < place(later));
                // Seen from the root, the first level at which they part has the earlier one left of it.
                let side = |path: &Path| -> Vec<bool> {
                    path.iter().rev().map(|step| matches!(step, Step::Left(_))).collect()
                };
                let (one, other) = (side(path), side(later));
                let parts = one.iter().zip(&other).position(|(one, other)| one != other).unwrap();
                assert!(!one[parts] && other[parts]);
            }
        }
    }
}
