//! Rules H1 to H15 and B1 to B7, the spacing rule, the light chain and its file.

#![allow(clippy::unwrap_used)]

mod common;

use dronechain_chain_spec::block::{Block, CheckedBlock, check_transactions};
use dronechain_chain_spec::chain::{ChainError, HEADERS_MAGIC, HeaderChain, decode_links};
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::header::{
    CheckedHeader, HEADER_LEN, Header, NONCE_AT, SIGNED_HEADER_LEN, SignedHeader, future_ms,
};
use dronechain_chain_spec::key::{KeyError, PublicKey};
use dronechain_chain_spec::limits::{BLOCK_BYTES_MAX, BLOCK_TXS_MAX};
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::merkle::root;
use dronechain_chain_spec::registry::{Commitments, Entry, NodeSet, Role};
use dronechain_chain_spec::rules::{BlockError, HeaderError, TxError};
use dronechain_chain_spec::target::{Bits, BitsError, Target};
use dronechain_chain_spec::transaction::{Action, AnchorKind, Transaction};

use common::{
    CONTROLLER, EASY, NODES, Net, OPERATOR, STRANGER, admit, anchor, enrol, header_on, key, leaves, mined,
    public, revoke, set_parameters, spec, succeed,
};

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, HeaderError>, rule: &str) {
    assert_eq!(result.unwrap_err().rule().0, rule);
}

#[track_caller]
fn block_refused<T: std::fmt::Debug>(result: Result<T, BlockError>, rule: &str) {
    let error = result.unwrap_err();
    let number = match &error {
        BlockError::Header(error) => error.rule().0,
        error => error.rule().0,
    };
    assert_eq!(number, rule, "{error}");
}

/// The stateless verdict on the next header of `net`, changed, mined and signed.
fn verdict(net: &Net, change: impl FnOnce(&mut Header)) -> Result<CheckedHeader, HeaderError> {
    let mut header = net.header(NODES[0], &[]);
    change(&mut header);
    mined(header, NODES[0], &net.id()).check(net.chain.network())
}

fn admit_node(net: &Net, sequence: u64, node: u8) -> Transaction {
    net.by_admins(sequence, admit(Role::Node, node))
}

// Headers by themselves.

#[test]
fn h1_a_signed_header_has_232_bytes() {
    let net = Net::new(1);
    let signed = mined(net.header(NODES[0], &[]), NODES[0], &net.id());
    let bytes = signed.to_bytes();
    assert_eq!((bytes.len(), SIGNED_HEADER_LEN, HEADER_LEN, NONCE_AT), (232, 232, 168, 160));
    assert_eq!(SignedHeader::from_bytes(&bytes), Ok(signed));
    for len in [0, HEADER_LEN, 231] {
        assert_eq!(SignedHeader::from_bytes(&bytes[..len]), Err(HeaderError::Malformed(len)));
    }
    assert_eq!(SignedHeader::from_bytes(&[&bytes[..], &[0]].concat()), Err(HeaderError::Malformed(233)));
}

#[test]
fn h2_h3_version_and_network_are_ours() {
    let net = Net::new(1);
    assert!(verdict(&net, |_| ()).is_ok());
    for version in [0, 2, u32::MAX] {
        assert_eq!(verdict(&net, |header| header.version = version), Err(HeaderError::Version(version)));
    }
    refused(verdict(&net, |header| header.network[3] ^= 1), "H3");
}

#[test]
fn h4_bits_are_canonical_and_not_easier_than_the_limit() {
    let net = Net::new(1);
    assert!(verdict(&net, |header| header.bits = Bits(0x2000_ffff)).is_ok());
    let bits = |bits| verdict(&net, |header| header.bits = Bits(bits)).unwrap_err();
    assert_eq!(bits(0x2080_0000), HeaderError::Bits(BitsError::Negative(Bits(0x2080_0000))));
    assert_eq!(bits(0), HeaderError::Bits(BitsError::Zero(Bits(0))));
    let (found, canonical) = (Bits(0x2100_007f), Bits(0x1f7f_0000));
    assert_eq!(bits(found.0), HeaderError::Bits(BitsError::NotCanonical { found, canonical }));
    // Canonical, but easier than the limit.
    assert!(Target::from_bits(Bits(0x2100_ffff)).is_ok());
    assert_eq!(bits(0x2100_ffff), HeaderError::Bits(BitsError::Overflow(Bits(0x2100_ffff))));
}

#[test]
fn h5_transaction_count_goes_with_the_root() {
    let net = Net::new(1);
    let with =
        |tx_root, tx_count| verdict(&net, |header| (header.tx_root, header.tx_count) = (tx_root, tx_count));
    let (root, most) = (sha256(&[b"root"]), u32::try_from(BLOCK_TXS_MAX).unwrap());
    assert!(with(Hash256::ZERO, 0).is_ok() && with(root, 1).is_ok() && with(root, most).is_ok());
    for (root, found) in [(Hash256::ZERO, 1), (root, 0), (root, most + 1)] {
        assert_eq!(with(root, found), Err(HeaderError::TxCount { found }));
    }
}

#[test]
fn h6_work_is_done() {
    let net = Net::new(1);
    let target = Target::from_bits(EASY).unwrap();
    let with_work = |met| {
        let mut header = net.header(NODES[0], &[]);
        while target.is_met_by(&header.hash()) != met {
            header.nonce += 1;
        }
        header.signed(&key(NODES[0]), &net.id()).check(net.chain.network())
    };
    assert!(with_work(true).is_ok());
    refused(with_work(false), "H6");
}

#[test]
fn h7_a_bad_signature_is_refused_and_does_not_refute_the_hash() {
    let net = Net::new(1);
    let good = mined(net.header(NODES[0], &[]), NODES[0], &net.id());
    let mut bad = good.clone();
    bad.signature.0[63] ^= 1;
    let error = bad.check(net.chain.network()).unwrap_err();
    assert_eq!(error, HeaderError::Signature(KeyError::BadSignature(public(NODES[0]))));
    assert!(!BlockError::Header(error).refutes_hash());
    // Another's key, and the right key for another network.
    refused(mined(good.header.clone(), NODES[1], &net.id()).check(net.chain.network()), "H7");
    refused(mined(good.header.clone(), NODES[0], &Hash256::ZERO).check(net.chain.network()), "H7");
    assert!(good.check(net.chain.network()).is_ok());
}

// Headers against the blocks before.

/// The light chain's verdict on the next header of `net`, changed.
fn on_chain(net: &Net, miner: u8, change: impl FnOnce(&mut Header)) -> Result<(), HeaderError> {
    let mut header = net.header(miner, &[]);
    change(&mut header);
    let commitments = net.commitments(&[]);
    net.chain.clone().push(Link { header: mined(header, miner, &net.id()), commitments, changes: vec![] })
}

#[test]
fn h8_h9_a_header_stands_on_its_parent() {
    let mut net = Net::new(1);
    net.push(NODES[0], vec![]).unwrap();
    assert_eq!(on_chain(&net, NODES[0], |_| ()), Ok(()));
    let genesis = net.id();
    refused(on_chain(&net, NODES[0], |header| header.parent = genesis), "H8");
    for height in [0, 1, 3] {
        refused(on_chain(&net, NODES[0], |header| header.height = height), "H9");
    }
}

#[test]
fn h10_difficulty_is_the_rules() {
    let mut net = Net::new(1);
    refused(on_chain(&net, NODES[0], |header| header.bits = Bits(0x207f_fffe)), "H10");
    net.push(NODES[0], vec![]).unwrap();
    // A block in half the time makes the next one harder.
    let mut header = net.header(NODES[0], &[]);
    header.time_ms -= 500;
    let header = mined(header, NODES[0], &net.id());
    net.connect(Block { header, transactions: vec![] }).unwrap();
    let target = Target::from_bits(EASY).unwrap();
    let harder = dronechain_chain_spec::difficulty::next_bits(target, 500, 1_000, target);
    assert!(harder.0 < EASY.0);
    refused(on_chain(&net, NODES[0], |header| header.bits = EASY), "H10");
    assert_eq!(on_chain(&net, NODES[0], |header| header.bits = harder), Ok(()));
}

#[test]
fn h10_t_changes_the_difficulty_at_exactly_its_height() {
    let mut net = Net::populated(3);
    net.push(NODES[1], vec![net.by_admins(2, set_parameters(2_000, 4))]).unwrap();
    // Height 3 still aims at 1,000 ms; behind a block in as much, 4 aims at 2,000 and is harder.
    assert_eq!(on_chain(&net, NODES[2], |header| header.bits = EASY), Ok(()));
    net.push(NODES[2], vec![]).unwrap();
    let target = Target::from_bits(EASY).unwrap();
    let harder = dronechain_chain_spec::difficulty::next_bits(target, 1_000, 2_000, target);
    assert_ne!(harder, EASY);
    refused(on_chain(&net, NODES[0], |header| header.bits = EASY), "H10");
    assert_eq!(on_chain(&net, NODES[0], |header| header.bits = harder), Ok(()));
    net.push(NODES[0], vec![]).unwrap();
    // At 5 a block in 2,000 ms was on time.
    assert_eq!(net.chain.header(4).unwrap().time_ms - net.chain.header(3).unwrap().time_ms, 2_000);
    assert_eq!(on_chain(&net, NODES[1], |header| header.bits = harder), Ok(()));
}

#[test]
fn h11_time_moves_strictly_forward() {
    let mut net = Net::new(1);
    net.push(NODES[0], vec![]).unwrap();
    let parent = net.chain.header(1).unwrap().time_ms;
    assert_eq!(on_chain(&net, NODES[0], |header| header.time_ms = parent + 1), Ok(()));
    for time in [parent, parent - 1, 0] {
        refused(on_chain(&net, NODES[0], |header| header.time_ms = time), "H11");
    }
}

#[test]
fn h12_time_is_not_far_ahead_of_the_own_clock() {
    let net = Net::new(1);
    let header = verdict(&net, |_| ()).unwrap();
    let time = header.header().time_ms;
    assert_eq!(future_ms(1_000), 10_000);
    assert_eq!(header.check_future(1_000, time - 10_000), Ok(()));
    let error = header.check_future(1_000, time - 10_001).unwrap_err();
    assert_eq!(error, HeaderError::Future { found: time, latest: time - 1 });
    assert!(!BlockError::Header(error).refutes_hash());
    assert_eq!(future_ms(5_000), 15_000);
    assert_eq!(header.check_future(5_000, time - 15_000), Ok(()));
    refused(header.check_future(5_000, time - 15_001), "H12");
}

#[test]
fn h13_h14_only_ready_nodes_mine() {
    let net = Net::populated(3);
    assert_eq!(on_chain(&net, NODES[1], |_| ()), Ok(()));
    for miner in [STRANGER, CONTROLLER, OPERATOR, 1] {
        let miner_key = public(miner);
        assert_eq!(on_chain(&net, miner, |_| ()), Err(HeaderError::MinerNotAdmitted { miner: miner_key }));
    }
}

// The spacing rule.

#[test]
fn h15_one_miner_waits_for_s_minus_1_others() {
    for (nodes, s) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
        let mut net = Net::new(nodes);
        assert_eq!(net.state.registry.spacing(1), s as u64);
        for turn in 0..12 {
            let height = net.chain.height() + 1;
            // Whoever made one of the s - 1 blocks before is refused,
            for back in 1..s.min(turn + 1) {
                let miner = NODES[(turn - back) % nodes];
                let earlier = height - back as u64;
                let found = net.push(miner, vec![]).unwrap_err();
                let spacing = s as u64;
                let expected = HeaderError::MinerOutOfTurn { miner: public(miner), height, earlier, spacing };
                assert_eq!(found, BlockError::Header(expected));
            }
            // and the one before those is not.
            if turn >= s {
                assert_eq!(on_chain(&net, NODES[(turn - s) % nodes], |_| ()), Ok(()));
            }
            net.push(NODES[turn % nodes], vec![]).unwrap();
        }
    }
}

#[test]
fn h15_a_minority_cannot_extend_by_more_than_its_number() {
    // Two of five, whatever their hash power.
    let mut net = Net::new(5);
    net.push(NODES[0], vec![]).unwrap();
    net.push(NODES[1], vec![]).unwrap();
    for miner in [NODES[0], NODES[1]] {
        block_refused(net.push(miner, vec![]), "H15");
    }
    // The third can, and then the first again.
    net.push(NODES[2], vec![]).unwrap();
    net.push(NODES[0], vec![]).unwrap();
}

#[test]
fn h14_an_admitted_node_counts_and_mines_from_the_block_after_ready() {
    let mut net = Net::new(3);
    let new = NODES[3];
    net.push(NODES[0], vec![admit_node(&net, 0, new)]).unwrap();
    // Admitted, not ready: it does not mine, and n is 3, s is 2.
    block_refused(net.push(new, vec![]), "H14");
    assert_eq!(net.state.registry.spacing(2), 2);
    net.push(NODES[1], vec![]).unwrap();
    assert_eq!(on_chain(&net, NODES[0], |_| ()), Ok(()));
    // Not in the block that holds its announcement either.
    let ready = net.by(new, 0, Action::Ready);
    block_refused(net.push(new, vec![ready.clone()]), "H14");
    net.push(NODES[0], vec![ready]).unwrap();
    // From now on n is 4, s is 3: who made the block before the last is refused too.
    assert_eq!((net.state.registry.spacing(3), net.state.registry.spacing(4)), (2, 3));
    block_refused(net.push(NODES[1], vec![]), "H15");
    assert_eq!(on_chain(&net, NODES[2], |_| ()), Ok(()));
    net.push(new, vec![]).unwrap();
}

#[test]
fn h14_a_revoked_node_does_not_mine_its_revocation_nor_later() {
    let mut net = Net::new(3);
    let revocation = net.by_admins(0, revoke(NODES[1]));
    block_refused(net.push(NODES[1], vec![revocation.clone()]), "H14");
    net.push(NODES[0], vec![revocation]).unwrap();
    block_refused(net.push(NODES[1], vec![]), "H14");
    // n is 2, s still 2.
    block_refused(net.push(NODES[0], vec![]), "H15");
    net.push(NODES[2], vec![]).unwrap();
}

#[test]
fn h15_a_survivor_carries_the_repair_that_lets_it_go_on() {
    let mut net = Net::new(2);
    net.push(NODES[0], vec![]).unwrap();
    block_refused(net.push(NODES[0], vec![]), "H15");
    // The block with the revocation counts by the set after it: n is 1, s is 1.
    let revocation = net.by_admins(0, revoke(NODES[1]));
    net.push(NODES[0], vec![revocation]).unwrap();
    net.push(NODES[0], vec![]).unwrap();
    // Of five, two survive: three revocations leave them n = 2.
    let mut net = Net::new(5);
    net.push(NODES[0], vec![]).unwrap();
    net.push(NODES[1], vec![]).unwrap();
    block_refused(net.push(NODES[0], vec![]), "H15");
    let repair = (0..).zip(&NODES[2..]).map(|(at, node)| net.by_admins(at, revoke(*node))).collect();
    net.push(NODES[0], repair).unwrap();
    net.push(NODES[1], vec![]).unwrap();
}

#[test]
fn h15_a_line_of_successors_is_one_miner() {
    let mut net = Net::new(5);
    let id = net.id();
    let (new, newer) = (0x51, 0x52);
    net.push(NODES[0], vec![]).unwrap();
    // s is 3. The successor is ready as its predecessor was, and waits as it would.
    let once = net.by(NODES[0], 0, succeed(NODES[0], new, &id));
    net.push(NODES[1], vec![once.clone()]).unwrap();
    let out_of_turn = |miner: u8, height, earlier| {
        HeaderError::MinerOutOfTurn { miner: public(miner), height, earlier, spacing: 3 }.into()
    };
    assert_eq!(net.push(new, vec![]), Err(out_of_turn(new, 3, 1)));
    block_refused(net.push(NODES[0], vec![]), "H14");
    // A chain of successions in one block is no way out.
    net.pop();
    net.push(NODES[1], vec![once, net.by(new, 0, succeed(new, newer, &id))]).unwrap();
    assert_eq!(net.push(newer, vec![]), Err(out_of_turn(newer, 3, 1)));
    block_refused(net.push(new, vec![]), "H14");
    net.push(NODES[2], vec![]).unwrap();
    net.push(newer, vec![]).unwrap();
    // Its own block counts against its next successor too.
    net.push(NODES[3], vec![net.by(newer, 0, succeed(newer, 0x53, &id))]).unwrap();
    assert_eq!(net.push(0x53, vec![]), Err(out_of_turn(0x53, 6, 4)));
    net.push(NODES[4], vec![]).unwrap();
    net.push(0x53, vec![]).unwrap();
}

#[test]
fn h15_successions_do_not_lower_s() {
    // Two of four, which may not go on alone, succeed in every block.
    let mut net = Net::new(4);
    let id = net.id();
    net.push(NODES[0], vec![]).unwrap();
    net.push(NODES[1], vec![]).unwrap();
    let succession = net.by(NODES[1], 0, succeed(NODES[1], 0x51, &id));
    let expected = HeaderError::MinerOutOfTurn { miner: public(NODES[0]), height: 3, earlier: 1, spacing: 3 };
    assert_eq!(net.push(NODES[0], vec![succession.clone()]), Err(expected.into()));
    net.push(NODES[2], vec![succession]).unwrap();
    assert_eq!((net.state.registry.spacing(3), net.state.registry.spacing(4)), (3, 3));
}

#[test]
fn h14_a_successor_is_ready_only_if_its_predecessor_was() {
    let mut net = Net::new(3);
    let id = net.id();
    net.push(NODES[0], vec![admit_node(&net, 0, NODES[3])]).unwrap();
    net.push(NODES[1], vec![net.by(NODES[3], 0, succeed(NODES[3], 0x51, &id))]).unwrap();
    block_refused(net.push(0x51, vec![]), "H14");
    assert_eq!(net.state.registry.spacing(3), 2);
    net.push(NODES[2], vec![net.by(0x51, 0, Action::Ready)]).unwrap();
    net.push(0x51, vec![]).unwrap();
}

// Blocks.

fn some_transactions(net: &Net) -> Vec<Transaction> {
    vec![
        net.by_admins(2, admit(Role::Operator, STRANGER)),
        net.by(CONTROLLER, 1, anchor(AnchorKind::Data, &leaves(3))),
    ]
}

#[test]
fn b1_a_blocks_header_meets_the_header_rules() {
    let net = Net::populated(3);
    let mut block = net.block(NODES[1], some_transactions(&net));
    assert!(block.clone().check(net.chain.network()).is_ok());
    block.header.header.version = 2;
    assert_eq!(block.check(net.chain.network()), Err(BlockError::Header(HeaderError::Version(2))));
}

#[test]
fn b2_b3_transactions_are_the_headers() {
    let net = Net::populated(3);
    let network = net.chain.network();
    let block = net.block(NODES[1], some_transactions(&net));
    let with = |transactions| Block { header: block.header.clone(), transactions }.check(network);
    let good = block.transactions.clone();
    assert!(with(good.clone()).is_ok());
    let mut others = vec![(vec![], "B2"), (good[..1].to_vec(), "B2")];
    others.push(([&good[..], &good[1..]].concat(), "B2"));
    others.push((vec![good[1].clone(), good[0].clone()], "B3"));
    others.push((vec![good[0].clone(), net.by(CONTROLLER, 1, anchor(AnchorKind::Data, &[]))], "B3"));
    // The same body with another valid set of approvals has another txid.
    let body = good[0].body.clone();
    others.push((vec![body.signed(&[&key(1), &key(2)], &net.id()), good[1].clone()], "B3"));
    for (transactions, rule) in others {
        let error = with(transactions).unwrap_err();
        assert_eq!(error.rule().0, rule);
        assert!(!error.refutes_hash());
    }
}

#[test]
fn b2_assembling_from_checked_parts_applies_the_same_rules() {
    let net = Net::populated(3);
    let good = net.block(NODES[1], some_transactions(&net)).check(net.chain.network()).unwrap();
    let parts = || (good.header().clone(), good.transactions().to_vec());
    let (header, transactions) = parts();
    assert_eq!(CheckedBlock::assemble(header, transactions), Ok(good.clone()));
    let (header, mut transactions) = parts();
    transactions.swap(0, 1);
    block_refused(CheckedBlock::assemble(header, transactions), "B3");
    let (header, mut transactions) = parts();
    transactions.pop();
    block_refused(CheckedBlock::assemble(header, transactions), "B2");
}

#[test]
fn b4_a_blocks_transactions_are_bounded_in_bytes() {
    let net = Net::populated(3);
    // Signatures are not reached: one transaction stands for all, with a bad one.
    let mut one = net.by(CONTROLLER, 1, enrol(CONTROLLER, 0x42, &net.id()));
    one.approvals[0].signature.0[0] ^= 1;
    let most = BLOCK_BYTES_MAX / codec::encode(&one).len();
    assert!(most < BLOCK_TXS_MAX);
    let with = |count: usize| {
        let transactions = vec![one.clone(); count];
        let txids = vec![one.txid(); count];
        let header = header_on(&net.chain, NODES[1], &txids, Hash256::ZERO);
        let header = mined(header, NODES[1], &net.id()).check(net.chain.network()).unwrap();
        check_transactions(header, transactions, net.chain.network())
    };
    let error = with(most + 1).unwrap_err();
    assert_eq!(error, BlockError::TooLarge { bytes: (most + 1) * codec::encode(&one).len() });
    assert!(error.refutes_hash());
    block_refused(with(most), "B6");
}

#[test]
fn b5_admin_transactions_stand_first() {
    let mut net = Net::populated(3);
    let (admins, other) = {
        let mut both = some_transactions(&net);
        (both.remove(0), both.remove(0))
    };
    let last = net.by_admins(3, revoke(OPERATOR));
    let late = net.block(NODES[1], vec![admins.clone(), other.clone(), last.clone()]);
    assert_eq!(late.check(net.chain.network()), Err(BlockError::AdminLate { index: 2 }));
    net.push(NODES[1], vec![admins, last, other]).unwrap();
}

#[test]
fn b6_one_refused_transaction_refuses_the_block() {
    let mut net = Net::populated(3);
    let good = some_transactions(&net);
    let mut forged = good.clone();
    forged[1].approvals[0].signature.0[0] ^= 1;
    let found = net.push(NODES[1], forged).unwrap_err();
    let bad = TxError::Signature(KeyError::BadSignature(public(CONTROLLER)));
    assert_eq!(found, BlockError::Transaction { index: 1, error: bad });
    assert!(found.refutes_hash());
    // By the state: a gap, and the same transaction twice.
    let gap = net.by(CONTROLLER, 3, anchor(AnchorKind::Data, &leaves(1)));
    let twice = [&good[..], &good[1..]].concat();
    for (transactions, index) in [([&good[..], &[gap]].concat(), 2), (twice, 2)] {
        match net.push(NODES[1], transactions).unwrap_err() {
            BlockError::Transaction { index: at, error: TxError::Sequence { expected: 2, .. } } => {
                assert_eq!(at, index);
            }
            other => panic!("{other}"),
        }
    }
    net.push(NODES[1], good.clone()).unwrap();
    // In a later block it is refused too.
    block_refused(net.push(NODES[2], good[1..].to_vec()), "B6");
}

#[test]
fn a_stored_block_is_the_one_that_was_checked() {
    let net = Net::populated(3);
    let block = net.block(NODES[1], some_transactions(&net));
    let hash = block.header.header.hash();
    let checked = block.clone().check(net.chain.network()).unwrap();
    assert_eq!(block.clone().check_stored(&hash), Ok(checked));
    block_refused(block.clone().check_stored(&net.chain.tip()), "H8");
    let mut nonce = block.clone();
    nonce.header.header.nonce += 1;
    block_refused(nonce.check_stored(&hash), "H8");
    let mut forged = block.clone();
    forged.transactions[1].approvals[0].signature.0[0] ^= 1;
    block_refused(forged.check_stored(&hash), "B3");
    let cut = Block { transactions: block.transactions[..1].to_vec(), ..block };
    block_refused(cut.check_stored(&hash), "B2");
}

#[test]
fn b7_the_header_commits_to_the_state_after_the_block() {
    let mut net = Net::populated(3);
    let transactions = some_transactions(&net);
    let header = net.header(NODES[1], &transactions);
    for commitments in [Hash256::ZERO, net.chain.header(1).unwrap().commitments] {
        let header = mined(Header { commitments, ..header.clone() }, NODES[1], &net.id());
        let found = net.connect(Block { header, transactions: transactions.clone() }).unwrap_err();
        let expected =
            BlockError::Commitments { found: header_commitments(&net, &transactions), expected: commitments };
        assert_eq!(found, expected);
        assert!(found.refutes_hash());
    }
    net.push(NODES[1], transactions).unwrap();
}

fn header_commitments(net: &Net, transactions: &[Transaction]) -> Hash256 {
    net.header(NODES[1], transactions).commitments
}

// The light chain.

/// Six blocks in which a node is admitted, announces itself, mines, and another is revoked.
fn eventful() -> Net {
    let mut net = Net::populated(3);
    net.push(NODES[1], vec![admit_node(&net, 2, NODES[3])]).unwrap();
    net.push(NODES[2], vec![net.by(NODES[3], 0, Action::Ready)]).unwrap();
    net.push(NODES[3], vec![]).unwrap();
    net.push(NODES[0], vec![net.by_admins(3, revoke(NODES[2]))]).unwrap();
    net.push(NODES[1], vec![]).unwrap();
    net
}

#[test]
fn light_chain_follows_the_node_set() {
    let net = eventful();
    let changes: Vec<_> = (1..=6).map(|height| link(&net, height).changes.len()).collect();
    assert_eq!(changes, [0, 1, 1, 0, 1, 0]);
    let ready = |height| {
        let set: &NodeSet = net.chain.node_set(height);
        set.0.iter().filter(|entry| entry.may_mine(height + 1)).count()
    };
    assert_eq!((0..=6).map(ready).collect::<Vec<_>>(), [3, 3, 3, 4, 4, 3, 3]);
    assert_eq!(*net.chain.node_set(6), net.state.registry.node_set());
    assert_eq!(*net.chain.roster(6), net.state.roster());
    assert_eq!(net.chain.roster(6).root(), net.state.nodes_root());
    assert_eq!((net.chain.height(), net.chain.confirmations(6), net.chain.confirmations(1)), (6, 1, 6));
    for height in 0..=6 {
        let hash = net.chain.hash(height).unwrap();
        assert_eq!(net.chain.height_of(&hash), Some(height));
    }
    let each = Target::from_bits(EASY).unwrap().work();
    let work = (0..6).fold(dronechain_chain_spec::target::Work::ZERO, |sum, _| sum.saturating_add(each));
    assert_eq!(net.chain.work(), work);
}

fn link(net: &Net, height: u64) -> Link {
    net.chain.link(height).unwrap().clone()
}

#[test]
fn a_miner_that_the_chain_does_not_know_is_refused() {
    let net = Net::populated(3);
    refused(on_chain(&net, STRANGER, |_| ()), "H13");
}

#[test]
fn truncated_chain_takes_another_branch() {
    let mut net = eventful();
    let (old, set) = (net.chain.clone(), net.chain.node_set(1).clone());
    for _ in 0..5 {
        net.pop();
    }
    assert_eq!((net.chain.height(), net.chain.tip()), (1, old.hash(1).unwrap()));
    assert_eq!((net.chain.height_of(&old.hash(2).unwrap()), net.chain.link(2)), (None, None));
    net.push(NODES[2], vec![]).unwrap();
    assert_ne!(net.chain.tip(), old.hash(2).unwrap());
    assert_eq!(*net.chain.node_set(2), set);
    net.chain.truncate(99);
    assert_eq!(net.chain.height(), 2);
}

#[test]
fn history_commits_to_every_earlier_block() {
    let net = eventful();
    let hashes: Vec<_> = (0..=6).map(|height| net.chain.hash(height).unwrap()).collect();
    assert_eq!(net.state.history.root(), root(&hashes));
    for height in 1..=6 {
        let history = link(&net, height).commitments.history;
        assert_eq!(history, root(&hashes[..usize::try_from(height).unwrap()]));
    }
}

#[test]
fn an_entry_and_an_inner_node_have_no_common_preimage() {
    // Some encodings have 64 bytes, as an inner node's preimage has; the leaf's zero byte parts them.
    let entry =
        Entry { suspect_since: Some(1), revoked: Some(1), ..Entry::new(public(1), Role::Node, None, 0) };
    let bytes = codec::encode(&entry);
    assert_eq!(bytes.len(), 64);
    assert_ne!(entry.leaf(), sha256(&[&bytes]));
    let (nodes, accounts, history) = (entry.leaf(), Hash256::ZERO, Hash256::ZERO);
    assert_eq!(Commitments { history, nodes, accounts }.hash(), sha256(&[&[0; 32], &nodes.0, &[0; 32]]));
}

// The file of headers.

#[test]
fn headers_file_round_trips() {
    let net = eventful();
    let bytes = net.chain.to_bytes();
    let read = HeaderChain::from_bytes(&bytes).unwrap();
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!((read.tip(), read.height(), read.work()), (net.chain.tip(), 6, net.chain.work()));
    assert_eq!((read.node_set(6), read.spec()), (net.chain.node_set(6), net.chain.spec()));
    let empty = HeaderChain::new(spec(3)).unwrap();
    assert_eq!(empty.to_bytes(), empty.file_head());
    assert_eq!(HeaderChain::from_bytes(&empty.to_bytes()).unwrap().height(), 0);
}

#[test]
fn headers_file_cut_anywhere_is_refused_or_a_shorter_chain() {
    let net = eventful();
    let bytes = net.chain.to_bytes();
    // Where frames end: there, and only there, a shorter chain remains.
    let mut ends = vec![net.chain.file_head().len()];
    for height in 1..=6 {
        ends.push(ends.last().unwrap() + 4 + codec::encode(&link(&net, height)).len());
    }
    assert_eq!(*ends.last().unwrap(), bytes.len());
    for cut in 0..bytes.len() {
        let read = HeaderChain::from_bytes(&bytes[..cut]);
        if let Some(height) = ends.iter().position(|end| *end == cut) {
            assert_eq!(read.unwrap().height(), height as u64);
        } else if cut < HEADERS_MAGIC.len() {
            assert_eq!(read.unwrap_err(), ChainError::Foreign);
        } else {
            let at = ends.iter().rev().find(|end| **end < cut).copied().unwrap_or(HEADERS_MAGIC.len());
            assert_eq!(read.unwrap_err(), ChainError::Truncated { at });
        }
    }
}

#[test]
fn headers_file_with_any_flipped_bit_is_refused() {
    let bytes = eventful().chain.to_bytes();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(HeaderChain::from_bytes(&bad).is_err(), "byte {at}");
    }
}

#[test]
fn headers_file_names_what_is_wrong() {
    let net = eventful();
    let head = net.chain.file_head();
    let frame = |body: &[u8]| [&u32::try_from(body.len()).unwrap().to_le_bytes()[..], body].concat();
    let file = |frames: &[Vec<u8>]| {
        HeaderChain::from_bytes(&[&head[..], &frames.concat()].concat()).map(|chain| chain.height())
    };
    let links: Vec<_> = (1..=6).map(|height| codec::encode(&link(&net, height))).collect();
    assert_eq!(file(&[frame(&links[0]), frame(&links[1])]), Ok(2));
    // Left out, repeated, another order.
    for (frames, height) in [(vec![1], 1), (vec![0, 0], 2), (vec![0, 2, 1], 2)] {
        let frames: Vec<_> = frames.into_iter().map(|at: usize| frame(&links[at])).collect();
        match file(&frames).unwrap_err() {
            ChainError::Header { height: at, error } => {
                assert_eq!((at, error.rule().0), (height, "H8"));
            }
            other => panic!("{other}"),
        }
    }
    // Bytes left over in a frame, an empty one, one with a length beyond the bound.
    let long = frame(&[&links[0][..], &[0]].concat());
    let huge = u32::MAX.to_le_bytes().to_vec();
    for bad in [long, frame(&[]), huge] {
        assert!(matches!(file(&[bad]), Err(ChainError::Link { .. })));
    }
    let spec = codec::encode(net.chain.spec());
    let other_head = |spec: &[u8]| [HEADERS_MAGIC.as_slice(), &frame(spec)].concat();
    assert_eq!(other_head(&spec), head);
    assert!(matches!(HeaderChain::from_bytes(&other_head(&spec[1..])), Err(ChainError::SpecCodec(_))));
    let mut unsound = net.chain.spec().clone();
    unsound.nodes[1] = unsound.nodes[0];
    let unsound = HeaderChain::from_bytes(&other_head(&codec::encode(&unsound)));
    assert!(matches!(unsound, Err(ChainError::Spec(_))));
    // The links of a file by themselves.
    assert_eq!(decode_links(&[frame(&links[0]), frame(&links[1])].concat()).unwrap().len(), 2);
    assert_eq!(decode_links(&[]), Ok(vec![]));
}

#[test]
fn another_networks_headers_are_refused() {
    let net = Net::populated(3);
    let other = HeaderChain::new(spec(2)).unwrap();
    assert_ne!(other.chain_id(), net.id());
    refused(other.clone().push(link(&net, 1)), "H3");
    assert_eq!(other.spec().nodes.len(), 2);
    assert_eq!(PublicKey([0; 32]), other.header(0).unwrap().miner);
}
