//! PX4 logs (`.ulg`, <https://docs.px4.io/main/en/dev_log/ulog_file_format.html>).
//!
//! Every data message ('D') becomes an entry. Its body is the whole message as it stands in the
//! file, with its three bytes of size and type: the bodies one after the other are the log's data
//! messages. Everything else in a log ([`Ulog::definitions`]) says how to read them.
//!
//! Times are UTC where the receiver ever gave it: the first valid `time_utc_usec` fixes the offset of
//! the boot clock for the whole log, messages before it included. Without one they are boot times.
//! Positions come from `vehicle_gps_position` alone, the receiver's own word; estimates are not used.
//!
//! The crate px4-ulog is the reference in this crate's tests. It is not used here: it keeps no raw
//! bytes, lays out every array element of every topic, and panics on some damaged definitions.

mod frame;
mod layout;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use dronechain_record::limits::TIME_US_MAX;
use dronechain_record::{Clock, NoLocation};

use crate::entry::Entry;
use crate::fault::{Fault, hex};
use crate::fix::FixTracker;
use crate::limits::{MESSAGE_BYTES_MAX, UTC_US_MAX, UTC_US_MIN};
use frame::{Frame, Frames};
use layout::{Formats, GpsLayout, Sample};

/// The content type of an entry from such a log.
pub const CONTENT_TYPE: &str = "application/vnd.px4.ulog-data";

const MAGIC: [u8; 7] = *b"ULog\x01\x12\x35";
/// Magic, version, start time.
const HEADER_BYTES: usize = 16;
const GPS_TOPIC: &str = "vehicle_gps_position";

const FLAG_BITS: u8 = b'B';
const FORMAT: u8 = b'F';
const SUBSCRIPTION: u8 = b'A';
const DATA: u8 = b'D';
/// Flag bits, information, parameters, log texts, synchronisation, dropouts, unsubscriptions.
const OTHERS: &[u8] = b"BIMPQRLCSO";
/// Flags of incompatible features, and the only one known: data are appended behind the log.
const INCOMPATIBLE: Range<usize> = 8..16;
const DATA_APPENDED: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 0];
const APPENDED_OFFSETS: Range<usize> = 16..40;

/// A whole PX4 log in memory.
#[derive(Debug)]
pub struct Ulog {
    bytes: Vec<u8>,
    /// The log, then what was appended to it; a message never crosses.
    sections: Vec<Range<usize>>,
    messages: u64,
    topics: BTreeMap<u16, Topic>,
    /// UTC minus boot clock, in microseconds.
    utc_offset_us: Option<i64>,
    /// Why there is no position before the first fix.
    absent: NoLocation,
}

#[derive(Debug)]
struct Topic {
    name: Arc<str>,
    timestamp: Option<usize>,
    /// Set for the one receiver whose word counts.
    gps: Option<GpsLayout>,
}

/// Whether a file begins as a PX4 log.
pub(crate) fn has_magic(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

impl Ulog {
    /// Takes a log apart and reads its definitions.
    ///
    /// # Errors
    /// Every [`Fault`]; a log that ends within a message is [`Fault::Truncated`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Fault> {
        let sections = sections(&bytes)?;
        let mut formats = Formats::default();
        let mut subscriptions = BTreeMap::new();
        let mut messages = 0;
        for section in &sections {
            let mut frames = Frames::new(&bytes, section.clone());
            for frame in &mut frames {
                match frame.kind {
                    DATA if frame.bytes.len() > MESSAGE_BYTES_MAX => {
                        let (found, max) = (frame.bytes.len(), MESSAGE_BYTES_MAX);
                        return Err(Fault::MessageTooLong { at: frame.at, found, max });
                    }
                    DATA => messages += 1,
                    FORMAT => formats.add(frame.payload()),
                    SUBSCRIPTION => subscribe(&mut subscriptions, frame.payload()),
                    kind if OTHERS.contains(&kind) => {}
                    // A reader that skips what it does not know loses data to one damaged size.
                    _ => return Err(Fault::foreign(&bytes, frame.at, "a message of a known type")),
                }
            }
            // The format allows that a crash cut the log where a report was appended to it.
            if section.end == bytes.len() && !frames.is_done() {
                let (at, needed, found) = frames.cut();
                return Err(Fault::Truncated { at, needed, found, messages });
            }
        }
        if messages == 0 {
            return Err(Fault::NoMessages);
        }
        let receiver = receiver(&subscriptions);
        let topics = topics(&mut formats, &subscriptions, receiver);
        let absent = match receiver {
            None => NoLocation::NoReceiver,
            Some(id) if topics.get(&id).is_none_or(|topic| topic.gps.is_none()) => NoLocation::NotDecoded,
            Some(_) => NoLocation::NoFix,
        };
        let mut log = Self { bytes, sections, messages, topics, utc_offset_us: None, absent };
        let utc_offset_us = log.samples().find_map(|sample| utc_offset_us(&sample));
        log.utc_offset_us = utc_offset_us;
        Ok(log)
    }

    /// Data messages, over all topics.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// One entry per data message, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut fixes = FixTracker::new(self.absent);
        let mut boot_us = 0;
        self.data().map(move |frame| {
            let topic = self.topic(&frame);
            let timestamp = topic.and_then(|topic| layout::u64_at(frame.payload(), topic.timestamp?));
            // A message without a readable time was logged right after the one before.
            boot_us = timestamp.filter(|time| *time <= TIME_US_MAX).unwrap_or(boot_us);
            if let Some(gps) = topic.and_then(|topic| topic.gps.as_ref()) {
                fixes.update(gps.sample(frame.payload()).and_then(|sample| sample.fix), boot_us);
            }
            let (time_us, clock) = self.time(boot_us);
            Entry {
                time_us,
                clock,
                location: fixes.location(boot_us),
                content_type: CONTENT_TYPE,
                body: frame.bytes.to_vec(),
                topic: topic.map(|topic| topic.name.clone()),
            }
        })
    }

    /// Everything but the data messages: file header, formats, subscriptions, parameters, texts. With
    /// it and the entries' bodies a reader can decode the flight.
    pub fn definitions(&self) -> Vec<u8> {
        let others = self.frames().filter(|frame| frame.kind != DATA);
        others.fold(self.bytes[..HEADER_BYTES].to_vec(), |mut definitions, frame| {
            definitions.extend_from_slice(frame.bytes);
            definitions
        })
    }

    fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.sections.iter().flat_map(|section| Frames::new(&self.bytes, section.clone()))
    }

    fn data(&self) -> impl Iterator<Item = Frame<'_>> {
        self.frames().filter(|frame| frame.kind == DATA)
    }

    fn topic(&self, frame: &Frame<'_>) -> Option<&Topic> {
        self.topics.get(&layout::u16_at(frame.payload(), 0)?)
    }

    fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        self.data().filter_map(|frame| self.topic(&frame)?.gps.as_ref()?.sample(frame.payload()))
    }

    fn time(&self, boot_us: u64) -> (u64, Clock) {
        let utc_us = self.utc_offset_us.and_then(|offset_us| boot_us.checked_add_signed(offset_us));
        match utc_us.filter(|utc_us| (UTC_US_MIN..UTC_US_MAX).contains(utc_us)) {
            Some(utc_us) => (utc_us, Clock::UtcGps),
            None => (boot_us, Clock::Boot),
        }
    }
}

/// Checks the header and finds where appended data begin.
fn sections(bytes: &[u8]) -> Result<Vec<Range<usize>>, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Empty);
    }
    if !bytes.starts_with(&MAGIC[..MAGIC.len().min(bytes.len())]) {
        return Err(Fault::foreign(bytes, 0, "a PX4 log (554c6f67011235)"));
    }
    if bytes.len() < HEADER_BYTES {
        return Err(Fault::Truncated { at: 0, needed: HEADER_BYTES, found: bytes.len(), messages: 0 });
    }
    let mut sections = Vec::new();
    let mut start = HEADER_BYTES;
    let first = Frames::new(bytes, HEADER_BYTES..bytes.len()).next();
    let Some(flags) = first.filter(|frame| frame.kind == FLAG_BITS) else {
        sections.push(start..bytes.len());
        return Ok(sections);
    };
    let incompatible = flags.payload().get(INCOMPATIBLE).unwrap_or_default();
    if incompatible.iter().zip(DATA_APPENDED).any(|(found, known)| found & !known != 0) {
        return Err(Fault::Unsupported { at: flags.at, flags: hex(incompatible) });
    }
    let offsets = flags.payload().get(APPENDED_OFFSETS).unwrap_or_default();
    let offsets = offsets.chunks_exact(8).filter_map(|chunk| layout::u64_at(chunk, 0));
    for offset in offsets.filter(|offset| *offset != 0 && incompatible != [0; 8]) {
        let end = usize::try_from(offset).ok().filter(|end| (start..=bytes.len()).contains(end));
        let Some(end) = end else {
            return Err(Fault::foreign(bytes, flags.at, "appended data inside the file"));
        };
        sections.push(start..end);
        start = end;
    }
    sections.push(start..bytes.len());
    Ok(sections)
}

/// Name and instance of a subscribed topic.
type Subscriptions<'a> = BTreeMap<u16, (&'a str, u8)>;

/// Notes a subscription: instance, message id, topic. The first one of an id counts.
fn subscribe<'a>(subscriptions: &mut Subscriptions<'a>, payload: &'a [u8]) {
    let name = payload.get(3..).and_then(|name| std::str::from_utf8(name).ok());
    if let (Some(name), Some(id)) = (name, layout::u16_at(payload, 1)) {
        subscriptions.entry(id).or_insert((name, payload[0]));
    }
}

/// The message id of the first receiver.
fn receiver(subscriptions: &Subscriptions<'_>) -> Option<u16> {
    let receivers = subscriptions.iter().filter(|(_, (name, _))| *name == GPS_TOPIC);
    receivers.min_by_key(|(_, (_, instance))| *instance).map(|(id, _)| *id)
}

fn topics(
    formats: &mut Formats<'_>,
    subscriptions: &Subscriptions<'_>,
    receiver: Option<u16>,
) -> BTreeMap<u16, Topic> {
    // Each format is searched once, however often a hostile log subscribes to it.
    let mut timestamps = BTreeMap::new();
    for (name, _) in subscriptions.values() {
        timestamps.entry(*name).or_insert_with(|| formats.field(name, "timestamp", "uint64_t"));
    }
    let topic = |(id, (name, _)): (&u16, &(&str, u8))| {
        let timestamp = timestamps[name];
        let gps = (Some(*id) == receiver).then(|| GpsLayout::of(formats, name)).flatten();
        (*id, Topic { name: Arc::from(*name), timestamp, gps })
    };
    subscriptions.iter().map(topic).collect()
}

fn utc_offset_us(sample: &Sample) -> Option<i64> {
    let utc_us = sample.utc_us.filter(|utc_us| (UTC_US_MIN..UTC_US_MAX).contains(utc_us))?;
    utc_us.checked_signed_diff(sample.boot_us)
}
