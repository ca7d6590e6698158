//! Rules H16 to H19: what headers show of their blocks, and what a corrupt miner cannot make of it.

#![allow(clippy::unwrap_used)]

mod common;

use dronechain_chain_spec::codec::{self, Canonical as _};
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::KeyError;
use dronechain_chain_spec::limits::{BLOCK_BYTES_MAX, BLOCK_TXS_MAX, MESSAGE_BYTES_MAX};
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::merkle::{PathError, Step, Tree};
use dronechain_chain_spec::registry::{Commitments, Entry, Role};
use dronechain_chain_spec::roster::{ChangeFault, Roster};
use dronechain_chain_spec::rules::{BlockError, HeaderError, TxError};
use dronechain_chain_spec::state::Outcome;
use dronechain_chain_spec::transaction::{Action, AnchorKind, Transaction};
use dronechain_chain_spec::wire::Response;

use common::{
    CONTROLLER, CONTROLLER_2, DEVICE, NODES, Net, STRANGER, admin_body, admit, anchor, enrol, header_on, key,
    leaves, mined, public, revoke, set_admins, set_parameters, shown, succeed,
};

/// A link of a block by `miner` with these transactions, as it pleases: commitments over `roster`, and shown
/// is what `indices` says.
fn by_corrupt(net: &Net, miner: u8, transactions: &[Transaction], roster: &Roster, indices: &[u32]) -> Link {
    let nodes = roster.root();
    let commitments = Commitments { nodes, ..net.commitments(&[]) };
    let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
    let header = header_on(&net.chain, miner, &txids, commitments.hash());
    Link { header: mined(header, miner, &net.id()), commitments, changes: shown(transactions, indices) }
}

fn push(net: &Net, link: Link) -> Result<(), HeaderError> {
    net.chain.clone().push(link)
}

/// The link of the next block, by the ledger's own code.
fn honest(net: &Net, miner: u8, transactions: &[Transaction]) -> Link {
    let block = net.block(miner, transactions.to_vec()).check(net.chain.network()).unwrap();
    let delta = net.state.execute(&block).unwrap();
    Link::of(&block, &delta)
}

#[track_caller]
fn refused(result: Result<(), HeaderError>, rule: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.rule().0, rule, "{error}");
    // What came along with a header says nothing about the block.
    assert_eq!(BlockError::Header(error).refutes_hash(), !matches!(rule, "H16" | "H17" | "H18" | "H19"));
}

#[track_caller]
fn fault(result: Result<(), HeaderError>, at: usize) -> ChangeFault {
    match result.unwrap_err() {
        HeaderError::Change { index, fault } => {
            assert_eq!(index, at);
            fault
        }
        other => panic!("{other}"),
    }
}

/// Transactions of which 0, 1, 4 and 5 change governance or nodes.
fn mixed(net: &Net) -> Vec<Transaction> {
    vec![
        net.by_admins(2, admit(Role::Node, NODES[3])),
        net.by_admins(3, set_parameters(2_000, 50)),
        net.by_admins(4, admit(Role::Controller, CONTROLLER_2)),
        net.by_admins(5, revoke(STRANGER)),
        net.by(NODES[3], 0, Action::Ready),
        net.by(NODES[0], 0, succeed(NODES[0], 0x51, &net.id())),
        net.by(CONTROLLER, 1, anchor(AnchorKind::Data, &leaves(3))),
    ]
}

#[test]
fn a_link_shows_what_changed_governance_or_nodes() {
    let net = Net::populated(3);
    let link = honest(&net, NODES[1], &mixed(&net));
    assert_eq!(link.changes, shown(&mixed(&net), &[0, 1, 4, 5]));
    let checked = link.clone().check(net.chain.network()).unwrap();
    assert_eq!(checked.to_link(), link);
    assert_eq!((checked.changes().len(), checked.shown()), (4, &link.changes[..]));
    assert_eq!(checked.commitments(), net.commitments(&mixed(&net)));
    assert_eq!(push(&net, link), Ok(()));
    assert_eq!(honest(&net, NODES[1], &[]).changes, []);
    // By the full state too, the next block is held to the same.
    let mut full = net;
    full.push(NODES[1], mixed(&full)).unwrap();
    assert_eq!(full.chain.roster(2).nodes, full.state.registry.node_set());
}

#[test]
fn h16_the_shown_commitments_are_the_headers() {
    let net = Net::populated(3);
    let good = honest(&net, NODES[1], &mixed(&net));
    let changes: [fn(&mut Commitments); 3] = [
        |commitments| commitments.history = Hash256::ZERO,
        |commitments| commitments.nodes = Hash256::ZERO,
        |commitments| commitments.accounts = Hash256::ZERO,
    ];
    for change in changes {
        let mut link = good.clone();
        change(&mut link.commitments);
        refused(push(&net, link), "H16");
    }
}

#[test]
fn h17_what_is_shown_stands_in_the_block() {
    let net = Net::populated(3);
    let good = honest(&net, NODES[1], &mixed(&net));
    let with = |change: &dyn Fn(&mut Vec<Shown>)| {
        let mut link = good.clone();
        change(&mut link.changes);
        push(&net, link)
    };
    assert_eq!(with(&|_| ()), Ok(()));
    // Another transaction, valid by itself.
    let other = net.by_admins(3, set_parameters(3_000, 50));
    let found = fault(with(&|changes| changes[1].transaction = other.clone()), 1);
    assert!(matches!(found, ChangeFault::Root { .. }), "{found}");
    // Another set of approvals for the same body.
    let body = good.changes[1].transaction.body.clone();
    let approved = body.signed(&[&key(1), &key(2)], &net.id());
    let found = fault(with(&|changes| changes[1].transaction = approved.clone()), 1);
    assert!(matches!(found, ChangeFault::Root { .. }), "{found}");
    // Another path, a cut one, and one of another leaf.
    let flip = |changes: &mut Vec<Shown>| {
        let (Step::Left(hash) | Step::Right(hash)) = &mut changes[2].path[1];
        hash.0[0] ^= 1;
    };
    assert!(matches!(fault(with(&flip), 2), ChangeFault::Root { .. }));
    let cut = with(&|changes| changes[2].path.truncate(2));
    assert_eq!(fault(cut, 2), ChangeFault::Path(PathError::Length { found: 2, expected: 3 }));
    let moved = with(&|changes| changes[3].index = 6);
    assert!(matches!(fault(moved, 3), ChangeFault::Path(_)));
    let beyond = with(&|changes| changes[3].index = 7);
    let expected = ChangeFault::Path(PathError::IndexOutOfRange { index: 7, count: 7 });
    assert_eq!(fault(beyond, 3), expected);
}

#[test]
fn h17_changes_are_shown_once_and_in_order() {
    let net = Net::populated(3);
    let good = honest(&net, NODES[1], &mixed(&net));
    for (first, second) in [(1, 0), (0, 0), (3, 2)] {
        let mut link = good.clone();
        link.changes = vec![good.changes[first].clone(), good.changes[second].clone()];
        assert_eq!(fault(push(&net, link), 1), ChangeFault::Order);
    }
}

#[test]
fn h17_what_is_shown_is_valid_and_has_an_effect() {
    let net = Net::populated(3);
    let transactions = mixed(&net);
    let good = honest(&net, NODES[1], &transactions);
    let also = |indices: &[u32]| Link { changes: shown(&transactions, indices), ..good.clone() };
    // Applied, but to accounts only; and without effect.
    let controller = push(&net, also(&[0, 1, 2, 4, 5]));
    assert_eq!(fault(controller, 2), ChangeFault::NoEffect(Outcome::Applied));
    let nobody = push(&net, also(&[0, 1, 3, 4, 5]));
    assert_eq!(fault(nobody, 2), ChangeFault::NoEffect(Outcome::NotOwned));
    // A sender that is no node.
    let sender = public(CONTROLLER);
    let account = push(&net, also(&[0, 1, 4, 5, 6]));
    assert_eq!(fault(account, 4), TxError::SenderUnknown { sender }.into());

    // In a block of a corrupt miner: signatures and what needs the state are checked all the same.
    let roster = net.state.roster();
    let mut forged = net.by_admins(2, revoke(NODES[2]));
    forged.approvals[1].signature.0[3] ^= 1;
    let found = push(&net, by_corrupt(&net, NODES[1], &[forged], &roster, &[0]));
    assert_eq!(fault(found, 0), TxError::Signature(KeyError::BadSignature(public(3))).into());
    let role = net.by(NODES[1], 0, enrol(NODES[1], 0x44, &net.id()));
    let found = push(&net, by_corrupt(&net, NODES[1], &[role], &roster, &[0]));
    assert_eq!(fault(found, 0), TxError::SenderRole { role: Role::Node }.into());
    let ready = net.by(NODES[2], 0, Action::Ready);
    let found = push(&net, by_corrupt(&net, NODES[1], &[ready], &roster, &[0]));
    assert_eq!(fault(found, 0), ChangeFault::NoEffect(Outcome::ReadyBefore));
}

#[test]
fn h17_any_sequence_of_a_node_is_taken_without_harm() {
    // A light client does not know a node's sequence. This block is none; the link is not refused for it.
    let net = Net::populated(3);
    for sequence in [0, 7, u64::MAX] {
        let succession = net.by(NODES[1], sequence, succeed(NODES[1], 0x51, &net.id()));
        let mut after = net.state.roster();
        let (owner, height) = (Some(public(NODES[1])), 2);
        let ready = Some(0);
        let entry = Entry { ready, ..Entry::new(public(0x51), Role::Node, owner, height) };
        after.nodes.0[1].revoked = Some(height);
        after.nodes.0[1].suspect_since = Some(height);
        after.nodes.0.push(entry);
        assert_eq!(push(&net, by_corrupt(&net, NODES[2], &[succession], &after, &[0])), Ok(()));
    }
}

#[test]
fn h18_a_change_left_out_is_noticed_at_once() {
    let net = Net::populated(3);
    let transactions = mixed(&net);
    let good = honest(&net, NODES[1], &transactions);
    for left in [&[][..], &[0, 4], &[0, 1, 4], &[0, 1, 5], &[1, 5]] {
        refused(push(&net, Link { changes: shown(&transactions, left), ..good.clone() }), "H18");
    }
    // What another in the block undoes leaves no trace in the roster.
    let twice = [net.by_admins(2, set_parameters(2_000, 50)), net.by_admins(3, set_parameters(3_000, 50))];
    let link = honest(&net, NODES[1], &twice);
    assert_eq!(push(&net, Link { changes: shown(&twice, &[1]), ..link.clone() }), Ok(()));
    refused(push(&net, Link { changes: shown(&twice, &[0]), ..link }), "H18");
    // Without its admission an announcement is a stranger's.
    refused(push(&net, Link { changes: shown(&transactions, &[1, 4, 5]), ..good }), "H17");
}

#[test]
fn h17_an_admins_transaction_is_not_replayed() {
    let mut net = Net::populated(3);
    let first = net.by_admins(2, set_parameters(2_000, 50));
    net.push(NODES[1], vec![first.clone(), net.by_admins(3, set_parameters(3_000, 50))]).unwrap();
    net.push(NODES[2], vec![net.by_admins(4, admit(Role::Node, NODES[3]))]).unwrap();
    let mut roster = net.state.roster();
    roster.governance.planned.as_mut().unwrap().tuning.block_time_ms = 2_000;
    let replay = push(&net, by_corrupt(&net, NODES[0], &[first], &roster, &[0]));
    let TxError::Sequence { found, expected, .. } = (match fault(replay, 0) {
        ChangeFault::Transaction(error) => error,
        other => panic!("{other}"),
    }) else {
        panic!("another rule")
    };
    assert_eq!((found, expected), (2, 5));
    // Nor within one link: two in the wrong order of sequence.
    let two = [net.by_admins(6, set_parameters(2_000, 60)), net.by_admins(5, set_parameters(2_500, 60))];
    let found = fault(push(&net, by_corrupt(&net, NODES[0], &two, &roster, &[0, 1])), 1);
    assert!(matches!(found, ChangeFault::Transaction(TxError::Sequence { found: 5, expected: 7, .. })));
    // A gap is none: the admins' others are not shown.
    let mut after = net.state.roster();
    after.governance.planned.as_mut().unwrap().tuning.block_time_ms = 2_000;
    after.governance.planned.as_mut().unwrap().height = 60;
    assert_eq!(push(&net, by_corrupt(&net, NODES[0], &two[..1], &after, &[0])), Ok(()));
}

/// Whoever keeps a chain cannot make its own roster without m admins: however a corrupt admitted node commits,
/// and whatever it shows.
#[test]
fn a_corrupt_node_makes_no_roster_of_its_own() {
    let mut net = Net::populated(3);
    net.push(NODES[1], vec![net.by_admins(2, admit(Role::Node, NODES[3]))]).unwrap();
    let corrupt = NODES[0];
    let now = net.state.roster();
    let stranger = Entry { ready: Some(0), ..Entry::new(public(STRANGER), Role::Node, None, 0) };
    let goals: [&dyn Fn(&mut Roster); 6] = [
        &|roster| roster.nodes.0.push(stranger.clone()),
        &|roster| roster.nodes.0.truncate(1),
        &|roster| roster.nodes.0[1].revoked = Some(3),
        &|roster| roster.nodes.0[3].ready = Some(2),
        &|roster| roster.governance.admins.keys[0] = public(STRANGER),
        &|roster| roster.governance.tuning.block_time_ms = 10,
    ];
    // By itself, with one admin of the two wanted, with one admin twice, and with admins of its own.
    let by = |keys: &[u8], action: Action| {
        let keys: Vec<_> = keys.iter().map(|byte| key(*byte)).collect();
        admin_body(3, action).signed(&keys.iter().collect::<Vec<_>>(), &net.id())
    };
    let actions = [
        admit(Role::Node, STRANGER),
        revoke(NODES[1]),
        set_admins(1, &[STRANGER]),
        set_parameters(10, 4),
        Action::Activate { rule: 1, height: 4 },
    ];
    for goal in goals {
        let mut after = now.clone();
        goal(&mut after);
        refused(push(&net, by_corrupt(&net, corrupt, &[], &after, &[])), "H18");
        for action in &actions {
            for signers in [&[corrupt][..], &[2], &[2, corrupt], &[2, 2], &[2, 1], &[STRANGER, 0x62]] {
                let shown = by_corrupt(&net, corrupt, &[by(signers, action.clone())], &after, &[0]);
                let found = fault(push(&net, shown), 0);
                assert_eq!(found, TxError::AdminApprovals { threshold: 2 }.into());
            }
        }
        // In other nodes' names it announces and succeeds nobody.
        let own = [net.by(corrupt, 0, succeed(corrupt, STRANGER, &net.id()))];
        let link = by_corrupt(&net, corrupt, &own, &after, &[0]);
        refused(push(&net, link), "H18");
    }
    // With m admins it could.
    let mut after = now;
    after.nodes.0.push(Entry::new(public(STRANGER), Role::Node, None, 3));
    let real = by(&[1, 2], admit(Role::Node, STRANGER));
    assert_eq!(push(&net, by_corrupt(&net, corrupt, &[real], &after, &[0])), Ok(()));
}

#[test]
fn a_change_does_not_bring_its_own_miner_along() {
    // A stranger commits to a roster in which it has been ready all along.
    let mut net = Net::populated(3);
    let mut roster = net.state.roster();
    let stranger = Entry { ready: Some(0), ..Entry::new(public(STRANGER), Role::Node, None, 0) };
    roster.nodes.0.push(stranger);
    refused(push(&net, by_corrupt(&net, STRANGER, &[], &roster, &[])), "H13");
    // A successor does not make the block that names it, though it is ready as its predecessor was.
    let succession = [net.by(NODES[1], 0, succeed(NODES[1], STRANGER, &net.id()))];
    let link = honest(&net, STRANGER, &succession);
    refused(push(&net, link.clone()), "H13");
    // That shows in the roll after the block too, which is all that a full node needs.
    let header = link.header.check(net.chain.network()).unwrap();
    let mut draft = net.draft();
    draft.apply(&net.checked(succession[0].clone())).unwrap();
    refused(
        draft.node_set().check_turn(header.header().miner, header.header().height, std::iter::empty()),
        "H14",
    );
    // Nor does its predecessor.
    refused(push(&net, honest(&net, NODES[1], &succession)), "H14");
    assert_eq!(push(&net, honest(&net, NODES[2], &succession)), Ok(()));
    // Nor does a node that is admitted but not ready make itself ready in retrospect.
    net.push(NODES[1], vec![net.by_admins(2, admit(Role::Node, NODES[3]))]).unwrap();
    let mut roster = net.state.roster();
    roster.nodes.0[3].ready = Some(1);
    refused(push(&net, by_corrupt(&net, NODES[3], &[], &roster, &[])), "H14");
    let ready = [net.by(NODES[3], 0, Action::Ready)];
    refused(push(&net, honest(&net, NODES[3], &ready)), "H14");
}

#[test]
fn h19_a_rule_that_is_not_known_stops_the_chain_at_its_height() {
    let mut net = Net::populated(3);
    net.push(NODES[1], vec![net.by_admins(2, Action::Activate { rule: 64, height: 5 })]).unwrap();
    net.push(NODES[2], vec![]).unwrap();
    net.push(NODES[0], vec![]).unwrap();
    let error = push(&net, honest(&net, NODES[1], &[])).unwrap_err();
    assert_eq!(error, HeaderError::RuleUnknown { rule: 64, since: 5 });
    assert!(!BlockError::Header(error).refutes_hash());
    // Put off before its height, the chain goes on.
    net.pop();
    net.push(NODES[0], vec![net.by_admins(3, Action::Activate { rule: 64, height: 6 })]).unwrap();
    net.push(NODES[1], vec![]).unwrap();
    refused(push(&net, honest(&net, NODES[2], &[])), "H19");
}

#[test]
fn the_light_chain_counts_with_the_t_that_admins_set() {
    let mut net = Net::populated(3);
    net.push(NODES[1], vec![net.by_admins(2, set_parameters(2_000, 4))]).unwrap();
    let times = |net: &Net| [2, 3, 4, 5].map(|height| net.chain.roster(2).block_time_ms(height));
    assert_eq!(times(&net), [1_000, 1_000, 2_000, 2_000]);
    net.chain.truncate(1);
    assert_eq!(net.chain.roster(9).block_time_ms(9), 1_000);
}

/// However a block is made up, its link has an encoding that everybody takes, also in an answer.
#[test]
fn the_link_of_a_full_block_fits() {
    let net = Net::new(1);
    // One transaction stands for all; the bound counts bytes.
    let one = net.by(NODES[0], 0, succeed(NODES[0], 0x51, &net.id()));
    let size = codec::encode(&one).len();
    let count = BLOCK_TXS_MAX.min(BLOCK_BYTES_MAX / size);
    assert_eq!(count, BLOCK_TXS_MAX);
    let path = Tree::new(vec![one.txid(); count]).path(0).unwrap();
    let changes = (0..)
        .take(count)
        .map(|index| Shown { index, path: path.clone(), transaction: one.clone() })
        .collect();
    let link = Link { changes, ..honest(&net, NODES[0], &[]) };
    let bytes = codec::encode(&link);
    assert_eq!(codec::decode::<Link>(&bytes).unwrap().changes.len(), count);
    assert!(Link::MAX <= bytes.len() + BLOCK_BYTES_MAX - count * size);
    assert!(codec::encode(&Response::Headers(vec![link])).len() <= MESSAGE_BYTES_MAX);
    const { assert!(Link::MAX + 16 <= MESSAGE_BYTES_MAX) };
}

#[test]
fn governance_and_entries_have_no_common_encoding() {
    // The first leaf is governance, the others are entries: whoever chooses keys cannot move one to the
    // other's place. Entries have an even number of bytes, governance an odd one.
    let net = Net::populated(3);
    let mut governance = net.state.admins.governance.clone();
    let entry = &net.state.registry.node_set().0[0];
    for keys in 1..=4 {
        governance.admins.keys = vec![public(DEVICE); keys];
        let bytes = codec::encode(&governance);
        assert_eq!((bytes.len() % 2, codec::encode(entry).len() % 2), (1, 0));
        assert_eq!(governance.leaf(), sha256(&[&[0], &bytes]));
    }
}
