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
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSE_MAX);
    }
}
