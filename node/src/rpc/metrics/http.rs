//! Requests and submissions, counted.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use super::Page;
use super::family::Family;
use crate::rpc::api::Api;
use crate::rpc::error::ApiError;

/// Upper ends of the histogram's buckets, in seconds; the last is endless.
const BUCKETS_S: [f64; 12] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// What is counted for paths that are none of ours.
const OTHER: &str = "other";

/// What becomes of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rpc) enum Outcome {
    /// Durable here, not in a block yet.
    Pending,
    /// In a block already.
    Included,
    /// A rule refuses it, or it is malformed.
    Refused,
    /// Not now.
    Unavailable,
    /// The node failed.
    Failed,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Pending, Self::Included, Self::Refused, Self::Unavailable, Self::Failed];

    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Included => "included",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }

    /// Of a refusal with this status.
    pub(in crate::rpc) fn refused(status: StatusCode) -> Self {
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            Self::Unavailable
        } else if status.is_server_error() {
            Self::Failed
        } else {
            Self::Refused
        }
    }
}

/// Requests to one path.
#[derive(Debug, Default)]
struct Calls {
    /// By class of status: 1 to 5.
    classes: BTreeMap<u16, u64>,
    /// In each bucket alone; the last has what is beyond all.
    buckets: [u64; BUCKETS_S.len() + 1],
    total: Duration,
}

impl Calls {
    fn add(&mut self, status: StatusCode, took: Duration) {
        *self.classes.entry(status.as_u16() / 100).or_default() += 1;
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS_S.iter().position(|end| seconds <= *end).unwrap_or(BUCKETS_S.len());
        self.buckets[bucket] += 1;
        self.total += took;
    }
}

/// Writes how often each was called, and how long that took.
fn write_calls<N: Display>(
    page: &mut Page,
    (count, took): (Family, Family),
    label: &str,
    calls: &BTreeMap<N, Calls>,
) {
    page.head(count);
    for (name, call) in calls {
        for (class, calls) in &call.classes {
            page.row(count, "", &format!("{{{label}=\"{name}\",class=\"{class}xx\"}}"), calls);
        }
    }
    page.head(took);
    for (name, call) in calls {
        let mut below = 0;
        for (at, calls) in call.buckets.iter().enumerate() {
            below += calls;
            let end = BUCKETS_S.get(at).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
            page.row(took, "_bucket", &format!("{{{label}=\"{name}\",le=\"{end}\"}}"), below);
        }
        let labels = format!("{{{label}=\"{name}\"}}");
        page.row(took, "_sum", &labels, call.total.as_secs_f64());
        page.row(took, "_count", &labels, below);
    }
}

/// All that HTTP counts.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Traffic {
    /// By the path of a route, of which there are few.
    calls: Mutex<BTreeMap<String, Calls>>,
    /// By the method of JSON-RPC.
    methods: Mutex<BTreeMap<&'static str, Calls>>,
    submissions: Mutex<BTreeMap<Outcome, u64>>,
}

/// Counts a request.
pub(in crate::rpc) async fn observe(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let path = path.as_ref().map_or(OTHER, MatchedPath::as_str);
    api.traffic.answered(path, response.status(), begun.elapsed());
    response
}

impl Traffic {
    fn answered(&self, path: &str, status: StatusCode, took: Duration) {
        let mut calls = locked(&self.calls);
        if !calls.contains_key(path) {
            calls.insert(path.to_owned(), Calls::default());
        }
        if let Some(call) = calls.get_mut(path) {
            call.add(status, took);
        }
    }

    /// Counts a call of JSON-RPC.
    pub(in crate::rpc) fn called<T>(
        &self,
        method: &'static str,
        result: &Result<T, ApiError>,
        took: Duration,
    ) {
        let status = result.as_ref().map_or_else(ApiError::status, |_| StatusCode::OK);
        locked(&self.methods).entry(method).or_default().add(status, took);
    }

    /// Counts a submission.
    pub(in crate::rpc) fn submitted(&self, outcome: Outcome) {
        *locked(&self.submissions).entry(outcome).or_default() += 1;
    }

    pub(super) fn write(&self, page: &mut Page) {
        write_calls(page, (Family::HttpRequests, Family::HttpSeconds), "call", &locked(&self.calls));
        write_calls(page, (Family::RpcCalls, Family::RpcSeconds), "method", &locked(&self.methods));
        page.head(Family::Submissions);
        let submissions = locked(&self.submissions);
        for outcome in Outcome::ALL {
            let count = submissions.get(&outcome).copied().unwrap_or(0);
            page.row(Family::Submissions, "", &format!("{{outcome=\"{}\"}}", outcome.name()), count);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in between leaves a count that is off by one at worst.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
