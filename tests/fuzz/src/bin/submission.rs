//! What clients submit to a node, and batch bodies.
#![no_main]

use dronechain_chain_spec::codec;
use dronechain_chain_spec::merkle::{Tree, root};
use dronechain_chain_spec::wire::{BatchBody, Submission};
use dronechain_fuzz::network::{self, WORLD, leaves};
use dronechain_fuzz::{canonical, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("submission", seeds()), |bytes: &[u8]| {
    if let Some(BatchBody(leaves)) = canonical::decode::<BatchBody>(bytes) {
        assert_eq!(Tree::new(leaves.clone()).root(), root(&leaves));
    }
    if let Some(submission) = canonical::decode::<Submission>(bytes) {
        let _ = submission.transaction.check(&WORLD.id());
    }
});

fn seeds() -> Vec<(String, Vec<u8>)> {
    let body = || Some(BatchBody(leaves()));
    let submission = |(name, transaction): (&str, _)| {
        let body = if name == "anchor" { body() } else { None };
        (name.to_owned(), codec::encode(&Submission { transaction, body }))
    };
    let sent = network::transactions()
        .into_iter()
        .filter(|(name, _)| ["anchor", "heartbeat", "enrol"].contains(name));
    sent.map(submission).chain([("body".to_owned(), codec::encode(&BatchBody(leaves())))]).collect()
}
