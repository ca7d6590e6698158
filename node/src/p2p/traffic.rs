//! What the swarm tells: connections, gossip, requests, answers.

use std::sync::Arc;
use std::time::Instant;

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::gossipsub::{self, MessageId};
use libp2p::request_response::{self, InboundRequestId, OutboundFailure, ResponseChannel};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};

use super::behaviour::{BehaviourEvent, key_of};
use super::codec::{Question, too_long};
use super::inbox::{self, Gossiped, Item};
use super::limits::{SERVED_MAX, SERVED_PER_PEER_MAX};
use super::links::Link;
use super::met::{Direction, Met};
use super::serve;
use super::task::{Asked, Task, jitter};
use crate::core::event::{Fault, Peer, Verdict};

/// A request or an answer, as bytes.
type Message = request_response::Message<Question, Vec<u8>>;

impl Task {
    /// Takes in what happened.
    pub(super) fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                if let Some(peer) = self.links.close(&peer_id) {
                    let cause = cause.map(|cause| cause.to_string());
                    tracing::info!(id = %peer_id, ?peer, cause, "peer gone");
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => match error {
                DialError::LocalPeerId { address } => {
                    tracing::info!(%address, "a configured peer is this node itself");
                    self.dialer.reached_own(connection_id);
                }
                error => {
                    tracing::debug!(%error, "a peer cannot be reached");
                    self.dialer.refused(connection_id, Instant::now(), jitter());
                }
            },
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, %error, "a connection is refused");
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "peers can connect");
                if let Some(listening) = self.listening.take() {
                    // Fails only if the start was given up.
                    let _ = listening.send(address);
                }
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "the listener for peers is gone");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "the listener for peers has a problem");
            }
            // The rest says nothing new; the enum is open.
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                self.on_gossip(propagation_source, &message_id, message);
            }
            BehaviourEvent::Gossip(gossipsub::Event::SlowPeer { peer_id, .. }) => {
                tracing::debug!(peer = %peer_id, "peer takes gossip too slowly");
            }
            BehaviourEvent::Gossip(_) | BehaviourEvent::Ping(_) => {}
            BehaviourEvent::Ask(event) => self.on_ask(event),
            // No event of these has a value.
            BehaviourEvent::Limits(never) | BehaviourEvent::Allowed(never) => match never {},
        }
    }

    fn on_connected(&mut self, id: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        self.dialer.connected(connection, id, Instant::now());
        if let Some((peer, items)) = self.links.open(id, met(&id, endpoint)) {
            tracing::info!(%id, ?peer, "peer connected");
            tokio::spawn(inbox::run(self.checks.clone(), peer, id, items));
        }
    }

    /// Sends a message to its checks, or drops it without blame if too many wait.
    fn on_gossip(&mut self, source: PeerId, name: &MessageId, message: gossipsub::Message) {
        let room = self.links.link(&source).and_then(Link::gossip_room);
        let number =
            room.and_then(|room| Some((room, self.waiting.insert(name.clone(), source, Instant::now())?)));
        let Some((room, gossip)) = number else {
            return self.accept(name, &source, Verdict::Ignore);
        };
        let gossiped = Gossiped { gossip, data: message.data, room };
        let is_header = message.topic == self.topics.headers.hash();
        let item = if is_header { Item::Header(gossiped) } else { Item::Transaction(gossiped) };
        if let Some(link) = self.links.link(&source) {
            let delivered = link.deliver(item);
            self.close_if_full(source, delivered);
        }
    }

    fn on_ask(&mut self, event: request_response::Event<Question, Vec<u8>>) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                Message::Request { request_id, request, channel } => {
                    self.on_request(peer, request_id, request, channel);
                }
                Message::Response { request_id, response } => {
                    if let Some(Asked { peer: number, id, request }) = self.asked.remove(&request_id) {
                        let item = Item::Answer { id, request, bytes: response };
                        self.deliver(peer, number, item);
                    }
                }
            },
            request_response::Event::OutboundFailure { peer, request_id, error, .. } => {
                if let Some(Asked { peer: number, id, .. }) = self.asked.remove(&request_id) {
                    tracing::debug!(?number, %error, "a request comes to nothing");
                    self.deliver(peer, number, Item::Failed { id, fault: fault_of(&error) });
                }
            }
            request_response::Event::InboundFailure { request_id, .. }
            | request_response::Event::ResponseSent { request_id, .. } => {
                self.served.remove(&request_id);
            }
        }
    }

    /// Serves a request, unless too many are in service: then the stream is closed unanswered.
    fn on_request(
        &mut self,
        source: PeerId,
        id: InboundRequestId,
        question: Question,
        channel: ResponseChannel<Vec<u8>>,
    ) {
        let bytes = match question {
            Ok(bytes) => bytes,
            Err(error) => return self.penalise(source, &Fault::Undecodable(error.to_string())),
        };
        let of_peer = self.served.values().filter(|served| **served == source).count();
        if of_peer >= SERVED_PER_PEER_MAX || self.served.len() >= SERVED_MAX {
            tracing::debug!(peer = %source, "too many requests at a time");
            return;
        }
        self.served.insert(id, source);
        let reports = self.checks.reports.clone();
        tokio::spawn(serve::run(Arc::clone(&self.store), reports, source, bytes, channel));
    }

    /// Hands an item to the peer, if it is still the same connection's.
    fn deliver(&mut self, id: PeerId, number: Peer, item: Item) {
        if let Some(link) = self.links.link(&id)
            && link.peer == number
        {
            let delivered = link.deliver(item);
            self.close_if_full(id, delivered);
        }
    }
}

/// What the peer did wrong if no answer came: only a frame beyond its bound is its fault for sure.
fn fault_of(error: &OutboundFailure) -> Option<Fault> {
    match error {
        OutboundFailure::Io(error) => too_long(error).map(|error| Fault::Undecodable(error.to_string())),
        OutboundFailure::DialFailure
        | OutboundFailure::Timeout
        | OutboundFailure::ConnectionClosed
        | OutboundFailure::UnsupportedProtocols => None,
    }
}

/// A peer as it is told of, by its first connection.
fn met(id: &PeerId, endpoint: &ConnectedPoint) -> Met {
    let direction = if endpoint.is_dialer() { Direction::Outbound } else { Direction::Inbound };
    let address = endpoint.get_remote_address().to_string();
    Met { key: key_of(id), id: id.to_string(), address, direction, since_ms: serve::now_ms(), tip: None }
}
