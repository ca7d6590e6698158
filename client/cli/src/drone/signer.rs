//! Signs a flight on a thread of its own, a few requests ahead of the sender.

use std::thread;
use std::time::{Duration, Instant};

use dronechain_chain_spec::hash::Hash256;
use dronechain_client::frames;
use dronechain_drone::Entry;
use dronechain_record::limits::SALT_BYTES;
use dronechain_record::{Clock, Closing, Flight, Location, NoLocation, RecordError, SignedRecord};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};

use super::replay::{Rate, Source};
use crate::error::CliError;

/// Records of one request, in order.
pub(super) type Batch = Vec<SignedRecord>;

/// The writing side of a flight.
pub(super) struct Signer {
    pub(super) flight: Flight,
    /// The latest block that the controller told of.
    pub(super) known: watch::Receiver<Hash256>,
    pub(super) out: mpsc::Sender<Batch>,
    pub(super) rate: Rate,
    pub(super) every: Duration,
    /// Entries to leave out at the beginning.
    pub(super) skip: u64,
}

/// What was signed.
pub(super) struct Signed {
    /// Records, the closing one included.
    pub(super) records: u64,
    /// Hash of the closing record.
    pub(super) closing: Hash256,
    /// SHA-256 over the bodies of all others.
    pub(super) bodies: Hash256,
}

/// The flight so far.
struct Progress {
    batch: Batch,
    bytes: usize,
    records: u64,
    bodies: Sha256,
    last: Option<(u64, Clock, Location)>,
    pace: Pace,
}

impl Signer {
    /// Signs every entry and a closing record. Ends early, without an error, if nobody takes them.
    pub(super) fn run(mut self, source: Source) -> Result<Signed, CliError> {
        let mut progress = Progress {
            batch: Vec::new(),
            bytes: 0,
            records: 0,
            bodies: Sha256::new(),
            last: None,
            pace: Pace::new(self.rate),
        };
        let mut failed = None;
        let (mut skip, every) = (self.skip, self.every);
        source.entries(every, &mut |entry| {
            if skip > 0 {
                skip -= 1;
                return true;
            }
            match self.take(entry, &mut progress) {
                Ok(goes_on) => goes_on,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        });
        match failed {
            Some(error) => Err(error),
            None => self.close(progress),
        }
    }

    /// Signs one entry; false if nobody takes what is signed.
    fn take(&mut self, entry: Entry, progress: &mut Progress) -> Result<bool, CliError> {
        let waited = progress.pace.wait(entry.time_us);
        progress.bodies.update(&entry.body);
        progress.last = Some((entry.time_us, entry.clock, entry.location.clone()));
        let draft = entry.draft(*self.known.borrow());
        let sequence = self.flight.position().next_sequence;
        let record = self.flight.append(draft, salt()?).map_err(failed(sequence))?;
        // At the pace of the flight nothing is held back.
        Ok(self.put(record, progress) && (!waited || self.flush(progress)))
    }

    fn close(mut self, mut progress: Progress) -> Result<Signed, CliError> {
        let known_block = *self.known.borrow();
        let (time_us, clock, location) =
            progress.last.take().unwrap_or((0, Clock::Boot, Location::None(NoLocation::NoFix)));
        let sequence = self.flight.position().next_sequence;
        let closing = Closing { known_block, time_us, clock, location };
        let record = self.flight.close(closing, salt()?).map_err(failed(sequence))?;
        let closing = record.target_hash();
        self.put(record, &mut progress);
        self.flush(&mut progress);
        let bodies = Hash256(progress.bodies.finalize().into());
        Ok(Signed { records: progress.records, closing, bodies })
    }

    fn put(&self, record: SignedRecord, progress: &mut Progress) -> bool {
        let full = !frames::has_room(progress.batch.len(), progress.bytes, record.bytes());
        let taken = !full || self.flush(progress);
        progress.bytes += frames::LENGTH_BYTES + record.bytes().len();
        progress.batch.push(record);
        progress.records += 1;
        taken
    }

    fn flush(&self, progress: &mut Progress) -> bool {
        progress.bytes = 0;
        let batch = std::mem::take(&mut progress.batch);
        batch.is_empty() || self.out.blocking_send(batch).is_ok()
    }
}

fn failed(sequence: u64) -> impl Fn(RecordError) -> CliError {
    move |error| CliError::Record { sequence, error }
}

fn salt() -> Result<[u8; SALT_BYTES], CliError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(CliError::Randomness)?;
    Ok(salt)
}

/// The clock of the log against our own.
struct Pace {
    rate: Rate,
    start: Option<(u64, Instant)>,
}

impl Pace {
    fn new(rate: Rate) -> Self {
        Self { rate, start: None }
    }

    /// Waits until a message of `time_us` is due; whether there was anything to wait for.
    fn wait(&mut self, time_us: u64) -> bool {
        if self.rate == Rate::Max {
            return false;
        }
        let (first_us, start) = *self.start.get_or_insert((time_us, Instant::now()));
        let due = Duration::from_micros(time_us.saturating_sub(first_us)).saturating_sub(start.elapsed());
        thread::sleep(due);
        !due.is_zero()
    }
}
