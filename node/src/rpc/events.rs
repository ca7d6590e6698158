//! Server-sent events: what happens on the active chain, from any block on.
//!
//! A stream has a position, a block and how far it was told, and walks from there along the active chain;
//! nothing about it is kept between connections. A reader that is too slow is cut and comes back with its
//! cursor.

mod cursor;
mod message;
mod receipts;
mod walk;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};

use self::cursor::Cursor;
use self::message::Message;
use self::walk::Walk;
use super::api::Api;
use super::error::ApiError;
use super::limits::{EVENT_HASHES_MAX, EVENT_KEEP_ALIVE, EVENT_SENDERS_MAX, EVENT_WAIT, EVENTS_AHEAD_MAX};
use super::params::{Params, at_most};

/// Ends the connection that a request came in by, whatever is still to be sent on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut(pub(super) Arc<Notify>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    after: Option<String>,
    senders: Option<String>,
    hashes: Option<String>,
}

/// `GET /v1/events`
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    Extension(cut): Extension<Cut>,
    Params(Query { after, senders, hashes }): Params<Query>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match headers.get("last-event-id") {
        Some(id) => Some(id.to_str().map_err(|_| ApiError::Query("Last-Event-ID: no text".into()))?.into()),
        None => after,
    };
    let after = after.map(|text: String| parsed::<Cursor>("cursor", &text)).transpose()?;
    let senders = listed("senders", senders.as_deref(), EVENT_SENDERS_MAX)?;
    let hashes = listed("hashes", hashes.as_deref(), EVENT_HASHES_MAX)?;
    let permit = Arc::clone(&api.event_streams).try_acquire_owned().map_err(|_| ApiError::StreamsFull)?;
    let start = move |api: &Api| Walk::start(&api.rpc.store, senders, hashes, after);
    let walk = Arc::clone(&api).run(start).await?;
    let (out, told) = mpsc::channel(EVENTS_AHEAD_MAX);
    tokio::spawn(tell(api, walk, out, cut, permit));
    let events = stream::unfold(told, async |mut told: mpsc::Receiver<Message>| {
        let message = told.recv().await?;
        Some((Ok::<_, Infallible>(message.to_event()), told))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(EVENT_KEEP_ALIVE)).into_response())
}

fn parsed<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error| ApiError::Query(format!("{name}: {error}")))
}

/// What a list names, each once, separated by commas.
fn listed<T: FromStr<Err: Display> + Ord>(
    name: &'static str,
    list: Option<&str>,
    max: u64,
) -> Result<BTreeSet<T>, ApiError> {
    let Some(list) = list else { return Ok(BTreeSet::new()) };
    at_most(name, list.split(',').count() as u64, max)?;
    list.split(',').map(|text| parsed(name, text)).collect()
}

/// Tells until the reader leaves, is too slow, or the server stops.
async fn tell(
    api: Arc<Api>,
    mut walk: Walk,
    out: mpsc::Sender<Message>,
    cut: Cut,
    _permit: OwnedSemaphorePermit,
) {
    let mut tip = api.rpc.tip.clone();
    let mut stopped = api.stopped.clone();
    loop {
        // Before the store is read: what comes after it is heard.
        tip.borrow_and_update();
        let read = Arc::clone(&api).run(move |api| {
            let page = walk.advance(api)?;
            Ok((walk, page))
        });
        let page = match read.await {
            Ok((at, page)) => {
                walk = at;
                page
            }
            Err(error) => {
                tracing::error!(%error, "a stream of events ends");
                return;
            }
        };
        for message in page.messages {
            let sent = tokio::select! {
                sent = out.send_timeout(message, EVENT_WAIT) => sent,
                _ = stopped.wait_for(|stopped| *stopped) => return,
            };
            match sent {
                Ok(()) => {}
                Err(SendTimeoutError::Closed(_)) => return,
                Err(SendTimeoutError::Timeout(_)) => {
                    tracing::debug!("a reader of events is too slow");
                    cut.0.notify_one();
                    return;
                }
            }
        }
        if !page.is_last {
            continue;
        }
        tokio::select! {
            changed = tip.changed() => if changed.is_err() { return },
            () = out.closed() => return,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}
