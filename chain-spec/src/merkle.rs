//! Merkle trees and paths by Chainpoint v2's rule (SPEC.md, "Hash path").
//!
//! A parent is `SHA-256(left ++ right)`; a lone odd node is promoted unchanged, never duplicated.
//! Leaves and inner nodes hash alike, so a path alone cannot tell how deep its start lies: whoever
//! verifies knows the number of leaves, and [`root_of`] holds length and directions of the path to
//! exactly those of the leaf's index. That the leaf count is the committed one is the caller's part.
//! Only leaves that are hashed apart from inner nodes may do without: [`climb`].

use bincode::{Decode, Encode};

use crate::hash::{Hash256, sha256};
use crate::limits::PATH_MAX;

/// One level of a path: the sibling, by the side on which it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Step {
    /// The sibling stands left: `SHA-256(sibling ++ node)`.
    Left(Hash256),
    /// The sibling stands right: `SHA-256(node ++ sibling)`.
    Right(Hash256),
}

/// Siblings from leaf to root; a level on which the node is promoted has no step.
pub type Path = Vec<Step>;

/// Why a path does not belong to a leaf of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The tree has no such leaf.
    #[error("leaf {index} in a tree of {count} leaves")]
    IndexOutOfRange {
        /// Index of the leaf, from 0.
        index: u64,
        /// Leaves of the tree.
        count: u64,
    },
    /// The path has another length than the leaf's.
    #[error("{found} steps where {expected} are wanted")]
    Length {
        /// Steps found.
        found: usize,
        /// Steps of the leaf's path.
        expected: usize,
    },
    /// A sibling stands on the wrong side.
    #[error("the sibling of step {at} stands on the wrong side")]
    Side {
        /// Position of the step, from 0 at the leaf.
        at: usize,
    },
}

/// The root over `leaves`: [`Hash256::ZERO`] over none, the leaf itself over one.
pub fn root(leaves: &[Hash256]) -> Hash256 {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        let width = level.len().div_ceil(2);
        for at in 0..width {
            level[at] = match level.get(2 * at + 1) {
                Some(right) => parent(&level[2 * at], right),
                None => level[2 * at],
            };
        }
        level.truncate(width);
    }
    level.first().copied().unwrap_or(Hash256::ZERO)
}

/// The node above `left` and `right`.
pub fn parent(left: &Hash256, right: &Hash256) -> Hash256 {
    sha256(&[&left.0, &right.0])
}

/// The root at which `path` arrives from `leaf`, the leaf `index` of `count`. Allocates nothing.
pub fn root_of(leaf: &Hash256, index: u64, count: u64, path: &[Step]) -> Result<Hash256, PathError> {
    if index >= count {
        return Err(PathError::IndexOutOfRange { index, count });
    }
    let expected = Siblings::of(index, count).count();
    if path.len() != expected {
        return Err(PathError::Length { found: path.len(), expected });
    }
    let mut node = *leaf;
    for (at, (sibling, step)) in Siblings::of(index, count).zip(path).enumerate() {
        node = match step {
            Step::Left(hash) if sibling.is_left() => parent(hash, &node),
            Step::Right(hash) if !sibling.is_left() => parent(&node, hash),
            _ => return Err(PathError::Side { at }),
        };
    }
    Ok(node)
}

/// The root at which `path` arrives from `leaf`, whatever the shape; none if it has more than
/// [`PATH_MAX`] steps.
///
/// Only for leaves that are domain-separated: hashes of something that never has the 64 bytes of an
/// inner node, such as [`Entry::leaf`](crate::registry::Entry::leaf). Of those, no path but a leaf's own
/// arrives at the root. For any others an inner node could be passed off as a leaf: use [`root_of`].
pub fn climb(leaf: &Hash256, path: &[Step]) -> Option<Hash256> {
    let up = |node: Hash256, step: &Step| match step {
        Step::Left(hash) => parent(hash, &node),
        Step::Right(hash) => parent(&node, hash),
    };
    (path.len() <= PATH_MAX).then(|| path.iter().fold(*leaf, up))
}

/// The one leaf of a tree of `count` leaves whose path has the directions of `path`.
///
/// For a path that ends too early, `expected` is the length for the first leaf it leaves open.
pub fn index_of(path: &[Step], count: u64) -> Result<u64, PathError> {
    if count == 0 {
        return Err(PathError::IndexOutOfRange { index: 0, count });
    }
    // From the root down: the left subtree holds the largest power of two below the leaf count.
    let (mut index, mut leaves) = (0, count);
    for (done, step) in path.iter().rev().enumerate() {
        if leaves == 1 {
            return Err(PathError::Length { found: path.len(), expected: done });
        }
        let left = 1 << (leaves - 1).ilog2();
        match step {
            Step::Left(_) => (index, leaves) = (index + left, leaves - left),
            Step::Right(_) => leaves = left,
        }
    }
    if leaves > 1 {
        return Err(PathError::Length {
            found: path.len(),
            expected: path.len() + Siblings::of(0, leaves).count(),
        });
    }
    Ok(index)
}

/// A tree with all its levels, for whoever serves many paths.
#[derive(Debug, Clone)]
pub struct Tree {
    /// From the leaves up to the root; at least one, which is empty if there are no leaves.
    levels: Vec<Vec<Hash256>>,
}

impl Tree {
    /// The tree over `leaves`.
    pub fn new(leaves: Vec<Hash256>) -> Self {
        let mut levels = Vec::new();
        let mut level = leaves;
        while level.len() > 1 {
            let above = level
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => parent(left, right),
                    lone => lone[0],
                })
                .collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        levels.push(level);
        Self { levels }
    }

    /// As [`root`].
    pub fn root(&self) -> Hash256 {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or(Hash256::ZERO)
    }

    /// Number of leaves.
    pub fn leaf_count(&self) -> u64 {
        self.levels[0].len() as u64
    }

    /// The leaf `index`, if there is one.
    pub fn leaf(&self, index: u64) -> Option<Hash256> {
        self.levels[0].get(usize::try_from(index).ok()?).copied()
    }

    /// The path of the leaf `index`, if there is one.
    pub fn path(&self, index: u64) -> Option<Path> {
        if index >= self.leaf_count() {
            return None;
        }
        Siblings::of(index, self.leaf_count())
            .map(|sibling| {
                let position = usize::try_from(sibling.position).ok()?;
                Some(sibling.step(self.levels[usize::from(sibling.level)][position]))
            })
            .collect()
    }
}

/// Where a sibling stands: `position` from the left among the nodes of `level`, leaves at level 0.
#[derive(Clone, Copy)]
pub(crate) struct Sibling {
    pub(crate) level: u8,
    pub(crate) position: u64,
}

impl Sibling {
    const fn is_left(self) -> bool {
        self.position.is_multiple_of(2)
    }

    pub(crate) const fn step(self, hash: Hash256) -> Step {
        if self.is_left() { Step::Left(hash) } else { Step::Right(hash) }
    }
}

/// The siblings on a leaf's way up, computed from index and leaf count alone.
pub(crate) struct Siblings {
    level: u8,
    position: u64,
    width: u64,
}

impl Siblings {
    /// For the leaf `index` of `count`; `index < count`.
    pub(crate) const fn of(index: u64, count: u64) -> Self {
        Self { level: 0, position: index, width: count }
    }
}

impl Iterator for Siblings {
    type Item = Sibling;

    fn next(&mut self) -> Option<Sibling> {
        while self.width > 1 {
            let sibling = Sibling { level: self.level, position: self.position ^ 1 };
            let exists = sibling.position < self.width;
            self.level += 1;
            self.position /= 2;
            self.width = self.width.div_ceil(2);
            if exists {
                return Some(sibling);
            }
        }
        None
    }
}
