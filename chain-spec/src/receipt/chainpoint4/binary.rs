//! The binary form: a zlib stream of one value in MessagePack, of maps, lists and texts alone.

use std::io::Read;

use flate2::Compression;
use flate2::bufread::{ZlibDecoder, ZlibEncoder};
use rmp::{Marker, decode as read, encode as write};
use serde_json::{Map, Value};

use super::FormatError;
use super::document::{self, Document};
use crate::limits::{PROOF_BYTES_MAX, PROOF_DEPTH_MAX};

/// The document in its binary form.
pub(super) fn encode(document: &Document) -> Vec<u8> {
    let value = serde_json::to_value(document).expect("strings and lists are JSON");
    let mut packed = Vec::new();
    put(&value, &mut packed);
    let mut compressed = Vec::new();
    ZlibEncoder::new(&packed[..], Compression::best())
        .read_to_end(&mut compressed)
        .expect("memory is read without errors");
    compressed
}

/// Reads the binary form. Inflates no more than a proof may have.
pub(super) fn decode(bytes: &[u8]) -> Result<Document, FormatError> {
    let packed = inflate(bytes)?;
    let mut reader = Reader { all: &packed, left: &packed };
    let value = reader.value(0)?;
    if !reader.left.is_empty() {
        return Err(FormatError::Trailing(reader.left.len()));
    }
    document::from_value(value)
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut decoder = ZlibDecoder::new(bytes);
    let mut packed = Vec::new();
    let limit = PROOF_BYTES_MAX as u64 + 1;
    decoder
        .by_ref()
        .take(limit)
        .read_to_end(&mut packed)
        .map_err(|error| FormatError::Zlib(error.to_string()))?;
    if packed.len() > PROOF_BYTES_MAX {
        return Err(FormatError::InflatedTooLong);
    }
    let left = decoder.into_inner().len();
    if left == 0 { Ok(packed) } else { Err(FormatError::Trailing(left)) }
}

fn put(value: &Value, packed: &mut Vec<u8>) {
    const GROWS: &str = "a vector takes all that is written";
    let length = |length| u32::try_from(length).expect("a proof is small");
    match value {
        Value::Object(fields) => {
            write::write_map_len(packed, length(fields.len())).expect(GROWS);
            for (name, value) in fields {
                write::write_str(packed, name).expect(GROWS);
                put(value, packed);
            }
        }
        Value::Array(items) => {
            write::write_array_len(packed, length(items.len())).expect(GROWS);
            items.iter().for_each(|item| put(item, packed));
        }
        Value::String(text) => write::write_str(packed, text).expect(GROWS),
        Value::Null | Value::Bool(_) | Value::Number(_) => unreachable!("a proof has none"),
    }
}

struct Reader<'a> {
    all: &'a [u8],
    left: &'a [u8],
}

impl Reader<'_> {
    /// The next value, `depth` lists and maps deep. Declared lengths reserve nothing.
    fn value(&mut self, depth: usize) -> Result<Value, FormatError> {
        if depth > PROOF_DEPTH_MAX {
            return Err(FormatError::TooDeep);
        }
        let first = *self.left.first().ok_or_else(|| self.malformed())?;
        match Marker::from_u8(first) {
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => self.map(depth),
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => self.list(depth),
            _ => self.text().map(Value::String),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, FormatError> {
        let length = read::read_map_len(&mut self.left).map_err(|_| self.malformed())?;
        let mut fields = Map::new();
        for _ in 0..length {
            let name = self.text()?;
            let value = self.value(depth + 1)?;
            if fields.contains_key(&name) {
                return Err(FormatError::RepeatedField(name));
            }
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }

    fn list(&mut self, depth: usize) -> Result<Value, FormatError> {
        let length = read::read_array_len(&mut self.left).map_err(|_| self.malformed())?;
        (0..length).map(|_| self.value(depth + 1)).collect()
    }

    fn text(&mut self) -> Result<String, FormatError> {
        let length = read::read_str_len(&mut self.left).map_err(|_| self.malformed())?;
        let (text, left) = self.left.split_at_checked(length as usize).ok_or_else(|| self.malformed())?;
        let text = std::str::from_utf8(text).map_err(|_| self.malformed())?.to_owned();
        self.left = left;
        Ok(text)
    }

    fn malformed(&self) -> FormatError {
        FormatError::MessagePack(self.all.len() - self.left.len())
    }
}
