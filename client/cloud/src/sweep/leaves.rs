//! The leaves of one anchor, and which row is the record of each.

use std::collections::HashMap;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::merkle::Tree;

use crate::examine::Examined;
use crate::proof::leads_to_root;
use crate::report::Report;

/// An anchor's leaves while its rows come by.
pub(super) struct Leaves<'a> {
    pub(super) leaves: &'a [Hash256],
    pub(super) tree: &'a Tree,
    pub(super) index: HashMap<Hash256, usize>,
    pub(super) held: Vec<bool>,
    /// Rows that are no leaf of this anchor, by the leaf that they claim.
    pub(super) odd: Vec<(usize, Examined)>,
    /// Whether the anchor's proof holds.
    pub(super) proven: bool,
    pub(super) genuine: u64,
}

impl Leaves<'_> {
    /// Finds the leaf that a row is the record of, and judges it.
    pub(super) fn place(&mut self, examined: Examined, report: &mut Report) {
        let claimed = examined.row.leaf_index.and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
        let by_bytes = self.index.get(&examined.found).copied();
        let by_hash = <[u8; 32]>::try_from(&examined.row.hash[..]).ok();
        let by_hash = by_hash.and_then(|hash| self.index.get(&Hash256(hash)).copied());
        match (by_bytes, by_hash) {
            (Some(at), _) if self.held[at] => {
                report.surplus(examined.surplus("a copy of another row's record"));
            }
            (Some(at), _) => {
                self.held[at] = true;
                let differs = if at == claimed { Vec::new() } else { vec!["leaf_index"] };
                self.judge(&examined, differs, report);
            }
            (None, Some(at)) if !self.held[at] => {
                self.held[at] = true;
                let leaf = self.leaves[at];
                let moved = (at != claimed).then_some("leaf_index");
                let differs = std::iter::once("bytes").chain(moved).collect();
                report.altered(examined.altered_bytes(&leaf.0, differs));
            }
            (None, _) => self.odd.push((claimed, examined)),
        }
    }

    /// Judges a row whose bytes are a leaf of this anchor.
    pub(super) fn judge(&mut self, examined: &Examined, mut differs: Vec<&'static str>, report: &mut Report) {
        differs.extend(examined.differing_columns());
        let at = self.index[&examined.found];
        if !differs.is_empty() {
            report.altered(examined.altered_columns(differs));
        } else if self.proven && leads_to_root(&examined.found, at, self.tree) {
            report.verified += 1;
        } else {
            self.genuine += 1;
        }
    }
}
