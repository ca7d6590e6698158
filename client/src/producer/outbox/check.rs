//! What must hold between the rows of an outbox: anything else was altered, or is another program's.

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::transaction::{Action, Sender};

use super::super::record::Leaf;
use super::{Batched, Contents, Marks};

/// Checks what a start found, for the key `sender` on the network `chain_id`; the error names what does not hold.
pub(super) fn check(found: &Contents, sender: PublicKey, chain_id: Hash256) -> Result<(), String> {
    check_groups(found)?;
    let mut behind = 0;
    let mut by_records: Vec<_> = found.batches.iter().collect();
    by_records.sort_by_key(|(batch, _)| batch.first);
    for (batch, leaves) in by_records {
        let name = batch.sequence;
        check_batch(batch, leaves, sender, chain_id).map_err(|what| format!("batch {name}: {what}"))?;
        if batch.count > 0 && (batch.first < behind || batch.end() > found.marks.batched) {
            return Err(format!("batch {name}: its records are another's"));
        }
        behind = behind.max(batch.end());
        if found.marks.sequence.is_none_or(|next| next <= batch.sequence) {
            return Err(format!("batch {name}: its sequence was never reached"));
        }
    }
    Ok(())
}

/// Groups leave from the front only.
fn check_groups(found: &Contents) -> Result<(), String> {
    let mut behind = found.marks.kept;
    for (first, count) in &found.groups {
        if *first != behind {
            return Err(format!("records {behind} to {first} are not there"));
        }
        behind = first.saturating_add(u64::from(*count));
    }
    let Marks { batched, next, .. } = found.marks;
    if behind != next || batched > next {
        return Err(format!("records {behind} to {next} are not there"));
    }
    Ok(())
}

fn check_batch(
    batch: &Batched,
    leaves: &[Leaf],
    sender: PublicKey,
    chain_id: Hash256,
) -> Result<(), &'static str> {
    let body = &batch.transaction.body;
    let Action::Anchor(anchor) = &body.action else { return Err("its transaction is no anchor") };
    if body.sender != Sender::Key(sender) || body.sequence != batch.sequence {
        return Err("its transaction is another's");
    }
    if leaves.len() != batch.count as usize || anchor.leaf_count != batch.count {
        return Err("its records are not there");
    }
    let hashes: Vec<_> = leaves.iter().map(|leaf| leaf.hash).collect();
    if merkle::root(&hashes) != anchor.root || leaves.iter().any(|leaf| leaf.kind != anchor.kind) {
        return Err("its records are others than it anchors");
    }
    let checked = batch.transaction.clone().check(&chain_id);
    checked.map(drop).map_err(|_error| "its transaction's signature does not hold")
}
