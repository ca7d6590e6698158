//! Targets of the proof of work, their compact form, and the work they stand for.
//!
//! A block hash, read as a big-endian number in the order in which it prints, must not be above its
//! target. Headers carry targets in Bitcoin's compact form, of which one spelling per value is
//! accepted (SPEC.md, "Compact bits").

use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use ruint::aliases::U256;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hash::{Hash256, hex_newtype};

/// A target in compact form: one byte of size in bytes, then 23 bits of mantissa under a sign bit.
///
/// Means `mantissa x 256^(size - 3)`. Not known to be valid until [`Target::from_bits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Bits(pub u32);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// Why compact bits are no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitsError {
    /// The sign bit is set.
    #[error("bits {0} are negative")]
    Negative(Bits),
    /// The value is 0.
    #[error("bits {0} are zero")]
    Zero(Bits),
    /// The value does not fit in 256 bits.
    #[error("bits {0} overflow")]
    Overflow(Bits),
    /// The value has another compact form.
    #[error("bits {found} should be written {canonical}")]
    NotCanonical {
        /// Bits found.
        found: Bits,
        /// What [`Target::to_bits`] gives for the value.
        canonical: Bits,
    },
}

const SIGN: u32 = 0x0080_0000;

/// The largest number that a block hash may be; from 1 to 2^256 - 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(pub(crate) U256);

impl Target {
    /// 1, which no hash will ever meet.
    pub const MIN: Self = Self(U256::ONE);
    /// 2^256 - 1, which every hash meets; has no exact compact form.
    pub const MAX: Self = Self(U256::MAX);

    /// The target that `bits` stands for, if they are its canonical compact form.
    pub fn from_bits(bits: Bits) -> Result<Self, BitsError> {
        if bits.0 & SIGN != 0 {
            return Err(BitsError::Negative(bits));
        }
        let size = bits.0 >> 24;
        let mantissa = bits.0 & (SIGN - 1);
        let value = if size <= 3 {
            U256::from(mantissa >> (8 * (3 - size)))
        } else if mantissa == 0 {
            U256::ZERO
        } else {
            let shift = 8 * (size - 3);
            if mantissa.ilog2() + 1 + shift > 256 {
                return Err(BitsError::Overflow(bits));
            }
            U256::from(mantissa) << shift
        };
        if value == U256::ZERO {
            return Err(BitsError::Zero(bits));
        }
        let canonical = Self(value).to_bits();
        if canonical != bits {
            return Err(BitsError::NotCanonical { found: bits, canonical });
        }
        Ok(Self(value))
    }

    /// The compact form, rounded down to its 15 to 23 bits of precision.
    pub fn to_bits(self) -> Bits {
        let bytes = self.0.byte_len();
        let top = if bytes <= 3 { self.0 << (8 * (3 - bytes)) } else { self.0 >> (8 * (bytes - 3)) };
        let mantissa: u32 = top.to();
        let size = u32::try_from(bytes).expect("256 bits are 32 bytes");
        if mantissa & SIGN == 0 {
            Bits(size << 24 | mantissa)
        } else {
            Bits((size + 1) << 24 | mantissa >> 8)
        }
    }

    /// The target of 32 big-endian bytes, unless they are all 0.
    pub fn from_be_bytes(bytes: [u8; 32]) -> Option<Self> {
        let value = U256::from_be_bytes(bytes);
        (value != U256::ZERO).then_some(Self(value))
    }

    /// 32 big-endian bytes.
    pub const fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }

    /// Whether `hash`, as a big-endian number, is at most this target.
    pub fn is_met_by(&self, hash: &Hash256) -> bool {
        U256::from_be_bytes(hash.0) <= self.0
    }

    /// How many hashes it takes on average to meet this target: `floor(2^256 / (target + 1))`.
    pub fn work(&self) -> Work {
        let Some(divisor) = self.0.checked_add(U256::ONE) else {
            return Work::of(U256::ONE);
        };
        // 2^256 / d = (2^256 - d) / d + 1, and 2^256 - d = 2^256 - 1 - target.
        Work::of(!self.0 / divisor + U256::ONE)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_be_bytes()))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// An amount of work, in hashes: 256 bits, kept as big-endian bytes, whose order is the numbers'.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Work([u8; 32]);

hex_newtype!(Work, 32);

impl Work {
    /// No work.
    pub const ZERO: Self = Self([0; 32]);

    /// The work of 32 big-endian bytes.
    pub const fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// 32 big-endian bytes.
    pub const fn to_be_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The sum, or `None` from 2^256 on.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.number().checked_add(other.number()).map(Self::of)
    }

    /// The sum, at most 2^256 - 1.
    pub fn saturating_add(self, other: Self) -> Self {
        Self::of(self.number().saturating_add(other.number()))
    }

    const fn of(number: U256) -> Self {
        Self(number.to_be_bytes())
    }

    const fn number(self) -> U256 {
        U256::from_be_bytes(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_bits_read_and_write_back() {
        for bits in
            [0x0101_0000, 0x0200_8000, 0x0300_8000, 0x0312_3456, 0x1d00_ffff, 0x207f_ffff, 0x2100_ffff]
        {
            let target = Target::from_bits(Bits(bits)).expect("canonical");
            assert_eq!(target.to_bits(), Bits(bits));
        }
        let difficulty_1 = Target::from_bits(Bits(0x1d00_ffff)).expect("canonical");
        assert_eq!(difficulty_1.to_string(), format!("00000000ffff{}", "0".repeat(52)));
        assert_eq!(Target::MIN.to_bits(), Bits(0x0101_0000));
        assert_eq!(Target::MAX.to_bits(), Bits(0x2100_ffff));
    }

    #[test]
    fn any_other_bits_are_refused_by_name() {
        let refused = |bits| Target::from_bits(Bits(bits)).expect_err("refused");
        for bits in [0x0180_0001, 0x1d80_ffff, 0x2080_0000, 0xff80_0000] {
            assert_eq!(refused(bits), BitsError::Negative(Bits(bits)));
        }
        for bits in [0, 0x007f_ffff, 0x0100_1234, 0x0200_0012, 0x0300_0000, 0x1d00_0000, 0xff00_0000] {
            assert_eq!(refused(bits), BitsError::Zero(Bits(bits)));
        }
        for bits in [0x2101_0000, 0x2200_0100, 0x2300_0001, 0xff00_0001, 0xff7f_ffff] {
            assert_eq!(refused(bits), BitsError::Overflow(Bits(bits)));
        }
        for (found, canonical) in [
            (0x1e00_00ff, 0x1d00_ff00),
            (0x2200_00ff, 0x2100_ff00),
            (0x0101_2345, 0x0101_0000),
            (0x0201_2345, 0x0201_2300),
            (0x0400_0001, 0x0201_0000),
        ] {
            let (found, canonical) = (Bits(found), Bits(canonical));
            assert_eq!(Target::from_bits(found), Err(BitsError::NotCanonical { found, canonical }));
        }
    }

    #[test]
    fn rounding_to_bits_is_downwards_and_stable() {
        for shift in 0..256 {
            let target = Target(U256::MAX >> shift);
            let rounded = Target::from_bits(target.to_bits()).expect("what to_bits gives is canonical");
            assert!(rounded <= target && rounded.0 >= target.0 - (target.0 >> 15));
            assert_eq!(rounded.to_bits(), target.to_bits());
        }
    }

    #[test]
    fn hash_meets_target_up_to_equality() {
        let target = Target::from_bits(Bits(0x2001_0000)).expect("canonical");
        let mut hash = Hash256(target.to_be_bytes());
        assert!(target.is_met_by(&hash) && target.is_met_by(&Hash256::ZERO));
        hash.0[31] = 1;
        assert!(!target.is_met_by(&hash) && Target::MAX.is_met_by(&hash));
        assert_eq!(Target::from_be_bytes([0; 32]), None);
        assert_eq!(Target::from_be_bytes(target.to_be_bytes()), Some(target));
    }

    #[test]
    fn work_is_the_mean_number_of_hashes() {
        let work = Work::of;
        assert_eq!(Target::MAX.work(), work(U256::ONE));
        assert_eq!(Target(U256::MAX - U256::ONE).work(), work(U256::ONE));
        assert_eq!(Target(U256::MAX >> 1).work(), work(U256::from(2)));
        assert_eq!(Target(U256::from(2)).work(), work(U256::MAX / U256::from(3)));
        assert_eq!(Target::MIN.work(), work(U256::ONE << 255));
        let difficulty_1 = Target::from_bits(Bits(0x1d00_ffff)).expect("canonical");
        assert_eq!(difficulty_1.work(), work(U256::from(0x1_0001_0001_u64)));
    }

    #[test]
    fn work_adds_orders_and_prints() {
        let (one, max) = (Target::MAX.work(), Work::from_be_bytes([0xff; 32]));
        assert_eq!(one.checked_add(one), Some(Work::of(U256::from(2))));
        assert_eq!((max.checked_add(one), max.saturating_add(one)), (None, max));
        assert!(Work::ZERO < one && one < Work::of(U256::from(256)) && Target::MIN.work() < max);
        assert_eq!(max.to_string().parse(), Ok(max));
        assert_eq!(serde_json::to_string(&one).expect("serializes"), format!("\"{:064x}\"", 1));
        assert_eq!(serde_json::to_string(&Bits(7)).expect("serializes"), "7");
        assert_eq!(Bits(0x0101_0000).to_string(), "0x01010000");
    }
}
