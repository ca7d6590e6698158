//! Records that the ledger has already, from a later day of the same outbox.
//!
//! An outbox that was copied back knows less than the ledger: what it holds may have been anchored since. Before such
//! a record is signed, every node is asked for it. A node that shows it proves it; one that denies it is one node's
//! word, so that all are asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::receipt::{Receipt, ReceiptError};
use dronechain_chain_spec::transaction::AnchorKind;
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use super::lot::{Found, Inclusion};
use crate::headers::Headers;
use crate::limits::{RECALLS_MAX, ROUNDS_MAX};
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
    /// young a block. None if the runtime ends.
    pub(super) async fn find(&self, leaves: &[Hash256], kind: AnchorKind) -> Option<Vec<Option<Arc<Found>>>> {
        let mut found = vec![None; leaves.len()];
        let mut asking = JoinSet::new();
        for lane in 0..RECALLS_MAX {
            let own: Vec<_> = leaves.iter().copied().enumerate().skip(lane).step_by(RECALLS_MAX).collect();
            let this = self.clone();
            asking.spawn(async move {
                let mut found = Vec::new();
                for (index, leaf) in own {
                    found.extend(this.look(leaf, kind).await.map(|one| (index, one)));
                }
                found
            });
        }
        let mut batches: BTreeMap<u64, Arc<Inclusion>> = BTreeMap::new();
        while let Some(lane) = asking.join_next().await {
            for (index, mut one) in lane.ok()? {
                let batch = batches.entry(one.inclusion.sequence);
                one.inclusion = Arc::clone(batch.or_insert_with(|| Arc::clone(&one.inclusion)));
                found[index] = Some(Arc::new(one));
            }
        }
        Some(found)
    }

    /// Asks until a node shows the record deep enough, or all that answer deny it.
    async fn look(&self, leaf: Hash256, kind: AnchorKind) -> Option<Found> {
        let mut pause = Pause::new();
        for round in 1_u32.. {
            let (mut is_young, mut denied, mut silent) = (false, 0, 0);
            for node in self.nodes.of_this_network().await {
                match self.ask(&node, leaf, kind).await {
                    Word::Shown(found) => return Some(found),
                    Word::Young => is_young = true,
                    Word::Denied => denied += 1,
                    Word::None => silent += 1,
                }
            }
            if !is_young && denied > 0 && (silent == 0 || round >= ROUNDS_MAX) {
                return None;
            }
            tracing::debug!(%leaf, "asking again whether a record is anchored");
            pause.wait().await;
        }
        unreachable!("the rounds do not end")
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
