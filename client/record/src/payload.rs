//! The payload of a record: a map of thirteen fields, all present, keys ascending.
//!
//! | key | field | item |
//! |---|---|---|
//! | 1 | version | 1 |
//! | 2 | kind | 0 data, 1 command, 2 access, 3 closing |
//! | 3 | subject | 32 bytes |
//! | 4 | attested_by | 0 device, 1 gateway |
//! | 5 | sequence | unsigned |
//! | 6 | previous | 32 bytes |
//! | 7 | known_block | 32 bytes |
//! | 8 | time | unsigned, microseconds |
//! | 9 | clock | 0 utc-gps, 1 utc-host, 2 boot, 3 simulated |
//! | 10 | location | `[0, reason]`, `[1, lat, lon, altitude / null, accuracy / null]` or `[2, sealed...]` |
//! | 11 | content type | text |
//! | 12 | salt | 16 bytes |
//! | 13 | body | `[0, bytes]`, `[1, count]` or `[2, sealed...]` |
//!
//! `sealed...` stands for key commitment (32 bytes), nonce (24 bytes), ciphertext. FORMAT.md has the
//! same as CDDL with a worked example.

use dronechain_chain_spec::hash::Hash256;

use crate::cbor::{Reader, Writer};
use crate::error::RecordError;
use crate::limits::OVERHEAD_BYTES_MAX;
use crate::location::{Fix, Location, NoLocation};
use crate::record::{Attestation, Body, Clock, Kind, Record, Sealed};

const VERSION: u64 = 1;
const FIELDS: u64 = 13;

const NO_LOCATION: u64 = 0;
const FIX: u64 = 1;
const CLEAR: u64 = 0;
const CLOSING: u64 = 1;
const SEALED: u64 = 2;

/// The deterministic encoding of `record`.
pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let body_bytes = match &record.body {
        Body::Clear(bytes) => bytes.len(),
        Body::Sealed(sealed) => sealed.ciphertext.len(),
        Body::Closing { .. } => 0,
    };
    let mut writer = Writer::with_capacity(OVERHEAD_BYTES_MAX + body_bytes);
    let w = &mut writer;
    w.map(FIELDS);
    put(w, 1, |w| w.uint(VERSION));
    put(w, 2, |w| w.uint(record.kind.code()));
    put(w, 3, |w| w.bytes(&record.subject.0));
    put(w, 4, |w| w.uint(record.attested_by.code()));
    put(w, 5, |w| w.uint(record.sequence));
    put(w, 6, |w| w.bytes(&record.previous.0));
    put(w, 7, |w| w.bytes(&record.known_block.0));
    put(w, 8, |w| w.uint(record.time_us));
    put(w, 9, |w| w.uint(record.clock.code()));
    put(w, 10, |w| put_location(w, &record.location));
    put(w, 11, |w| w.text(&record.content_type));
    put(w, 12, |w| w.bytes(&record.salt));
    put(w, 13, |w| put_body(w, &record.body));
    writer.0
}

/// Reads a payload to its end. The rules between fields are [`Record::check`]'s.
pub(crate) fn decode(mut reader: Reader<'_>) -> Result<Record, RecordError> {
    let r = &mut reader;
    let found = r.map("payload")?;
    if found != FIELDS {
        return Err(RecordError::FieldCount { found, expected: FIELDS });
    }
    key(r, 1)?;
    match r.uint("version")? {
        VERSION => {}
        found => return Err(RecordError::Version { found }),
    }
    key(r, 2)?;
    let kind = Kind::from_code(r.uint("kind")?)?;
    key(r, 3)?;
    let subject = Hash256(r.fixed("subject")?);
    key(r, 4)?;
    let attested_by = Attestation::from_code(r.uint("attested_by")?)?;
    key(r, 5)?;
    let sequence = r.uint("sequence")?;
    key(r, 6)?;
    let previous = Hash256(r.fixed("previous")?);
    key(r, 7)?;
    let known_block = Hash256(r.fixed("known_block")?);
    key(r, 8)?;
    let time_us = r.uint("time")?;
    key(r, 9)?;
    let clock = Clock::from_code(r.uint("clock")?)?;
    key(r, 10)?;
    let location = location(r)?;
    key(r, 11)?;
    let content_type = r.text("content type")?.to_owned();
    key(r, 12)?;
    let salt = r.fixed("salt")?;
    key(r, 13)?;
    let body = body(r)?;
    r.finish()?;
    Ok(Record {
        kind,
        subject,
        attested_by,
        sequence,
        previous,
        known_block,
        time_us,
        clock,
        location,
        content_type,
        salt,
        body,
    })
}

fn put(writer: &mut Writer, key: u64, value: impl FnOnce(&mut Writer)) {
    writer.uint(key);
    value(writer);
}

fn put_location(w: &mut Writer, location: &Location) {
    match location {
        Location::None(reason) => {
            w.array(2);
            w.uint(NO_LOCATION);
            w.uint(reason.code());
        }
        Location::Fix(fix) => {
            w.array(5);
            w.uint(FIX);
            w.int(fix.lat_e7.into());
            w.int(fix.lon_e7.into());
            put_optional(w, fix.altitude_mm.map(i64::from));
            put_optional(w, fix.accuracy_mm.map(i64::from));
        }
        Location::Sealed(sealed) => put_sealed(w, sealed),
    }
}

fn put_body(w: &mut Writer, body: &Body) {
    match body {
        Body::Clear(bytes) => {
            w.array(2);
            w.uint(CLEAR);
            w.bytes(bytes);
        }
        Body::Closing { count } => {
            w.array(2);
            w.uint(CLOSING);
            w.uint(*count);
        }
        Body::Sealed(sealed) => put_sealed(w, sealed),
    }
}

fn put_sealed(w: &mut Writer, sealed: &Sealed) {
    w.array(4);
    w.uint(SEALED);
    w.bytes(&sealed.key_commitment.0);
    w.bytes(&sealed.nonce);
    w.bytes(&sealed.ciphertext);
}

fn put_optional(w: &mut Writer, value: Option<i64>) {
    match value {
        Some(value) => w.int(value),
        None => w.null(),
    }
}

fn key(r: &mut Reader<'_>, expected: u64) -> Result<(), RecordError> {
    let at = r.at();
    match r.uint("field key")? {
        found if found == expected => Ok(()),
        found => Err(RecordError::FieldOrder { at, expected, found }),
    }
}

fn location(r: &mut Reader<'_>) -> Result<Location, RecordError> {
    const FIELD: &str = "location";
    let items = r.array(FIELD)?;
    match r.uint(FIELD)? {
        NO_LOCATION => {
            expect_items(FIELD, items, 2)?;
            Ok(Location::None(NoLocation::from_code(r.uint(FIELD)?)?))
        }
        FIX => {
            expect_items(FIELD, items, 5)?;
            Ok(Location::Fix(Fix {
                lat_e7: narrow("latitude", r.int("latitude")?)?,
                lon_e7: narrow("longitude", r.int("longitude")?)?,
                altitude_mm: optional(r, "altitude")?,
                accuracy_mm: optional(r, "accuracy")?,
            }))
        }
        SEALED => Ok(Location::Sealed(sealed(r, FIELD, items)?)),
        found => Err(RecordError::Code { field: FIELD, found }),
    }
}

fn body(r: &mut Reader<'_>) -> Result<Body, RecordError> {
    const FIELD: &str = "body";
    let items = r.array(FIELD)?;
    match r.uint(FIELD)? {
        CLEAR => {
            expect_items(FIELD, items, 2)?;
            Ok(Body::Clear(r.bytes(FIELD)?.to_vec()))
        }
        CLOSING => {
            expect_items(FIELD, items, 2)?;
            Ok(Body::Closing { count: r.uint("count")? })
        }
        SEALED => Ok(Body::Sealed(sealed(r, FIELD, items)?)),
        found => Err(RecordError::Code { field: FIELD, found }),
    }
}

fn sealed(r: &mut Reader<'_>, field: &'static str, items: u64) -> Result<Sealed, RecordError> {
    expect_items(field, items, 4)?;
    Ok(Sealed {
        key_commitment: Hash256(r.fixed("key commitment")?),
        nonce: r.fixed("nonce")?,
        ciphertext: r.bytes("ciphertext")?.to_vec(),
    })
}

fn optional<T: Bounded>(r: &mut Reader<'_>, field: &'static str) -> Result<Option<T>, RecordError> {
    if r.null() { Ok(None) } else { narrow(field, r.int(field)?).map(Some) }
}

fn expect_items(field: &'static str, found: u64, wanted: u64) -> Result<(), RecordError> {
    if found == wanted {
        return Ok(());
    }
    Err(RecordError::Length { field, found, min: wanted, max: wanted })
}

/// An integer type with its range, for the error that names it.
trait Bounded: TryFrom<i64> {
    const MIN: i128;
    const MAX: i128;
}

impl Bounded for i32 {
    const MIN: i128 = i32::MIN as i128;
    const MAX: i128 = i32::MAX as i128;
}

impl Bounded for u32 {
    const MIN: i128 = 0;
    const MAX: i128 = u32::MAX as i128;
}

fn narrow<T: Bounded>(field: &'static str, found: i64) -> Result<T, RecordError> {
    T::try_from(found).map_err(|_| RecordError::Range {
        field,
        found: found.into(),
        min: T::MIN,
        max: T::MAX,
    })
}
