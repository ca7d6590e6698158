//! Room on the disk: below the floor the node takes nothing in that would be written. What is stored stays
//! readable, and with room it goes on by itself.

use std::sync::Arc;

use tracing::{error, info, warn};

use crate::core::event::{Action, Answer, Event, Verdict};
use crate::store::{self, Store};

/// What comes of an event.
pub(super) enum Admitted {
    /// It, or another in its place, is for the core.
    Event(Event),
    /// This is to be done, the core hears nothing.
    Instead(Action),
    /// Nothing.
    Nothing,
}

/// Watches the file system of the store.
pub(super) struct Room {
    store: Arc<Store>,
    /// Bytes that must be free; 0: nothing is watched.
    floor: u64,
}

impl Room {
    pub(super) fn new(store: Arc<Store>, floor: u64) -> Self {
        let room = Self { store, floor };
        room.look();
        room
    }

    /// Looks how much is free; gives whether there has become too little.
    pub(super) fn look(&self) -> bool {
        if self.floor == 0 {
            return false;
        }
        let free = match store::free_bytes(self.store.path()) {
            Ok(free) => free,
            Err(error) => {
                warn!(%error, "the file system does not tell how much is free");
                return false;
            }
        };
        let (disk, floor) = (self.store.disk(), self.floor);
        let is_low = free < floor;
        if disk.set_room(free, is_low) {
            if is_low {
                error!(
                    free,
                    floor, "LOW ON SPACE: nothing is taken in, mined or connected until there is room"
                );
            } else {
                info!(free, floor, "there is room again");
            }
            return is_low;
        }
        false
    }

    /// What of an event is let through: all while there is room, else what writes nothing. Gossip is to be
    /// ignored instead, an answer counts as none.
    pub(super) fn admit(&self, event: Event) -> Admitted {
        if !self.store.disk().is_low() {
            return Admitted::Event(event);
        }
        match event {
            Event::TransactionGossiped { gossip, .. } | Event::HeaderGossiped { gossip, .. } => {
                Admitted::Instead(Action::Judge { gossip, verdict: Verdict::Ignore })
            }
            Event::Answered { peer, request, answer } => match answer {
                Answer::Status(_) | Answer::Headers(_) | Answer::Blocks(_) | Answer::Body(Some(_)) => {
                    Admitted::Event(Event::RequestFailed { peer, request, fault: None })
                }
                Answer::Body(None) => Admitted::Event(Event::Answered { peer, request, answer }),
            },
            Event::Mined(_) => Admitted::Nothing,
            // Those that were asked for before HTTP began to refuse find the room that is left.
            Event::Submitted { .. }
            | Event::TemplateWanted { .. }
            | Event::FoundElsewhere { .. }
            | Event::Tick
            | Event::Connected(_)
            | Event::Closed(_)
            | Event::RequestFailed { .. }
            | Event::Committed => Admitted::Event(event),
        }
    }
}
