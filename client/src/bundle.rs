//! A folder of evidence: one device's records, each with its receipt, to be verified offline.
//!
//! `NNNNNNNN.cose` holds a record's bytes, `NNNNNNNN.receipt.json` its receipt; the number is the
//! record's sequence, with at least eight digits. The headers lie beside as `headers.bin` or
//! anywhere else.
//!
//! In a folder every record must be [`Verdict::Good`]: receipts without the device's registration are
//! failures here, and so are gaps in the sequence.

mod sequence;
mod walk;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::limits::{RECEIPT_BYTES_MAX, RECORD_BYTES_MAX};
use dronechain_chain_spec::receipt::Part;
use dronechain_record::Body;
use dronechain_record::verdict::Verdict;
use serde::Serialize;

use crate::evidence::Verifier;
use crate::limits::VERIFY_THREADS_MAX;

use sequence::{Checked, Claim};
use walk::Item;

/// The name of the headers' file, if it lies in the folder.
pub const HEADERS_FILE: &str = "headers.bin";
/// The extension of records.
pub const RECORD_EXTENSION: &str = "cose";
/// What names of receipts end with.
pub const RECEIPT_SUFFIX: &str = ".receipt.json";

/// The result of verifying a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records in the folder, closing records included.
    pub records: u64,
    /// Records that verify with their receipt.
    pub verified: u64,
    /// Closing records among those verified.
    pub closings: u64,
    /// Whether every subject's last record here closes its flight.
    pub closed: bool,
    /// The first and last sequence, over all subjects; none in an empty folder.
    pub sequences: Option<(u64, u64)>,
    /// How far the verified records of each subject reach, in order of subjects.
    pub subjects: Vec<Reach>,
    /// What does not verify, in order of file names.
    pub failures: Vec<Failure>,
}

/// From which to which record a subject's verified records reach. A folder does not show what was before
/// the first or, unless it is closed, behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The subject.
    pub subject: Hash256,
    /// Its first sequence here.
    pub first_sequence: u64,
    /// Its last sequence here.
    pub last_sequence: u64,
    /// Whether the last one closes its flight.
    pub closed: bool,
}

/// One thing in a folder that does not verify.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The file, by its name in the folder.
    pub file: String,
    /// The part that failed.
    pub part: Part,
    /// Why, in words.
    pub reason: String,
}

/// Why a folder cannot be read or written at all.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file or the folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// More files than a folder of evidence may have.
    #[error("{} has more than {max} files", path.display())]
    TooManyFiles {
        /// The folder.
        path: PathBuf,
        /// Files allowed.
        max: usize,
    },
}

impl Report {
    /// Whether there is something, and all of it verifies.
    pub fn holds(&self) -> bool {
        self.records > 0 && self.verified == self.records && self.failures.is_empty()
    }
}

/// The name of the record `sequence`.
pub fn record_name(sequence: u64) -> String {
    format!("{sequence:08}.{RECORD_EXTENSION}")
}

/// The name of that record's receipt.
pub fn receipt_name(sequence: u64) -> String {
    format!("{sequence:08}{RECEIPT_SUFFIX}")
}

/// Writes a record and its receipt into the folder, the receipt last: where there is a receipt there
/// is its record. Not synced; a folder of evidence can be fetched again.
///
/// # Errors
/// [`BundleError::Io`].
pub fn write(dir: &Path, sequence: u64, record: &[u8], receipt: &str) -> Result<(), BundleError> {
    put(dir.join(record_name(sequence)), record)?;
    put(dir.join(receipt_name(sequence)), receipt.as_bytes())
}

/// Straight into place: a second name for each of tens of thousands of files took longer than all the
/// rest. What a crash cuts does not verify, and is written anew by the next export.
fn put(path: PathBuf, bytes: &[u8]) -> Result<(), BundleError> {
    fs::write(&path, bytes).map_err(|source| BundleError::Io { path, source })
}

/// Verifies every record of a folder against a verified header chain, over all processor cores; then
/// that the records of each subject chain without a gap, and that closing records count right.
///
/// # Errors
/// [`BundleError`] when files cannot be read; whatever does not verify is in the report.
pub fn verify_folder(dir: &Path, chain: &HeaderChain, confirmations: u64) -> Result<Report, BundleError> {
    let (items, mut failures) = walk::items(dir)?;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(VERIFY_THREADS_MAX);
    let share = items.len().div_ceil(threads).max(1);
    let results: Vec<_> = thread::scope(|scope| {
        let verify = |items| scope.spawn(move || verify_items(dir, items, chain, confirmations));
        let running: Vec<_> = items.chunks(share).map(verify).collect();
        running.into_iter().map(|thread| thread.join().expect("verifying never panics")).collect()
    });
    let mut verified = Vec::with_capacity(items.len());
    for result in results {
        let (good, bad) = result?;
        verified.extend(good);
        failures.extend(bad);
    }
    let present: BTreeSet<_> = items.iter().map(|item| item.sequence).collect();
    let (closings, subjects) = sequence::check(&mut verified, &present, &mut failures);
    failures.sort_by(|a, b| (&a.file, &a.reason).cmp(&(&b.file, &b.reason)));
    Ok(Report {
        records: items.iter().filter(|item| item.record).count() as u64,
        verified: verified.len() as u64,
        closings,
        closed: !subjects.is_empty() && subjects.iter().all(|reach| reach.closed),
        subjects,
        sequences: present.first().copied().zip(present.last().copied()),
        failures,
    })
}

type Verified = (Vec<Checked>, Vec<Failure>);

fn verify_items(
    dir: &Path,
    items: &[Item],
    chain: &HeaderChain,
    confirmations: u64,
) -> Result<Verified, BundleError> {
    let mut verifier = Verifier::new(chain, confirmations);
    let (mut good, mut bad) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        if !item.record || !item.receipt {
            bad.push(item.incomplete());
            continue;
        }
        let record = walk::read(dir.join(record_name(item.sequence)), RECORD_BYTES_MAX)?;
        let receipt = walk::read(dir.join(receipt_name(item.sequence)), RECEIPT_BYTES_MAX)?;
        match verify_item(&mut verifier, item.sequence, record, &receipt) {
            Ok(checked) => good.push(checked),
            Err((part, reason)) => bad.push(Failure::of(record_name(item.sequence), part, reason)),
        }
    }
    Ok((good, bad))
}

fn verify_item(
    verifier: &mut Verifier<'_>,
    sequence: u64,
    record: Vec<u8>,
    receipt: &[u8],
) -> Result<Checked, (Part, String)> {
    let evidence = verifier.verify(record, receipt).map_err(|error| (error.part(), error.to_string()))?;
    let record = evidence.record.ok_or((Part::Record, "not a record".to_owned()))?;
    reject_doubts(&evidence.verdict).map_err(|reason| (Part::Registry, reason))?;
    let fields = record.record();
    if fields.sequence != sequence {
        return Err((
            Part::Record,
            format!("the file is named {sequence}, the record is {}", fields.sequence),
        ));
    }
    let claim = match fields.body {
        Body::Closing { count } => Claim::Closing { count },
        Body::Clear(_) | Body::Sealed(_) => Claim::Other,
    };
    let (hash, previous) = (record.target_hash(), fields.previous);
    Ok(Checked { subject: fields.subject, sequence, hash, previous, claim })
}

fn reject_doubts(verdict: &Verdict) -> Result<(), String> {
    match verdict {
        Verdict::Good => Ok(()),
        doubt => Err(describe(doubt)),
    }
}

/// A verdict in words.
pub fn describe(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Good => "good: anchored, and its signer was entitled".to_owned(),
        Verdict::AuthorityUnchecked => {
            "authority unchecked: the receipt does not show that the signer was registered".to_owned()
        }
        Verdict::Suspect { key, since, included } => {
            format!("suspect: {key} is in doubt since height {since}, included at {included}")
        }
        Verdict::AfterRevocation { key, revoked, included } => {
            format!(
                "anchored after revocation: {key} was revoked at height {revoked}, included at {included}"
            )
        }
    }
}

impl Failure {
    fn of(file: String, part: Part, reason: String) -> Self {
        Self { file, part, reason }
    }

    fn missing(sequence: u64, subject: &Hash256) -> Self {
        Self::of(record_name(sequence), Part::Record, format!("missing in the sequence of {subject}"))
    }
}
