//! Pauses between tries that get longer while nothing works.

use std::time::Duration;

use crate::limits::{PAUSE_MAX, PAUSE_MIN};

/// The next pause; doubles up to [`PAUSE_MAX`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause(Duration);

impl Pause {
    pub(crate) fn new() -> Self {
        Self(PAUSE_MIN)
    }

    /// Something worked: begin small again.
    pub(crate) fn reset(&mut self) {
        self.0 = PAUSE_MIN;
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSE_MAX);
    }
}
