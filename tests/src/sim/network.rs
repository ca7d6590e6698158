//! Between the nodes: requests, gossip, connections, and who is punished for what.

use std::rc::Rc;

use dronechain_chain_spec::header::future_ms;
use dronechain_chain_spec::rules::HeaderError;
use dronechain_chain_spec::wire::Request;
use dronechain_node::core::event::{Event, Fault as Wrong, GossipId, Peer, RequestId, Verdict};

use super::Violation;
use super::message::{Gossip, News, Packet, fault_name};
use super::node::Held;
use super::world::{UPKEEP_MS, What, World};

/// How long an answer may take.
const REQUEST_TIMEOUT_MS: u64 = 10_000;
/// Requests to one peer that wait for their answers; as in the peer-to-peer layer.
const REQUESTS_PER_PEER_MAX: usize = 16;
/// Gossip drops repeats within this time.
const SEEN_MS: u64 = 60_000;
/// A connection over which nothing comes is given up after this long.
const DEAD_MS: u64 = 15_000;
/// Faults of a peer at which it is disconnected.
const FAULTS_MAX: u64 = 5;
/// For how long.
const BAN_MS: u64 = 30_000;

impl World {
    pub(super) fn ask(&mut self, node: usize, peer: Peer, id: RequestId, request: Request) {
        let it = &mut self.nodes[node];
        let life = it.life;
        let waiting = it.asked.range((peer, RequestId(0))..=(peer, RequestId(u64::MAX))).count();
        if waiting >= REQUESTS_PER_PEER_MAX || !it.peers.contains_key(&peer) {
            let event = Event::RequestFailed { peer, request: id, fault: None };
            self.after(0, What::Tell { node, life, event: Box::new(event) });
            return;
        }
        it.asked.insert((peer, id), request.clone());
        self.after(REQUEST_TIMEOUT_MS, What::Timeout { node, peer, id });
        self.send(node, peer, &Packet::Ask { id, request });
    }

    /// Gossips what is the node's own news.
    pub(super) fn publish(&mut self, node: usize, gossip: &Gossip) {
        if self.nodes[node].seen.insert(gossip.id, self.now_ms).is_none() {
            self.spread(node, gossip, None);
        }
    }

    pub(super) fn spread(&mut self, node: usize, gossip: &Gossip, but: Option<Peer>) {
        for peer in self.nodes[node].peers.keys().copied().collect::<Vec<_>>() {
            if Some(peer) != but {
                self.send(node, peer, &Packet::Gossip(gossip.clone()));
            }
        }
    }

    pub(super) fn judge(&mut self, node: usize, gossip: GossipId, verdict: Verdict) {
        let Some(Held { gossip, from, .. }) = self.nodes[node].held.remove(&gossip) else { return };
        match verdict {
            Verdict::Accept => {
                self.tally.count("gossip", "accepted");
                self.spread(node, &gossip, Some(from));
            }
            Verdict::Ignore => self.tally.count("gossip", "ignored"),
            Verdict::Reject => self.tally.count("gossip", "rejected"),
        }
    }

    /// A node found another at fault.
    pub(super) fn penalise(&mut self, node: usize, other: usize, fault: &Wrong) -> Result<(), Violation> {
        if !self.nodes[node].is_honest() {
            return Ok(());
        }
        let name = fault_name(fault);
        let group = match fault {
            Wrong::Header(_) => "refused headers",
            Wrong::Block { .. } => "refused blocks",
            Wrong::Transaction(_) => "refused transactions",
            Wrong::Body(_) | Wrong::Unasked | Wrong::Undecodable(_) => "refused answers",
        };
        self.tally.count(group, &name);
        self.tally.count("events", "penalties");
        if self.nodes[other].is_honest() {
            return Err(self.violation(
                "penalty",
                node,
                format!("honest node {other} is penalised: {fault}"),
            ));
        }
        let faults = self.nodes[node].faults.entry(other).or_default();
        *faults += 1;
        if *faults >= FAULTS_MAX {
            *faults = 0;
            self.nodes[node].banned.insert(other, self.now_ms + BAN_MS);
            self.tally.count("events", "bans");
            if let Some(peer) = self.links.get(&pair(node, other)).and_then(|link| link.peer) {
                self.close(peer, node);
            }
        }
        Ok(())
    }

    pub(super) fn send(&mut self, from: usize, peer: Peer, packet: &Packet) {
        let Some(&to) = self.nodes[from].peers.get(&peer) else { return };
        let doubled = self.rng.chance(self.plan.weather.doubled) && !self.calm;
        for _ in 0..=usize::from(doubled) {
            if !self.calm && self.rng.chance(self.plan.weather.loss) {
                self.tally.count("messages", "lost");
                continue;
            }
            let delay_ms = self.delays[&(from, to)] + self.rng.wait(self.plan.weather.jitter_ms as f64);
            self.after(delay_ms, What::Deliver { from, to, peer, packet: Box::new(packet.clone()) });
        }
        self.tally.add("messages", "doubled", u64::from(doubled));
    }

    pub(super) fn is_open(&self, from: usize, to: usize) -> bool {
        self.groups[from] == self.groups[to] && !self.one_way.contains(&(from, to))
    }

    pub(super) fn deliver(
        &mut self,
        from: usize,
        to: usize,
        peer: Peer,
        packet: Packet,
    ) -> Result<(), Violation> {
        if !self.nodes[to].peers.contains_key(&peer) || !self.is_open(from, to) {
            self.tally.count("messages", "cut off");
            return Ok(());
        }
        self.tally.count("messages", "delivered");
        match packet {
            Packet::Gossip(gossip) => self.hear(from, to, peer, gossip),
            Packet::Ask { id, request } => {
                if self.nodes[to].core.is_none() {
                    return Ok(());
                }
                if let Some(response) = self.serve(to, from, &request) {
                    self.send(to, peer, &Packet::Reply { id, response: Rc::new(response) });
                }
                Ok(())
            }
            Packet::Reply { id, response } => {
                let Some(asked) = self.nodes[to].asked.remove(&(peer, id)) else { return Ok(()) };
                let event = match self.checks.answer(&asked, &response) {
                    Ok(answer) => Event::Answered { peer, request: id, answer },
                    Err(fault) => Event::RequestFailed { peer, request: id, fault: Some(fault) },
                };
                self.feed(to, event)
            }
        }
    }

    pub(super) fn hear(
        &mut self,
        from: usize,
        to: usize,
        peer: Peer,
        gossip: Gossip,
    ) -> Result<(), Violation> {
        let it = &mut self.nodes[to];
        if it.seen.insert(gossip.id, self.now_ms).is_some() {
            return Ok(());
        }
        it.gossips += 1;
        let id = GossipId(it.gossips);
        match self.checks.gossip(peer, id, &gossip.news) {
            Ok(event) => {
                self.count_early(to, &gossip.news);
                let held = Held { gossip, from: peer, since_ms: self.now_ms };
                self.nodes[to].held.insert(id, held);
                self.feed(to, event)
            }
            Err(fault) => self.penalise(to, from, &fault),
        }
    }

    /// A header from the future is ignored without a word.
    pub(super) fn count_early(&mut self, node: usize, news: &News) {
        if let News::Header(link) = news {
            let now_ms = self.nodes[node].clock.shows(self.now_ms);
            let (found, latest) = (link.header.header.time_ms, now_ms + future_ms(self.plan.block_time_ms));
            if found > latest {
                let (number, name) = HeaderError::Future { found, latest }.rule();
                self.tally.count("refused headers", &format!("{number} {name}"));
            }
        }
    }

    /// `node` closes a connection at once; the other side notices later.
    pub(super) fn close(&mut self, peer: Peer, node: usize) {
        let Some(&other) = self.nodes[node].peers.get(&peer) else { return };
        if let Some(link) = self.links.get_mut(&pair(node, other))
            && link.peer == Some(peer)
        {
            link.peer = None;
        }
        let wait_ms = self.rng.within(1, 300);
        self.after(0, What::Gone { node, peer });
        self.after(wait_ms, What::Gone { node: other, peer });
        if self.nodes[node].core.is_none() {
            self.nodes[node].peers.remove(&peer);
            self.nodes[node].asked.retain(|(of, _), _| *of != peer);
        }
    }

    pub(super) fn gone(&mut self, node: usize, peer: Peer) -> Result<(), Violation> {
        if self.nodes[node].peers.remove(&peer).is_none() {
            return Ok(());
        }
        self.nodes[node].asked.retain(|(of, _), _| *of != peer);
        self.feed(node, Event::Closed(peer))
    }

    pub(super) fn upkeep(&mut self) -> Result<(), Violation> {
        for (a, b) in self.plan.links.iter().copied().collect::<Vec<_>>() {
            self.tend(a, b)?;
        }
        let now_ms = self.now_ms;
        for node in &mut self.nodes {
            node.seen.retain(|_, at_ms| *at_ms + SEEN_MS > now_ms);
            node.held.retain(|_, held| held.since_ms + SEEN_MS > now_ms);
        }
        self.after(UPKEEP_MS, What::Upkeep);
        self.look()
    }

    /// Dials, and gives up what is dead or not admitted.
    pub(super) fn tend(&mut self, a: usize, b: usize) -> Result<(), Violation> {
        let open = self.is_open(a, b) && self.is_open(b, a);
        let welcome = self.welcomes(a, b) && self.welcomes(b, a);
        let link = self.links.get_mut(&(a, b)).expect("a link of the plan");
        link.blocked_ms = if open { 0 } else { link.blocked_ms + UPKEEP_MS };
        match link.peer {
            Some(peer) if link.blocked_ms >= DEAD_MS || !welcome => {
                self.close(peer, a);
                // Either side notices by itself.
                self.after(0, What::Gone { node: b, peer });
            }
            Some(_) => {}
            None if open && welcome && self.rng.chance(60) => {
                self.connections += 1;
                let peer = Peer(self.connections);
                self.links.get_mut(&(a, b)).expect("a link of the plan").peer = Some(peer);
                self.tally.count("events", "connections");
                for (node, other) in [(a, b), (b, a)] {
                    self.nodes[node].peers.insert(peer, other);
                    self.feed(node, Event::Connected(peer))?;
                }
            }
            None => {}
        }
        Ok(())
    }

    pub(super) fn welcomes(&self, node: usize, other: usize) -> bool {
        let banned = self.nodes[node].banned.get(&other).is_some_and(|until_ms| *until_ms > self.now_ms);
        !banned && self.nodes[other].core.is_some() && self.nodes[node].admits(&self.nodes[other].public)
    }
}

pub(super) fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
