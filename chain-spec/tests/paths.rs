//! Paths in trees of 1 to 5,000 leaves, from the anchored batch through both formats: each verifies as it
//! is and no other way.

#![allow(clippy::unwrap_used)]

mod common;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::merkle::{Path, PathError, Step, Tree, index_of, parent, root_of};
use dronechain_chain_spec::receipt::{Document, ExistenceProof, Receipt, ReceiptError};
use dronechain_chain_spec::transaction::AnchorKind;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::Value;

use common::{CONTROLLER, DEVICE, NODES, Net, anchor};

const LEAVES_MAX: u32 = 5_000;

/// Leaves of a tree, and one of them.
fn leaf() -> impl Strategy<Value = (u32, u32)> {
    (1..=LEAVES_MAX).prop_flat_map(|count| (Just(count), 0..count))
}

fn tree(count: u32) -> Tree {
    Tree::new((0..count).map(|at| sha256(&[b"leaf", &at.to_le_bytes()])).collect())
}

fn flipped(step: Step) -> Step {
    match step {
        Step::Left(hash) => Step::Right(hash),
        Step::Right(hash) => Step::Left(hash),
    }
}

fn altered(step: Step, byte: usize) -> Step {
    let change = |mut hash: Hash256| {
        hash.0[byte] ^= 1;
        hash
    };
    match step {
        Step::Left(hash) => Step::Left(change(hash)),
        Step::Right(hash) => Step::Right(change(hash)),
    }
}

/// Other paths than `path`: at each level another hash, another side, no step, a step more.
fn other_paths(path: &Path, byte: usize) -> Vec<Path> {
    let mut others = Vec::new();
    for at in 0..=path.len() {
        for extra in [Step::Left(Hash256::ZERO), Step::Right(Hash256::ZERO)] {
            let mut longer = path.clone();
            longer.insert(at, extra);
            others.push(longer);
        }
        if at == path.len() {
            break;
        }
        for step in [altered(path[at], byte), flipped(path[at])] {
            let mut other = path.clone();
            other[at] = step;
            others.push(other);
        }
        let mut shorter = path.clone();
        shorter.remove(at);
        others.push(shorter);
    }
    others
}

/// Nodes on the way from the leaf to the root, with what is left of the path above each.
fn inner_nodes(leaf: Hash256, path: &Path) -> Vec<(Hash256, Path)> {
    let mut node = leaf;
    let above = |(at, step): (usize, &Step)| {
        node = match step {
            Step::Left(sibling) => parent(sibling, &node),
            Step::Right(sibling) => parent(&node, sibling),
        };
        (node, path[at + 1..].to_vec())
    };
    path.iter().enumerate().map(above).collect()
}

/// A batch of `count` leaves, anchored in the second of three blocks.
fn anchored(count: u32) -> (Net, Vec<Hash256>) {
    let leaves: Vec<_> = (0..count).map(|at| sha256(&[b"leaf", &at.to_le_bytes()])).collect();
    let mut net = Net::populated(3);
    let transactions = vec![
        net.by(CONTROLLER, 1, anchor(AnchorKind::Data, &leaves)),
        net.by(CONTROLLER, 2, anchor(AnchorKind::Command, &[])),
    ];
    net.push(NODES[1], transactions).unwrap();
    net.push(NODES[2], vec![]).unwrap();
    (net, leaves)
}

fn receipt(net: &Net, leaves: &[Hash256], index: u32) -> Receipt {
    let path = Tree::new(leaves.to_vec()).path(index.into()).unwrap();
    let proof = net.anchor_proof(2, 0, Some(DEVICE));
    Receipt::new(net.id(), leaves[index as usize], index, path, proof).unwrap()
}

fn refused(receipt: &Receipt, chain: &HeaderChain) -> TestCaseResult {
    prop_assert!(receipt.verify(&receipt.target, chain, 1).is_err());
    prop_assert!(receipt.verify_hashes(&receipt.target, chain).is_err());
    // Nor can a proof be made of it that verifies.
    let proof = ExistenceProof::of(receipt, "localhost");
    prop_assert!(proof.and_then(|proof| proof.verify(&receipt.target, chain, 1)).is_err());
    Ok(())
}

/// The JSON of a proof with another hash and other steps in the batch.
fn with_batch(proof: &Value, target: Hash256, path: &Path, steps: usize) -> String {
    let mut proof = proof.clone();
    proof["hash"] = target.to_string().into();
    let operations = path.iter().flat_map(|step| {
        let operand = match step {
            Step::Left(hash) => serde_json::json!({ "l": hash }),
            Step::Right(hash) => serde_json::json!({ "r": hash }),
        };
        [operand, serde_json::json!({ "op": "sha-256" })]
    });
    proof["branches"][0]["ops"].as_array_mut().unwrap().splice(..2 * steps, operations);
    proof.to_string()
}

fn verify_json(json: &str, target: &Hash256, chain: &HeaderChain) -> Result<(), ReceiptError> {
    ExistenceProof::parse_json(json.as_bytes())?.verify(target, chain, 1).map(drop)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn path_is_that_of_its_leaf_and_of_no_other((count, index) in leaf(), other in any::<u32>(), byte in 0..32_usize) {
        let tree = tree(count);
        let (index, count, root) = (u64::from(index), u64::from(count), tree.root());
        let path = tree.path(index).unwrap();
        let leaf = sha256(&[b"leaf", &u32::try_from(index).unwrap().to_le_bytes()]);
        prop_assert_eq!(root_of(&leaf, index, count, &path), Ok(root));
        prop_assert_eq!(index_of(&path, count), Ok(index));
        for bad in other_paths(&path, byte) {
            prop_assert_ne!(root_of(&leaf, index, count, &bad), Ok(root));
        }
        let elsewhere = u64::from(other) % (2 * count);
        if elsewhere != index {
            prop_assert!(root_of(&leaf, elsewhere, count, &path).is_err());
        }
        for (inner, above) in inner_nodes(leaf, &path) {
            prop_assert!(index_of(&above, count).is_err());
            let found = root_of(&inner, elsewhere % count, count, &above);
            let shape = matches!(found, Err(PathError::Length { .. } | PathError::Side { .. }));
            prop_assert!(shape, "{:?}", found);
        }
    }

    #[test]
    fn receipt_comes_through_both_formats_and_verifies((count, index) in leaf()) {
        let (net, leaves) = anchored(count);
        let receipt = receipt(&net, &leaves, index);
        prop_assert_eq!(Receipt::parse(receipt.to_json().as_bytes()), Ok(receipt.clone()));
        let proof = ExistenceProof::of(&receipt, "node.example:7700").unwrap();
        let binary = proof.to_binary();
        for bytes in [proof.to_json().as_bytes(), &binary] {
            prop_assert_eq!(Document::parse(bytes), Ok(Document::Existence(Box::new(proof.clone()))));
        }
        let proven = receipt.verify(&receipt.target, &net.chain, 2).unwrap();
        prop_assert_eq!(proof.verify(&receipt.target, &net.chain, 2), Ok(proven.existence()));
        prop_assert_eq!(receipt.verify_hashes(&receipt.target, &net.chain), Ok(proven.block));
        prop_assert_eq!(proof.receipt(&net.chain, receipt.anchor.authority.clone()), Ok(receipt));
    }

    #[test]
    fn other_path_index_or_leaf_count_does_not_verify((count, index) in leaf(), other in any::<u32>(), byte in 0..32_usize) {
        let (net, leaves) = anchored(count);
        let good = receipt(&net, &leaves, index);
        let json = ExistenceProof::of(&good, "localhost").unwrap().to_json();
        let json: Value = serde_json::from_str(&json).unwrap();
        for path in other_paths(&good.path, byte) {
            let changed = with_batch(&json, good.target, &path, good.path.len());
            prop_assert!(verify_json(&changed, &good.target, &net.chain).is_err());
            refused(&Receipt { path, ..good.clone() }, &net.chain)?;
        }
        for elsewhere in [index ^ 1, index + 1, other % LEAVES_MAX] {
            if elsewhere != index {
                refused(&Receipt { index: elsewhere, ..good.clone() }, &net.chain)?;
            }
        }
        // Where the shape stays the same it is the transaction that says otherwise.
        for leaf_count in [count - 1, count + 1, count + 2, 2 * count, other % LEAVES_MAX] {
            if leaf_count != count {
                refused(&Receipt { leaf_count, ..good.clone() }, &net.chain)?;
            }
        }
        let mut target = good.target;
        target.0[byte] ^= 1;
        let changed = with_batch(&json, target, &good.path, good.path.len());
        prop_assert!(verify_json(&changed, &target, &net.chain).is_err());
        refused(&Receipt { target, ..good }, &net.chain)?;
    }

    #[test]
    fn inner_node_is_never_a_record((count, index) in leaf(), other in any::<u32>()) {
        let (net, leaves) = anchored(count);
        let good = receipt(&net, &leaves, index);
        let json = ExistenceProof::of(&good, "localhost").unwrap().to_json();
        let json: Value = serde_json::from_str(&json).unwrap();
        for (target, path) in inner_nodes(good.target, &good.path) {
            let changed = with_batch(&json, target, &path, good.path.len());
            prop_assert!(verify_json(&changed, &target, &net.chain).is_err());
            // With the claims of the leaf, and with those that fit the node in the tree of its level.
            let level = u32::try_from(good.path.len() - path.len()).unwrap();
            for leaf_count in [count, count.div_ceil(1 << level), other % LEAVES_MAX + 1] {
                for index in [index, index >> level, other % leaf_count] {
                    let bad = Receipt { target, path: path.clone(), index, leaf_count, ..good.clone() };
                    refused(&bad, &net.chain)?;
                }
            }
        }
    }
}

#[test]
fn every_path_of_trees_of_up_to_5000_leaves_is_its_own() {
    // All leaves of some trees, among them those around powers of two.
    for count in [1, 2, 3, 1_023, 1_024, 1_025, 2_047, 4_095, 4_096, 4_097, 4_999, 5_000] {
        let tree = tree(count);
        for index in 0..count {
            let (index, count) = (u64::from(index), u64::from(count));
            let leaf = sha256(&[b"leaf", &u32::try_from(index).unwrap().to_le_bytes()]);
            let path = tree.path(index).unwrap();
            assert_eq!(root_of(&leaf, index, count, &path), Ok(tree.root()));
            assert_eq!(index_of(&path, count), Ok(index));
        }
    }
}
