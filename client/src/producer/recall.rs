//! Records that the ledger has already, from a later day of the same outbox.
//!
//! An outbox that was copied back knows less than the ledger: what it holds may have been anchored since. Before such
//! a record is signed, nodes are asked for it. One that shows it proves it; one that denies it is one node's word, so
//! that most of the configured ones must.

use std::collections::BTreeMap;
use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::receipt::{Receipt, ReceiptError};
use dronechain_chain_spec::transaction::AnchorKind;
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use super::lot::{Found, Inclusion};
use super::place;
use crate::headers::Headers;
use crate::limits::RECALLS_MAX;
use crate::node::NodeClient;
use crate::nodes::Nodes;
use crate::pause::Pause;

/// Where records are looked for.
#[derive(Debug, Clone)]
pub(super) struct Recall {
    pub(super) nodes: Arc<Nodes>,
    pub(super) headers: Arc<RwLock<Headers>>,
    pub(super) sender: PublicKey,
    /// Blocks under which a record counts as delivered.
    pub(super) confirmations: u64,
}

/// What one node says of a record.
enum Word {
    Shown(Found),
    /// Shown, and to be asked for again: the block is not deep enough.
    Young,
    Denied,
    /// No answer, or one that does not hold.
    None,
}

impl Recall {
    /// The records of `leaves` that this sender anchored as `kind`, at their places; waits for those that are in too
    /// young a block. A record is not anchored if most nodes deny it. None if the runtime ends.
    pub(super) async fn find(&self, leaves: &[Hash256], kind: AnchorKind) -> Option<Vec<Option<Arc<Found>>>> {
        let mut found = vec![None; leaves.len()];
        let mut batches: BTreeMap<u64, Arc<Inclusion>> = BTreeMap::new();
        let mut open: Vec<usize> = (0..leaves.len()).collect();
        let mut pause = Pause::new();
        while !open.is_empty() {
            // By node, so that one that does not answer costs one wait a round, not one a record.
            let (mut denied, mut young) = (vec![0; leaves.len()], vec![false; leaves.len()]);
            let nodes = self.nodes.of_this_network().await;
            let most = self.nodes.each().count() / 2 + 1;
            for node in nodes {
                let asked: Vec<_> = open.iter().copied().filter(|index| found[*index].is_none()).collect();
                for (index, word) in self.ask_all(&node, leaves, &asked, kind).await? {
                    match word {
                        Word::Shown(mut one) => {
                            let batch = batches.entry(one.inclusion.sequence);
                            one.inclusion = Arc::clone(batch.or_insert_with(|| Arc::clone(&one.inclusion)));
                            found[index] = Some(Arc::new(one));
                        }
                        Word::Young => young[index] = true,
                        Word::Denied => denied[index] += 1,
                        Word::None => {}
                    }
                }
            }
            open.retain(|index| found[*index].is_none() && (young[*index] || denied[*index] < most));
            if !open.is_empty() {
                tracing::info!(records = open.len(), "asking again whether records are anchored");
                pause.wait().await;
            }
        }
        Some(found)
    }

    /// What one node says of the records at `asked`; nothing of any if it is not to be relied on. None if the runtime
    /// ends.
    async fn ask_all(
        &self,
        node: &NodeClient,
        leaves: &[Hash256],
        asked: &[usize],
        kind: AnchorKind,
    ) -> Option<Vec<(usize, Word)>> {
        if asked.is_empty() || !place::is_current(node, &self.headers).await.unwrap_or(false) {
            return Some(Vec::new());
        }
        let mut asking = JoinSet::new();
        for lane in 0..RECALLS_MAX {
            let own = asked.iter().skip(lane).step_by(RECALLS_MAX).map(|index| (*index, leaves[*index]));
            let (this, node, own) = (self.clone(), node.clone(), own.collect::<Vec<_>>());
            asking.spawn(async move {
                let mut words = Vec::with_capacity(own.len());
                for (index, leaf) in own {
                    let word = this.ask(&node, leaf, kind).await;
                    let is_silent = matches!(word, Word::None);
                    words.push((index, word));
                    if is_silent {
                        break;
                    }
                }
                words
            });
        }
        let mut words = Vec::with_capacity(asked.len());
        while let Some(lane) = asking.join_next().await {
            words.extend(lane.ok()?);
        }
        Some(words)
    }

    async fn ask(&self, node: &NodeClient, leaf: Hash256, kind: AnchorKind) -> Word {
        let receipt = match node.receipt_of(leaf, &self.sender, kind).await {
            Ok(Some(receipt)) => receipt,
            Ok(None) => return Word::Denied,
            Err(error) => {
                tracing::debug!(node = node.url(), %error, "does not say whether a record is anchored");
                return Word::None;
            }
        };
        let headers = self.headers.read().await;
        match self.check(&receipt, leaf, kind, &headers) {
            Ok(inclusion) if headers.chain().confirmations(inclusion.height) >= self.confirmations => {
                let Receipt { target, root, path, index, leaf_count, .. } = receipt;
                let inclusion = Arc::new(inclusion);
                Word::Shown(Found { target, root, path, index, leaf_count, inclusion })
            }
            Ok(_) => Word::Young,
            Err(error) => {
                tracing::debug!(node = node.url(), %error, "a receipt that does not hold, or not yet");
                Word::None
            }
        }
    }

    fn check(
        &self,
        receipt: &Receipt,
        leaf: Hash256,
        kind: AnchorKind,
        headers: &Headers,
    ) -> Result<Inclusion, ReceiptError> {
        let proven = receipt.verify(&leaf, headers.chain(), 1)?;
        if proven.sender != self.sender || proven.anchor.kind != kind {
            return Err(ReceiptError::NotEntitled { key: proven.sender });
        }
        Ok(Inclusion {
            sequence: proven.sequence,
            txid: proven.txid,
            height: proven.height,
            block: proven.block,
            proof: receipt.anchor.clone(),
        })
    }
}
