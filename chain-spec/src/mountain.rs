//! The Merkle mountain range over block hashes, whose root a header's `history` is.
//!
//! It keeps the roots of the perfect subtrees only (the peaks), and hashing those together from
//! right to left gives just what [`merkle::root`](crate::merkle::root) gives over all leaves. So its
//! paths are [`merkle`](crate::merkle) paths, and [`merkle::root_of`](crate::merkle::root_of)
//! verifies them. Nodes of perfect subtrees never change once completed; a store that keeps what
//! [`Peaks::push`] returns can prove any leaf at any later count.

use bincode::{Decode, Encode};

use crate::codec::Canonical;
use crate::hash::Hash256;
use crate::merkle::{Path, Siblings, parent};

/// The peaks over the leaves pushed so far.
///
/// A decoded value is to be refused unless [`Peaks::is_consistent`]; the methods rely on it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
pub struct Peaks {
    count: u64,
    /// Largest first; one for each set bit of `count`.
    peaks: Vec<Hash256>,
}

/// The root of a perfect subtree: over the leaves `position << level` to `(position + 1) << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Levels above the leaves, which are at 0.
    pub level: u8,
    /// Position among the nodes of the level, from 0.
    pub position: u64,
    /// Its hash.
    pub hash: Hash256,
}

impl Canonical for Peaks {
    const MAX: usize = 8 + 8 + 64 * 32;
}

impl Peaks {
    /// Appends a leaf and returns the nodes that it completes, from the leaf itself upwards.
    pub fn push(&mut self, leaf: Hash256) -> Vec<Node> {
        let mut node = Node { level: 0, position: self.count, hash: leaf };
        let mut completed = vec![node];
        // An odd position means that the left sibling is the last peak.
        while node.position % 2 == 1 {
            let left = self.peaks.pop().expect("a set bit of the count has its peak");
            node =
                Node { level: node.level + 1, position: node.position / 2, hash: parent(&left, &node.hash) };
            completed.push(node);
        }
        self.peaks.push(node.hash);
        self.count += 1;
        completed
    }

    /// The root over all leaves; [`Hash256::ZERO`] if there are none.
    pub fn root(&self) -> Hash256 {
        let bagged = self.peaks.iter().rev().copied().reduce(|right, left| parent(&left, &right));
        bagged.unwrap_or(Hash256::ZERO)
    }

    /// Number of leaves.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether there are as many peaks as `count` has set bits.
    pub fn is_consistent(&self) -> bool {
        self.peaks.len() as u64 == u64::from(self.count.count_ones())
    }
}

/// The path of the leaf `index` in the range as it was at `count` leaves.
///
/// `node` looks up the hash of a perfect subtree by level and position, leaves at level 0; it is
/// asked only for those complete at `count`. `None` if there is no such leaf, or `node` lacks one.
pub fn prove(index: u64, count: u64, node: impl Fn(u8, u64) -> Option<Hash256>) -> Option<Path> {
    if index >= count {
        return None;
    }
    Siblings::of(index, count)
        .map(|sibling| Some(sibling.step(subtree(sibling.level, sibling.position, count, &node)?)))
        .collect()
}

/// The hash of a node of the tree over `count` leaves, which may be the imperfect one at the right edge.
fn subtree(
    level: u8,
    position: u64,
    count: u64,
    node: &impl Fn(u8, u64) -> Option<Hash256>,
) -> Option<Hash256> {
    if position < count >> level {
        return node(level, position);
    }
    let mut bagged = None;
    for below in (0..level).filter(|below| (count >> below) % 2 == 1) {
        let peak = node(below, (count >> below) - 1)?;
        bagged = Some(bagged.map_or(peak, |right| parent(&peak, &right)));
    }
    bagged
}
