//! Whether verified records form their subjects' chains: no gap, each naming the one before, and
//! closing records that count what is there.

use std::collections::BTreeSet;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::receipt::Part;

use super::{Failure, Reach, record_name};

/// Missing records of one gap that are named one by one.
const NAMED_MAX: usize = 100;

/// What a verified record says of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) subject: Hash256,
    pub(super) sequence: u64,
    pub(super) hash: Hash256,
    pub(super) previous: Hash256,
    pub(super) claim: Claim,
}

/// Whether a record closes its flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It does, and counts the flight's other records.
    Closing { count: u64 },
    /// It does not.
    Other,
}

/// Checks all subjects' chains; gives the number of closing records, and how far each chain reaches. A number that is `present` in the folder but was not verified failed for its own reason.
pub(super) fn check(
    verified: &mut [Checked],
    present: &BTreeSet<u64>,
    failures: &mut Vec<Failure>,
) -> (u64, Vec<Reach>) {
    verified.sort_by_key(|record| (record.subject, record.sequence));
    let chains = || verified.chunk_by(|a, b| a.subject == b.subject);
    for chain in chains() {
        check_links(chain, present, failures);
        check_counts(chain, failures);
    }
    let closes = |record: &Checked| matches!(record.claim, Claim::Closing { .. });
    let reach = |chain: &[Checked]| {
        let (first, last) = (chain.first()?, chain.last()?);
        let (first_sequence, last_sequence) = (first.sequence, last.sequence);
        Some(Reach { subject: first.subject, first_sequence, last_sequence, closed: closes(last) })
    };
    let subjects = chains().filter_map(reach).collect();
    (verified.iter().filter(|record| closes(record)).count() as u64, subjects)
}

fn check_links(chain: &[Checked], present: &BTreeSet<u64>, failures: &mut Vec<Failure>) {
    for pair in chain.windows(2) {
        let [before, record] = pair else { continue };
        let expected = before.sequence + 1;
        if record.sequence == expected && record.previous != before.hash {
            let reason = format!("it follows {}, the one before is {}", record.previous, before.hash);
            failures.push(Failure::of(record_name(record.sequence), Part::Record, reason));
        }
        let mut missing = (expected..record.sequence).filter(|at| !present.contains(at));
        failures.extend(missing.by_ref().take(NAMED_MAX).map(|at| Failure::missing(at, &record.subject)));
        if missing.next().is_some() {
            let reason = "more records before it are missing".to_owned();
            failures.push(Failure::of(record_name(record.sequence), Part::Record, reason));
        }
    }
}

/// Holds every closing record to the sequence numbers since the last one, where both are here.
fn check_counts(chain: &[Checked], failures: &mut Vec<Failure>) {
    let mut start = chain.first().filter(|first| first.sequence == 0).map(|_| 0);
    for record in chain {
        let Claim::Closing { count } = record.claim else { continue };
        if let Some(expected) = start.map(|start| record.sequence - start)
            && expected != count
        {
            let reason = format!("it counts {count} records, the flight has {expected}");
            failures.push(Failure::of(record_name(record.sequence), Part::Record, reason));
        }
        start = Some(record.sequence + 1);
    }
}
