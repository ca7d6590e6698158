//! What the admins do together: m of n keys under one transaction.

mod partial;
mod words;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec};
use dronechain_chain_spec::transaction::{Action, Sender, Transaction, TransactionBody};

use crate::error::ClientError;
use crate::limits::RESIGN_TRIES_MAX;
use crate::node::{NodeClient, Sequences, State};
use crate::transaction::PendingTransaction;

pub use partial::{BYTES_MAX as PARTIAL_BYTES_MAX, PartialError, PartialTransaction};
pub use words::words;

/// Why an admin transaction is not made or not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// The key is no admin's.
    #[error("{key} is not an admin of this network")]
    NotAnAdmin {
        /// The key.
        key: PublicKey,
    },
    /// The key was given twice.
    #[error("the admin key {key} was given twice")]
    Duplicate {
        /// The key.
        key: PublicKey,
    },
    /// Another number of keys than the threshold.
    #[error("{found} admin keys were given, exactly {wanted} must sign")]
    Threshold {
        /// Keys given.
        found: usize,
        /// The network's threshold.
        wanted: u32,
    },
    /// A decision that admins sign apart is no good, or not good enough.
    #[error("{0}")]
    Partial(#[from] PartialError),
    /// The node refused or could not be reached.
    #[error("{0}")]
    Client(#[from] ClientError),
}

/// Signs `action` at the admins' sequence `sequence`, with the approvals in order of admin index
/// whatever the order of `keys`.
///
/// # Errors
/// Every variant of [`AdminError`] but the node's.
pub fn sign(
    action: Action,
    sequence: u64,
    keys: &[&SigningKey],
    admins: &AdminSet,
    chain_id: &Hash256,
) -> Result<Transaction, AdminError> {
    let mut ordered = Vec::with_capacity(keys.len());
    for key in keys {
        let public = PublicKey::of(key);
        let index = admins.keys.iter().position(|admin| *admin == public);
        let index = index.ok_or(AdminError::NotAnAdmin { key: public })?;
        if ordered.iter().any(|(taken, _)| *taken == index) {
            return Err(AdminError::Duplicate { key: public });
        }
        ordered.push((index, *key));
    }
    if ordered.len() != admins.threshold as usize {
        return Err(AdminError::Threshold { found: ordered.len(), wanted: admins.threshold });
    }
    ordered.sort_by_key(|(index, _)| *index);
    let keys: Vec<_> = ordered.into_iter().map(|(_, key)| key).collect();
    Ok(TransactionBody { sender: Sender::Admins, sequence, action }.signed(&keys, chain_id))
}

/// Signs `action` at the admins' next sequence and hands it to `node`, which says who the admins are.
///
/// # Errors
/// [`AdminError`].
pub async fn send(
    node: &NodeClient,
    spec: &ChainSpec,
    action: &Action,
    keys: &[&SigningKey],
) -> Result<PendingTransaction, AdminError> {
    let chain_id = spec.genesis().hash();
    for tries in 1.. {
        let sequence = node.next_sequence(Sender::Admins).await?.pending_sequence;
        let admins = node.governance().await?.admins;
        let transaction = sign(action.clone(), sequence, keys, &admins, &chain_id)?;
        let pending = PendingTransaction::new(transaction, None);
        match pending.submit(node).await {
            Ok(_) => return Ok(pending),
            // Another admin was faster.
            Err(error) if error.is_refusal("sequence-taken") || error.is_refusal("tx-sequence") => {
                if tries == RESIGN_TRIES_MAX {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("the last try returns")
}

/// Begins a decision that is signed apart, at the admins' next sequence as `node` has it; signed by `keys`.
///
/// # Errors
/// [`AdminError`].
pub async fn begin(
    node: &NodeClient,
    action: Action,
    keys: &[&SigningKey],
) -> Result<PartialTransaction, AdminError> {
    let chain_id = node.spec().await?.genesis().hash();
    let sequence = node.next_sequence(Sender::Admins).await?.pending_sequence;
    let admins = node.governance().await?.admins;
    let mut partial = PartialTransaction::new(action, sequence, admins, chain_id)?;
    for key in keys {
        partial.sign(key).map_err(|error| match error {
            PartialError::NotAnAdmin(key) => AdminError::NotAnAdmin { key },
            PartialError::Duplicate(key) => AdminError::Duplicate { key },
            other => other.into(),
        })?;
    }
    Ok(partial)
}

/// Holds a decision that is signed apart to the network of `node`: its chain, its admins' sequence.
///
/// # Errors
/// [`AdminError`].
pub async fn check(node: &NodeClient, partial: &PartialTransaction) -> Result<(), AdminError> {
    partial.check_chain(node.spec().await?.genesis().hash())?;
    let Sequences { next_sequence, pending_sequence } = node.next_sequence(Sender::Admins).await?;
    Ok(partial.check_sequence(next_sequence, pending_sequence)?)
}

/// Hands over a decision that was signed apart. Handing it over again is safe.
///
/// # Errors
/// [`AdminError`].
pub async fn submit(
    node: &NodeClient,
    partial: &PartialTransaction,
) -> Result<PendingTransaction, AdminError> {
    partial.check_chain(node.spec().await?.genesis().hash())?;
    let complete = partial.complete(&node.governance().await?);
    if let Ok(transaction) = &complete {
        let pending = PendingTransaction::new(transaction.clone(), None);
        if node.transaction(pending.txid).await?.state != State::Unknown {
            return Ok(pending);
        }
    }
    // Before the signatures: who decided something else meanwhile may have replaced the admins.
    check(node, partial).await?;
    let pending = PendingTransaction::new(complete?, None);
    match pending.submit(node).await {
        Ok(_) => Ok(pending),
        Err(error) if error.is_refusal("sequence-taken") || error.is_refusal("tx-sequence") => {
            let next = node.next_sequence(Sender::Admins).await?.pending_sequence;
            Err(PartialError::Stale { found: partial.sequence(), next }.into())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use dronechain_chain_spec::registry::Role;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn action() -> Action {
        Action::Admit { role: Role::Controller, key: PublicKey::of(&key(9)) }
    }

    #[test]
    fn approvals_stand_in_order_of_admin_index_and_are_exactly_m() {
        let admins = AdminSet { threshold: 2, keys: (1..=3).map(|seed| PublicKey::of(&key(seed))).collect() };
        let sign = |keys: &[&SigningKey]| sign(action(), 0, keys, &admins, &Hash256::ZERO);
        let transaction = sign(&[&key(3), &key(1)]).expect("two admins");
        let keys: Vec<_> = transaction.approvals.iter().map(|approval| approval.key).collect();
        assert_eq!(keys, [admins.keys[0], admins.keys[2]]);
        assert_eq!(sign(&[&key(1)]), Err(AdminError::Threshold { found: 1, wanted: 2 }));
        let key_1 = admins.keys[0];
        assert_eq!(sign(&[&key(1), &key(1)]), Err(AdminError::Duplicate { key: key_1 }));
        let stranger = PublicKey::of(&key(7));
        assert_eq!(sign(&[&key(1), &key(7)]), Err(AdminError::NotAnAdmin { key: stranger }));
    }
}
