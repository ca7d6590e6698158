//! Messages of a PX4 log as they stand in the file: u16 size (little-endian), u8 type, payload.

use std::ops::Range;

/// Size and type.
const HEAD_BYTES: usize = 3;

/// One message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    /// Where it begins in the file.
    pub(super) at: usize,
    /// Its type, an ASCII letter.
    pub(super) kind: u8,
    /// The whole message.
    pub(super) bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    pub(super) fn payload(&self) -> &'a [u8] {
        &self.bytes[HEAD_BYTES..]
    }
}

/// The whole messages of a section; stops before one that is cut.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8], section: Range<usize>) -> Self {
        Self { bytes: &bytes[..section.end], at: section.start }
    }

    /// Whether the section ended with a whole message.
    pub(super) fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The message that is cut: where it begins, the bytes that it needs, the bytes that are there.
    pub(super) fn cut(&self) -> (usize, usize, usize) {
        let rest = &self.bytes[self.at..];
        (self.at, needed(rest), rest.len())
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let rest = &self.bytes[self.at..];
        let bytes = rest.get(..needed(rest))?;
        let frame = Frame { at: self.at, kind: bytes[2], bytes };
        self.at += bytes.len();
        Some(frame)
    }
}

/// Bytes of the message that `rest` begins with; at least its head.
fn needed(rest: &[u8]) -> usize {
    match rest {
        [low, high, _, ..] => HEAD_BYTES + usize::from(u16::from_le_bytes([*low, *high])),
        _ => HEAD_BYTES,
    }
}
