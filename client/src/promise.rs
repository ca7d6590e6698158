//! Evidence against nodes that broke a promise: gathered at any node, checked against the own header chain.

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec::{self, Canonical as _};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::link::Shown;
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::promise::{
    Authority, BrokenPromise, BrokenPromiseError, Previous, Promise, PromiseError, SignedPromise,
};
use dronechain_chain_spec::transaction::{Sender, Transaction};
use tokio::sync::RwLock;

use crate::error::ClientError;
use crate::headers::Headers;
use crate::limits::GATHER_BLOCKS_MAX;
use crate::node::NodeClient;

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatherError {
    /// The blocks in between have so many transactions that evidence of them is longer than any may be.
    #[error("evidence has {found} bytes, at most {max} are allowed")]
    TooLong {
        /// Its bytes.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The node could not be asked.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The promise does not count as broken, or what the node gave does not show it.
    #[error("{0}")]
    Unbroken(#[from] BrokenPromiseError),
    /// The sender itself signed another transaction at this sequence.
    #[error("the promise is void: block {height} holds another transaction at its sequence")]
    Void {
        /// Height of that block.
        height: u64,
    },
    /// The sender's transaction before is in none of the blocks looked at.
    #[error("the node does not show the transaction at sequence {sequence}")]
    NoPrevious {
        /// Its sequence.
        sequence: u64,
    },
    /// The node does not have a block of the header chain.
    #[error("the node does not show block {height} of the header chain")]
    NoBlock {
        /// Height of the block.
        height: u64,
    },
    /// The node does not know the sender.
    #[error("the node does not show the registration of {sender}")]
    NoAuthority {
        /// The sender.
        sender: PublicKey,
    },
}

impl GatherError {
    /// Whether nothing that a node could show would make evidence of this promise.
    pub fn is_final(&self) -> bool {
        use BrokenPromiseError as Unbroken;
        match self {
            Self::Void { .. } | Self::TooLong { .. } => true,
            // The others are about what a node gave.
            Self::Unbroken(error) => matches!(
                error,
                Unbroken::Promise(_)
                    | Unbroken::Kept { .. }
                    | Unbroken::Late { .. }
                    | Unbroken::Tip { .. }
                    | Unbroken::Revoked { .. }
            ),
            Self::Client(_) | Self::NoPrevious { .. } | Self::NoBlock { .. } | Self::NoAuthority { .. } => {
                false
            }
        }
    }
}

/// A header chain that is only looked at, never held while a node is asked.
pub trait Look: Sync {
    /// What `read` finds in the chain as it is now.
    fn look<T>(&self, read: impl FnOnce(&HeaderChain) -> T + Send) -> impl Future<Output = T> + Send;
}

impl Look for HeaderChain {
    async fn look<T>(&self, read: impl FnOnce(&HeaderChain) -> T + Send) -> T {
        read(self)
    }
}

impl Look for RwLock<Headers> {
    async fn look<T>(&self, read: impl FnOnce(&HeaderChain) -> T + Send) -> T {
        read(self.read().await.chain())
    }
}

impl From<PromiseError> for GatherError {
    fn from(error: PromiseError) -> Self {
        Self::Unbroken(error.into())
    }
}

/// Collects from `node`, which may be any, what shows that `promise` was not kept on `chain`. What it gives
/// holds: [`BrokenPromise::check`].
///
/// # Errors
/// [`GatherError::Unbroken`] with the rule for a promise that was kept or is not due, [`GatherError::Void`],
/// and the others where the node does not give what is needed: ask another.
pub async fn gather(
    node: &NodeClient,
    chain: &impl Look,
    promise: &SignedPromise,
) -> Result<BrokenPromise, GatherError> {
    let (chain_id, tip) = chain.look(|chain| (chain.chain_id(), chain.height())).await;
    let checked = promise.clone().check(&chain_id)?;
    let Promise { deadline, sender, .. } = *checked.promise();
    let Sender::Key(sender) = sender else { return Err(PromiseError::Sender.into()) };
    if tip < deadline {
        return Err(BrokenPromiseError::Early { deadline, tip }.into());
    }
    let source = Source { node, chain, promise: checked.promise() };
    let previous = source.previous(&sender).await?;
    let from = previous.as_ref().map_or(checked.promise().tip_height, |previous| previous.height);
    let first = chain.look(|chain| checked.promise().first_block(from, chain)).await;
    let mut blocks = Vec::new();
    for height in first..=deadline {
        blocks.push(source.txids(height).await?);
    }
    let authority = source.authority(&sender).await?;
    let broken = BrokenPromise { promise: promise.clone(), previous, blocks, authority };
    chain.look(|chain| broken.check(chain)).await?;
    let (found, max) = (codec::encode(&broken).len(), BrokenPromise::MAX);
    if found > max { Err(GatherError::TooLong { found, max }) } else { Ok(broken) }
}

/// Where the parts come from.
struct Source<'a, L> {
    node: &'a NodeClient,
    chain: &'a L,
    promise: &'a Promise,
}

impl<L: Look> Source<'_, L> {
    async fn header(&self, height: u64) -> Option<Header> {
        self.chain.look(|chain| chain.header(height).cloned()).await
    }

    /// Transactions of the header chain's block.
    async fn transactions(&self, height: u64) -> Result<Vec<Transaction>, GatherError> {
        let missing = GatherError::NoBlock { height };
        let Some(header) = self.header(height).await else { return Err(missing) };
        if header.tx_count == 0 || height == 0 {
            return Ok(Vec::new());
        }
        self.node.transactions_of(header.hash()).await?.ok_or(missing)
    }

    /// The sender's transaction before the one promised; none at sequence 0.
    async fn previous(&self, sender: &PublicKey) -> Result<Option<Previous>, GatherError> {
        let Some(sequence) = self.promise.sequence.checked_sub(1) else { return Ok(None) };
        if let Some(height) = self.node.anchor(sender, sequence, None).await?.height
            && let Some(previous) = self.previous_in(height, sequence).await?
        {
            return Ok(Some(previous));
        }
        // It is no anchor: nodes have no index of others.
        let last = self.promise.deadline;
        for height in (last.saturating_sub(GATHER_BLOCKS_MAX)..=last).rev() {
            if let Some(previous) = self.previous_in(height, sequence).await? {
                return Ok(Some(previous));
            }
        }
        Err(GatherError::NoPrevious { sequence })
    }

    async fn previous_in(&self, height: u64, sequence: u64) -> Result<Option<Previous>, GatherError> {
        let transactions = self.transactions(height).await?;
        let place = |transaction: &Transaction| (transaction.body.sender, transaction.body.sequence);
        let wanted = (self.promise.sender, sequence);
        let Some(at) = transactions.iter().position(|transaction| place(transaction) == wanted) else {
            return Ok(None);
        };
        let path = Tree::new(transactions.iter().map(Transaction::txid).collect()).path(at as u64);
        let path = path.expect("the index is one of the tree's");
        let index = u32::try_from(at).expect("blocks have at most 4,096 transactions");
        let shown = Shown { index, path, transaction: transactions[at].clone() };
        Ok(Some(Previous { height, shown }))
    }

    async fn txids(&self, height: u64) -> Result<Vec<Hash256>, GatherError> {
        let transactions = self.transactions(height).await?;
        for transaction in &transactions {
            let checked = transaction.clone().check(&self.promise.chain_id);
            if checked.is_ok_and(|checked| self.promise.is_void_by(&checked)) {
                return Err(GatherError::Void { height });
            }
        }
        Ok(transactions.iter().map(Transaction::txid).collect())
    }

    /// The sender's registration; none of a node.
    async fn authority(&self, sender: &PublicKey) -> Result<Option<Authority>, GatherError> {
        let deadline = self.promise.deadline;
        if self.chain.look(|chain| chain.node_set(deadline).entry(sender).is_some()).await {
            return Ok(None);
        }
        let missing = GatherError::NoAuthority { sender: *sender };
        let shown = self.node.account_proof(sender).await?.ok_or(missing)?;
        // The accounts have not changed since the height shown.
        let height = shown.height.max(deadline);
        Ok(Some(Authority { height, entry: shown.sender.entry, path: shown.sender.path }))
    }
}
