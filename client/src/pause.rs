//! Pauses between tries that get longer while nothing works.

use std::time::Duration;

use crate::limits::{PAUSE_MAX, PAUSE_MIN};

/// The next pause; doubles up to [`PAUSE_MAX`].
#[derive(Debug, Clone, Copy)]
pub struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(PAUSE_MIN)
    }
}

impl Pause {
    /// The shortest pause.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something worked: begin small again.
    pub fn reset(&mut self) {
        self.0 = PAUSE_MIN;
    }

    /// Waits; the next pause is longer.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.take()).await;
    }

    /// How long to wait now, between half the pause and all of it: callers that failed together do not come back
    /// together. The next pause is longer.
    pub fn take(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(PAUSE_MAX);
        let mut random = [0; 4];
        // Without randomness the whole pause is as good as any.
        let part = getrandom::fill(&mut random).map_or(u32::MAX, |()| u32::from_le_bytes(random));
        pause / 2 + (pause / 2).mul_f64(f64::from(part) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_vary() {
        let mut pause = Pause::new();
        for round in 0..20 {
            let whole = (PAUSE_MIN * 2_u32.pow(round.min(10))).min(PAUSE_MAX);
            let taken = pause.take();
            assert!(taken >= whole / 2 && taken <= whole, "{taken:?} of {whole:?}");
        }
        let several: std::collections::BTreeSet<_> = (0..8).map(|_| Pause(PAUSE_MAX).take()).collect();
        assert!(several.len() > 1);
    }
}
