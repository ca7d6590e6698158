//! The peers connected, their numbers, and the way to each one's checks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libp2p::PeerId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::inbox::Item;
use super::limits::{GONE_MAX, GOSSIP_PER_PEER_MAX, INBOX};
use super::met::{Claimed, Met};
use crate::core::event::Peer;

/// A connected peer.
#[derive(Debug)]
pub(super) struct Link {
    /// Its number; another one each time that it connects.
    pub(super) peer: Peer,
    inbox: mpsc::Sender<Item>,
    gossip: Arc<Semaphore>,
    met: Met,
}

/// The inbox of a peer is full, which its bounds do not allow for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InboxFull;

impl Link {
    /// Room for one more gossiped message, held until it is checked; none if too many wait.
    pub(super) fn gossip_room(&self) -> Option<OwnedSemaphorePermit> {
        self.gossip.clone().try_acquire_owned().ok()
    }

    /// Hands an item to the peer's checks.
    pub(super) fn deliver(&self, item: Item) -> Result<(), InboxFull> {
        match self.inbox.try_send(item) {
            // Closed: the node is stopping, and nobody waits for it.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(InboxFull),
        }
    }
}

/// The connected peers.
#[derive(Debug)]
pub(super) struct Links {
    next: u64,
    by_id: BTreeMap<PeerId, Link>,
    numbers: BTreeMap<Peer, PeerId>,
    gone: BTreeMap<Peer, PeerId>,
    count: Arc<AtomicUsize>,
    told: watch::Sender<Arc<Vec<Met>>>,
}

impl Links {
    /// No peers; their number is kept in `count`, and who they are in `told`.
    pub(super) fn new(count: Arc<AtomicUsize>, told: watch::Sender<Arc<Vec<Met>>>) -> Self {
        let (by_id, numbers, gone) = Default::default();
        Self { next: 0, by_id, numbers, gone, count, told }
    }

    fn publish(&self) {
        self.count.store(self.by_id.len(), Ordering::Relaxed);
        self.told.send_replace(Arc::new(self.by_id.values().map(|link| link.met.clone()).collect()));
    }

    /// Numbers a peer whose first connection is up; returns its number and what its checks read,
    /// or none if it is connected already.
    pub(super) fn open(&mut self, id: PeerId, met: Met) -> Option<(Peer, mpsc::Receiver<Item>)> {
        if self.by_id.contains_key(&id) {
            return None;
        }
        let peer = Peer(self.next);
        self.next += 1;
        let (inbox, items) = mpsc::channel(INBOX);
        let gossip = Arc::new(Semaphore::new(GOSSIP_PER_PEER_MAX));
        self.by_id.insert(id, Link { peer, inbox, gossip, met });
        self.numbers.insert(peer, id);
        self.publish();
        Some((peer, items))
    }

    /// Forgets a peer whose last connection is gone. Its checks end once they did what waits.
    pub(super) fn close(&mut self, id: &PeerId) -> Option<Peer> {
        let Link { peer, .. } = self.by_id.remove(id)?;
        self.numbers.remove(&peer);
        self.gone.insert(peer, *id);
        if self.gone.len() > GONE_MAX {
            self.gone.pop_first();
        }
        self.publish();
        Some(peer)
    }

    /// Notes the tip that a peer says it has.
    pub(super) fn told_tip(&mut self, id: &PeerId, tip: Claimed) {
        if let Some(link) = self.by_id.get_mut(id)
            && link.met.tip.replace(tip) != Some(tip)
        {
            self.publish();
        }
    }

    /// A connected peer by identity.
    pub(super) fn link(&self, id: &PeerId) -> Option<&Link> {
        self.by_id.get(id)
    }

    /// A connected peer by number.
    pub(super) fn connected(&self, peer: Peer) -> Option<(PeerId, &Link)> {
        let id = self.numbers.get(&peer)?;
        Some((*id, self.by_id.get(id)?))
    }

    /// The identity behind a number, connected or not long gone.
    pub(super) fn identity(&self, peer: Peer) -> Option<PeerId> {
        self.numbers.get(&peer).or_else(|| self.gone.get(&peer)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p2p::met::Direction;

    fn met() -> Met {
        let (key, id, address) = (None, String::new(), String::new());
        Met { key, id, address, direction: Direction::Inbound, since_ms: 0, tip: None }
    }

    #[test]
    fn reconnected_peer_has_another_number() {
        let count = Arc::new(AtomicUsize::new(0));
        let (told, heard) = watch::channel(Arc::default());
        let (mut links, id) = (Links::new(count.clone(), told), PeerId::random());
        let (first, _) = links.open(id, met()).expect("new");
        assert!(links.open(id, met()).is_none(), "a second connection is no second peer");
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert_eq!(**heard.borrow(), [met()]);
        assert_eq!(links.close(&id), Some(first));
        assert_eq!(**heard.borrow(), []);
        assert_eq!(links.close(&id), None);
        let (second, _) = links.open(id, met()).expect("new again");
        assert_ne!(first, second);
        assert!(links.connected(first).is_none());
        assert_eq!(links.identity(first), Some(id), "late faults still count");
    }

    #[test]
    fn gossip_of_one_peer_is_bounded() {
        let (told, _heard) = watch::channel(Arc::default());
        let (mut links, id) = (Links::new(Arc::default(), told), PeerId::random());
        let _items = links.open(id, met());
        let link = links.link(&id).expect("open");
        let held: Vec<_> = std::iter::from_fn(|| link.gossip_room()).collect();
        assert_eq!(held.len(), GOSSIP_PER_PEER_MAX);
    }
}
