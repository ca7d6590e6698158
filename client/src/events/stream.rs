//! One connection's events, parsed, bounded and held to their order.

use dronechain_chain_spec::hash::Hash256;
use reqwest::Response;
use tokio::time::timeout;

use super::Interest;
use super::frame::Frames;
use super::told::{Cursor, Event};
use crate::error::ClientError;
use crate::limits::{EVENT_SILENCE_MAX, EVENT_STREAM_AGE_MAX};
use crate::node::NodeClient;

/// An answer that has no end by itself.
#[derive(Debug)]
pub(super) struct EventStream {
    url: String,
    response: Response,
    frames: Frames,
    /// The block told last.
    block: Option<Hash256>,
}

impl EventStream {
    /// Connects; `expected` is the network that the node must be of.
    pub(super) async fn open(
        node: &NodeClient,
        expected: Option<Hash256>,
        Interest { senders, hashes }: &Interest,
        cursor: Option<Cursor>,
    ) -> Result<Self, ClientError> {
        if let Some(expected) = expected {
            let found = node.status().await?.chain_id;
            if found != expected {
                return Err(ClientError::WrongNetwork { expected, found });
            }
        }
        let joined = |names: Vec<String>| (!names.is_empty()).then(|| names.join(","));
        let senders = joined(senders.iter().map(ToString::to_string).collect());
        let hashes = joined(hashes.iter().map(ToString::to_string).collect());
        let after = cursor.map(|cursor| cursor.to_string());
        let query = [("after", after), ("senders", senders), ("hashes", hashes)];
        let query: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let http = node.http();
        let url = http.address("/v1/events");
        let request = http.get(&url, &query).timeout(EVENT_STREAM_AGE_MAX);
        let opened = timeout(EVENT_SILENCE_MAX, http.open(&url, request)).await;
        let response = opened.map_err(|_| ClientError::Timeout { url: url.clone() })??;
        Ok(Self { url, response, frames: Frames::default(), block: cursor.map(|cursor| cursor.block) })
    }

    /// The next event with the cursor behind it; none at the end of the stream. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Result<Option<(Cursor, Event)>, ClientError> {
        loop {
            while let Some(frame) =
                self.frames.next().map_err(|error| malformed(&self.url, &error.to_string()))?
            {
                let cursor: Cursor =
                    frame.id.parse().map_err(|_| malformed(&self.url, "an id that is no cursor"))?;
                let event = Event::parse(&frame.event, &frame.data)
                    .map_err(|error| malformed(&self.url, &error.to_string()))?;
                if let Some(event) = event {
                    self.follow(cursor, &event)?;
                    return Ok(Some((cursor, event)));
                }
            }
            let chunk = timeout(EVENT_SILENCE_MAX, self.response.chunk()).await;
            let chunk = chunk.map_err(|_| ClientError::Timeout { url: self.url.clone() })?;
            match chunk {
                Ok(Some(bytes)) => self.frames.push(&bytes),
                Ok(None) => return Ok(None),
                Err(error) => {
                    let (url, reason) = (self.url.clone(), error.to_string());
                    return Err(ClientError::Unreachable { url, reason });
                }
            }
        }
    }

    /// Holds an event to what was told before it.
    fn follow(&mut self, cursor: Cursor, event: &Event) -> Result<(), ClientError> {
        let (is_next, block) = match event {
            Event::Head(head) => (self.block.is_none_or(|block| block == head.parent), head.hash),
            Event::Reset(head) => (true, head.hash),
            Event::Reorganisation(told) => (self.block == Some(told.from), told.fork_hash),
            Event::Anchor(anchor) => (self.block == Some(anchor.block), anchor.block),
            Event::Receipt(_) => (true, self.block.unwrap_or(cursor.block)),
        };
        if !is_next || cursor.block != block {
            return Err(malformed(&self.url, "an event that does not follow the one before"));
        }
        self.block = Some(block);
        Ok(())
    }
}

fn malformed(url: &str, reason: &str) -> ClientError {
    ClientError::Malformed { url: url.to_owned(), reason: reason.to_owned() }
}
