//! Trees, paths and mountain ranges through the public way in.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::merkle::{Path, PathError, Step, Tree, climb, index_of, parent, root, root_of};
use dronechain_chain_spec::mountain::{Peaks, prove};

fn leaves(count: u64) -> Vec<Hash256> {
    (0..count).map(|at| sha256(&[&at.to_le_bytes()])).collect()
}

fn hash(text: &str) -> Hash256 {
    text.parse().unwrap()
}

fn flipped(step: Step) -> Step {
    match step {
        Step::Left(hash) => Step::Right(hash),
        Step::Right(hash) => Step::Left(hash),
    }
}

#[test]
fn roots_are_the_public_ones() {
    for (count, expected) in [
        (1, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        (2, "e5a01fee14e0ed5c48714f22180f25ad8365b53f9779f79dc4a3d7e93963f94a"),
        (3, "7075152d03a5cd92104887b476862778ec0c87be5c2fa1c0a90f87c49fad6eff"),
        (5, "d71f8983ad4ee170f8129f1ebcdd7440be7798d8e1c80420bf11f1eced610dba"),
        (7, "e2a80e0e872a6c6eaed37b4c1f220e1935004805585b5f99617e48e9c8fe4034"),
    ] {
        let leaves: Vec<_> = (b'a'..).take(count).map(|letter| sha256(&[&[letter]])).collect();
        assert_eq!(root(&leaves), hash(expected), "{count} leaves");
        assert_eq!(Tree::new(leaves).root(), hash(expected), "{count} leaves");
    }
}

#[test]
fn published_receipt_verifies() {
    let path = [Step::Left(hash("c108bfba805d899faa0ef53b0c064fad650249f6a648fec2bc79fd563106b1f8"))];
    let expected = hash("326c0c924a162c8637b8fa392add7c8c98f64f5194f3d2591caf88d7b0b956bd");
    assert_eq!(root_of(&sha256(&[b"foo"]), 1, 2, &path), Ok(expected));
}

#[test]
fn climbing_follows_every_path_of_at_most_32_steps() {
    for count in 1..=33 {
        let tree = Tree::new(leaves(count));
        for (index, leaf) in (0..).zip(leaves(count)) {
            assert_eq!(climb(&leaf, &tree.path(index).unwrap()), Some(tree.root()));
        }
    }
    let step = Step::Left(Hash256::ZERO);
    assert!(climb(&Hash256::ZERO, &[step; 32]).is_some());
    assert_eq!(climb(&Hash256::ZERO, &[step; 33]), None);
}

#[test]
fn no_leaves_give_zero_and_no_path() {
    let tree = Tree::new(Vec::new());
    assert_eq!((root(&[]), tree.root(), tree.leaf_count()), (Hash256::ZERO, Hash256::ZERO, 0));
    assert_eq!(tree.path(0), None);
    let refused = PathError::IndexOutOfRange { index: 0, count: 0 };
    assert_eq!(root_of(&Hash256::ZERO, 0, 0, &[]), Err(refused));
    assert_eq!(index_of(&[], 0), Err(refused));
}

#[test]
fn every_path_of_small_trees_verifies() {
    for count in 1..=600 {
        check_paths(&leaves(count), 0..count);
    }
}

#[test]
fn sampled_paths_of_large_trees_verify() {
    for count in [1_023, 1_024, 1_025, 2_731, 4_097, 5_000, 65_535, 65_536] {
        let edges = [0, 1, count / 2, count - 2, count - 1];
        check_paths(&leaves(count), edges.into_iter().chain((0..count).step_by(97)));
    }
}

fn check_paths(leaves: &[Hash256], indices: impl IntoIterator<Item = u64>) {
    let tree = Tree::new(leaves.to_vec());
    let count = tree.leaf_count();
    assert_eq!(tree.root(), root(leaves), "{count} leaves");
    assert_eq!(tree.path(count), None);
    for index in indices {
        let path = tree.path(index).unwrap();
        let leaf = &leaves[usize::try_from(index).unwrap()];
        assert_eq!(root_of(leaf, index, count, &path), Ok(tree.root()), "leaf {index} of {count}");
        assert_eq!(index_of(&path, count), Ok(index), "leaf {index} of {count}");
    }
}

#[test]
fn altered_paths_are_refused() {
    for count in 1..=130 {
        let leaves = leaves(count);
        let tree = Tree::new(leaves.clone());
        for (index, leaf) in (0..).zip(&leaves) {
            let path = tree.path(index).unwrap();
            let verify = |path: &[Step]| root_of(leaf, index, count, path);
            let expected = path.len();
            for at in 0..path.len() {
                let mut altered = path.clone();
                altered[at] = flipped(path[at]);
                assert_eq!(verify(&altered), Err(PathError::Side { at }));
                assert_ne!(index_of(&altered, count), Ok(index));

                let mut altered = path.clone();
                altered.remove(at);
                assert_eq!(verify(&altered), Err(PathError::Length { found: expected - 1, expected }));
                assert_ne!(index_of(&altered, count), Ok(index));

                let mut altered = path.clone();
                altered[at] = match path[at] {
                    Step::Left(_) => Step::Left(Hash256::ZERO),
                    Step::Right(_) => Step::Right(Hash256::ZERO),
                };
                assert_ne!(verify(&altered), Ok(tree.root()));
            }
            for at in 0..=path.len() {
                for extra in [Step::Left(Hash256::ZERO), Step::Right(Hash256::ZERO)] {
                    let mut altered = path.clone();
                    altered.insert(at, extra);
                    assert_eq!(verify(&altered), Err(PathError::Length { found: expected + 1, expected }));
                    assert_ne!(index_of(&altered, count), Ok(index));
                }
            }
        }
    }
}

#[test]
fn other_places_are_refused() {
    for count in 1..=33 {
        let leaves = leaves(count);
        let tree = Tree::new(leaves.clone());
        for (index, leaf) in (0..).zip(&leaves) {
            let path = tree.path(index).unwrap();
            for other in (0..count + 2).filter(|other| *other != index) {
                let found = root_of(leaf, other, count, &path);
                if other < count {
                    assert!(matches!(found, Err(PathError::Length { .. } | PathError::Side { .. })));
                } else {
                    assert_eq!(found, Err(PathError::IndexOutOfRange { index: other, count }));
                }
            }
            // Another leaf count is refused where it changes the shape of this leaf's path.
            for other in (1..=2 * count).filter(|other| *other != count) {
                let shape = |count| {
                    let sides = Tree::new(vec![Hash256::ZERO; usize::try_from(count).unwrap()]).path(index);
                    sides.map(|path| path.iter().map(|s| matches!(s, Step::Left(_))).collect::<Vec<_>>())
                };
                let accepted = root_of(leaf, index, other, &path).is_ok();
                assert_eq!(accepted, shape(other) == shape(count), "leaf {index} of {count}, not {other}");
            }
        }
    }
}

#[test]
fn inner_node_is_no_leaf() {
    // The three-leaf root of [a, b, c] is the two-leaf root of [ab, c].
    let [a, b, c] = [b"a", b"b", b"c"].map(|text| sha256(&[text]));
    let ab = parent(&a, &b);
    assert_eq!(root(&[a, b, c]), root(&[ab, c]));
    assert_eq!(root_of(&ab, 0, 2, &[Step::Right(c)]), Ok(root(&[a, b, c])));
    for index in 0..3 {
        assert!(root_of(&ab, index, 3, &[Step::Right(c)]).is_err());
    }
    assert_eq!(index_of(&[Step::Right(c)], 3), Err(PathError::Length { found: 1, expected: 2 }));

    for count in 2..=130 {
        let leaves = leaves(count);
        let tree = Tree::new(leaves.clone());
        for (index, leaf) in (0..).zip(&leaves) {
            let path = tree.path(index).unwrap();
            let mut inner = *leaf;
            for (at, step) in path.iter().enumerate() {
                inner = match step {
                    Step::Left(sibling) => parent(sibling, &inner),
                    Step::Right(sibling) => parent(&inner, sibling),
                };
                for place in 0..count {
                    assert_ne!(root_of(&inner, place, count, &path[at + 1..]), Ok(tree.root()));
                }
                assert!(index_of(&path[at + 1..], count).is_err());
            }
        }
    }
}

#[test]
fn shapes_of_huge_trees_are_computed() {
    let path = |sides: &str| -> Path {
        sides
            .chars()
            .map(|side| if side == 'l' { Step::Left(Hash256::ZERO) } else { Step::Right(Hash256::ZERO) })
            .collect()
    };
    for (index, count, sides) in [
        (0, 1 << 32, "r".repeat(32)),
        ((1 << 32) - 1, 1 << 32, "l".repeat(32)),
        (1 << 32, (1 << 32) + 1, "l".to_owned()),
        (0, (1 << 32) + 1, "r".repeat(33)),
        (1 << 63, (1 << 63) + 2, "rl".to_owned()),
        (u64::MAX - 1, u64::MAX, "l".repeat(63)),
        (0, u64::MAX, "r".repeat(64)),
    ] {
        assert!(root_of(&Hash256::ZERO, index, count, &path(&sides)).is_ok(), "leaf {index} of {count}");
        assert_eq!(index_of(&path(&sides), count), Ok(index));
    }
    assert_eq!(index_of(&[], 1 << 32), Err(PathError::Length { found: 0, expected: 32 }));
    assert_eq!(index_of(&path("llr"), 2), Err(PathError::Length { found: 3, expected: 1 }));
}

#[test]
fn mountain_range_has_the_trees_root() {
    let leaves = leaves(300);
    let mut peaks = Peaks::default();
    for (count, leaf) in leaves.iter().enumerate() {
        assert_eq!((peaks.count(), peaks.root()), (count as u64, root(&leaves[..count])));
        assert!(peaks.is_consistent());
        let completed = peaks.push(*leaf);
        // Each node covers the leaves that its level and position say.
        for node in completed {
            let (level, position) = (u32::from(node.level), usize::try_from(node.position).unwrap());
            let range = position << level..(position + 1) << level;
            assert_eq!(range.end, count + 1);
            assert_eq!(node.hash, root(&leaves[range]));
        }
    }
    assert_eq!((peaks.count(), peaks.root()), (300, root(&leaves)));
}

#[test]
fn mountain_range_proves_every_leaf_at_every_count() {
    let leaves = leaves(150);
    let mut nodes = HashMap::new();
    let mut peaks = Peaks::default();
    for leaf in &leaves {
        for node in peaks.push(*leaf) {
            assert_eq!(nodes.insert((node.level, node.position), node.hash), None);
        }
    }
    for count in 1..=150 {
        let tree = Tree::new(leaves[..usize::try_from(count).unwrap()].to_vec());
        for index in 0..count {
            let path = prove(index, count, |level, position| {
                assert!((position + 1) << level <= count, "asks for complete nodes only");
                nodes.get(&(level, position)).copied()
            });
            assert_eq!(path, tree.path(index), "leaf {index} of {count}");
        }
        assert_eq!(prove(count, count, |_, _| Some(Hash256::ZERO)), None);
    }
    assert_eq!(prove(3, 150, |level, _| (level != 1).then_some(Hash256::ZERO)), None);
}

#[test]
fn peaks_survive_storage_and_inconsistent_ones_show() {
    let mut peaks = Peaks::default();
    for leaf in leaves(7) {
        peaks.push(leaf);
    }
    let bytes = codec::encode(&peaks);
    assert_eq!(codec::decode::<Peaks>(&bytes), Ok(peaks));
    let mut altered = bytes;
    altered[0] = 8;
    assert!(!codec::decode::<Peaks>(&altered).unwrap().is_consistent());
}
