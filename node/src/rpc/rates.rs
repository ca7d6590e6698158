//! How often one identity may ask: the address that it asks from, and the key that signed what it submits.
//!
//! Both are off unless configured. What counts as one address is what one customer usually has: all of IPv4, the first half of
//! IPv6. A key is charged once its signature holds, so that nobody uses up another's share.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::{Sender, Transaction};

use super::api::Api;
use super::error::ApiError;
use super::limits::{RATE_BURST, RATED_MAX};
use crate::explorer::refuse;

/// How often one identity may ask; 0 is as often as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests of an address a second; of JSON-RPC, calls.
    pub requests_per_s: u32,
    /// Submissions of a key a second.
    pub submissions_per_s: u32,
}

/// Who asks, as far as its address tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Client([u8; 8]);

impl Client {
    pub(super) fn of(address: IpAddr) -> Self {
        let bytes = match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                // No prefix of IPv6: those that begin so are reserved.
                [0, 0, 0, 0, a, b, c, d]
            }
            IpAddr::V6(address) => *address.octets().first_chunk().expect("it has 16"),
        };
        Self(bytes)
    }
}

/// The shares of all identities.
#[derive(Debug)]
pub(super) struct Rates {
    requests: Rate<Client>,
    submissions: Rate<PublicKey>,
}

impl Rates {
    pub(super) fn new(Limits { requests_per_s, submissions_per_s }: Limits) -> Self {
        Self { requests: Rate::new(requests_per_s), submissions: Rate::new(submissions_per_s) }
    }

    /// Charges `client` with a request; one whose address is not known is none that came over a connection.
    pub(super) fn request(&self, client: Option<&Client>) -> Result<(), ApiError> {
        client.map_or(Ok(()), |client| self.requests.take(*client, Instant::now()))
    }

    /// Charges the sender of `transaction`, whose signature holds. The admins are several, and seldom.
    pub(super) fn submission(&self, transaction: &Transaction) -> Result<(), ApiError> {
        match transaction.body.sender {
            Sender::Admins => Ok(()),
            Sender::Key(key) => self.submissions.take(key, Instant::now()),
        }
    }

    /// Requests and submissions that were refused.
    pub(super) fn refused(&self) -> [(&'static str, u64); 2] {
        let count = |refused: &AtomicU64| refused.load(Ordering::Relaxed);
        [("address", count(&self.requests.refused)), ("key", count(&self.submissions.refused))]
    }
}

/// One kind of identity: for each the moment at which its share is whole again, by the generic cell rate algorithm. One whose
/// moment has passed is as one that never asked, and is forgotten.
#[derive(Debug)]
struct Rate<K> {
    /// Between two requests at the rate; none: there is no limit.
    interval: Option<Duration>,
    whole: Mutex<HashMap<K, Instant>>,
    refused: AtomicU64,
}

impl<K: Eq + Hash> Rate<K> {
    fn new(per_s: u32) -> Self {
        let interval = (per_s > 0).then(|| Duration::from_secs(1) / per_s);
        Self { interval, whole: Mutex::default(), refused: AtomicU64::new(0) }
    }

    fn take(&self, identity: K, now: Instant) -> Result<(), ApiError> {
        let Some(interval) = self.interval else { return Ok(()) };
        // Nothing panics while it is held.
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if whole.len() >= RATED_MAX && !whole.contains_key(&identity) {
            whole.retain(|_, at| *at > now);
        }
        let known = whole.get(&identity).copied().unwrap_or(now).max(now);
        let next = known + interval;
        let wait = next.saturating_duration_since(now + RATE_BURST.max(interval));
        // So many at once are more than a node serves anyway.
        let is_crowd = whole.len() >= RATED_MAX && !whole.contains_key(&identity);
        if wait.is_zero() && !is_crowd {
            whole.insert(identity, next);
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(ApiError::TooOften { wait: wait.max(interval) })
    }
}

/// Paths that are asked by who watches the node, or come with each page; JSON-RPC charges each call.
fn is_free(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/metrics" | "/rpc") || path.starts_with("/assets/")
}

/// Before every request.
pub(super) async fn limit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let charged =
        if is_free(request.uri().path()) { Ok(()) } else { api.rates.request(request.extensions().get()) };
    match charged {
        Ok(()) => next.run(request).await,
        Err(error) => refuse(&api, request.headers(), error).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_has_its_burst_and_then_its_rate_and_others_have_theirs() {
        let (rate, start) = (Rate::new(10), Instant::now());
        let burst = 10 * RATE_BURST.as_secs();
        for _ in 0..burst {
            rate.take(1, start).expect("within the burst");
        }
        let Err(ApiError::TooOften { wait }) = rate.take(1, start) else { panic!("the burst is used up") };
        assert_eq!(wait, Duration::from_millis(100));
        rate.take(2, start).expect("another's share");
        rate.take(1, start + wait).expect("after the wait");
        rate.take(1, start + wait).expect_err("one for each wait");
        assert_eq!(rate.refused.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn identities_are_forgotten_once_their_share_is_whole_and_never_more_than_fit() {
        let (rate, start) = (Rate::new(1), Instant::now());
        for identity in 0..RATED_MAX {
            rate.take(identity, start).expect("its first");
        }
        rate.take(RATED_MAX, start).expect_err("a crowd");
        rate.take(RATED_MAX, start + Duration::from_secs(2)).expect("they are whole again");
        assert_eq!(rate.whole.lock().expect("a lock").len(), 1);
    }

    #[test]
    fn addresses_of_one_network_are_one_and_no_limit_is_none() {
        let client = |text: &str| Client::of(text.parse().expect("an address"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
        let rate = Rate::new(0);
        (0..10_000).for_each(|_| rate.take(1, Instant::now()).expect("no limit"));
    }
}
