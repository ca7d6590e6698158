//! Gossiped messages that wait for the core's judgement, by number.

use std::collections::BTreeMap;
use std::time::Instant;

use libp2p::PeerId;
use libp2p::gossipsub::MessageId;

use super::limits::{GOSSIP_FORGET, GOSSIP_WAITING_MAX};
use crate::core::event::GossipId;

/// A message that gossipsub holds back until it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// Its name.
    pub(super) message: MessageId,
    /// Who passed it on.
    pub(super) source: PeerId,
    since: Instant,
}

/// The messages held back, oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    next: u64,
    held: BTreeMap<GossipId, Held>,
}

impl Waiting {
    /// Numbers a message; none if too many wait.
    pub(super) fn insert(&mut self, message: MessageId, source: PeerId, now: Instant) -> Option<GossipId> {
        if self.held.len() >= GOSSIP_WAITING_MAX {
            return None;
        }
        let id = GossipId(self.next);
        self.next += 1;
        self.held.insert(id, Held { message, source, since: now });
        Some(id)
    }

    /// Takes a message out; none if it was judged or forgotten.
    pub(super) fn take(&mut self, id: GossipId) -> Option<Held> {
        self.held.remove(&id)
    }

    /// Forgets messages that waited too long; gossipsub has dropped them before.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(oldest) = self.held.first_entry() {
            if now.saturating_duration_since(oldest.get().since) < GOSSIP_FORGET {
                break;
            }
            oldest.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_judged_once_and_forgotten_in_time() {
        let (mut waiting, peer, now) = (Waiting::default(), PeerId::random(), Instant::now());
        let id = waiting.insert(MessageId::new(&[1]), peer, now).expect("room");
        assert_eq!(waiting.take(id).map(|held| held.message), Some(MessageId::new(&[1])));
        assert_eq!(waiting.take(id), None);
        let id = waiting.insert(MessageId::new(&[2]), peer, now).expect("room");
        let later = waiting.insert(MessageId::new(&[3]), peer, now + GOSSIP_FORGET).expect("room");
        waiting.expire(now + GOSSIP_FORGET);
        assert_eq!(waiting.take(id), None);
        assert!(waiting.take(later).is_some());
    }

    #[test]
    fn no_more_wait_than_the_bound() {
        let (mut waiting, peer, now) = (Waiting::default(), PeerId::random(), Instant::now());
        for _ in 0..GOSSIP_WAITING_MAX {
            assert!(waiting.insert(MessageId::new(&[1]), peer, now).is_some());
        }
        assert_eq!(waiting.insert(MessageId::new(&[1]), peer, now), None);
    }
}
