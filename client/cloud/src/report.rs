//! What a sweep found.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use serde::Serialize;

use crate::limits::FINDINGS_MAX;
use crate::store::AnchorName;

/// The report of one finished sweep.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Number of the sweep, from 1.
    pub sweep: u64,
    /// When it began, ms since 1970 UTC.
    pub started_ms: u64,
    /// When it ended.
    pub finished_ms: u64,
    /// Rows looked at.
    pub records: u64,
    /// Rows that are what their device signed and their controller anchored.
    pub verified: u64,
    /// Rows whose anchor is not known, or not deep enough in the chain, yet.
    pub pending: u64,
    /// Rows that are not what they were.
    pub altered: Vec<Altered>,
    /// Anchored leaves without a row.
    pub missing: Vec<Missing>,
    /// Rows that waited too long for an anchor.
    pub unanchored: Vec<Unanchored>,
    /// Rows that nothing accounts for.
    pub surplus: Vec<Surplus>,
    /// Anchors whose proof does not hold.
    pub unverifiable: Vec<Unverifiable>,
    /// Findings of each kind, also where a list is cut at 1,000.
    pub totals: Totals,
}

/// Findings of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Of [`Report::altered`].
    pub altered: u64,
    /// Of [`Report::missing`].
    pub missing: u64,
    /// Of [`Report::unanchored`].
    pub unanchored: u64,
    /// Of [`Report::surplus`].
    pub surplus: u64,
    /// Of [`Report::unverifiable`].
    pub unverifiable: u64,
}

/// A row that is not what it was. Where the record's own bytes are genuine, device and sequence are
/// theirs; else they are the row's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Altered {
    /// The record's hash: the anchored one where the anchor is known.
    pub hash: String,
    /// The device's key, in hex.
    pub device: String,
    /// The record's number.
    pub sequence: i64,
    /// Names of the columns that differ from what they should be.
    pub differs: Vec<&'static str>,
}

/// An anchored leaf without a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The record's hash.
    pub hash: Hash256,
    /// Who anchored it.
    pub sender: PublicKey,
    /// The anchor's sequence.
    pub anchor_sequence: u64,
    /// Index of the leaf.
    pub index: usize,
}

/// A genuine record that waited too long for an anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unanchored {
    /// The record's hash.
    pub hash: String,
    /// The device's key.
    pub device: String,
    /// The record's number.
    pub sequence: i64,
    /// When it was received, ms since 1970 UTC.
    pub received_ms: i64,
}

/// A row that nothing accounts for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Surplus {
    /// Column `hash`, in hex.
    pub hash: String,
    /// Column `device`, in hex.
    pub device: String,
    /// Column `sequence`.
    pub sequence: i64,
    /// Why it is too many.
    pub reason: String,
}

/// An anchor whose proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unverifiable {
    /// Who anchored.
    pub sender: PublicKey,
    /// The anchor's sequence.
    pub anchor_sequence: u64,
    /// Rows placed at it.
    pub records: u64,
    /// What does not hold.
    pub reason: String,
}

impl Report {
    pub(crate) fn altered(&mut self, finding: Altered) {
        push(&mut self.altered, &mut self.totals.altered, finding);
    }

    pub(crate) fn missing(&mut self, finding: Missing) {
        push(&mut self.missing, &mut self.totals.missing, finding);
    }

    pub(crate) fn unanchored(&mut self, finding: Unanchored) {
        push(&mut self.unanchored, &mut self.totals.unanchored, finding);
    }

    pub(crate) fn surplus(&mut self, finding: Surplus) {
        push(&mut self.surplus, &mut self.totals.surplus, finding);
    }

    pub(crate) fn unverifiable(&mut self, name: AnchorName, records: u64, reason: String) {
        let AnchorName { sender, sequence } = name;
        let finding = Unverifiable { sender, anchor_sequence: sequence, records, reason };
        push(&mut self.unverifiable, &mut self.totals.unverifiable, finding);
    }
}

fn push<T>(list: &mut Vec<T>, total: &mut u64, finding: T) {
    *total += 1;
    if list.len() < FINDINGS_MAX {
        list.push(finding);
    }
}
