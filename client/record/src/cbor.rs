//! The subset of CBOR (RFC 8949) that records use, in its one deterministic form (section 4.2.1).
//!
//! Unsigned and negative integers, byte and text strings, arrays, maps, tags and null. The writer
//! knows no other form than the shortest, the reader accepts no other; so each value has one
//! encoding, and a refusal can name the byte. Own code, because these bytes are hashed and signed.

use crate::error::RecordError;

const UINT: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const NULL: u8 = 0xf6;

/// Appends items to a buffer.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn uint(&mut self, value: u64) {
        self.head(UINT, value);
    }

    pub(crate) fn int(&mut self, value: i64) {
        // -1 - n is written as n; for a negative number that is its bitwise complement.
        if value < 0 { self.head(NEGATIVE, (!value).unsigned_abs()) } else { self.uint(value.unsigned_abs()) }
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.head(BYTES, value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.head(TEXT, value.len() as u64);
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn array(&mut self, items: u64) {
        self.head(ARRAY, items);
    }

    pub(crate) fn map(&mut self, pairs: u64) {
        self.head(MAP, pairs);
    }

    pub(crate) fn tag(&mut self, tag: u64) {
        self.head(TAG, tag);
    }

    pub(crate) fn null(&mut self) {
        self.0.push(NULL);
    }

    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        let be = value.to_be_bytes();
        match value {
            0..=23 => self.0.push(major | be[7]),
            24..=0xff => self.0.extend_from_slice(&[major | 24, be[7]]),
            0x100..=0xffff => self.0.extend_from_slice(&[major | 25, be[6], be[7]]),
            0x1_0000..=0xffff_ffff => {
                self.0.push(major | 26);
                self.0.extend_from_slice(&be[4..]);
            }
            _ => {
                self.0.push(major | 27);
                self.0.extend_from_slice(&be);
            }
        }
    }
}

/// Reads items of `bytes[at..end]`; positions in errors count from the start of `bytes`.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len() }
    }

    /// Where the next item begins.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Refuses bytes behind the last item.
    pub(crate) fn finish(&self) -> Result<(), RecordError> {
        if self.at == self.end { Ok(()) } else { Err(RecordError::Trailing { at: self.at }) }
    }

    pub(crate) fn uint(&mut self, field: &'static str) -> Result<u64, RecordError> {
        self.of(UINT, field, "an unsigned integer")
    }

    pub(crate) fn int(&mut self, field: &'static str) -> Result<i64, RecordError> {
        let at = self.at;
        let wrong = RecordError::Type { field, at, expected: "a 64-bit integer" };
        let (major, value) = self.head()?;
        let value = i64::try_from(value).map_err(|_| wrong.clone())?;
        match major {
            UINT => Ok(value),
            NEGATIVE => Ok(!value),
            _ => Err(wrong),
        }
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], RecordError> {
        let at = self.at;
        let length = self.of(BYTES, field, "a byte string")?;
        self.take(length, at)
    }

    /// A byte string of exactly `N` bytes.
    pub(crate) fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
        let bytes = self.bytes(field)?;
        let length = N as u64;
        bytes.try_into().map_err(|_| RecordError::Length {
            field,
            found: bytes.len() as u64,
            min: length,
            max: length,
        })
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, RecordError> {
        let at = self.at;
        let length = self.of(TEXT, field, "a text")?;
        std::str::from_utf8(self.take(length, at)?).map_err(|_| RecordError::Type {
            field,
            at,
            expected: "a text",
        })
    }

    pub(crate) fn array(&mut self, field: &'static str) -> Result<u64, RecordError> {
        self.of(ARRAY, field, "an array")
    }

    pub(crate) fn map(&mut self, field: &'static str) -> Result<u64, RecordError> {
        self.of(MAP, field, "a map")
    }

    pub(crate) fn tag(&mut self, field: &'static str) -> Result<u64, RecordError> {
        self.of(TAG, field, "a tag")
    }

    /// Steps over a null if one comes next.
    pub(crate) fn null(&mut self) -> bool {
        let found = self.bytes[self.at..self.end].first() == Some(&NULL);
        self.at += usize::from(found);
        found
    }

    /// A reader of the items inside the byte string that comes next.
    pub(crate) fn nested(&mut self, field: &'static str) -> Result<Self, RecordError> {
        let inner = self.bytes(field)?;
        Ok(Self { bytes: self.bytes, at: self.at - inner.len(), end: self.at })
    }

    fn of(&mut self, wanted: u8, field: &'static str, expected: &'static str) -> Result<u64, RecordError> {
        let at = self.at;
        match self.head()? {
            (major, value) if major == wanted => Ok(value),
            _ => Err(RecordError::Type { field, at, expected }),
        }
    }

    /// Major type and argument; refuses longer forms than needed and indefinite lengths.
    fn head(&mut self) -> Result<(u8, u64), RecordError> {
        let at = self.at;
        let first = self.take(1, at)?[0];
        let (width, least) = match first & 31 {
            short @ 0..=23 => return Ok((first >> 5, u64::from(short))),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(RecordError::NotCanonical { at }),
        };
        let value = self.take(width, at)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        if value < least {
            return Err(RecordError::NotCanonical { at });
        }
        Ok((first >> 5, value))
    }

    /// The next `length` bytes, of the item that begins at `item`.
    fn take(&mut self, length: u64, item: usize) -> Result<&'a [u8], RecordError> {
        let ends = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length))
            .filter(|ends| *ends <= self.end)
            .ok_or(RecordError::End { at: item })?;
        let taken = &self.bytes[self.at..ends];
        self.at = ends;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_width_read_back_and_take_the_shortest_form() {
        let edges = [0, 23, 24, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, i64::MAX];
        for value in edges.into_iter().flat_map(|value| [value, !value]) {
            let mut writer = Writer::default();
            writer.int(value);
            let magnitude = if value < 0 { !value } else { value };
            let width = match magnitude {
                0..=23 => 1,
                24..=0xff => 2,
                0x100..=0xffff => 3,
                0x1_0000..=0xffff_ffff => 5,
                _ => 9,
            };
            assert_eq!(writer.0.len(), width, "{value}");
            assert_eq!(Reader::new(&writer.0).int("value"), Ok(value));
        }
    }

    #[test]
    fn longer_and_indefinite_forms_are_refused() {
        for bytes in [
            &[0x18, 23][..],
            &[0x19, 0, 0xff],
            &[0x1a, 0, 0, 0xff, 0xff],
            &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            &[0x5f, 0x41, 0, 0xff],
            &[0x1c],
        ] {
            assert_eq!(Reader::new(bytes).uint("value"), Err(RecordError::NotCanonical { at: 0 }));
        }
    }

    #[test]
    fn a_declared_length_beyond_the_end_is_refused_without_allocating() {
        let bytes = [0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Reader::new(&bytes).bytes("value"), Err(RecordError::End { at: 0 }));
    }
}
