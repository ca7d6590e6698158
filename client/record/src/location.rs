//! Where a record was made, or why that is not said.

use serde::Serialize;

use crate::error::RecordError;
use crate::limits::{LAT_E7_MAX, LON_E7_MAX, SEALED_LOCATION_BYTES_MAX};
use crate::record::{Sealed, codes};

/// The location of a record. A missing position is said with its reason, never as 0, 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Location {
    /// No position, and why.
    None(NoLocation),
    /// A position in the clear.
    Fix(Fix),
    /// A position that readers with the key can open.
    Sealed(Sealed),
}

/// A position on the Earth (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// Latitude in 1e-7 degrees, north positive.
    pub lat_e7: i32,
    /// Longitude in 1e-7 degrees, east positive.
    pub lon_e7: i32,
    /// Altitude above mean sea level, in millimetres.
    pub altitude_mm: Option<i32>,
    /// Horizontal accuracy as the receiver claims it, in millimetres.
    pub accuracy_mm: Option<u32>,
}

codes! {
    /// Why a record has no position.
    NoLocation, "location reason" {
        /// A receiver is there but has no fix.
        NoFix = 0, "no-fix";
        /// The position stands in the body, but was not understood.
        NotDecoded = 1, "not-decoded";
        /// The device has no receiver, or its log names none.
        NoReceiver = 2, "no-receiver";
        /// The position is known and not given.
        Withheld = 3, "withheld";
    }
}

impl Location {
    pub(crate) fn check(&self) -> Result<(), RecordError> {
        match self {
            Self::None(_) => Ok(()),
            Self::Fix(fix) => {
                within("latitude", fix.lat_e7, LAT_E7_MAX)?;
                within("longitude", fix.lon_e7, LON_E7_MAX)
            }
            Self::Sealed(sealed) => sealed.check("sealed location", SEALED_LOCATION_BYTES_MAX),
        }
    }
}

fn within(field: &'static str, found: i32, max: i32) -> Result<(), RecordError> {
    if (-max..=max).contains(&found) {
        return Ok(());
    }
    Err(RecordError::Range { field, found: found.into(), min: (-max).into(), max: max.into() })
}
