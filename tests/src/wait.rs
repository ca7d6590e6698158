//! Waiting for something to become true, with an end.

use std::time::{Duration, Instant};

/// The longest that anything is waited for.
pub const LONG: Duration = Duration::from_secs(90);

/// Asks `attempt` until it gives something; panics with `what` after [`LONG`].
pub async fn until<T>(what: &str, attempt: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(LONG, what, attempt).await
}

/// The same with another end.
pub async fn until_within<T>(limit: Duration, what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(start.elapsed() < limit, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
