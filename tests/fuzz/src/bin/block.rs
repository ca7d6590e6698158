//! Blocks, and what a node and a light client make of one that is valid.
#![no_main]

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::link::Link;
use dronechain_chain_spec::rules::HeaderError;
use dronechain_fuzz::network::{self, WORLD};
use dronechain_fuzz::{canonical, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("block", seeds()), |bytes: &[u8]| {
    let Some(mut block) = canonical::decode::<Block>(bytes) else { return };
    if let Ok(checked) = block.clone().check(WORLD.network()) {
        assert_eq!(checked.to_block(), block);
    }
    // Under a header with work and signature every transaction is met.
    let txids: Vec<_> = block.transactions.iter().map(|transaction| transaction.txid()).collect();
    if txids.len() <= 8 {
        let under = Block { header: WORLD.header(&txids, WORLD.id()), transactions: block.transactions.clone() };
        if let Ok(checked) = under.clone().check(WORLD.network()) {
            assert_eq!(checked.to_block(), under);
            assert_eq!(under.check_stored(&checked.hash()).as_ref(), Ok(&checked));
            assert!(WORLD.state.execute(&checked).is_err(), "its commitments are wrong");
        }
    }
    // A valid block of those that apply: what the node takes, the light client follows.
    block.transactions.truncate(8);
    let block = WORLD.block(WORLD.applying(block.transactions));
    let checked = block.check(WORLD.network()).expect("made by the rules");
    let delta = WORLD.state.execute(&checked).expect("made by the rules");
    let mut state = WORLD.state.clone();
    let (undo, _) = state.advance(&delta, checked.hash());
    let (roster, commitments) = (state.roster(), delta.commitments);
    assert_eq!(roster.root(), commitments.nodes);
    let link = Link::of(&checked, &delta);
    let mut chain = WORLD.chain.clone();
    match chain.push(link.clone()) {
        Ok(()) => {
            let known = chain.roster(chain.height());
            assert_eq!((&known.nodes, &known.governance), (&roster.nodes, &roster.governance));
        }
        Err(HeaderError::MinerNotReady { .. } | HeaderError::MinerOutOfTurn { .. }) => {}
        Err(error) => panic!("a light client refuses a valid block: {error}"),
    }
    canonical::decode::<Link>(&codec::encode(&link)).expect("links are canonical");
    state.rewind(&undo);
    assert_eq!(state.roster(), WORLD.state.roster());
    assert_eq!(state.history, WORLD.state.history);
});

fn seeds() -> Vec<(String, Vec<u8>)> {
    let ones = network::transactions().into_iter().map(|(name, one)| (name.to_owned(), vec![one]));
    let built =
        WORLD.blocks.iter().enumerate().map(|(at, block)| (format!("height-{}", at + 1), block.to_block()));
    let more = network::transactions().into_iter().map(|(_, transaction)| transaction).collect();
    let all = WORLD.applying(more);
    ones.chain([("empty".to_owned(), Vec::new()), ("many".to_owned(), all)])
        .map(|(name, transactions)| (name, WORLD.block(WORLD.applying(transactions))))
        .chain(built)
        .map(|(name, block)| (name, codec::encode(&block)))
        .collect()
}
