//! Several nodes with failover: calls go to one node until it fails, then to the next.
//!
//! A node of another network is never asked for anything but its name.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dronechain_chain_spec::hash::Hash256;

use crate::error::ClientError;
use crate::node::{NodeClient, Roots};

#[derive(Debug)]
struct Member {
    client: NodeClient,
    /// Whether it said to be of the network that is wanted, since it was last out of reach.
    is_checked: AtomicBool,
}

/// The nodes of the configuration, one of which is asked at a time.
#[derive(Debug)]
pub struct Nodes {
    members: Vec<Member>,
    current: AtomicUsize,
    expected: Option<Hash256>,
}

impl Nodes {
    /// The nodes at `urls`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`]; also when there is no address at all.
    pub fn new(urls: &[String]) -> Result<Self, ClientError> {
        Self::trusting(urls, &Roots::system())
    }

    /// As [`Nodes::new`], with others that vouch for their certificates.
    ///
    /// # Errors
    /// As [`Nodes::new`].
    pub fn trusting(urls: &[String], roots: &Roots) -> Result<Self, ClientError> {
        let member = |url: &String| {
            let client = NodeClient::trusting(url, roots)?;
            Ok(Member { client, is_checked: AtomicBool::new(false) })
        };
        let members = urls.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        if members.is_empty() {
            return Err(ClientError::BadUrl { url: String::new(), reason: "no node is configured".into() });
        }
        Ok(Self { members, current: AtomicUsize::new(0), expected: None })
    }

    /// The same nodes, as far as they are of the network `chain_id`: others are passed over.
    #[must_use]
    pub fn of_network(self, chain_id: Hash256) -> Self {
        Self { expected: Some(chain_id), ..self }
    }

    /// The node that is asked at the moment.
    pub fn current(&self) -> NodeClient {
        self.members[self.current.load(Ordering::Relaxed) % self.members.len()].client.clone()
    }

    /// Every node, in the order of the configuration.
    pub fn each(&self) -> impl Iterator<Item = &NodeClient> {
        self.members.iter().map(|member| &member.client)
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
        let mut tries = self.members.len();
        loop {
            let at = self.current.load(Ordering::Relaxed);
            let member = &self.members[at % self.members.len()];
            let answer = match self.check(member).await {
                Ok(()) => call(member.client.clone()).await,
                Err(error) => Err(error),
            };
            let error = match answer {
                Err(error) if is_the_nodes(&error) => error,
                answer => return answer,
            };
            member.is_checked.store(false, Ordering::Relaxed);
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

    /// Every node that is of the network that is wanted, or does not say so at the moment, in the order of the
    /// configuration.
    pub(crate) async fn of_this_network(&self) -> Vec<NodeClient> {
        let mut found = Vec::with_capacity(self.members.len());
        for member in &self.members {
            if !matches!(self.check(member).await, Err(ClientError::WrongNetwork { .. })) {
                found.push(member.client.clone());
            }
        }
        found
    }

    /// As [`Nodes::ask`], but a refusal that does not settle the matter is one node's word: each other one is asked
    /// too. What most of all refuse by a rule is refused; else, if none takes it, what may be tried again counts for more
    /// than what may not.
    pub(crate) async fn ask_until<T, F>(
        &self,
        call: impl Fn(NodeClient) -> F,
        settles: impl Fn(&ClientError) -> bool,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let start = self.current.load(Ordering::Relaxed);
        let (mut kept, mut refused): (Option<ClientError>, usize) = (None, 0);
        for step in 0..self.members.len() {
            let at = start.wrapping_add(step);
            let member = &self.members[at % self.members.len()];
            let answer = match self.check(member).await {
                Ok(()) => call(member.client.clone()).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => {
                    self.current.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) if settles(&error) => return Err(error),
                Err(error) => {
                    tracing::debug!(node = member.client.url(), %error, "asking the next node");
                    if !matches!(error, ClientError::Refused { .. }) {
                        member.is_checked.store(false, Ordering::Relaxed);
                    }
                    // A refusal without a rule of the ledger says nothing about the ledger.
                    let is_word = |error: &ClientError| error.rule().is_some();
                    refused += usize::from(is_word(&error));
                    if refused > self.members.len() / 2 {
                        return Err(error);
                    }
                    if kept.as_ref().is_none_or(|kept| is_word(kept) && !is_word(&error)) {
                        kept = Some(error);
                    }
                }
            }
        }
        // The next time begins with another.
        let _ =
            self.current.compare_exchange(start, start.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
        Err(kept.expect("there is a node"))
    }

    async fn check(&self, member: &Member) -> Result<(), ClientError> {
        let Some(expected) = self.expected.filter(|_| !member.is_checked.load(Ordering::Relaxed)) else {
            return Ok(());
        };
        let found = member.client.status().await?.chain_id;
        if found != expected {
            return Err(ClientError::WrongNetwork { expected, found });
        }
        member.is_checked.store(true, Ordering::Relaxed);
        Ok(())
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
        ClientError::BadUrl { .. } => false,
    }
}
