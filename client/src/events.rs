//! What happens on the active chain, as nodes tell it: a stream that survives its connections.
//!
//! A break is followed by a new connection behind the last event taken, at the next node where there are
//! several. Heads are held to their order: each is the child of the one before, unless a reorganisation or a
//! reset came between. What a node tells is not verified otherwise; see [`crate::LightClient`] and receipts.

mod frame;
mod stream;
mod told;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;

use crate::error::ClientError;
use crate::node::NodeClient;
use crate::pause::Pause;

use stream::EventStream;
pub use told::{
    AnchorEvent, Cursor, CursorError, Event, HeadEvent, Place, ReceiptEvent, ReceiptState, Reorganisation,
};

/// What is told besides heads and reorganisations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// Whose anchors; at most 64.
    pub senders: Vec<PublicKey>,
    /// Whose receipts; at most 256.
    pub hashes: Vec<Hash256>,
}

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    nodes: Vec<NodeClient>,
    /// Index of the node that is asked.
    at: usize,
    expected: Option<Hash256>,
    interest: Interest,
    cursor: Option<Cursor>,
    stream: Option<EventStream>,
    /// Whether the stream told anything.
    has_told: bool,
    /// Nodes in a row that refused.
    refusals: usize,
    pause: Pause,
}

impl Events {
    /// Events behind `cursor`, or from the tip on. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`] when there is no node.
    pub fn new(
        nodes: Vec<NodeClient>,
        interest: Interest,
        cursor: Option<Cursor>,
    ) -> Result<Self, ClientError> {
        if nodes.is_empty() {
            return Err(ClientError::BadUrl { url: String::new(), reason: "no node is configured".into() });
        }
        let (expected, stream, pause) = (None, None, Pause::new());
        Ok(Self { nodes, at: 0, expected, interest, cursor, stream, has_told: false, refusals: 0, pause })
    }

    /// The same from nodes of the network `chain_id` only.
    #[must_use]
    pub fn of_network(self, chain_id: Hash256) -> Self {
        Self { expected: Some(chain_id), ..self }
    }

    /// Behind the last event taken: where to begin after a restart.
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// The next event; waits for it, and for a node that tells it. May be dropped while it waits.
    ///
    /// # Errors
    /// A refusal that no other try and no other node would change.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            match self.attempt().await {
                Ok(Some(event)) => {
                    self.pause.reset();
                    (self.has_told, self.refusals) = (true, 0);
                    return Ok(event);
                }
                // A node that ends a stream in order takes the next one, unless it told nothing.
                Ok(None) => {
                    self.stream = None;
                    if !std::mem::take(&mut self.has_told) {
                        self.at = (self.at + 1) % self.nodes.len();
                    }
                }
                // What one node refuses another may not.
                Err(error) if is_final(&error) && self.refusals + 1 >= self.nodes.len() => {
                    self.refusals = 0;
                    return Err(error);
                }
                Err(error) if is_final(&error) => {
                    self.refusals += 1;
                    self.stream = None;
                    self.at = (self.at + 1) % self.nodes.len();
                    continue;
                }
                Err(error) => {
                    tracing::debug!(%error, "the events go on at the next node");
                    self.stream = None;
                    self.at = (self.at + 1) % self.nodes.len();
                }
            }
            self.pause.wait().await;
        }
    }

    /// None where the stream ended.
    async fn attempt(&mut self) -> Result<Option<Event>, ClientError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let node = &self.nodes[self.at];
                let opened = EventStream::open(node, self.expected, &self.interest, self.cursor).await?;
                self.stream.insert(opened)
            }
        };
        let Some((cursor, event)) = stream.next().await? else { return Ok(None) };
        self.cursor = Some(cursor);
        Ok(Some(event))
    }
}

/// Whether the request itself is at fault.
fn is_final(error: &ClientError) -> bool {
    match error {
        ClientError::Refused { .. } => !error.is_retryable(),
        ClientError::BadUrl { .. } => true,
        ClientError::Unreachable { .. }
        | ClientError::Timeout { .. }
        | ClientError::WrongNetwork { .. }
        | ClientError::Malformed { .. }
        | ClientError::TooLong { .. } => false,
    }
}
