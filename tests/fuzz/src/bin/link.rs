//! Headers as they are gossiped: with what they show of their blocks.
#![no_main]

use dronechain_chain_spec::codec;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::link::{Link, Shown};
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::transaction::{Action, Sender};
use dronechain_fuzz::network::{self, WORLD};
use dronechain_fuzz::{canonical, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("link", seeds()), |bytes: &[u8]| {
    let Some(link) = canonical::decode::<Link>(bytes) else { return };
    if let Ok(checked) = link.clone().check(WORLD.network()) {
        assert_eq!(checked.to_link(), link);
        let _ = WORLD.chain.clone().push_checked(&checked);
    }
    let link = placed(link);
    let checked = link.clone().check(WORLD.network());
    if let Ok(checked) = checked {
        assert_eq!(checked.to_link(), link);
        let mut chain = WORLD.chain.clone();
        match chain.push_checked(&checked) {
            Ok(()) => assert_eq!(chain.roster(chain.height()).root(), link.commitments.nodes),
            Err(_) => assert_eq!(chain.tip(), WORLD.chain.tip()),
        }
    }
});

/// The link on the chain's tip, in a block of just the transactions that it shows, all well signed.
fn placed(mut link: Link) -> Link {
    link.changes.truncate(4);
    for shown in &mut link.changes {
        shown.transaction = WORLD.signed(shown.transaction.body.clone());
    }
    let txids: Vec<_> = link.changes.iter().map(|shown| shown.transaction.txid()).collect();
    let tree = Tree::new(txids.clone());
    for (index, shown) in (0..).zip(&mut link.changes) {
        shown.index = index;
        shown.path = tree.path(index.into()).expect("it is one of them");
    }
    let on_tip = WORLD.header(&txids, link.commitments.hash()).header;
    let Header { time_ms, nonce, .. } = link.header.header;
    // Times and nonces stay as found where the rules leave them open.
    let time_ms = time_ms.max(on_tip.time_ms);
    let miner = [0x11, 0x12, 0x13, 0x14][usize::try_from(nonce % 4).expect("below 4")];
    link.header = WORLD.mined(Header { time_ms, nonce, ..on_tip }, miner);
    link
}

/// A node that is ready, by a transaction behind whose sequence none can come.
fn last_sequence() -> Link {
    let mut link = WORLD.chain.link(2).expect("two blocks").clone();
    let sender = Sender::Key(network::public(0x14));
    let transaction = WORLD.signed(network::body(sender, u64::MAX, Action::Ready));
    link.changes = vec![Shown { index: 0, path: Vec::new(), transaction }];
    placed(link)
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let built = (1..=2).map(|height| WORLD.chain.link(height).expect("two blocks").clone());
    let built = built.enumerate().map(|(at, link)| (format!("height-{}", at + 1), link));
    let shown = network::transactions()
        .into_iter()
        .map(|(name, transaction)| (name.to_owned(), WORLD.link(WORLD.applying(vec![transaction]))));
    let links = built.chain(shown).chain([("last-sequence".to_owned(), last_sequence())]);
    links.map(|(name, link)| (name, codec::encode(&link))).collect()
}
