//! What a new network's parameters mean, what is unwise about them, and what to do next.

use std::fmt::Write as _;

use dronechain_chain_spec::spec::{AdminSet, ChainSpec};
use dronechain_node::config::KEY_NAME;

use super::folder::{ADMINS, Folder, Member};
use super::host::Reach;

/// Below this a network of several machines makes forks by the delay of its links alone.
const BLOCK_TIME_REMOTE_MIN_MS: u64 = 2_000;

/// A network about which something is said.
pub(super) struct Advice<'a> {
    pub(super) spec: &'a ChainSpec,
    pub(super) folder: &'a Folder,
    pub(super) reach: Reach,
}

impl Advice<'_> {
    /// What is unwise, one sentence each.
    pub(super) fn notes(&self) -> Vec<String> {
        let nodes = self.spec.nodes.len();
        let AdminSet { threshold, keys } = &self.spec.admins;
        let mut notes = Vec::new();
        if nodes < 3 {
            notes.push("fewer than three nodes: the network halts when one is down".into());
        } else if nodes.is_multiple_of(2) {
            let spare = (nodes - 1) / 2;
            notes.push(format!(
                "{nodes} nodes bear the loss of {spare}, as {} do: take an odd number",
                nodes - 1
            ));
        }
        if *threshold == 1 {
            notes.push("one admin alone decides: whoever has one admin key has the network".into());
        }
        if keys.len() > 1 && keys.len() == *threshold as usize {
            notes.push("all admins must sign: a key that is lost ends all changes".into());
        }
        if self.folder.new_admins().count() > 1 {
            notes.push(
                "several admins' keys are made in one place: better each makes its own and gives --admin"
                    .into(),
            );
        }
        let block_time_ms = self.spec.parameters.block_time_ms;
        if !self.folder.is_one_machine() && block_time_ms < BLOCK_TIME_REMOTE_MIN_MS {
            notes
                .push(format!("a block each {block_time_ms} ms is for one machine: take the template fleet"));
        }
        if self.spec.parameters.finality_depth == 0 {
            notes.push("no finality depth: reorganisations of any depth are followed".into());
        }
        let members = self.folder.members();
        let inward = members.iter().filter(|member| member.place.is_loopback()).count();
        if inward > 0 && inward < members.len() {
            notes.push("a loopback address is among the hosts: the others do not reach that node".into());
        }
        if self.reach == Reach::Everyone {
            notes.push(
                "HTTP ports are open to whoever reaches the machines: put a firewall or proxy in front"
                    .into(),
            );
        }
        notes
    }

    /// All of it for people.
    pub(super) fn text(&self) -> String {
        let ChainSpec { name, parameters, admins, nodes, .. } = self.spec;
        let (dir, chain_id) = (self.folder.dir().display(), self.spec.network().chain_id);
        let seconds = parameters.block_time_ms as f64 / 1_000.0;
        let mut text = format!("network {name}, chain id {chain_id}, in {dir}\n");
        let mut line = |line: String| {
            let _ = writeln!(text, "{line}");
        };
        line(format!("  a block each {seconds} s on average"));
        line(format!("  {} of {} nodes must run", nodes.len() / 2 + 1, nodes.len()));
        line(format!("  {} of {} admins sign what is decided", admins.threshold, admins.keys.len()));
        if parameters.finality_depth > 0 {
            let minutes = seconds * parameters.finality_depth as f64 / 60.0;
            line(format!(
                "  reorganisations of more than {} blocks ({minutes:.0} minutes) are refused",
                parameters.finality_depth
            ));
        }
        for note in self.notes() {
            line(format!("  note: {note}"));
        }
        line("next:".into());
        for Member { place, is_ours, .. } in self.folder.members() {
            let move_in =
                if *is_ours { String::new() } else { format!(", put its key there as {KEY_NAME},") };
            line(format!(
                "  move {dir}/{name} to the machine {address}{move_in} and start: dronechain-node run --data {name}",
                name = place.name,
                address = place.address,
            ));
        }
        for name in self.folder.new_admins() {
            line(format!("  give {dir}/{ADMINS}/{name}.key to {name}, and keep no copy"));
        }
        let http_port = self.folder.members().first().map_or(0, |member| member.place.http_port);
        let _ = write!(text, "  look: curl http://127.0.0.1:{http_port}/v1/status");
        text
    }
}
