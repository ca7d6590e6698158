//! Peers' requests, answered from the store off the swarm's task.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use dronechain_chain_spec::codec;
use dronechain_chain_spec::limits::{BLOCKS_PER_MESSAGE, LOCATOR_MAX};
use dronechain_chain_spec::wire::Request;
use libp2p::PeerId;
use libp2p::request_response::ResponseChannel;
use tokio::sync::mpsc;

use super::task::Report;
use crate::core::event::Fault;
use crate::core::view::ViewError;
use crate::store::Store;

/// Why a request gets no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum ServeError {
    /// The peer asked what no node asks.
    #[error("{0}")]
    Refused(Fault),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] ViewError),
}

/// Answers one request and reports what came of it. Without an answer the channel is dropped, which
/// closes the peer's stream.
pub(super) async fn run(
    store: Arc<Store>,
    reports: mpsc::Sender<Report>,
    source: PeerId,
    bytes: Vec<u8>,
    channel: ResponseChannel<Vec<u8>>,
) {
    let work = move || answer(&store, &bytes, now_ms());
    let Ok(answered) = tokio::task::spawn_blocking(work).await else { return };
    let report = match answered {
        Ok(answer) => Report::Served { channel, answer },
        Err(ServeError::Refused(fault)) => Report::Fault { source, fault },
        Err(ServeError::Store(error)) => {
            tracing::error!(%error, "a peer's request cannot be answered");
            return;
        }
    };
    // Fails only if the node is stopping.
    let _ = reports.send(report).await;
}

fn answer(store: &Store, bytes: &[u8], now_ms: u64) -> Result<Vec<u8>, ServeError> {
    let request = parse(bytes).map_err(ServeError::Refused)?;
    Ok(codec::encode(&store.answer(&request, now_ms)?))
}

/// Decodes a request and holds its lists to their bounds.
fn parse(bytes: &[u8]) -> Result<Request, Fault> {
    let request = codec::decode(bytes).map_err(|error| Fault::Undecodable(error.to_string()))?;
    let (found, max) = match &request {
        Request::Headers { locator } => (locator.len(), LOCATOR_MAX),
        Request::Blocks { hashes } => (hashes.len(), BLOCKS_PER_MESSAGE),
        Request::Status | Request::Body { .. } => (0, 0),
    };
    if found > max {
        return Err(Fault::Undecodable(format!("{found} hashes where at most {max} are allowed")));
    }
    Ok(request)
}

/// The own clock, ms since 1970 UTC.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use dronechain_chain_spec::hash::Hash256;

    use super::*;

    #[test]
    fn requests_are_held_to_their_bounds() {
        let blocks = |len| Request::Blocks { hashes: vec![Hash256::ZERO; len] };
        let fits = blocks(BLOCKS_PER_MESSAGE);
        assert_eq!(parse(&codec::encode(&fits)), Ok(fits));
        let refused = parse(&codec::encode(&blocks(BLOCKS_PER_MESSAGE + 1)));
        assert!(matches!(refused, Err(Fault::Undecodable(_))), "{refused:?}");
        assert!(matches!(parse(&[9; 40]), Err(Fault::Undecodable(_))));
    }
}
