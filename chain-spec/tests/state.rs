//! Rules T1 to T16, outcomes, sequences, admins, revocation, and disconnecting blocks.

#![allow(clippy::unwrap_used)]

mod common;

use dronechain_chain_spec::codec::{self, CodecError};
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{KeyError, PublicKey};
use dronechain_chain_spec::limits::{
    ADMINS_MAX, DEVICE_AREA_MAX, DEVICE_KIND_MAX, LEAVES_MAX, RULES_MAX, TX_BYTES_MAX,
};
use dronechain_chain_spec::registry::{Registry, Role, Roll};
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::spec::AdminSet;
use dronechain_chain_spec::state::{Draft, Outcome, State};
use dronechain_chain_spec::transaction::{
    Action, Anchor, AnchorKind, Enrolment, PossessionClaim, Sender, Transaction,
};

use common::{
    CONTROLLER, CONTROLLER_2, DEVICE, DEVICE_2, NODES, Net, OPERATOR, STRANGER, activate, admin_body, admit,
    anchor, body, by_keys, digest, enrol, form, heartbeat, key, leaves, public, refused, revoke,
    revoke_device, set_admins, set_parameters, succeed,
};

// The stateless rules.

#[test]
fn t1_only_canonical_bytes_are_a_transaction() {
    let net = Net::new(3);
    let transaction = net.by(CONTROLLER, 0, heartbeat(AnchorKind::Data));
    let decode = |bytes: &[u8]| codec::decode::<Transaction>(bytes).map_err(TxError::from);
    let bytes = codec::encode(&transaction);
    assert_eq!(decode(&bytes), Ok(transaction));
    for cut in 0..bytes.len() {
        refused(decode(&bytes[..cut]), "T1");
    }
    assert_eq!(decode(&[&bytes[..], &[0]].concat()), Err(TxError::Malformed(CodecError::Trailing(1))));
    // Variants end with 9; an approval count of 2^60 allocates nothing.
    let action_at = 4 + 32 + 8;
    let mut unknown = bytes.clone();
    unknown[action_at] = 10;
    refused(decode(&unknown), "T1");
    let mut huge = bytes.clone();
    let count_at = bytes.len() - 96 - 8;
    assert_eq!(huge[count_at], 1);
    huge[count_at + 7] = 0x10;
    refused(decode(&huge), "T1");
    let long = vec![0; TX_BYTES_MAX + 1];
    let found = CodecError::TooLong { found: TX_BYTES_MAX + 1, max: TX_BYTES_MAX };
    assert_eq!(decode(&long), Err(TxError::Malformed(found)));
}

#[test]
fn t2_size_is_bounded() {
    let net = Net::new(3);
    let action = |area| {
        Action::Enrol(Enrolment {
            device: public(DEVICE),
            kind: String::new(),
            area,
            possession: PossessionClaim {
                controller: public(CONTROLLER),
                device: public(DEVICE),
                kind: "",
                area: "",
            }
            .sign(&key(DEVICE), &net.id()),
        })
    };
    let least = codec::encode(&net.by(CONTROLLER, 0, action(String::new()))).len();
    let most = "a".repeat(TX_BYTES_MAX - least);
    refused(form(&net, net.by(CONTROLLER, 0, action(most.clone()))), "T5");
    refused(form(&net, net.by(CONTROLLER, 0, action(most + "a"))), "T2");
}

#[test]
fn t3_admins_send_their_actions_and_no_others() {
    let net = Net::new(3);
    let admins = [
        admit(Role::Node, STRANGER),
        revoke(STRANGER),
        set_admins(1, &[1]),
        set_parameters(1_000, 9),
        activate(1, 9),
    ];
    for action in admins {
        assert_eq!(form(&net, net.by_admins(0, action.clone())), Ok(()));
        assert_eq!(form(&net, net.by(1, 0, action)), Err(TxError::WrongSender));
    }
    let others = [
        heartbeat(AnchorKind::Data),
        Action::Ready,
        revoke_device(DEVICE),
        enrol(CONTROLLER, DEVICE, &net.id()),
        succeed(CONTROLLER, STRANGER, &net.id()),
    ];
    for action in others {
        assert_eq!(form(&net, net.by(CONTROLLER, 0, action.clone())), Ok(()));
        assert_eq!(form(&net, net.by_admins(0, action)), Err(TxError::WrongSender));
    }
}

#[test]
fn t4_devices_are_never_admitted() {
    let net = Net::new(3);
    for role in [Role::Node, Role::Controller, Role::Operator] {
        assert_eq!(form(&net, net.by_admins(0, admit(role, STRANGER))), Ok(()));
    }
    assert_eq!(form(&net, net.by_admins(0, admit(Role::Device, STRANGER))), Err(TxError::DeviceAdmitted));
}

#[test]
fn t5_a_devices_texts_are_bounded() {
    let net = Net::new(3);
    let verdict = |kind: usize, area: usize| {
        let (kind, area) = ("k".repeat(kind), "a".repeat(area));
        let (controller, device) = (public(CONTROLLER), public(DEVICE));
        let claim = PossessionClaim { controller, device, kind: &kind, area: &area };
        let possession = claim.sign(&key(DEVICE), &net.id());
        let enrolment = Enrolment { device, kind: kind.clone(), area: area.clone(), possession };
        form(&net, net.by(CONTROLLER, 0, Action::Enrol(enrolment)))
    };
    assert_eq!(verdict(DEVICE_KIND_MAX, DEVICE_AREA_MAX), Ok(()));
    assert_eq!(verdict(DEVICE_KIND_MAX + 1, 0), Err(TxError::TextTooLong));
    assert_eq!(verdict(0, DEVICE_AREA_MAX + 1), Err(TxError::TextTooLong));
}

#[test]
fn t6_leaf_count_goes_with_the_root() {
    let net = Net::new(3);
    let verdict = |root, leaf_count| {
        let kind = AnchorKind::Data;
        let anchor = Anchor { kind, root, leaf_count, first_time: 0, last_time: 0 };
        form(&net, net.by(CONTROLLER, 0, Action::Anchor(anchor)))
    };
    let root = sha256(&[b"root"]);
    assert_eq!(verdict(root, 1), Ok(()));
    assert_eq!(verdict(root, LEAVES_MAX), Ok(()));
    assert_eq!(verdict(Hash256::ZERO, 0), Ok(()));
    for (root, found) in [(root, LEAVES_MAX + 1), (root, u32::MAX), (root, 0), (Hash256::ZERO, 1)] {
        assert_eq!(verdict(root, found), Err(TxError::LeafCount { found }));
    }
}

#[test]
fn t7_threshold_lies_within_distinct_admins() {
    let net = Net::new(3);
    let all: Vec<u8> = (1..=u8::MAX).collect();
    let verdict = |threshold, keys: usize| form(&net, net.by_admins(0, set_admins(threshold, &all[..keys])));
    for (threshold, keys) in [(1, 1), (2, 3), (3, 3), (32, ADMINS_MAX)] {
        assert_eq!(verdict(threshold, keys), Ok(()));
    }
    for (threshold, keys) in [(0, 1), (2, 1), (0, 0), (1, 0), (1, ADMINS_MAX + 1)] {
        assert_eq!(verdict(threshold, keys), Err(TxError::AdminSet));
    }
    assert_eq!(form(&net, net.by_admins(0, set_admins(1, &[1, 2, 1]))), Err(TxError::AdminSet));
}

#[test]
fn t8_a_key_approves_alone_and_admins_are_few() {
    let net = Net::new(3);
    let signed = |keys: &[u8], admins| {
        let body = match admins {
            true => admin_body(0, revoke(STRANGER)),
            false => body(CONTROLLER, 0, heartbeat(AnchorKind::Data)),
        };
        let keys: Vec<_> = keys.iter().map(|byte| key(*byte)).collect();
        form(&net, body.signed(&keys.iter().collect::<Vec<_>>(), &net.id()))
    };
    assert_eq!(signed(&[CONTROLLER], false), Ok(()));
    for keys in [&[][..], &[STRANGER], &[CONTROLLER, CONTROLLER], &[CONTROLLER, STRANGER]] {
        assert_eq!(signed(keys, false), Err(TxError::Approvals { found: keys.len() }));
    }
    assert_eq!(signed(&[1], true), Ok(()));
    assert_eq!(signed(&[1; ADMINS_MAX], true), Ok(()));
    assert_eq!(signed(&[], true), Err(TxError::Approvals { found: 0 }));
    assert_eq!(signed(&[1; ADMINS_MAX + 1], true), Err(TxError::Approvals { found: ADMINS_MAX + 1 }));
}

#[test]
fn t9_every_signature_holds_on_this_network_over_these_bytes() {
    let net = Net::new(3);
    let good = net.by_admins(0, revoke(STRANGER));
    assert_eq!(form(&net, good.clone()), Ok(()));
    for at in 0..2 {
        let mut bad = good.clone();
        bad.approvals[at].signature.0[40] ^= 1;
        let key = bad.approvals[at].key;
        assert_eq!(form(&net, bad), Err(TxError::Signature(KeyError::BadSignature(key))));
    }
    let mut other = good.clone();
    other.body.sequence = 1;
    refused(form(&net, other), "T9");
    let foreign = good.body.signed(&[&key(1), &key(3)], &sha256(&[b"another network"]));
    refused(form(&net, foreign), "T9");
}

#[test]
fn t9_weak_keys_get_nowhere() {
    let net = Net::new(3);
    let mut weak = PublicKey([0; 32]);
    weak.0[0] = 1;
    for (bad, error) in
        [(weak, KeyError::Weak(weak)), (PublicKey([2; 32]), KeyError::NotAPoint(PublicKey([2; 32])))]
    {
        let admit = Action::Admit { role: Role::Node, key: bad };
        assert_eq!(form(&net, net.by_admins(0, admit)), Err(TxError::Signature(error)));
        let admins = Action::SetAdmins { threshold: 1, keys: vec![public(1), bad] };
        assert_eq!(form(&net, net.by_admins(0, admins)), Err(TxError::Signature(error)));
        let Action::Succeed { possession, .. } = succeed(CONTROLLER, STRANGER, &net.id()) else {
            unreachable!()
        };
        let succession = Action::Succeed { successor: bad, possession };
        assert_eq!(form(&net, net.by(CONTROLLER, 0, succession)), Err(TxError::Signature(error)));
        let Action::Enrol(mut enrolment) = enrol(CONTROLLER, DEVICE, &net.id()) else { unreachable!() };
        enrolment.device = bad;
        let enrol = net.by(CONTROLLER, 0, Action::Enrol(enrolment));
        assert_eq!(form(&net, enrol), Err(TxError::Signature(error)));
    }
}

#[test]
fn t10_a_device_agrees_to_this_enrolment_by_this_controller() {
    let net = Net::new(3);
    let good = enrol(CONTROLLER, DEVICE, &net.id());
    assert_eq!(form(&net, net.by(CONTROLLER, 0, good.clone())), Ok(()));
    let bad = Err(TxError::Possession { device: public(DEVICE) });
    assert_eq!(form(&net, net.by(CONTROLLER_2, 0, good.clone())), bad);
    assert_eq!(form(&net, net.by(CONTROLLER, 0, enrol(CONTROLLER, DEVICE, &Hash256::ZERO))), bad);
    let Action::Enrol(good) = good else { unreachable!() };
    for change in [
        |enrolment: &mut Enrolment| enrolment.kind.push('x'),
        |enrolment: &mut Enrolment| enrolment.area.push('x'),
        |enrolment: &mut Enrolment| enrolment.possession.0[0] ^= 1,
    ] {
        let mut enrolment = good.clone();
        change(&mut enrolment);
        assert_eq!(form(&net, net.by(CONTROLLER, 0, Action::Enrol(enrolment))), bad);
    }
}

#[test]
fn t10_a_successor_agrees_to_succeed_this_key() {
    let net = Net::new(3);
    let good = succeed(CONTROLLER, STRANGER, &net.id());
    assert_eq!(form(&net, net.by(CONTROLLER, 0, good.clone())), Ok(()));
    let bad = Err(TxError::Possession { device: public(STRANGER) });
    assert_eq!(form(&net, net.by(CONTROLLER_2, 0, good)), bad);
    assert_eq!(form(&net, net.by(CONTROLLER, 0, succeed(CONTROLLER, STRANGER, &Hash256::ZERO))), bad);
    // Another's signature over the right claim, and the claim of an enrolment.
    let claim =
        |kind| PossessionClaim { controller: public(CONTROLLER), device: public(STRANGER), kind, area: "" };
    for possession in
        [claim("").sign(&key(CONTROLLER), &net.id()), claim("multicopter").sign(&key(STRANGER), &net.id())]
    {
        let succession = Action::Succeed { successor: public(STRANGER), possession };
        assert_eq!(form(&net, net.by(CONTROLLER, 0, succession)), bad);
    }
}

#[test]
fn t11_parameters_are_in_range() {
    let net = Net::new(3);
    let verdict = |action| form(&net, net.by_admins(0, action));
    for good in [10, 3_600_000] {
        assert_eq!(verdict(set_parameters(good, 9)), Ok(()));
    }
    for found in [0, 9, 3_600_001, u64::MAX] {
        assert_eq!(verdict(set_parameters(found, 9)), Err(TxError::Parameters { found }));
    }
    for good in [1, RULES_MAX] {
        assert_eq!(verdict(activate(good, 9)), Ok(()));
    }
    for rule in [0, RULES_MAX + 1, u32::MAX] {
        assert_eq!(verdict(activate(rule, 9)), Err(TxError::Parameters { found: rule.into() }));
    }
}

// The rules that need the state.

#[test]
fn t12_senders_are_registered() {
    let net = Net::populated(3);
    let sender = public(STRANGER);
    let stranger = net.by(STRANGER, 0, heartbeat(AnchorKind::Data));
    assert_eq!(net.apply(stranger.clone()), Err(TxError::SenderUnknown { sender }));
    assert_eq!(net.apply(net.by(CONTROLLER, 1, heartbeat(AnchorKind::Data))), Ok(Outcome::Applied));
    // Admitted earlier in the same block is registered.
    let mut draft = net.draft();
    draft.apply(&net.checked(net.by_admins(2, admit(Role::Controller, STRANGER)))).unwrap();
    assert_eq!(draft.apply(&net.checked(stranger)), Ok(Outcome::Applied));
}

#[test]
fn t13_revoked_senders_send_nothing_more() {
    let mut net = Net::populated(3);
    let anchor = net.by(CONTROLLER, 1, heartbeat(AnchorKind::Data));
    assert_eq!(net.apply(anchor.clone()), Ok(Outcome::Applied));
    net.push(NODES[1], vec![net.by_admins(2, revoke(CONTROLLER))]).unwrap();
    let sender = public(CONTROLLER);
    assert_eq!(net.apply(anchor), Err(TxError::SenderRevoked { sender, height: 2 }));
    // And never return.
    let again = net.by_admins(3, admit(Role::Controller, CONTROLLER));
    assert_eq!(net.apply(again), Ok(Outcome::KeyKnown));
}

#[test]
fn t13_revocation_counts_in_transaction_order_within_a_block() {
    let net = Net::populated(3);
    let anchor = net.checked(net.by(CONTROLLER, 1, heartbeat(AnchorKind::Data)));
    let revocation = net.checked(net.by_admins(2, revoke(CONTROLLER)));
    let mut draft = net.draft();
    assert_eq!(draft.apply(&anchor), Ok(Outcome::Applied));
    assert_eq!(draft.apply(&revocation), Ok(Outcome::Applied));
    let mut draft = net.draft();
    assert_eq!(draft.apply(&revocation), Ok(Outcome::Applied));
    refused(draft.apply(&anchor), "T13");
    // A device's revocation leaves its controller be.
    let mut draft = net.draft();
    draft.apply(&net.checked(net.by(CONTROLLER, 1, revoke_device(DEVICE)))).unwrap();
    let next = net.by(CONTROLLER, 2, heartbeat(AnchorKind::Data));
    assert_eq!(draft.apply(&net.checked(next)), Ok(Outcome::Applied));
}

#[test]
fn t14_each_action_has_its_role() {
    let net = Net::populated(3);
    let id = net.id();
    let table: [(Action, u8); 6] = [
        (heartbeat(AnchorKind::Data), CONTROLLER),
        (heartbeat(AnchorKind::Command), CONTROLLER),
        (heartbeat(AnchorKind::Access), OPERATOR),
        (Action::Ready, NODES[0]),
        (revoke_device(DEVICE), CONTROLLER),
        (enrol(CONTROLLER, DEVICE_2, &id), CONTROLLER),
    ];
    for (action, right) in table {
        for sender in [CONTROLLER, OPERATOR, NODES[0], DEVICE] {
            let action = match action {
                Action::Enrol(_) => enrol(sender, DEVICE_2, &id),
                ref action => action.clone(),
            };
            let sequence = u64::from(sender == CONTROLLER);
            let verdict = net.apply(net.by(sender, sequence, action));
            if sender == right {
                assert!(verdict.is_ok(), "{verdict:?}");
            } else {
                refused(verdict, "T14");
            }
        }
    }
}

#[test]
fn t15_admins_sign_m_of_n_in_order_of_index() {
    let net = Net::populated(3);
    let verdict = |keys: &[u8]| {
        let keys: Vec<_> = keys.iter().map(|byte| key(*byte)).collect();
        let body = admin_body(2, admit(Role::Node, STRANGER));
        net.apply(body.signed(&keys.iter().collect::<Vec<_>>(), &net.id()))
    };
    for keys in [[1, 2], [1, 3], [2, 3]] {
        assert_eq!(verdict(&keys), Ok(Outcome::Applied));
    }
    let bad: [&[u8]; 9] =
        [&[1], &[2, 1], &[3, 1], &[3, 2], &[1, 1], &[1, 2, 3], &[1, STRANGER], &[STRANGER, 3], &[1, 1, 2]];
    for keys in bad {
        assert_eq!(verdict(keys), Err(TxError::AdminApprovals { threshold: 2 }), "{keys:?}");
    }
}

#[test]
fn t16_sequences_have_no_gap_and_no_repeat() {
    let net = Net::populated(3);
    let mut draft = net.draft();
    let at = |sequence| net.checked(net.by(CONTROLLER, sequence, heartbeat(AnchorKind::Data)));
    for found in [0, 2, u64::MAX] {
        refused(draft.apply(&at(found)), "T16");
    }
    for next in 1..5 {
        assert_eq!(draft.apply(&at(next)), Ok(Outcome::Applied));
        refused(draft.apply(&at(next)), "T16");
    }
    // Each sender counts for itself; the admins together.
    let operator = net.checked(net.by(OPERATOR, 0, heartbeat(AnchorKind::Access)));
    assert_eq!(draft.apply(&operator), Ok(Outcome::Applied));
    for (sequence, pair) in [(2, [1, 2]), (3, [2, 3])] {
        let body = admin_body(sequence, admit(Role::Node, 0x70 + pair[0]));
        let transaction = net.checked(body.signed(&pair.map(key).each_ref(), &net.id()));
        assert_eq!(draft.apply(&transaction), Ok(Outcome::Applied));
        refused(draft.apply(&transaction), "T16");
    }
}

#[test]
fn a_refused_transaction_changes_nothing() {
    let net = Net::populated(3);
    let mut draft = net.draft();
    refused(draft.apply(&net.checked(net.by(CONTROLLER, 9, heartbeat(AnchorKind::Data)))), "T16");
    refused(draft.apply(&net.checked(net.by(STRANGER, 0, heartbeat(AnchorKind::Data)))), "T12");
    let delta = draft.finish();
    assert!(delta.changes.is_empty() && delta.admins.is_none() && delta.outcomes.is_empty());
}

#[test]
fn check_sender_tells_the_next_sequence() {
    let net = Net::populated(3);
    let asked = |transaction| net.state.check_sender(&net.checked(transaction));
    assert_eq!(asked(net.by(CONTROLLER, 77, heartbeat(AnchorKind::Data))), Ok(1));
    assert_eq!(asked(net.by_admins(77, revoke(CONTROLLER))), Ok(2));
    refused(asked(net.by(STRANGER, 0, heartbeat(AnchorKind::Data))), "T12");
}

// Outcomes.

#[test]
fn what_cannot_take_effect_is_recorded_and_takes_its_sequence() {
    let mut net = Net::populated(3);
    let id = net.id();
    let transactions = vec![
        net.by_admins(2, admit(Role::Controller, CONTROLLER_2)),
        net.by_admins(3, admit(Role::Operator, CONTROLLER_2)),
        net.by_admins(4, admit(Role::Node, DEVICE)),
        net.by_admins(5, revoke(STRANGER)),
        net.by(CONTROLLER, 1, enrol(CONTROLLER, DEVICE, &id)),
        net.by(CONTROLLER, 2, enrol(CONTROLLER, CONTROLLER, &id)),
        net.by(CONTROLLER_2, 0, revoke_device(DEVICE)),
        net.by(CONTROLLER, 3, revoke_device(STRANGER)),
        net.by(CONTROLLER, 4, revoke_device(OPERATOR)),
        net.by(CONTROLLER, 5, revoke_device(DEVICE)),
        net.by(CONTROLLER, 6, revoke_device(DEVICE)),
        net.by(CONTROLLER, 7, enrol(CONTROLLER, DEVICE, &id)),
        net.by(NODES[0], 0, Action::Ready),
    ];
    use Outcome::{Applied, KeyKnown, NotOwned, ReadyBefore, RevokedBefore};
    let expected = [
        Applied,
        KeyKnown,
        KeyKnown,
        NotOwned,
        KeyKnown,
        KeyKnown,
        NotOwned,
        NotOwned,
        NotOwned,
        Applied,
        RevokedBefore,
        KeyKnown,
        ReadyBefore,
    ];
    assert_eq!(net.push(NODES[1], transactions).unwrap(), expected);
    assert_eq!(net.state.admins.next_sequence, 6);
    assert_eq!(net.state.registry.account(&public(CONTROLLER)).unwrap().next_sequence, 8);
    let device = net.state.registry.account(&public(DEVICE)).unwrap();
    assert_eq!((device.entry.role, device.entry.revoked), (Role::Device, Some(2)));
    // Revoked twice by the admins, after its controller: the first stands.
    let again = vec![net.by_admins(6, revoke(DEVICE))];
    assert_eq!(net.push(NODES[2], again).unwrap(), [RevokedBefore]);
    assert_eq!(net.state.registry.account(&public(DEVICE)).unwrap().entry.revoked, Some(2));
}

#[test]
fn entries_keep_owner_heights_and_order_of_admission() {
    let mut net = Net::populated(3);
    let suspect = |suspect_since| Action::Revoke { key: public(OPERATOR), suspect_since };
    net.push(NODES[1], vec![net.by_admins(2, admit(Role::Controller, CONTROLLER_2))]).unwrap();
    net.push(NODES[2], vec![net.by_admins(3, suspect(2))]).unwrap();
    // A suspicion cannot begin behind the revocation.
    let late = Action::Revoke { key: public(CONTROLLER_2), suspect_since: 99 };
    net.push(NODES[0], vec![net.by_admins(4, late)]).unwrap();
    let shown: Vec<_> = net
        .state
        .registry
        .accounts(Roll::Accounts)
        .iter()
        .map(|account| &account.entry)
        .map(|entry| (entry.key, entry.owner, entry.admitted, entry.suspect_since, entry.revoked))
        .collect();
    let expected = [
        (public(CONTROLLER), None, 1, None, None),
        (public(OPERATOR), None, 1, Some(2), Some(3)),
        (public(DEVICE), Some(public(CONTROLLER)), 1, None, None),
        (public(CONTROLLER_2), None, 2, Some(4), Some(4)),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn admins_may_revoke_any_key_and_a_controller_only_its_devices() {
    let net = Net::populated(3);
    for key in [CONTROLLER, OPERATOR, DEVICE, NODES[2]] {
        assert_eq!(net.apply(net.by_admins(2, revoke(key))), Ok(Outcome::Applied));
    }
    for (key, outcome) in
        [(DEVICE, Outcome::Applied), (OPERATOR, Outcome::NotOwned), (CONTROLLER, Outcome::NotOwned)]
    {
        assert_eq!(net.apply(net.by(CONTROLLER, 1, revoke_device(key))), Ok(outcome));
    }
}

// Connecting and disconnecting.

/// A small deterministic generator (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn of(&mut self, keys: &[u8]) -> u8 {
        keys[self.below(keys.len())]
    }
}

const POOL: [u8; 8] = [CONTROLLER, CONTROLLER_2, OPERATOR, 0x32, DEVICE, DEVICE_2, 0x14, 0x15];

/// What may or may not be valid, by one of the keys or, for none, by the admins; `height` is the next block's.
fn any_action(random: &mut Random, id: &Hash256, height: u64) -> (Option<u8>, Action) {
    let any = random.of(&POOL);
    let controller = random.of(&[CONTROLLER, CONTROLLER_2]);
    let device = random.of(&[DEVICE, DEVICE_2, 0x43]);
    let near = height + random.below(4) as u64;
    match random.below(14) {
        0 => (None, admit(Role::Node, random.of(&[0x14, 0x15, any]))),
        1 => (None, admit(Role::Controller, controller)),
        2 => (None, admit(Role::Operator, random.of(&[OPERATOR, 0x32]))),
        3 => (None, revoke(any)),
        4 => (None, if random.below(2) == 0 { set_admins(2, &[1, 2, 3]) } else { set_admins(1, &[any]) }),
        5 => (None, set_parameters(1_000 + 100 * random.below(4) as u64, near)),
        6 => (None, activate(1 + u32::from(any % 4), near)),
        7 => (Some(controller), enrol(controller, device, id)),
        8 => (Some(controller), revoke_device(device)),
        9 => (Some(random.of(&[0x11, 0x14, 0x15])), Action::Ready),
        10 => (Some(random.of(&[OPERATOR, 0x32])), heartbeat(AnchorKind::Access)),
        11 => {
            let old = random.of(&[any, device, 0x11, 0x51, 0x52]);
            (Some(old), succeed(old, random.of(&[0x51, 0x52, 0x53, 0x54, any]), id))
        }
        _ => (Some(controller), anchor(AnchorKind::Data, &leaves(2))),
    }
}

fn byte_of(public_key: &PublicKey) -> u8 {
    (0..=u8::MAX).find(|byte| public(*byte) == *public_key).unwrap()
}

/// A block's worth of transactions at `height`, each in its turn.
fn any_block(random: &mut Random, net: &Net, height: u64) -> Vec<Transaction> {
    let mut draft = Draft::new(&net.state, height);
    let mut kept = Vec::new();
    for _ in 0..random.below(7) {
        let (sender, action) = any_action(random, &net.id(), height);
        let at = |sequence| match sender {
            Some(sender) => net.by(sender, sequence, action.clone()),
            None => {
                let AdminSet { threshold, keys } = draft.roster().governance.admins;
                let keys: Vec<_> = keys.iter().take(threshold as usize).map(byte_of).collect();
                by_keys(net, &keys, sequence, action.clone())
            }
        };
        // A sequence that nobody reaches here: either it is wrong, and the right one is told, or more is.
        let probe = net.checked(at(u64::MAX));
        if let Err(TxError::Sequence { expected, .. }) = draft.clone().apply(&probe) {
            let transaction = at(expected);
            draft.apply(&net.checked(transaction.clone())).unwrap();
            kept.push(transaction);
        }
    }
    kept
}

/// The registry's kept leaves and roots are those of its accounts.
fn is_consistent(state: &State) {
    let rolls = [Roll::Nodes, Roll::Accounts];
    let [nodes, accounts] = rolls.map(|roll| state.registry.accounts(roll).to_vec());
    let fresh = Registry::new(nodes, accounts);
    for roll in rolls {
        assert_eq!(fresh.root(roll), state.registry.root(roll));
        assert_eq!(fresh.leaves(roll), state.registry.leaves(roll));
    }
    assert!(state.history.is_consistent());
}

#[test]
fn rewinding_restores_every_state_on_the_way() {
    let mut outcomes = std::collections::BTreeMap::new();
    for seed in 1..=40 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let net = Net::new(3);
        let (mut state, mut height) = (net.state.clone(), 0);
        let mut trail = Vec::new();
        while height < 12 {
            let here = Net { state, ..Net::new(3) };
            let transactions = any_block(&mut random, &here, height + 1);
            let mut draft = Draft::new(&here.state, height + 1);
            for transaction in transactions {
                *outcomes.entry(draft.apply(&here.checked(transaction)).unwrap() as u8).or_insert(0) += 1;
            }
            let delta = draft.finish();
            state = here.state;
            let before = digest(&state);
            let block = sha256(&[&seed.to_le_bytes(), &height.to_le_bytes()]);
            let (undo, completed) = state.advance(&delta, block);
            assert_eq!(completed[0].hash, block);
            let undo = codec::decode(&codec::encode(&undo)).unwrap();
            assert_eq!(state.nodes_root(), delta.commitments.nodes);
            assert_eq!(state.registry.root(Roll::Accounts), delta.commitments.accounts);
            assert_eq!(state.roster().root(), delta.commitments.nodes);
            is_consistent(&state);
            trail.push((before, delta, undo, block, digest(&state)));
            height += 1;
            // Now and then back a few blocks and forth again by the same deltas.
            if random.below(4) == 0 {
                let depth = 1 + random.below(trail.len());
                let from = trail.len() - depth;
                for (before, _, undo, _, after) in trail[from..].iter().rev() {
                    assert!(digest(&state) == *after);
                    state.rewind(undo);
                    assert!(digest(&state) == *before);
                    is_consistent(&state);
                }
                for (_, delta, _, block, after) in &trail[from..] {
                    state.advance(delta, *block);
                    assert!(digest(&state) == *after);
                }
            }
        }
        for (before, _, undo, ..) in trail.iter().rev() {
            state.rewind(undo);
            assert!(digest(&state) == *before);
        }
        assert!(digest(&state) == digest(&net.state));
    }
    // All but roll-full.
    assert_eq!(outcomes.len(), 6, "every outcome came up: {outcomes:?}");
}

/// Links show enough: the light chain's roster is the full state's, whatever blocks do.
#[test]
fn the_light_chain_follows_random_blocks() {
    let (mut blocks, mut changes) = (0, 0);
    for seed in 1..=30 {
        let mut random = Random(0xd134_2543_de82_ef95_u64.wrapping_mul(seed));
        let mut net = Net::new(5);
        for height in 1..=10 {
            let mut transactions = any_block(&mut random, &net, height);
            // The admins' stand first; what that brings out of turn is left out.
            transactions.sort_by_key(|transaction| transaction.body.sender != Sender::Admins);
            let mut draft = net.draft();
            transactions.retain(|transaction| draft.apply(&net.checked(transaction.clone())).is_ok());
            let miners: Vec<_> =
                net.state.registry.node_set().0.iter().map(|entry| byte_of(&entry.key)).collect();
            if !miners.iter().any(|miner| net.push(*miner, transactions.clone()).is_ok()) {
                break;
            }
            let (found, expected) = (net.chain.roster(height), net.state.roster());
            assert_eq!((&found.governance, &found.nodes), (&expected.governance, &expected.nodes));
            assert!(found.admin_sequence <= expected.admin_sequence);
            blocks += 1;
            changes += net.chain.link(height).unwrap().changes.len();
        }
    }
    assert!(blocks > 100 && changes > 50, "{blocks} blocks, {changes} changes");
}

#[test]
fn a_whole_chain_disconnects_to_genesis_and_connects_again() {
    let mut net = Net::populated(3);
    net.push(NODES[1], vec![net.by_admins(2, admit(Role::Node, NODES[3]))]).unwrap();
    net.push(NODES[2], vec![net.by(NODES[3], 0, Action::Ready)]).unwrap();
    net.push(NODES[0], vec![net.by_admins(3, revoke(NODES[3]))]).unwrap();
    let governed = vec![
        net.by_admins(4, set_parameters(2_000, 9)),
        net.by_admins(5, activate(3, 99)),
        net.by_admins(6, set_admins(1, &[9])),
        net.by(NODES[2], 0, succeed(NODES[2], STRANGER, &net.id())),
    ];
    net.push(NODES[1], governed).unwrap();
    let (tip, after) = (net.chain.tip(), digest(&net.state));
    let blocks: Vec<_> = net.blocks.iter().map(|block| block.to_block()).collect();
    while !net.blocks.is_empty() {
        net.pop();
    }
    assert!(digest(&net.state) == digest(&Net::new(3).state));
    assert_eq!(net.chain.tip(), net.id());
    for block in blocks {
        net.connect(block).unwrap();
    }
    assert!(digest(&net.state) == after && net.chain.tip() == tip);
}
