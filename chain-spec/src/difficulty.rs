//! Which target a block must meet (SPEC.md, "Difficulty").
//!
//! An exponential rule in integers only: the kernel of `aserti3-2d` with its parameters left open,
//! and the rule of the network, which applies it to a block's parent. Block times go into the rule
//! as differences, so where the chain stands in time does not matter.

use ruint::Uint;

use crate::limits;
use crate::target::{Bits, Target};

/// Holds a target times a factor of at most 2^17.
type U320 = Uint<320, 5>;

/// One in the fixed point of exponent and factor: 16 bits of fraction.
const ONE: i128 = 1 << 16;

/// The parameters of the kernel. Both times, and the time differences given to
/// [`target`](Self::target), are in one unit, whichever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asert {
    /// The time that a block should take.
    pub block_time: i64,
    /// The lag that doubles the target, or lead that halves it; below 1 counts as 1.
    pub half_life: i64,
    /// The easiest target there is.
    pub limit: Target,
}

impl Asert {
    /// `reference x 2^((time_diff - block_time x (height_diff + 1)) / half_life)`, at least 1 and at
    /// most `limit`.
    ///
    /// The exponent is cut toward zero to a multiple of 2^-16. With `n` its floor and `f / 2^16` the
    /// rest, the power of two is `2^n x (1 + (195766423245049 f + 971821376 f^2 + 5127 f^3 + 2^47) / 2^64)`,
    /// the fraction again cut to 16 bits. Defined for every input.
    pub fn target(&self, reference: Target, time_diff: i64, height_diff: i64) -> Target {
        let exponent = self.exponent(time_diff, height_diff);
        // floor(reference x factor x 2^n / 2^16): the one shift comes last, so nothing is lost before.
        let product = U320::from(reference.0) * U320::from(factor(exponent.rem_euclid(ONE)));
        let shift = exponent.div_euclid(ONE) - 16;
        let distance = usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX);
        let next = if shift <= 0 {
            product >> distance
        } else if product.bit_len() + distance <= U320::BITS {
            product << distance
        } else {
            return self.limit;
        };
        if next == U320::ZERO {
            Target::MIN
        } else if next > U320::from(self.limit.0) {
            self.limit
        } else {
            Target(next.to())
        }
    }

    /// The exponent in units of 2^-16, cut toward zero. Cut to +-1024 as well, which is beyond either
    /// bound of the target whatever the reference.
    fn exponent(&self, time_diff: i64, height_diff: i64) -> i128 {
        let half_life = i128::from(self.half_life.max(1));
        // At most 2^126 + 2^64 in size.
        let lag = i128::from(time_diff) - i128::from(self.block_time) * (i128::from(height_diff) + 1);
        // Whole half-lives and the rest apart: both have the sign of the lag, so this cuts as one division.
        (lag / half_life).clamp(-1024, 1024) * ONE + lag % half_life * ONE / half_life
    }
}

/// `2^(fraction / 2^16)` in 16 bits of fixed point, for a fraction from 0 to 2^16 - 1.
fn factor(fraction: i128) -> u128 {
    let f = fraction.unsigned_abs();
    let cubic = 195_766_423_245_049 * f + 971_821_376 * f * f + 5_127 * f * f * f + (1 << 47);
    ONE.unsigned_abs() + (cubic >> 48)
}

/// The bits of a block: `parent x 2^((t - T) / (20 T))`, where `parent` is its parent's target, T the
/// block time and t the parent's time minus the grandparent's, counted as at most 12 T.
///
/// Times are in ms. The cap keeps a network that was off overnight from answering with a storm of
/// blocks. Height 1 has no such t; it takes the chain spec's bits.
pub fn next_bits(parent: Target, solve_time_ms: u64, block_time_ms: u64, limit: Target) -> Bits {
    let capped = solve_time_ms.min(block_time_ms.saturating_mul(limits::SOLVE_TIME_CAP));
    let kernel = Asert {
        block_time: signed(block_time_ms),
        half_life: signed(block_time_ms.saturating_mul(limits::HALF_LIFE)),
        limit,
    };
    kernel.target(parent, signed(capped), 0).to_bits()
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
