//! What is known of peers, and what they were asked.

use std::collections::{BTreeMap, BTreeSet};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::wire::{Request, Status};

use super::event::{Action, Peer, RequestId};
use super::view::BatchId;

/// What a request is to bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Status,
    Headers,
    Blocks(Vec<Hash256>),
    Body(BatchId),
}

/// One connected peer.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Its tip when last asked.
    pub(super) status: Option<Status>,
    /// When it was last asked for its tip.
    polled_ms: u64,
    /// When it last failed to bring blocks or bodies.
    pub(super) failed_ms: u64,
    /// The last header that was taken in from it.
    pub(super) newest: Option<Hash256>,
    waiting: BTreeMap<RequestId, Wanted>,
    warned: bool,
}

#[derive(Debug, Default)]
pub(super) struct Peers {
    known: BTreeMap<Peer, Known>,
    requests: u64,
}

impl Peers {
    pub(super) fn connected(&mut self, peer: Peer) {
        self.known.insert(peer, Known::default());
    }

    pub(super) fn closed(&mut self, peer: Peer) {
        self.known.remove(&peer);
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (Peer, &Known)> {
        self.known.iter().map(|(peer, known)| (*peer, known))
    }

    pub(super) fn known_mut(&mut self, peer: Peer) -> Option<&mut Known> {
        self.known.get_mut(&peer)
    }

    /// Asks a peer that is connected.
    pub(super) fn ask(&mut self, peer: Peer, wanted: Wanted, request: Request, out: &mut Vec<Action>) {
        let Some(known) = self.known.get_mut(&peer) else {
            return;
        };
        self.requests += 1;
        let id = RequestId(self.requests);
        known.waiting.insert(id, wanted);
        out.push(Action::Request { peer, id, request });
    }

    /// Asks every peer for its tip that was not asked within `interval_ms`.
    pub(super) fn poll(&mut self, now_ms: u64, interval_ms: u64, out: &mut Vec<Action>) {
        let due: Vec<_> = self
            .known
            .iter_mut()
            .filter(|(_, known)| known.polled_ms + interval_ms <= now_ms && !known.awaits(&Wanted::Status))
            .map(|(peer, known)| {
                known.polled_ms = now_ms;
                *peer
            })
            .collect();
        for peer in due {
            self.ask(peer, Wanted::Status, Request::Status, out);
        }
    }

    /// What the answer to `request` was to bring; none if the peer is gone or was not asked.
    pub(super) fn answered(&mut self, peer: Peer, request: RequestId) -> Option<Wanted> {
        self.known.get_mut(&peer)?.waiting.remove(&request)
    }

    /// Blocks that some peer was asked for.
    pub(super) fn blocks_under_way(&self) -> BTreeSet<Hash256> {
        let wanted = self.known.values().flat_map(|known| known.waiting.values());
        let blocks = wanted.filter_map(|wanted| match wanted {
            Wanted::Blocks(hashes) => Some(hashes),
            Wanted::Status | Wanted::Headers | Wanted::Body(_) => None,
        });
        blocks.flatten().copied().collect()
    }

    /// Whether some peer was asked for the body.
    pub(super) fn body_under_way(&self, batch: &BatchId) -> bool {
        self.known.values().any(|known| known.awaits(&Wanted::Body(*batch)))
    }
}

impl Known {
    pub(super) fn awaits(&self, wanted: &Wanted) -> bool {
        self.waiting.values().any(|waiting| waiting == wanted)
    }

    pub(super) fn body_requests(&self) -> usize {
        self.waiting.values().filter(|wanted| matches!(wanted, Wanted::Body(_))).count()
    }

    pub(super) fn block_requests(&self) -> usize {
        self.waiting.values().filter(|wanted| matches!(wanted, Wanted::Blocks(_))).count()
    }

    /// True the first time.
    pub(super) fn warn_once(&mut self) -> bool {
        !std::mem::replace(&mut self.warned, true)
    }
}
