//! What goes wrong, and all of it right again.

use super::node::Clock;
use super::plan::{CrashAt, Fault};
use super::world::{What, World};

impl World {
    pub(super) fn fault(&mut self, fault: Fault) {
        self.say(0, || format!("FAULT {fault:?}"));
        match fault {
            Fault::Partition(groups) => {
                self.groups = groups;
                self.tally.count("events", "partitions");
            }
            Fault::Whole => self.groups.fill(0),
            Fault::OneWay { from, to, on: true } => {
                self.one_way.insert((from, to));
                self.tally.count("events", "one-way links");
            }
            Fault::OneWay { from, to, on: false } => {
                self.one_way.remove(&(from, to));
            }
            Fault::Cut(a, b) => {
                if let Some(peer) = self.links[&(a, b)].peer {
                    self.tally.count("events", "cuts");
                    self.close(peer, a);
                }
            }
            Fault::Crash { node, at: CrashAt::Now, down_ms } => self.crash(node, down_ms),
            Fault::Crash { node, at, down_ms } => self.nodes[node].crash = Some((at, down_ms)),
            Fault::Slow { node, sync_ms } => {
                self.tally.add("events", "slow disks", u64::from(sync_ms > 8));
                self.nodes[node].sync_ms = sync_ms;
            }
            Fault::Clock { node, offset_ms, drift_ppm } => {
                let jumps = offset_ms != 0 && !self.calm;
                self.tally.add("events", "clock jumps", u64::from(jumps));
                self.tally.add("events", "clock drifts", u64::from(drift_ppm != 0));
                let since_ms = self.now_ms;
                self.nodes[node].clock = Clock { offset_ms, drift_ppm, since_ms };
            }
            Fault::Power { node, percent } => {
                self.tally.add("events", "power changes", u64::from(percent != 100));
                self.nodes[node].percent = percent;
                self.draw(node);
            }
            Fault::RevokeNode(node) => self.revoke_node(node),
            Fault::RevokeController(controller) => self.revoke_controller(controller),
            Fault::Admit(node) => self.admit_node(node),
            Fault::Schism => self.split_admins(),
            Fault::Retune(block_time_ms) => self.retune(block_time_ms),
            Fault::Announce(rule) => self.announce(rule),
            Fault::NewAdmins => self.change_admins(),
            Fault::Succeed(controller) => self.clients[1 + controller].is_to_succeed = true,
            Fault::SucceedNode(node) => self.succeed_node(node),
            Fault::Heal => self.heal(),
        }
    }

    /// All faults off, all nodes up.
    pub(super) fn heal(&mut self) {
        self.calm = true;
        self.groups.fill(0);
        self.one_way.clear();
        for node in 0..self.nodes.len() {
            let it = &mut self.nodes[node];
            (it.clock, it.percent, it.sync_ms, it.crash) = (Clock::default(), 100, 8, None);
            it.banned.clear();
            it.faults.clear();
            if let Some(liar) = &mut it.liar {
                liar.is_calm = true;
            }
            self.draw(node);
            self.after(0, What::Start { node });
        }
        self.begin_ending();
    }
}
