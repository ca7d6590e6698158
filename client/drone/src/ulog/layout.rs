//! Where the few fields that are read stand in a data message.
//!
//! A format is the text `name:type field;type[n] field;...`; a type may be another format. Sizes are
//! computed once per type and never expanded, so a hostile definition costs no more than its text.

use std::collections::BTreeMap;

use dronechain_record::Fix;

use crate::fix::{FIX_3D, plausible, scaled};
use crate::limits::NESTING_MAX;

/// Each message begins with its subscription's id.
const ID_BYTES: usize = 2;

/// The formats that a log defines.
#[derive(Default)]
pub(super) struct Formats<'a> {
    fields: BTreeMap<&'a str, Vec<Field<'a>>>,
    /// Sizes found so far; `None` for types that have none, and while one is being computed.
    sizes: BTreeMap<&'a str, Option<usize>>,
}

#[derive(Clone, Copy)]
struct Field<'a> {
    kind: &'a str,
    count: usize,
    name: &'a str,
}

/// Offsets of what is read from a receiver's message.
#[derive(Debug)]
pub(super) struct GpsLayout {
    boot_us: usize,
    utc_us: Option<usize>,
    fix_type: usize,
    position: PositionLayout,
    accuracy: Option<usize>,
}

/// Latitude, longitude, altitude: i32 in 1e-7 degrees and mm, since PX4 1.14 f64 in degrees and m.
#[derive(Debug)]
enum PositionLayout {
    Whole([usize; 3]),
    Double([usize; 3]),
}

/// What a receiver said once.
pub(super) struct Sample {
    pub(super) boot_us: u64,
    pub(super) utc_us: Option<u64>,
    /// `None` without a fix in three dimensions.
    pub(super) fix: Option<Fix>,
}

impl<'a> Formats<'a> {
    /// Adds a definition. One that cannot be read leaves its topic without annotations.
    pub(super) fn add(&mut self, text: &'a [u8]) {
        let text = std::str::from_utf8(text).unwrap_or_default();
        let Some((name, fields)) = text.split_once(':') else { return };
        let fields = fields.split(';').filter(|field| !field.is_empty()).map(Field::parse);
        if let Some(fields) = fields.collect() {
            self.fields.entry(name).or_insert(fields);
        }
    }

    /// Offset in the message's payload of a field with this type at the top of a format.
    pub(super) fn field(&mut self, format: &str, name: &str, kind: &str) -> Option<usize> {
        let Self { fields, sizes } = self;
        let mut offset = ID_BYTES;
        for field in fields.get(format)? {
            if field.name == name {
                return (field.kind == kind && field.count == 1).then_some(offset);
            }
            offset = offset.checked_add(field.bytes(fields, sizes, 0)?)?;
        }
        None
    }
}

impl<'a> Field<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (kind, name) = text.split_once(' ')?;
        let Some((kind, count)) = kind.split_once('[') else {
            return Some(Self { kind, count: 1, name });
        };
        Some(Self { kind, count: count.strip_suffix(']')?.parse().ok()?, name })
    }

    fn bytes(
        &self,
        fields: &BTreeMap<&'a str, Vec<Field<'a>>>,
        sizes: &mut BTreeMap<&'a str, Option<usize>>,
        depth: usize,
    ) -> Option<usize> {
        let one = match primitive(self.kind) {
            Some(bytes) => bytes,
            None if depth == NESTING_MAX => return None,
            None => match sizes.get(self.kind) {
                Some(known) => (*known)?,
                None => {
                    // A type that contains itself meets this and has no size.
                    sizes.insert(self.kind, None);
                    let inner = fields.get(self.kind)?.iter();
                    let bytes = inner
                        .map(|field| field.bytes(fields, sizes, depth + 1))
                        .try_fold(0_usize, |sum, bytes| sum.checked_add(bytes?))?;
                    sizes.insert(self.kind, Some(bytes));
                    bytes
                }
            },
        };
        one.checked_mul(self.count)
    }
}

impl PositionLayout {
    fn of(formats: &mut Formats<'_>, format: &str) -> Option<Self> {
        let mut all = |names: [&str; 3], kind| {
            let [lat, lon, alt] = names.map(|name| formats.field(format, name, kind));
            Some([lat?, lon?, alt?])
        };
        let double = all(["latitude_deg", "longitude_deg", "altitude_msl_m"], "double");
        double.map(Self::Double).or_else(|| all(["lat", "lon", "alt"], "int32_t").map(Self::Whole))
    }
}

impl GpsLayout {
    /// `None` if a field that must be there is not, or has another type.
    pub(super) fn of(formats: &mut Formats<'_>, format: &str) -> Option<Self> {
        let position = PositionLayout::of(formats, format)?;
        let mut at = |name, kind| formats.field(format, name, kind);
        Some(Self {
            boot_us: at("timestamp", "uint64_t")?,
            utc_us: at("time_utc_usec", "uint64_t"),
            fix_type: at("fix_type", "uint8_t")?,
            position,
            accuracy: at("eph", "float"),
        })
    }

    /// `None` if the message is shorter than its format.
    pub(super) fn sample(&self, payload: &[u8]) -> Option<Sample> {
        let fixed = *payload.get(self.fix_type)? >= FIX_3D;
        Some(Sample {
            boot_us: u64_at(payload, self.boot_us)?,
            utc_us: self.utc_us.and_then(|at| u64_at(payload, at)),
            fix: if fixed { self.fix(payload).and_then(plausible) } else { None },
        })
    }

    fn fix(&self, payload: &[u8]) -> Option<Fix> {
        let accuracy_mm = self.accuracy.and_then(|at| array_at(payload, at)).map(f32::from_le_bytes);
        let accuracy_mm = accuracy_mm.and_then(|metres| scaled(f64::from(metres), 1e3));
        let (lat_e7, lon_e7, altitude_mm) = match self.position {
            PositionLayout::Whole(offsets) => {
                let [lat, lon, alt] = offsets.map(|at| array_at(payload, at).map(i32::from_le_bytes));
                (lat?, lon?, alt)
            }
            PositionLayout::Double(offsets) => {
                let [lat, lon, alt] = offsets.map(|at| array_at(payload, at).map(f64::from_le_bytes));
                (scaled(lat?, 1e7)?, scaled(lon?, 1e7)?, alt.and_then(|metres| scaled(metres, 1e3)))
            }
        };
        Some(Fix { lat_e7, lon_e7, altitude_mm, accuracy_mm })
    }
}

/// Bytes of a type that is no format.
fn primitive(kind: &str) -> Option<usize> {
    match kind {
        "int8_t" | "uint8_t" | "bool" | "char" => Some(1),
        "int16_t" | "uint16_t" => Some(2),
        "int32_t" | "uint32_t" | "float" => Some(4),
        "int64_t" | "uint64_t" | "double" => Some(8),
        _ => None,
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
