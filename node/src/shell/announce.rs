//! A node that was admitted later announces itself: until its `ready` is in a block it does not mine.

use std::time::{Duration, Instant};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::registry::Registry;
use dronechain_chain_spec::transaction::{Action, CheckedTransaction, Sender, TransactionBody};
use tracing::{error, info};

/// When the same announcement is handed over again, should it have got lost.
const PERIOD: Duration = Duration::from_secs(30);

/// Whoever mines with a key, and when it last announced itself.
pub(super) struct Announcer {
    /// None of a node that does not mine: it would count and be waited for.
    key: Option<SigningKey>,
    chain_id: Hash256,
    last: Option<Instant>,
}

impl Announcer {
    pub(super) fn new(key: Option<SigningKey>, chain_id: Hash256) -> Self {
        Self { key, chain_id, last: None }
    }

    /// The transaction that is due, if any; to be asked while the node is in sync. The same sequence gives the same
    /// bytes, so that asking again contradicts nothing.
    pub(super) fn due(&mut self, registry: &Registry) -> Option<CheckedTransaction> {
        let key = self.key.as_ref()?;
        let own = PublicKey::of(key);
        let account = registry.account(&own)?;
        let is_waiting = account.entry.ready.is_none() && account.entry.revoked.is_none();
        if !is_waiting || self.last.is_some_and(|last| last.elapsed() < PERIOD) {
            return None;
        }
        self.last = Some(Instant::now());
        let (sender, sequence) = (Sender::Key(own), account.next_sequence);
        let transaction =
            TransactionBody { sender, sequence, action: Action::Ready }.signed(&[key], &self.chain_id);
        match transaction.check(&self.chain_id) {
            Ok(transaction) => {
                info!(sequence, "admitted and in sync: announcing that this node will mine");
                Some(transaction)
            }
            Err(error) => {
                error!(%error, "the announcement of this node is no transaction");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dronechain_chain_spec::registry::{Account, Entry, Role};

    use super::*;

    fn registry(ready: Option<u64>, revoked: Option<u64>) -> Registry {
        let key = PublicKey::of(&SigningKey::from_bytes(&[1; 32]));
        let entry = Entry { ready, revoked, ..Entry::new(key, Role::Node, None, 3) };
        Registry::new(vec![Account { entry, next_sequence: 2 }], Vec::new())
    }

    fn announcer(mines: bool) -> Announcer {
        Announcer::new(mines.then(|| SigningKey::from_bytes(&[1; 32])), Hash256([7; 32]))
    }

    #[test]
    fn admitted_node_that_mines_announces_itself_once_in_a_while() {
        let mut announcer = announcer(true);
        let due = announcer.due(&registry(None, None)).expect("due");
        assert_eq!((due.body().sequence, &due.body().action), (2, &Action::Ready));
        assert!(announcer.due(&registry(None, None)).is_none(), "only just said");
    }

    #[test]
    fn nobody_else_does() {
        assert!(announcer(true).due(&registry(Some(5), None)).is_none(), "ready");
        assert!(announcer(true).due(&registry(None, Some(5))).is_none(), "revoked");
        assert!(announcer(true).due(&Registry::new(Vec::new(), Vec::new())).is_none(), "not admitted");
        assert!(announcer(false).due(&registry(None, None)).is_none(), "does not mine");
    }
}
