//! MAVLink telemetry logs (`.tlog`): eight bytes of time, big-endian microseconds, before each frame.
//!
//! Every frame becomes an entry. Its body is the eight bytes and the frame as received, so the bodies
//! one after the other are the file. Frames of unknown dialects, with a wrong checksum or with values
//! that the dialect does not know are kept like all others and only go without annotation.
//!
//! The time is the recording host's clock. Positions come from GPS_RAW_INT with a fix, refined by
//! GLOBAL_POSITION_INT while that fix holds, of the first system that reports any; ground stations and
//! other vehicles on the link do not mix in.

mod frame;

use std::sync::Arc;

use dronechain_record::limits::TIME_US_MAX;
use dronechain_record::{Clock, Fix, NoLocation};
use mavlink::dialects::common::{GLOBAL_POSITION_INT_DATA, GPS_RAW_INT_DATA, MavMessage};
use mavlink::{Message, MessageData};

use crate::entry::Entry;
use crate::fault::Fault;
use crate::fix::{FIX_3D, FixTracker, plausible};
use crate::limits::{UTC_US_MAX, UTC_US_MIN};
use frame::{Checksum, Frame, Frames};

pub(crate) use frame::has_frame;

/// The content type of an entry from such a log.
pub const CONTENT_TYPE: &str = "application/vnd.mavlink.tlog";

/// A whole telemetry log in memory.
#[derive(Debug)]
pub struct Tlog {
    bytes: Vec<u8>,
    messages: u64,
}

impl Tlog {
    /// Takes a log apart.
    ///
    /// # Errors
    /// [`Fault::Empty`], [`Fault::Foreign`] where no frame begins or if not one checksum of a known
    /// message holds, [`Fault::Truncated`] for a log that ends within a message.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Fault> {
        if bytes.is_empty() {
            return Err(Fault::Empty);
        }
        let (mut messages, mut known, mut sound) = (0, 0_u64, 0_u64);
        let mut frames = Frames::new(&bytes);
        for frame in &mut frames {
            messages += 1;
            match frame.checksum() {
                Checksum::Holds => (known, sound) = (known + 1, sound + 1),
                Checksum::Wrong => known += 1,
                Checksum::Unknown => {}
            }
        }
        frames.finish(messages)?;
        if known > 0 && sound == 0 {
            return Err(Fault::foreign(&bytes, 0, "a MAVLink frame with a right checksum anywhere"));
        }
        Ok(Self { bytes, messages })
    }

    /// Frames in the log.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// One entry per frame, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut receiver = Receiver { system: None, fixes: FixTracker::new(NoLocation::NoFix) };
        Frames::new(&self.bytes).map(move |frame| {
            let sound = frame.checksum() == Checksum::Holds;
            if sound {
                receiver.hear(&frame);
            }
            let (time_us, clock) = time(frame.time_us);
            Entry {
                time_us,
                clock,
                location: receiver.fixes.location(frame.time_us),
                content_type: CONTENT_TYPE,
                body: frame.bytes.to_vec(),
                topic: sound.then(|| name(frame.id)).flatten(),
            }
        })
    }
}

/// What the link says about where the vehicle is.
struct Receiver {
    /// The first system that reported a position or the lack of one.
    system: Option<u32>,
    fixes: FixTracker,
}

impl Receiver {
    fn hear(&mut self, frame: &Frame<'_>) {
        match frame.id {
            GPS_RAW_INT_DATA::ID if *self.system.get_or_insert(frame.system) == frame.system => {
                let data = GPS_RAW_INT_DATA::deser(frame.version, frame.payload).ok();
                let fix = data.as_ref().and_then(raw_fix);
                self.fixes.update(fix, frame.time_us);
            }
            GLOBAL_POSITION_INT_DATA::ID
                if self.system == Some(frame.system) && self.fixes.has_fix(frame.time_us) =>
            {
                let data = GLOBAL_POSITION_INT_DATA::deser(frame.version, frame.payload).ok();
                if let Some(fix) = data.as_ref().and_then(estimated_fix) {
                    self.fixes.update(Some(fix), frame.time_us);
                }
            }
            _ => {}
        }
    }
}

/// `eph` is a dilution of precision, not a length, so the accuracy stays open.
fn raw_fix(data: &GPS_RAW_INT_DATA) -> Option<Fix> {
    let fix = Fix { lat_e7: data.lat, lon_e7: data.lon, altitude_mm: Some(data.alt), accuracy_mm: None };
    (data.fix_type as u8 >= FIX_3D).then_some(fix).and_then(plausible)
}

fn estimated_fix(data: &GLOBAL_POSITION_INT_DATA) -> Option<Fix> {
    let (lat_e7, lon_e7, altitude_mm) = (data.lat, data.lon, Some(data.alt));
    plausible(Fix { lat_e7, lon_e7, altitude_mm, accuracy_mm: None })
}

fn name(id: u32) -> Option<Arc<str>> {
    MavMessage::default_message_from_id(id).map(|message| Arc::from(message.message_name()))
}

/// Hosts without a set clock log the time since their start.
fn time(time_us: u64) -> (u64, Clock) {
    match time_us {
        UTC_US_MIN..UTC_US_MAX => (time_us, Clock::UtcHost),
        _ => (time_us.min(TIME_US_MAX), Clock::Boot),
    }
}
