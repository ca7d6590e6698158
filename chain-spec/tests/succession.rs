//! Keys that hand their place on, and the bounds of the roll of nodes.

#![allow(clippy::unwrap_used)]

mod common;

use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::limits::{LINE_MAX, NODES_MAX};
use dronechain_chain_spec::registry::{Account, Entry, Registry, Role, Roll};
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::state::{Draft, Outcome};
use dronechain_chain_spec::transaction::AnchorKind;

use common::{
    CONTROLLER, CONTROLLER_2, DEVICE, DEVICE_2, NODES, Net, OPERATOR, STRANGER, admit, enrol, heartbeat,
    public, refused, revoke_device, succeed,
};

#[test]
fn a_successor_stands_for_its_predecessor() {
    // A controller, an operator, a device, a node that is ready and one that is not.
    let cases = [
        (CONTROLLER, Role::Controller, Some(CONTROLLER), None, 1),
        (OPERATOR, Role::Operator, Some(OPERATOR), None, 0),
        (DEVICE, Role::Device, Some(CONTROLLER), None, 0),
        (NODES[2], Role::Node, Some(NODES[2]), Some(0), 0),
        (NODES[3], Role::Node, Some(NODES[3]), None, 0),
    ];
    for (old, role, owner, ready, sequence) in cases {
        let mut net = Net::populated(3);
        net.push(NODES[1], vec![net.by_admins(2, admit(Role::Node, NODES[3]))]).unwrap();
        let succession = net.by(old, sequence, succeed(old, STRANGER, &net.id()));
        // Behind it in the block the old key sends nothing, nor later.
        let again = net.by(old, sequence + 1, succeed(old, 0x62, &net.id()));
        let mut draft = net.draft();
        assert_eq!(draft.apply(&net.checked(succession.clone())), Ok(Outcome::Applied));
        let revoked = TxError::SenderRevoked { sender: public(old), height: 3 };
        assert_eq!(draft.apply(&net.checked(again.clone())), Err(revoked.clone()));
        net.push(NODES[0], vec![succession]).unwrap();
        assert_eq!(net.apply(again), Err(revoked));

        let entry = |byte| &net.state.registry.account(&public(byte)).unwrap().entry;
        let expected = Entry { ready, ..Entry::new(public(STRANGER), role, owner.map(public), 3) };
        assert_eq!(*entry(STRANGER), expected);
        assert_eq!((entry(old).revoked, entry(old).suspect_since), (Some(3), Some(3)));
        let line = if role == Role::Device { STRANGER } else { old };
        assert_eq!(entry(STRANGER).line(), public(line));
        // The successor's sequence begins anew, and its successor belongs to the same line.
        net.push(NODES[1], vec![net.by(STRANGER, 0, succeed(STRANGER, 0x62, &net.id()))]).unwrap();
        let entry = &net.state.registry.account(&public(0x62)).unwrap().entry;
        assert_eq!((entry.owner, entry.ready, entry.role), (owner.map(public), ready, role));
    }
}

#[test]
fn a_successor_sends_in_the_same_block_and_has_the_role() {
    let net = Net::populated(3);
    let mut draft = net.draft();
    let mut apply = |sender, sequence, action| draft.apply(&net.checked(net.by(sender, sequence, action)));
    assert_eq!(apply(CONTROLLER, 1, succeed(CONTROLLER, STRANGER, &net.id())), Ok(Outcome::Applied));
    refused(apply(CONTROLLER, 2, heartbeat(AnchorKind::Data)), "T13");
    refused(apply(STRANGER, 1, heartbeat(AnchorKind::Data)), "T16");
    refused(apply(STRANGER, 0, heartbeat(AnchorKind::Access)), "T14");
    assert_eq!(apply(STRANGER, 0, heartbeat(AnchorKind::Data)), Ok(Outcome::Applied));
}

#[test]
fn a_lines_devices_stay_its_own() {
    let mut net = Net::populated(3);
    let id = net.id();
    let transactions = vec![
        net.by_admins(2, admit(Role::Controller, CONTROLLER_2)),
        net.by(CONTROLLER, 1, succeed(CONTROLLER, STRANGER, &id)),
        net.by(STRANGER, 0, enrol(STRANGER, DEVICE_2, &id)),
        net.by(DEVICE, 0, succeed(DEVICE, 0x43, &id)),
    ];
    net.push(NODES[1], transactions).unwrap();
    let owner = |device| net.state.registry.account(&public(device)).unwrap().entry.owner;
    for device in [DEVICE, DEVICE_2, 0x43] {
        assert_eq!(owner(device), Some(public(CONTROLLER)));
    }
    for device in [DEVICE_2, 0x43] {
        assert_eq!(net.apply(net.by(STRANGER, 1, revoke_device(device))), Ok(Outcome::Applied));
        assert_eq!(net.apply(net.by(CONTROLLER_2, 0, revoke_device(device))), Ok(Outcome::NotOwned));
    }
    assert_eq!(net.apply(net.by(STRANGER, 1, revoke_device(DEVICE))), Ok(Outcome::RevokedBefore));
    // A line's keys are no devices of it, though its name stands as their owner too.
    net.push(NODES[2], vec![net.by(STRANGER, 1, succeed(STRANGER, 0x62, &id))]).unwrap();
    for key in [CONTROLLER, STRANGER, 0x62] {
        assert_eq!(net.apply(net.by(0x62, 0, revoke_device(key))), Ok(Outcome::NotOwned));
    }
}

#[test]
fn a_known_key_succeeds_nobody() {
    let net = Net::populated(3);
    for successor in [CONTROLLER, OPERATOR, DEVICE, NODES[1]] {
        let mut draft = net.draft();
        let known = net.by(CONTROLLER, 1, succeed(CONTROLLER, successor, &net.id()));
        assert_eq!(draft.apply(&net.checked(known)), Ok(Outcome::KeyKnown));
        // The old key goes on.
        let next = net.by(CONTROLLER, 2, heartbeat(AnchorKind::Data));
        assert_eq!(draft.apply(&net.checked(next)), Ok(Outcome::Applied));
    }
}

#[test]
fn the_roll_of_nodes_is_bounded() {
    let net = Net::new(3);
    let name = |at: usize| sha256(&[b"node", &at.to_le_bytes()]).0;
    let filled = |count: usize| {
        let mut state = net.state.clone();
        let mut nodes = state.registry.accounts(Roll::Nodes).to_vec();
        nodes.extend((nodes.len()..count).map(|at| Account {
            entry: Entry::new(PublicKey(name(at)), Role::Node, None, 1),
            next_sequence: 0,
        }));
        state.registry = Registry::new(nodes, Vec::new());
        state
    };
    let (room, full) = (filled(NODES_MAX - 1), filled(NODES_MAX));
    let admission = |sequence, byte| net.checked(net.by_admins(sequence, admit(Role::Node, byte)));
    let succession = net.checked(net.by(NODES[0], 0, succeed(NODES[0], STRANGER, &net.id())));
    let mut draft = Draft::new(&room, 1);
    assert_eq!(draft.apply(&admission(0, NODES[3])), Ok(Outcome::Applied));
    assert_eq!(draft.apply(&admission(1, NODES[4])), Ok(Outcome::RollFull));
    let mut draft = Draft::new(&full, 1);
    assert_eq!(draft.apply(&admission(0, NODES[3])), Ok(Outcome::RollFull));
    // The old key stays in its place; accounts have a roll of their own.
    assert_eq!(draft.apply(&succession), Ok(Outcome::RollFull));
    assert_eq!(draft.node_set(), full.registry.node_set());
    let other = net.checked(net.by_admins(1, admit(Role::Controller, CONTROLLER)));
    assert_eq!(draft.apply(&other), Ok(Outcome::Applied));
}

#[test]
fn a_nodes_line_of_successors_is_bounded() {
    let net = Net::populated(3);
    let line = |count: usize| {
        let mut state = net.state.clone();
        let mut nodes = state.registry.accounts(Roll::Nodes).to_vec();
        nodes.extend((1..count).map(|at| {
            let key = PublicKey(sha256(&[b"successor", &at.to_le_bytes()]).0);
            let entry = Entry::new(key, Role::Node, Some(public(NODES[0])), 1);
            Account { entry: Entry { revoked: Some(1), ..entry }, next_sequence: 0 }
        }));
        state.registry = Registry::new(nodes, Vec::new());
        state
    };
    let succession = |byte| net.checked(net.by(byte, 0, succeed(byte, STRANGER, &net.id())));
    let (room, full) = (line(LINE_MAX - 1), line(LINE_MAX));
    assert_eq!(Draft::new(&room, 2).apply(&succession(NODES[0])), Ok(Outcome::Applied));
    let mut draft = Draft::new(&full, 2);
    assert_eq!(draft.apply(&succession(NODES[0])), Ok(Outcome::RollFull));
    assert_eq!(draft.node_set(), full.registry.node_set());
    // Another's line has its own places.
    assert_eq!(draft.apply(&succession(NODES[1])), Ok(Outcome::Applied));
}
