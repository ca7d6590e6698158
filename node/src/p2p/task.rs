//! The task that owns the swarm: commands, reports, whom to dial and whom to let in.
//!
//! It never waits for the core: what peers send goes to their inboxes (see `traffic`), which do.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::limits::TX_BYTES_MAX;
use dronechain_chain_spec::wire::Request;
use futures::StreamExt;
use libp2p::gossipsub::{IdentTopic, MessageAcceptance, MessageId, PublishError};
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use super::behaviour::{Behaviour, Topics, peer_id};
use super::dial::Dialer;
use super::gossip::Waiting;
use super::inbox::{Checks, Item};
use super::limits::{REQUESTS_PER_PEER_MAX, UPKEEP};
use super::links::{InboxFull, Links};
use super::met::Claimed;
use super::peers::Records;
use super::{Command, NodeKeys, lookup};
use crate::core::event::{Fault, GossipId, Peer, RequestId, Verdict};
use crate::store::Store;

/// What other tasks tell the swarm's.
#[derive(Debug)]
pub(super) enum Report {
    /// A gossiped message breaks a rule that holds on any chain.
    Invalid {
        /// The message.
        gossip: GossipId,
        /// Who passed it on.
        source: PeerId,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A request was none.
    Fault {
        /// Who sent it.
        source: PeerId,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A peer says where its chain stands.
    Tip {
        /// Which.
        source: PeerId,
        /// Its tip.
        tip: Claimed,
    },
    /// A request was answered.
    Served {
        /// Where to.
        channel: ResponseChannel<Vec<u8>>,
        /// The answer's bytes.
        answer: Vec<u8>,
    },
    /// A target's name was looked up.
    LookedUp {
        /// The target.
        target: usize,
        /// Where it is; nothing if it was not found.
        addresses: Vec<Multiaddr>,
    },
}

/// An own request that waits for its answer.
#[derive(Debug)]
pub(super) struct Asked {
    /// Whom.
    pub(super) peer: Peer,
    /// Under which number of the core's.
    pub(super) id: RequestId,
    /// What.
    pub(super) request: Request,
}

/// The state of the task.
pub(super) struct Task {
    /// The swarm, listening.
    pub(super) swarm: Swarm<Behaviour>,
    /// The topics.
    pub(super) topics: Topics,
    /// What peers' requests are answered from.
    pub(super) store: Arc<Store>,
    /// What the inboxes share.
    pub(super) checks: Arc<Checks>,
    /// Admitted keys.
    pub(super) allowed: watch::Receiver<Arc<NodeKeys>>,
    /// Connected peers.
    pub(super) links: Links,
    /// Who did wrong.
    pub(super) records: Records,
    /// Whom to dial.
    pub(super) dialer: Dialer,
    /// Gossip that waits for judgement.
    pub(super) waiting: Waiting,
    /// Own requests.
    pub(super) asked: HashMap<OutboundRequestId, Asked>,
    /// Peers' requests in service.
    pub(super) served: HashMap<InboundRequestId, PeerId>,
    /// Told the first address that is listened on.
    pub(super) listening: Option<oneshot::Sender<Multiaddr>>,
}

impl Task {
    /// Runs until told to shut down, or until nobody is left to tell.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut reports: mpsc::Receiver<Report>,
    ) {
        let mut upkeep = tokio::time::interval(UPKEEP);
        upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut admission_ended = false;
        self.update_allowed();
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                command = commands.recv() => match command {
                    Some(Command::Shutdown) | None => return,
                    Some(command) => self.on_command(command),
                },
                // The task's own checks hold a sender, so reports never end.
                Some(report) = reports.recv() => self.on_report(report),
                changed = self.allowed.changed(), if !admission_ended => match changed {
                    Ok(()) => self.update_allowed(),
                    Err(_) => admission_ended = true,
                },
                _ = upkeep.tick() => self.upkeep(Instant::now()),
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Request { peer, id, request } => self.request(peer, id, request),
            Command::GossipTransaction(transaction) => {
                self.publish(&self.topics.transactions.clone(), codec::encode(&transaction));
            }
            Command::GossipHeader(link) => {
                let bytes = codec::encode(&link);
                // One that shows more is heard of by the next poll of tips.
                if bytes.len() <= TX_BYTES_MAX {
                    self.publish(&self.topics.headers.clone(), bytes);
                }
            }
            Command::Judge { gossip, verdict } => self.judge(gossip, verdict),
            Command::Penalise { peer, fault } => match self.links.identity(peer) {
                Some(id) => self.penalise(id, &fault),
                None => tracing::debug!(?peer, %fault, "a fault of a peer long gone"),
            },
            // The loop ends before.
            Command::Shutdown => {}
        }
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Invalid { gossip, source, fault } => {
                self.judge(gossip, Verdict::Reject);
                self.penalise(source, &fault);
            }
            Report::Fault { source, fault } => self.penalise(source, &fault),
            Report::Tip { source, tip } => self.links.told_tip(&source, tip),
            Report::Served { channel, answer } => {
                // Too late, or the peer is gone: an inbound failure says so.
                let _ = self.swarm.behaviour_mut().ask.send_response(channel, answer);
            }
            Report::LookedUp { target, addresses } => self.dial(target, addresses),
        }
    }

    /// Asks a peer, if it is connected still; otherwise its closing says that no answer comes.
    fn request(&mut self, peer: Peer, id: RequestId, request: Request) {
        let Some((source, link)) = self.links.connected(peer) else { return };
        let waiting = self.asked.values().filter(|asked| asked.peer == peer).count();
        if waiting >= REQUESTS_PER_PEER_MAX {
            tracing::warn!(?peer, "too many requests to one peer");
            let delivered = link.deliver(Item::Failed { id, fault: None });
            return self.close_if_full(source, delivered);
        }
        let sent = self.swarm.behaviour_mut().ask.send_request(&source, Ok(codec::encode(&request)));
        self.asked.insert(sent, Asked { peer, id, request });
    }

    fn publish(&mut self, topic: &IdentTopic, data: Vec<u8>) {
        match self.swarm.behaviour_mut().gossip.publish(topic.clone(), data) {
            Ok(_) => {}
            // Nobody to tell yet, or it went round already: peers ask for tips as well.
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::Duplicate) => {}
            Err(error) => tracing::debug!(%topic, %error, "gossip is not sent"),
        }
    }

    fn judge(&mut self, gossip: GossipId, verdict: Verdict) {
        if let Some(held) = self.waiting.take(gossip) {
            self.accept(&held.message, &held.source, verdict);
        }
    }

    /// Tells gossipsub what becomes of a message.
    pub(super) fn accept(&mut self, message: &MessageId, source: &PeerId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        self.swarm.behaviour_mut().gossip.report_message_validation_result(message, source, acceptance);
    }

    /// Counts a fault; at the limit the peer is disconnected and banned for a while.
    pub(super) fn penalise(&mut self, id: PeerId, fault: &Fault) {
        tracing::debug!(peer = %id, %fault, "a peer's fault");
        let is_static = self.dialer.names(&id);
        if self.records.penalise(id, fault, is_static, Instant::now()) {
            tracing::warn!(peer = %id, %fault, "peer banned for a while");
            self.update_allowed();
        }
    }

    /// Disconnects a peer whose inbox overflowed, so that no answer is lost in silence.
    pub(super) fn close_if_full(&mut self, id: PeerId, delivered: Result<(), InboxFull>) {
        if delivered.is_err() {
            tracing::warn!(peer = %id, "peer disconnected: its messages are not taken in fast enough");
            // Fails only if it is gone already.
            let _ = self.swarm.disconnect_peer_id(id);
        }
    }

    /// Lets in keys that are admitted, or that the configuration names and the ledger does not know yet: a node
    /// that was away does not know its peers' new keys. Not who is revoked or banned; connections of all
    /// others are closed.
    fn update_allowed(&mut self) {
        let now = Instant::now();
        let keys = self.allowed.borrow_and_update().clone();
        let revoked: BTreeSet<_> = keys.revoked.iter().filter_map(peer_id).collect();
        let named = self.dialer.named().filter(|id| !revoked.contains(id));
        let wanted = keys.admitted.iter().filter_map(peer_id).chain(named);
        let wanted: BTreeSet<_> = wanted.filter(|id| !self.records.is_banned(id, now)).collect();
        let allowed = &mut self.swarm.behaviour_mut().allowed;
        let left: Vec<_> =
            allowed.allowed_peers().iter().filter(|id| !wanted.contains(id)).copied().collect();
        for id in left {
            allowed.disallow_peer(id);
        }
        for id in wanted {
            allowed.allow_peer(id);
        }
    }

    fn upkeep(&mut self, now: Instant) {
        if self.records.expire(now) {
            self.update_allowed();
        }
        self.waiting.expire(now);
        let due = self.dialer.due(now, jitter(), |id| self.links.link(id).is_some());
        for due in due {
            tokio::spawn(lookup::run(due.target, due.place, self.checks.reports.clone()));
        }
    }

    /// Dials a target at its addresses.
    fn dial(&mut self, target: usize, addresses: Vec<Multiaddr>) {
        let options = match (self.dialer.wanted(target), addresses.first()) {
            (_, None) => None,
            (Some(id), Some(_)) => Some(
                DialOpts::peer_id(id)
                    .addresses(addresses)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .build(),
            ),
            (None, Some(first)) => Some(DialOpts::unknown_peer_id().address(first.clone()).build()),
        };
        let dialled = options.and_then(|options| {
            let connection = options.connection_id();
            self.swarm.dial(options).ok().map(|()| connection)
        });
        match dialled {
            Some(connection) => self.dialer.dialled(target, connection),
            None => self.dialer.failed(target, Instant::now(), jitter()),
        }
    }
}

/// Spreads the waits of nodes that were restarted together; without randomness they are the same.
pub(super) fn jitter() -> u32 {
    getrandom::u32().unwrap_or(0)
}
