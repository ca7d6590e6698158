//! Randomness of a simulated flight: seeded, bounded, the same on every machine.

/// SplitMix64: a counter through a mixing function. Enough for noise, never for keys.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in 0 to 1.
    pub(super) fn unit(&mut self) -> f64 {
        let upper = u32::try_from(self.next() >> 32).expect("32 bits are left");
        f64::from(upper) / f64::from(u32::MAX)
    }

    /// Nearly normal with deviation 1, never beyond 6: twelve uniform numbers minus their mean.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// An error that wanders slowly and stays small, as a receiver's does.
#[derive(Debug)]
pub(super) struct Drift {
    value: f64,
    limit: f64,
    step: f64,
}

impl Drift {
    /// Stays within `limit`, moves by about `step` a time.
    pub(super) fn new(limit: f64, step: f64) -> Self {
        Self { value: 0.0, limit, step }
    }

    pub(super) fn next(&mut self, random: &mut Random) -> f64 {
        let pulled = self.value * 0.998 + self.step * random.normal();
        self.value = pulled.clamp(-self.limit, self.limit);
        self.value
    }
}
