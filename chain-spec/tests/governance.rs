//! What admins decide: admins, parameters, activations.

#![allow(clippy::unwrap_used)]

mod common;

use dronechain_chain_spec::governance::{Activation, Planned, Tuning};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::rules::{HeaderError, TxError};
use dronechain_chain_spec::spec::AdminSet;
use dronechain_chain_spec::state::{Draft, Outcome};

use common::{
    NODES, Net, STRANGER, activate, admit, by_keys, public, refused, revoke, set_admins, set_parameters,
};

#[test]
fn new_admins_decide_from_the_next_transaction_on() {
    let mut net = Net::populated(3);
    let by = |keys: &[u8], sequence, action| net.checked(by_keys(&net, keys, sequence, action));
    let handover = by(&[1, 3], 2, set_admins(3, &[3, 5, 6, 7]));
    let old = by(&[1, 3], 3, admit(Role::Node, STRANGER));
    let new = by(&[3, 6, 7], 3, admit(Role::Node, STRANGER));
    let mut draft = net.draft();
    refused(draft.apply(&new), "T15");
    assert_eq!(draft.apply(&handover), Ok(Outcome::Applied));
    // In the same block: the old set no longer, the new in its own order.
    assert_eq!(draft.apply(&old), Err(TxError::AdminApprovals { threshold: 3 }));
    refused(draft.apply(&by(&[6, 3, 7], 3, admit(Role::Node, STRANGER))), "T15");
    assert_eq!(draft.apply(&new), Ok(Outcome::Applied));
    // And behind it; the sequence goes on.
    let both = vec![handover.get().clone(), new.get().clone()];
    assert_eq!(net.push(NODES[1], both).unwrap(), [Outcome::Applied; 2]);
    let admins = &net.state.admins;
    let expected = AdminSet { threshold: 3, keys: [3, 5, 6, 7].map(public).to_vec() };
    assert_eq!((&admins.governance.admins, admins.next_sequence), (&expected, 4));
    refused(net.apply(by_keys(&net, &[1, 3], 4, revoke(STRANGER))), "T15");
    assert_eq!(net.apply(by_keys(&net, &[3, 5, 6], 4, revoke(STRANGER))), Ok(Outcome::Applied));
}

#[test]
fn planned_parameters_hold_from_their_height_and_are_replaced_before_it() {
    let mut net = Net::populated(3);
    let tuning = |block_time_ms| Tuning { block_time_ms, finality_depth: 7 };
    let first = Tuning { block_time_ms: 1_000, finality_depth: 0 };
    // At height 2: not for itself, so not at 2 nor below.
    for height in [0, 1, 2] {
        let late = net.by_admins(2, set_parameters(2_000, height));
        assert_eq!(net.apply(late), Ok(Outcome::TooLate));
    }
    net.push(NODES[1], vec![net.by_admins(2, set_parameters(2_000, 4))]).unwrap();
    let at = |net: &Net, height| net.state.admins.governance.tuning_at(height);
    assert_eq!([3, 4, 5].map(|height| at(&net, height)), [first, tuning(2_000), tuning(2_000)]);
    // Replaced at height 3, as long as it is a plan.
    net.push(NODES[2], vec![net.by_admins(3, set_parameters(3_000, 5))]).unwrap();
    assert_eq!([4, 5].map(|height| at(&net, height)), [first, tuning(3_000)]);
    // One that is too late leaves the plan as it is.
    net.push(NODES[0], vec![net.by_admins(4, set_parameters(4_000, 4))]).unwrap();
    assert_eq!([4, 5].map(|height| at(&net, height)), [first, tuning(3_000)]);
    assert_eq!(net.state.admins.next_sequence, 5);
    // In force at 5: the next plan does not take it back.
    net.push(NODES[1], vec![net.by_admins(5, set_parameters(1_500, 7))]).unwrap();
    assert_eq!([5, 6, 7].map(|height| at(&net, height)), [tuning(3_000), tuning(3_000), tuning(1_500)]);
    let planned = Some(Planned { tuning: tuning(1_500), height: 7 });
    assert_eq!(net.state.admins.governance.planned, planned);
}

#[test]
fn an_activation_is_moved_until_it_holds() {
    let mut net = Net::populated(3);
    for height in [0, 2] {
        assert_eq!(net.apply(net.by_admins(2, activate(9, height))), Ok(Outcome::TooLate));
    }
    let two = vec![net.by_admins(2, activate(9, 4)), net.by_admins(3, activate(5, 90))];
    assert_eq!(net.push(NODES[1], two).unwrap(), [Outcome::Applied; 2]);
    // Put off, then brought forward to the next block: it holds at 4 and stays.
    net.push(NODES[2], vec![net.by_admins(4, activate(9, 80)), net.by_admins(5, activate(9, 4))]).unwrap();
    let expected = [Activation { rule: 5, height: 90 }, Activation { rule: 9, height: 4 }];
    assert_eq!(net.state.admins.governance.activations, expected);
    let governance = net.state.admins.governance.clone();
    let moved = net.checked(net.by_admins(6, activate(9, 70)));
    assert_eq!(Draft::new(&net.state, 4).apply(&moved), Ok(Outcome::TooLate));
    assert_eq!(Draft::new(&net.state, 3).apply(&moved), Ok(Outcome::Applied));
    // H19 from the height on and not before.
    assert_eq!(governance.check_rules(3), Ok(()));
    for height in [4, 5, 89] {
        assert_eq!(governance.check_rules(height), Err(HeaderError::RuleUnknown { rule: 9, since: 4 }));
    }
}
