//! Server-sent events: what happens on the active chain, from any block on.
//!
//! A stream has a position, a block and how far it was told, and walks from there along the active chain;
//! nothing about it is kept between connections. A reader that is too slow is cut and comes back with its
//! cursor.

mod cursor;
mod message;
mod receipts;
mod walk;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use futures::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};

pub(super) use self::message::{Message, Told};
use self::walk::Walk;
use super::api::Api;
use super::call::from_query;
use super::error::ApiError;
use super::limits::{EVENT_HASHES_MAX, EVENT_KEEP_ALIVE, EVENT_SENDERS_MAX, EVENT_WAIT, EVENTS_AHEAD_MAX};
use super::params::{Listed, at_most};

/// Ends the connection that a request came in by, whatever is still to be sent on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut(pub(super) Arc<Notify>);

/// What a stream follows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Follow {
    /// The cursor of the event told last. Without it a stream begins with the tip.
    after: Option<String>,
    /// Keys whose anchors are told, at most 64.
    #[serde(default)]
    senders: Listed<PublicKey>,
    /// Hashes of records whose receipts are told, at most 256.
    #[serde(default)]
    hashes: Listed<Hash256>,
}

/// A stream that may begin.
pub(super) struct Stream {
    walk: Walk,
    permit: OwnedSemaphorePermit,
}

/// `GET /v1/events`
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    Extension(cut): Extension<Cut>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut follow: Follow = from_query(query.as_deref().unwrap_or_default())?;
    if let Some(id) = headers.get("last-event-id") {
        let id = id.to_str().map_err(|_| ApiError::Query("Last-Event-ID: no text".into()))?;
        follow.after = Some(id.to_owned());
    }
    let stream = start(&api, follow).await?;
    let told = spawn(api, stream, move || cut.0.notify_one());
    let events = stream::unfold(told, async |mut told: mpsc::Receiver<Message>| {
        let message = told.recv().await?;
        Some((Ok::<_, Infallible>(message.to_event()), told))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(EVENT_KEEP_ALIVE)).into_response())
}

/// Finds where a stream begins, if there is room for one.
pub(super) async fn start(api: &Arc<Api>, follow: Follow) -> Result<Stream, ApiError> {
    let Follow { after, senders, hashes } = follow;
    let parsed = |text: String| text.parse().map_err(|error| ApiError::Query(format!("cursor: {error}")));
    let after = after.map(parsed).transpose()?;
    at_most("senders", senders.0.len() as u64, EVENT_SENDERS_MAX)?;
    at_most("hashes", hashes.0.len() as u64, EVENT_HASHES_MAX)?;
    let permit = Arc::clone(&api.event_streams).try_acquire_owned().map_err(|_| ApiError::StreamsFull)?;
    let (senders, hashes) = (senders.0.into_iter().collect(), hashes.0.into_iter().collect());
    let walk = Arc::clone(api).run(move |api| Walk::start(&api.rpc.store, senders, hashes, after)).await?;
    Ok(Stream { walk, permit })
}

/// Tells a stream; `cut` is called when its reader is too slow.
pub(super) fn spawn(
    api: Arc<Api>,
    stream: Stream,
    cut: impl FnOnce() + Send + 'static,
) -> mpsc::Receiver<Message> {
    let (out, told) = mpsc::channel(EVENTS_AHEAD_MAX);
    tokio::spawn(tell(api, stream.walk, out, cut, stream.permit));
    told
}

/// What the stream's route is in OpenAPI.
pub(super) fn openapi(paths: &mut Map<String, Value>, refused: &Value) {
    let list = |name: &str, what: &str| {
        json!({ "name": name, "in": "query", "required": false, "description": what, "style": "form", "explode": false,
            "schema": { "type": "array", "items": { "type": "string", "pattern": "^[0-9a-f]{64}$" } } })
    };
    let cursor = json!({ "name": "after", "in": "query", "required": false, "schema": { "type": "string" },
        "description": "The id of the event told last." });
    let stream = json!({ "description": "Server-sent events.",
        "content": { "text/event-stream": { "schema": { "type": "string" } } } });
    paths.insert(
        "/v1/events".to_owned(),
        json!({ "get": {
            "operationId": "events.stream",
            "summary": "What happens on the active chain, from any block on; never ends by itself.",
            "tags": ["events"],
            "parameters": [cursor, list("senders", "Keys whose anchors are told."),
                list("hashes", "Hashes of records whose receipts are told.")],
            "responses": { "200": stream, "default": refused },
        } }),
    );
}

/// Tells until the reader leaves, is too slow, or the server stops.
async fn tell(
    api: Arc<Api>,
    mut walk: Walk,
    out: mpsc::Sender<Message>,
    cut: impl FnOnce(),
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
                    cut();
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
