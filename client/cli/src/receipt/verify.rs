//! `dronechain receipt verify`: from files alone, by a process that needs no network.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::limits::RECEIPT_BYTES_MAX;
use dronechain_chain_spec::receipt::Part;
use dronechain_client::bundle::{self, HEADERS_FILE, describe};
use dronechain_client::evidence::part_name;
use dronechain_client::{Evidence, Reach, Verifier};
use dronechain_record::Verdict;
use serde_json::{Value, json};

use crate::error::CliError;
use crate::files;
use crate::limits::{FILE_BYTES_HELD, SUBJECTS_SHOWN_MAX};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The record, or any file that was anchored by its hash.
    #[arg(value_name = "RECORD", required_unless_present = "dir", requires = "receipt")]
    record: Option<PathBuf>,
    /// Its receipt.
    #[arg(value_name = "RECEIPT")]
    receipt: Option<PathBuf>,
    /// Verify a folder of records with their receipts; each must show the device's registration.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["record", "receipt"])]
    dir: Option<PathBuf>,
    /// The file of headers; with --dir by default headers.bin in the folder.
    #[arg(long, value_name = "FILE", required_unless_present = "dir")]
    headers: Option<PathBuf>,
    /// Blocks that the anchor must have, its own included.
    #[arg(long, value_name = "N", default_value_t = 1)]
    confirmations: u64,
    /// The network wanted, by the hash of its genesis block. Without it, it is the headers' own.
    #[arg(long, value_name = "HEX")]
    chain_id: Option<Hash256>,
    /// The id of the checkpoint at which the headers may begin. Without it they begin at genesis.
    #[arg(long, value_name = "HEX")]
    trust: Option<Hash256>,
    /// Refuse receipts that do not show the signer's registration.
    #[arg(long)]
    require_authority: bool,
}

impl Verify {
    pub(crate) fn run(self, output: Output) -> Result<(), CliError> {
        let result = match (&self.dir, &self.record, &self.receipt) {
            (Some(dir), ..) => self.folder(dir, output),
            (None, Some(record), Some(receipt)) => self.one(record, receipt, output),
            _ => Err(CliError::Usage("RECORD and RECEIPT, or --dir are wanted".to_owned())),
        };
        // Scripts read the part from stdout too.
        match &result {
            Err(CliError::NotVerified { part, reason }) => output.refusal(part_name(*part), reason),
            Err(error @ (CliError::HeadersFile { .. } | CliError::HeadersNetwork { .. })) => {
                output.refusal(part_name(Part::Header), &error.to_string());
            }
            _ => {}
        }
        result
    }

    fn one(&self, record: &Path, receipt: &Path, output: Output) -> Result<(), CliError> {
        let headers =
            self.headers.as_deref().ok_or_else(|| CliError::Usage("--headers is wanted".to_owned()))?;
        let length =
            fs::metadata(record).map_err(|source| CliError::Read { path: record.to_owned(), source })?.len();
        // A longer receipt is a malformed one, and the verifier says so.
        let json = files::read_up_to(receipt, RECEIPT_BYTES_MAX as u64 + 1)?;
        let held = if length <= FILE_BYTES_HELD { Some(files::read(record, FILE_BYTES_HELD)?) } else { None };
        let chain = files::header_chain(headers, self.chain_id, self.trust)?;
        let mut verifier = Verifier::new(&chain, self.confirmations);
        let evidence = match held {
            Some(bytes) => verifier.verify(bytes, &json),
            None => verifier.verify_hash(files::sha256_of(record)?, &json),
        };
        let evidence = evidence
            .map_err(|error| CliError::NotVerified { part: error.part(), reason: error.to_string() })?;
        self.judge(&evidence.verdict)?;
        output.result(&as_json(&evidence, &chain), as_text(&evidence, &chain, record));
        Ok(())
    }

    /// What may be believed must be enough.
    fn judge(&self, verdict: &Verdict) -> Result<(), CliError> {
        match verdict {
            Verdict::Good => Ok(()),
            Verdict::AuthorityUnchecked if !self.require_authority => Ok(()),
            Verdict::AuthorityUnchecked | Verdict::Suspect { .. } | Verdict::AfterRevocation { .. } => {
                Err(CliError::NotVerified { part: Part::Registry, reason: describe(verdict) })
            }
        }
    }

    fn folder(&self, dir: &Path, output: Output) -> Result<(), CliError> {
        let headers = self.headers.clone().unwrap_or_else(|| dir.join(HEADERS_FILE));
        // An unreadable folder is told before a long chain is verified.
        fs::read_dir(dir).map_err(|source| CliError::Read { path: dir.to_owned(), source })?;
        let chain = files::header_chain(&headers, self.chain_id, self.trust)?;
        let report = bundle::verify_folder(dir, &chain, self.confirmations)?;
        let holds = report.holds();
        let mut value =
            json!({ "verified_all": holds, "chain_id": chain.chain_id(), "height": chain.height() });
        let fields = serde_json::to_value(&report).expect("a report is a map");
        merge(&mut value, fields);
        let mut text = format!("{} of {} records verify", report.verified, report.records);
        for reach in report.subjects.iter().take(SUBJECTS_SHOWN_MAX) {
            text += &format!("\n{}", reach_in_words(reach));
        }
        if let Some(more) = report.subjects.len().checked_sub(SUBJECTS_SHOWN_MAX).filter(|more| *more > 0) {
            text += &format!("\nand {more} more subjects; --json lists them");
        }
        for failure in &report.failures {
            text += &format!("\n{}: {}: {}", failure.file, part_name(failure.part), failure.reason);
        }
        output.result(&value, text);
        match report.failures.first() {
            None if holds => Ok(()),
            None => Err(CliError::FolderEmpty(dir.to_owned())),
            Some(first) => Err(CliError::FolderNotVerified {
                records: report.records,
                failures: report.failures.len() as u64,
                first: format!("{}: {}: {}", first.file, part_name(first.part), first.reason),
            }),
        }
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

fn reach_in_words(reach: &Reach) -> String {
    let Reach { subject, first_sequence, last_sequence, closed } = reach;
    let end = if *closed {
        "closed by its last record"
    } else {
        "NOT CLOSED: no closing record is here, more records may have followed"
    };
    format!("{subject}: records {first_sequence} to {last_sequence}, {end}")
}

fn as_json(evidence: &Evidence, chain: &HeaderChain) -> Value {
    let Evidence { record, proven, verdict } = evidence;
    let mut value = json!({
        "verified": true,
        "chain_id": chain.chain_id(),
        "target": proven.target,
        "txid": proven.txid,
        "sender": proven.sender,
        "anchor_sequence": proven.sequence,
        "height": proven.height,
        "block": proven.block,
        "confirmations": proven.confirmations,
        "not_later_than_ms": proven.not_later_than_ms,
        "note": describe(verdict),
        "record": record.as_ref().map(|record| {
            let fields = record.record();
            json!({
                "kind": fields.kind,
                "subject": fields.subject,
                "sequence": fields.sequence,
                "signer": record.signer(),
                "time_us": fields.time_us,
            })
        }),
    });
    merge(&mut value, serde_json::to_value(verdict).expect("a verdict is a map"));
    value
}

fn as_text(evidence: &Evidence, chain: &HeaderChain, file: &Path) -> String {
    let Evidence { record, proven, verdict } = evidence;
    let what = match record {
        Some(record) => format!("record {} of {}", record.record().sequence, record.record().subject),
        None => "a file, not a record".to_owned(),
    };
    let time = match proven.not_later_than_ms {
        Some(ms) => format!("not later than {ms} ms since 1970 UTC"),
        None => "no time yet: too few blocks on top".to_owned(),
    };
    format!(
        "verified: {} ({what})\n  {}\n  anchored by {} at height {}, {} confirmations, {time}\n  network {}",
        file.display(),
        describe(verdict),
        proven.sender,
        proven.height,
        proven.confirmations,
        chain.chain_id(),
    )
}
