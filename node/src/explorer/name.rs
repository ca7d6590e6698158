//! Hashes and keys as links: in full where there is room, else shortened with the whole of it at hand.

use std::fmt::Display;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::state::Outcome;
use dronechain_chain_spec::transaction::{ActionKind, AnchorKind, Sender};
use maud::{Markup, html};

/// Characters that are kept of a shortened name, in front and behind.
const KEPT: (usize, usize) = (10, 6);

/// A hash in full; the script adds a button to copy it.
pub(super) fn full(hash: impl Display) -> Markup {
    html! { code.hash data-copy { (hash) } }
}

fn short(name: &str) -> String {
    let (front, behind) = KEPT;
    match (name.get(..front), name.len().checked_sub(behind).and_then(|at| name.get(at..))) {
        (Some(first), Some(last)) if name.len() > front + behind + 1 => format!("{first}…{last}"),
        _ => name.to_owned(),
    }
}

fn link(path: &str, name: impl Display) -> Markup {
    let name = name.to_string();
    html! { a href={ (path) (name) } title=(name) { code { (short(&name)) } } }
}

fn link_full(path: &str, name: impl Display) -> Markup {
    let name = name.to_string();
    html! { a href={ (path) (name) } { code.hash { (name) } } }
}

pub(super) fn block(hash: &Hash256) -> Markup {
    link("/block/", hash)
}

pub(super) fn block_full(hash: &Hash256) -> Markup {
    link_full("/block/", hash)
}

/// A block of the active chain by its height.
pub(super) fn height(height: u64) -> Markup {
    html! { a href={ "/block/" (height) } { (super::amount::count(height)) } }
}

pub(super) fn transaction(txid: &Hash256) -> Markup {
    link("/tx/", txid)
}

pub(super) fn transaction_full(txid: &Hash256) -> Markup {
    link_full("/tx/", txid)
}

pub(super) fn batch(root: &Hash256) -> Markup {
    link("/batch/", root)
}

pub(super) fn batch_full(root: &Hash256) -> Markup {
    link_full("/batch/", root)
}

pub(super) fn record_full(hash: &Hash256) -> Markup {
    link_full("/receipt/", hash)
}

pub(super) fn key(key: &PublicKey) -> Markup {
    link("/key/", key)
}

pub(super) fn key_full(key: &PublicKey) -> Markup {
    link_full("/key/", key)
}

pub(super) fn sender(sender: &Sender) -> Markup {
    match sender {
        Sender::Admins => html! { a href="/key/admins" { "the admins" } },
        Sender::Key(name) => key(name),
    }
}

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Node => "node",
        Role::Controller => "controller",
        Role::Operator => "operator",
        Role::Device => "device",
    }
}

pub(super) fn anchor_kind(kind: AnchorKind) -> &'static str {
    match kind {
        AnchorKind::Data => "data records",
        AnchorKind::Command => "commands",
        AnchorKind::Access => "accesses",
    }
}

/// Every kind with its name in queries and what it does.
pub(super) const KINDS: [(ActionKind, &str, &str); 10] = [
    (ActionKind::Anchor, "anchor", "Anchor"),
    (ActionKind::Enrol, "enrol", "Enrol a device"),
    (ActionKind::RevokeDevice, "revoke-device", "Revoke a device"),
    (ActionKind::Admit, "admit", "Admit a key"),
    (ActionKind::Revoke, "revoke", "Revoke a key"),
    (ActionKind::Ready, "ready", "Node is ready"),
    (ActionKind::Succeed, "succeed", "Hand over to a successor"),
    (ActionKind::SetAdmins, "set-admins", "Set the admins"),
    (ActionKind::SetParameters, "set-parameters", "Set parameters"),
    (ActionKind::Activate, "activate", "Activate a rule"),
];

pub(super) fn action(kind: ActionKind) -> &'static str {
    KINDS.iter().find(|(known, ..)| *known == kind).map_or("Action", |(.., title)| title)
}

/// What a transaction did, and whether that is what it was to do.
pub(super) fn outcome(outcome: Outcome) -> Markup {
    let why = match outcome {
        Outcome::Applied => return html! { "took effect" },
        Outcome::KeyKnown => "the key is registered already, or was once",
        Outcome::NotOwned => "there is no such key to revoke, or it is another's",
        Outcome::RevokedBefore => "the key was revoked before",
        Outcome::ReadyBefore => "the node had announced itself before",
        Outcome::TooLate => "it came too late for its height",
        Outcome::RollFull => "there is no place left on the roll",
    };
    html! { span.warn { "no effect: " (why) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shortened_in_the_middle_and_whole_in_the_link() {
        let hash = Hash256([0xab; 32]);
        let text = block(&hash).into_string();
        assert!(text.contains(&format!("href=\"/block/{hash}\" title=\"{hash}\"")), "{text}");
        assert!(text.contains("<code>ababababab…ababab</code>"), "{text}");
        assert_eq!(short("0123456789"), "0123456789");
    }
}
