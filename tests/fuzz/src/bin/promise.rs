//! Promises, and what shows that they were not kept.
#![no_main]

use dronechain_chain_spec::codec;
use dronechain_chain_spec::link::Shown;
use dronechain_chain_spec::promise::{Authority, BrokenPromise, Previous, Promise, SignedPromise};
use dronechain_chain_spec::transaction::{Action, Sender};
use dronechain_fuzz::network::{WORLD, body, key, public};
use dronechain_fuzz::{canonical, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("promise", seeds()), |bytes: &[u8]| {
    if let Some(signed) = canonical::decode::<SignedPromise>(bytes) {
        check(&signed);
        check(&anew(signed));
    }
    if let Some(broken) = canonical::decode::<BrokenPromise>(bytes) {
        let anew = BrokenPromise { promise: anew(broken.promise.clone()), ..broken.clone() };
        for broken in [broken, anew] {
            // The chain is too short for any deadline.
            broken.check(&WORLD.chain).expect_err("no deadline has passed");
        }
    }
});

/// The same promise signed by a node of the network, with the deadline that its tip gives.
fn anew(signed: SignedPromise) -> SignedPromise {
    let promise = signed.promise;
    let deadline = promise.tip_height.saturating_add(120);
    let (chain_id, node) = (WORLD.id(), public(0x11));
    Promise { chain_id, node, deadline, ..promise }.signed(key(0x11))
}

fn check(signed: &SignedPromise) {
    let text = serde_json::to_string(signed).expect("hex");
    assert_eq!(serde_json::from_str::<SignedPromise>(&text).expect("its own text"), *signed);
    if let Ok(checked) = signed.clone().check(&WORLD.id()) {
        let promise = checked.promise();
        assert_ne!(promise.sender, Sender::Admins);
        assert!(promise.deadline > promise.tip_height);
    }
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let sender = Sender::Key(public(0x11));
    let ready = WORLD.signed(body(sender, 0, Action::Ready));
    let checked = ready.clone().check(&WORLD.id()).expect("in order");
    let tip = (WORLD.chain.tip(), WORLD.chain.height());
    let promise = Promise::new(WORLD.id(), public(0x11), &checked, tip).expect("a key's transaction");
    let promise = promise.signed(key(0x11));
    let proof = WORLD.anchor_proof();
    let sender = proof.authority.sender;
    let shown = Shown { index: 1, path: proof.block_path, transaction: ready };
    let broken = BrokenPromise {
        promise: promise.clone(),
        previous: Some(Previous { height: 1, shown }),
        blocks: vec![vec![], vec![WORLD.id(), tip.0]],
        authority: Some(Authority { height: 2, entry: sender.entry, path: sender.path }),
    };
    let first = BrokenPromise { previous: None, blocks: vec![], authority: None, ..broken.clone() };
    vec![
        ("promise", codec::encode(&promise)),
        ("broken", codec::encode(&broken)),
        ("first", codec::encode(&first)),
    ]
}
