//! `GET /readyz`: whether the node is in sync; with `?verbose` all that an operator would look at first.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use rustix::fs::Access;

use super::api::Api;
use super::error::ApiError;
use super::limits::CLOCK_MEMORY_MS;
use super::metrics::now_ms;
use crate::store;

/// One thing that was looked at.
struct Check {
    name: &'static str,
    is_good: bool,
    state: String,
}

/// `GET /readyz`
pub(super) async fn ready(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let is_verbose = query.as_deref().unwrap_or_default().split('&').any(|part| part.starts_with("verbose"));
    let is_ready = !api.tip().syncing;
    if !is_verbose {
        return if is_ready { Ok("ok".into_response()) } else { Err(ApiError::Syncing) };
    }
    let checks = api.run(|api| Ok(checks(api))).await?;
    let line = |Check { name, is_good, state }: &Check| {
        format!("[{}] {name}: {state}\n", if *is_good { '+' } else { '-' })
    };
    let mut text: String = checks.iter().map(line).collect();
    text.push_str(if is_ready { "ready\n" } else { "not ready\n" });
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, text).into_response())
}

/// Only the first decides whether the node is ready: it answers about what is in sync without the others.
fn checks(api: &Api) -> [Check; 5] {
    [synced(api), peers(api), disk(api), clock(api), writable(api)]
}

fn synced(api: &Api) -> Check {
    let tip = api.tip();
    let state = format!("height {} of {}", tip.height, tip.headers_height.max(tip.height));
    Check { name: "synced", is_good: !tip.syncing, state }
}

fn peers(api: &Api) -> Check {
    let connected = api.rpc.peers.load(Ordering::Relaxed);
    let is_alone = api.rpc.spec.nodes.len() == 1;
    Check { name: "peers", is_good: connected > 0 || is_alone, state: format!("{connected} connected") }
}

fn disk(api: &Api) -> Check {
    let store = &api.rpc.store;
    let is_good = !store.disk().is_low();
    let state = match store::free_bytes(store.path()) {
        Ok(free) => format!("{} MiB free", free >> 20),
        Err(error) => format!("the file system does not tell: {error}"),
    };
    Check { name: "disk", is_good, state }
}

fn clock(api: &Api) -> Check {
    let now_ms = now_ms();
    let ahead_ms = api.tip().time_ms.saturating_sub(now_ms);
    let difference = api.rpc.metrics.clock_difference(now_ms.saturating_sub(CLOCK_MEMORY_MS));
    let state = match difference {
        Some(difference) => format!("a peer's differs by {difference} ms: check both"),
        None if ahead_ms > 0 => format!("the tip is {ahead_ms} ms ahead of it"),
        None => "as the peers'".to_owned(),
    };
    Check { name: "clock", is_good: difference.is_none(), state }
}

fn writable(api: &Api) -> Check {
    let (is_good, state) = match rustix::fs::access(api.rpc.store.path(), Access::WRITE_OK) {
        Ok(()) => (true, "writable".to_owned()),
        Err(error) => (false, error.to_string()),
    };
    Check { name: "store", is_good, state }
}
