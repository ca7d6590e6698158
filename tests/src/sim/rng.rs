//! Seeded randomness: xoshiro256** from splitmix64. No float functions of the platform's, so that a
//! seed replays on any machine.

/// A generator of its own for each part that draws, so that a change of one leaves the others' draws.
#[derive(Debug, Clone)]
pub(super) struct Rng([u64; 4]);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        Self([(); 4].map(|()| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    pub(super) fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        u64::try_from((u128::from(self.bits()) * u128::from(end)) >> 64).expect("below a u64")
    }

    /// From `low` to `high`, both included.
    pub(super) fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// An index below `len`, which is not 0.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a usize")
    }

    /// True `percent` times of a hundred.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which are not empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.index(end + 1));
        }
    }

    pub(super) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.bits().to_le_bytes());
        }
        bytes
    }

    /// From 0 to 1, 1 left out.
    fn unit(&mut self) -> f64 {
        // 53 bits are exact in a double.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An exponential waiting time of this mean, rounded up; by von Neumann's comparisons.
    pub(super) fn wait(&mut self, mean: f64) -> u64 {
        let mut whole = 0.0;
        loop {
            let first = self.unit();
            let (mut last, mut run) = (first, 1);
            loop {
                let next = self.unit();
                if next >= last {
                    break;
                }
                (last, run) = (next, run + 1);
            }
            if run % 2 == 1 {
                return ceil((whole + first) * mean);
            }
            whole += 1.0;
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "waits are not negative")]
fn ceil(wait: f64) -> u64 {
    wait.min(1e15) as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_have_the_mean_and_spread_of_an_exponential() {
        let mut rng = Rng::new(7);
        let waits: Vec<_> = (0..20_000).map(|_| rng.wait(1_000.0) as f64).collect();
        let mean = waits.iter().sum::<f64>() / 20_000.0;
        assert!((980.0..1_020.0).contains(&mean), "{mean}");
        let long = waits.iter().filter(|wait| **wait > 3_000.0).count();
        assert!((880..1_110).contains(&long), "e^-3 of 20,000 are 996, found {long}");
    }

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let draw = |seed| (0..9).map(|_| Rng::new(seed).bits()).collect::<Vec<_>>();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
