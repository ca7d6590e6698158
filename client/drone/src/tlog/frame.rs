//! MAVLink frames in a telemetry log (<https://mavlink.io/en/guide/serialization.html>).

use mavlink::consts::v2::{IFLAG_SIGNED, IFLAG_SYSID32, SIGNATURE_SIZE, SYSID32_EXTRA_HEADER_SIZE};
use mavlink::dialects::common::MavMessage;
use mavlink::{MavlinkVersion, Message, calculate_crc};

use crate::fault::Fault;

const TIME_BYTES: usize = 8;
const STX_V1: u8 = 0xfe;
const STX_V2: u8 = 0xfd;
const HEADER_V1: usize = 6;
const HEADER_V2: usize = 10;
const CHECKSUM_BYTES: usize = 2;

/// One frame and the time before it.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// Time and frame, as they stand in the file.
    pub(super) bytes: &'a [u8],
    pub(super) time_us: u64,
    pub(super) version: MavlinkVersion,
    pub(super) system: u32,
    pub(super) id: u32,
    pub(super) payload: &'a [u8],
    /// What the checksum covers.
    covered: &'a [u8],
    crc: u16,
}

/// Whether a frame is what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksum {
    Holds,
    Wrong,
    /// The message is of another dialect: its checksum needs a byte that only that dialect knows.
    Unknown,
}

/// The whole frames of a log; stops before one that is cut, and where none begins.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The parts of a frame by length.
struct Shape {
    header: usize,
    payload: usize,
    signature: usize,
}

/// Whether a file begins as a telemetry log.
pub(crate) fn has_frame(bytes: &[u8]) -> bool {
    matches!(bytes.get(TIME_BYTES), Some(&(STX_V1 | STX_V2)))
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Why the frames ended before the file did, if they did; `messages` were read.
    pub(super) fn finish(&self, messages: u64) -> Result<(), Fault> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Ok(());
        }
        if rest.len() > TIME_BYTES && !has_frame(rest) {
            return Err(Fault::foreign(self.bytes, self.at + TIME_BYTES, "a MAVLink frame (fe or fd)"));
        }
        Err(Fault::Truncated { at: self.at, needed: needed(rest), found: rest.len(), messages })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let rest = &self.bytes[self.at..];
        let (time, frame) = rest.split_first_chunk::<TIME_BYTES>()?;
        let shape = Shape::of(frame)?;
        let bytes = rest.get(..TIME_BYTES + shape.bytes())?;
        self.at += bytes.len();
        Some(shape.cut_up(bytes, u64::from_be_bytes(*time)))
    }
}

impl Frame<'_> {
    pub(super) fn checksum(&self) -> Checksum {
        // Unknown ids have extra byte 0, and so do a few known ones; only the list of ids tells.
        if MavMessage::default_message_from_id(self.id).is_none() {
            return Checksum::Unknown;
        }
        let holds = calculate_crc(self.covered, MavMessage::extra_crc(self.id)) == self.crc;
        if holds { Checksum::Holds } else { Checksum::Wrong }
    }
}

impl Shape {
    /// `None` while the bytes do not tell.
    fn of(frame: &[u8]) -> Option<Self> {
        match *frame {
            [STX_V1, payload, ..] => Some(Self { header: HEADER_V1, payload: payload.into(), signature: 0 }),
            [STX_V2, payload, flags, ..] => {
                let set = |flag, bytes| if flags & flag == 0 { 0 } else { bytes };
                Some(Self {
                    header: HEADER_V2 + set(IFLAG_SYSID32, SYSID32_EXTRA_HEADER_SIZE),
                    payload: payload.into(),
                    signature: set(IFLAG_SIGNED, SIGNATURE_SIZE),
                })
            }
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        self.header + self.payload + CHECKSUM_BYTES + self.signature
    }

    /// `bytes` is the time and a frame of this shape.
    fn cut_up<'a>(&self, bytes: &'a [u8], time_us: u64) -> Frame<'a> {
        let frame = &bytes[TIME_BYTES..];
        let (header, rest) = frame.split_at(self.header);
        let (payload, rest) = rest.split_at(self.payload);
        let little = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
        let (version, system, id) = match self.header {
            HEADER_V1 => (MavlinkVersion::V1, u32::from(header[3]), u32::from(header[5])),
            _ => {
                let (before_id, id) = header.split_at(self.header - 3);
                // Behind STX, length, two flags and sequence: the system, then one component byte.
                (MavlinkVersion::V2, little(&before_id[5..before_id.len() - 1]), little(id))
            }
        };
        Frame {
            bytes,
            time_us,
            version,
            system,
            id,
            payload,
            covered: &frame[1..self.header + self.payload],
            crc: u16::from_le_bytes([rest[0], rest[1]]),
        }
    }
}

/// Bytes that the message which `rest` begins with needs; a lower bound while its head is cut.
fn needed(rest: &[u8]) -> usize {
    let shape = rest.get(TIME_BYTES..).and_then(Shape::of);
    TIME_BYTES + shape.map_or(HEADER_V1 + CHECKSUM_BYTES, |shape| shape.bytes())
}
