//! Around a node's core: what the shell does with events, actions and commits; starts, crashes, mining.

use std::rc::Rc;
use std::sync::Arc;

use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::target::Target;
use dronechain_node::core::Core;
use dronechain_node::core::event::{Action, Event, SubmitError, Submitted, Template, Ticket};
use dronechain_node::core::view::ViewError;

use super::Violation;
use super::client::Heard;
use super::message::Gossip;
use super::model;
use super::plan::CrashAt;
use super::world::{What, World};

impl World {
    /// An event for a node's core.
    pub(super) fn feed(&mut self, node: usize, event: Event) -> Result<(), Violation> {
        let it = &mut self.nodes[node];
        if it.core.is_none() {
            return Ok(());
        }
        if it.waits && it.commit.is_some() {
            it.inbox.push_back(event);
            return Ok(());
        }
        self.handle(node, event)?;
        self.begin_commit(node)
    }

    pub(super) fn handle(&mut self, node: usize, event: Event) -> Result<(), Violation> {
        let it = &mut self.nodes[node];
        let Some(core) = &mut it.core else { return Ok(()) };
        let now_ms = it.clock.shows(self.now_ms);
        it.watch.latest_ms = it.watch.latest_ms.max(now_ms);
        let told = self.log.then(|| brief(&event)).filter(|told| !told.starts_with("Tick"));
        let actions = core.handle(now_ms, event);
        if let Some(told) = told {
            self.say(node, || format!("< {told}"));
        }
        let actions = actions.map_err(|ViewError(why)| self.violation("view", node, why))?;
        for action in actions {
            self.perform(node, action)?;
        }
        Ok(())
    }

    pub(super) fn begin_commit(&mut self, node: usize) -> Result<(), Violation> {
        let it = &mut self.nodes[node];
        if it.commit.is_some() {
            return Ok(());
        }
        let Some(core) = &mut it.core else { return Ok(()) };
        let Some(changes) = core.take_changes() else {
            return self.settled(node);
        };
        it.commit = Some(Arc::clone(&changes));
        self.check_times(node, &changes)?;
        let it = &mut self.nodes[node];
        let (life, sync_ms) = (it.life, it.sync_ms);
        let crash = it.crash.take_if(|(at, _)| *at == CrashAt::Commit);
        let wait_ms = self.rng.within(sync_ms / 2, sync_ms + sync_ms / 2).max(1);
        if let Some((_, down_ms)) = crash {
            let at = self.rng.within(0, wait_ms);
            self.after(at, What::Crash { node, down_ms });
        }
        self.after(wait_ms, What::Synced { node, life });
        Ok(())
    }

    pub(super) fn synced(&mut self, node: usize) -> Result<(), Violation> {
        self.persist(node);
        let it = &mut self.nodes[node];
        if let Some((_, down_ms)) = it.crash.take_if(|(at, _)| *at == CrashAt::Synced) {
            self.crash(node, down_ms);
            return Ok(());
        }
        self.handle(node, Event::Committed)?;
        while let Some(event) = self.nodes[node].inbox.pop_front() {
            self.handle(node, event)?;
        }
        self.begin_commit(node)
    }

    /// The commit under way is on disk.
    pub(super) fn persist(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let Some(changes) = it.commit.take() else { return };
        it.disk.apply(&changes);
        let tables = it.disk.tables();
        for (hash, transactions) in &changes.blocks {
            self.model.learn(*hash, &tables.headers[hash].signed.header, transactions);
        }
        drop(tables);
        it.watch.rivals.extend(changes.blocks.keys());
    }

    pub(super) fn perform(&mut self, node: usize, action: Action) -> Result<(), Violation> {
        self.say(node, || brief(&action));
        match action {
            Action::Request { peer, id, request } => self.ask(node, peer, id, request),
            Action::GossipTransaction(transaction) => self.publish(node, &Gossip::transaction(transaction)),
            Action::GossipHeader(header) => self.publish(node, &Gossip::header(header)),
            Action::Judge { gossip, verdict } => self.judge(node, gossip, verdict),
            Action::Penalise { peer, fault } => {
                if let Some(&other) = self.nodes[node].peers.get(&peer) {
                    self.penalise(node, other, &fault)?;
                }
            }
            Action::Answer { ticket, result } => self.answered(node, ticket, result),
            Action::Mine(template) => self.mine(node, template),
            Action::TipMoved { disconnected, .. } => {
                if disconnected > 0 {
                    self.tally.count("reorganisations", &format!("{disconnected:03}"));
                }
            }
            Action::FinalityAlarm { rival, .. } => {
                self.tally.count("events", "finality alarms");
                self.nodes[node].watch.alarms.insert(rival);
                if !self.plan.deep {
                    return Err(self.violation("finality", node, format!("an alarm for {rival}")));
                }
            }
            Action::Evidence { offenders, misbehaviour, .. } => {
                self.check_evidence(node, &offenders, misbehaviour)?;
            }
            Action::UpgradeNeeded { rule, .. } => {
                return Err(self.violation("rules", node, format!("rule {rule} is unknown")));
            }
            Action::GiveTemplate { .. } | Action::JudgeFound { .. } => {
                return Err(self.violation("miners", node, "no miner elsewhere asked".to_owned()));
            }
            Action::ClockWarning { .. } => self.tally.count("events", "clock warnings"),
        }
        Ok(())
    }

    pub(super) fn answered(&mut self, node: usize, ticket: Ticket, result: Result<Submitted, SubmitError>) {
        let Some((client, at)) = self.nodes[node].tickets.remove(&ticket) else { return };
        let sub = &self.clients[client].subs[at];
        let key = (sub.transaction.body.sender, sub.transaction.body.sequence);
        if let Ok(Submitted::Pending { txid, .. }) = &result
            && self.nodes[node].is_honest()
        {
            self.tally.count("submissions", "acknowledged");
            self.nodes[node].watch.acknowledged.insert(key, *txid);
        }
        if let Some((_, down_ms)) = self.nodes[node].crash.take_if(|(when, _)| *when == CrashAt::Answer) {
            self.after(0, What::Crash { node, down_ms });
        }
        if self.rng.chance(5) {
            self.tally.count("submissions", "answers lost");
            return;
        }
        let wait_ms = self.rng.within(1, 50);
        self.after(wait_ms, What::Reply { client, at, node, heard: Box::new(Heard::from(result)) });
    }

    /// A submission reached a node.
    pub(super) fn submit(&mut self, client: usize, at: usize, node: usize) -> Result<(), Violation> {
        let sub = &self.clients[client].subs[at];
        if self.nodes[node].core.is_none() {
            self.after(1, What::Reply { client, at, node, heard: Box::new(Heard::Nothing) });
            return Ok(());
        }
        let (transaction, body) = (Rc::clone(&sub.transaction), sub.body.clone());
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.nodes[node].tickets.insert(ticket, (client, at));
        let checked = self.checks.transaction(&transaction);
        let transaction = checked.map_err(|error| self.violation("client", node, error.to_string()))?;
        self.feed(node, Event::Submitted { ticket, transaction, body })
    }

    pub(super) fn start(&mut self, node: usize) -> Result<(), Violation> {
        let it = &self.nodes[node];
        if it.core.is_some() {
            return Ok(());
        }
        let start = it.disk.load(it.public, it.follow).map_err(|why| self.violation("store", node, why))?;
        let core = Core::new(self.checks.network.clone(), it.disk.clone(), start);
        let core = core.map_err(|ViewError(why)| self.violation("view", node, why))?;
        let it = &mut self.nodes[node];
        it.core = Some(core);
        it.life += 1;
        it.watch.restarted = true;
        // Stored but not connected before the start: followed once a peer tells of it again.
        it.watch.rivals.clear();
        let life = it.life;
        self.tally.count("events", "starts");
        self.after(0, What::Tick { node, life });
        self.begin_commit(node)
    }

    /// What was not synced is lost; of a commit under way all or nothing is.
    pub(super) fn crash(&mut self, node: usize, down_ms: u64) {
        if self.nodes[node].core.is_none() {
            return;
        }
        self.tally.count("events", "crashes");
        if self.nodes[node].commit.is_some() {
            self.tally.count("events", "crashes during a commit");
            if self.rng.chance(50) {
                self.persist(node);
            }
        }
        let it = &mut self.nodes[node];
        it.core = None;
        it.life += 1;
        (it.commit, it.template, it.crash) = (None, None, None);
        it.draw += 1;
        it.inbox.clear();
        it.tickets.clear();
        it.held.clear();
        it.seen.clear();
        for peer in it.peers.keys().copied().collect::<Vec<_>>() {
            self.close(peer, node);
        }
        self.after(down_ms, What::Start { node });
    }

    pub(super) fn mine(&mut self, node: usize, template: Option<Template>) {
        self.nodes[node].template = template.map(|template| template.header);
        self.draw(node);
    }

    /// Waits have no memory, so a new one may be drawn whenever the target or the power changes.
    pub(super) fn draw(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        it.draw += 1;
        let power = it.power * it.percent as f64 / 100.0;
        let Some(template) = &it.template else { return };
        if power > 0.0 {
            let (work, draw) = (model::work(template.bits) as f64, it.draw);
            let wait_ms = self.rng.wait(work / power);
            self.after(wait_ms, What::Found { node, draw });
        }
    }

    pub(super) fn found(&mut self, node: usize, draw: u64) -> Result<(), Violation> {
        let it = &mut self.nodes[node];
        if it.draw != draw {
            return Ok(());
        }
        let Some(header) = it.template.take() else { return Ok(()) };
        let signed = self.grind(header).signed(&self.nodes[node].key, &self.checks.network.chain_id);
        let checked = self.checks.header(&signed);
        let header = checked.map_err(|error| self.violation("template", node, error.to_string()))?;
        self.tally.count("blocks", "mined");
        self.feed(node, Event::Mined(header))
    }

    /// A nonce that meets the header's target.
    pub(super) fn grind(&mut self, mut header: Header) -> Header {
        let target = Target::from_bits(header.bits).expect("bits that a rule gave");
        header.nonce = self.rng.bits();
        while !target.is_met_by(&header.hash()) {
            header.nonce = header.nonce.wrapping_add(1);
        }
        header
    }
}

/// An event or action in a line, hashes cut short.
fn brief(what: &impl std::fmt::Debug) -> String {
    let mut text = String::new();
    let whole = format!("{what:?}");
    let mut rest = &whole[..];
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let digits = rest[at..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len() - at);
        text.push_str(&rest[..at + digits.min(if digits >= 64 { 8 } else { digits })]);
        rest = &rest[at + digits..];
    }
    text.push_str(rest);
    text.truncate(9000);
    text
}
