//! Several nodes with failover: calls go to one node until it fails, then to the next.

use std::sync::atomic::{AtomicUsize, Ordering};

use dronechain_client::{ClientError, NodeClient};

/// The nodes of the configuration, one of which is asked at a time.
#[derive(Debug)]
pub struct Nodes {
    clients: Vec<NodeClient>,
    current: AtomicUsize,
}

impl Nodes {
    /// The nodes at `urls`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`]; also when there is no address at all.
    pub fn new(urls: &[String]) -> Result<Self, ClientError> {
        let clients = urls.iter().map(|url| NodeClient::new(url)).collect::<Result<Vec<_>, _>>()?;
        if clients.is_empty() {
            return Err(ClientError::BadUrl { url: String::new(), reason: "no node is configured".into() });
        }
        Ok(Self { clients, current: AtomicUsize::new(0) })
    }

    /// The node that is asked at the moment.
    pub fn current(&self) -> NodeClient {
        self.clients[self.current.load(Ordering::Relaxed) % self.clients.len()].clone()
    }

    /// Leaves the current node for the next one: what it says does not hold.
    pub fn pass_over(&self) {
        self.current.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks the current node, and after a failure that is the node's each other one once.
    ///
    /// # Errors
    /// The last error, or a refusal at once.
    pub async fn ask<T, F>(&self, call: impl Fn(NodeClient) -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut tries = self.clients.len();
        loop {
            let at = self.current.load(Ordering::Relaxed);
            let node = self.clients[at % self.clients.len()].clone();
            let error = match call(node).await {
                Err(error) if is_the_nodes(&error) => error,
                answer => return answer,
            };
            // Whoever failed at the same node may have moved on already.
            let next = at.wrapping_add(1);
            let _ = self.current.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
            tries -= 1;
            if tries == 0 {
                return Err(error);
            }
            tracing::debug!(%error, "asking the next node");
        }
    }
}

/// Whether another node may answer better.
fn is_the_nodes(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. }
        | ClientError::Timeout { .. }
        | ClientError::WrongNetwork { .. }
        | ClientError::Malformed { .. }
        | ClientError::TooLong { .. } => true,
        ClientError::Refused { .. } => error.is_retryable(),
        // The enum may grow; an address that is none stays none.
        _ => false,
    }
}
