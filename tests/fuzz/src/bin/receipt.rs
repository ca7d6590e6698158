//! Receipts in JSON.
#![no_main]

use dronechain_chain_spec::limits::RECEIPT_BYTES_MAX;
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::receipt::Receipt;
use dronechain_fuzz::network::{WORLD, leaves};
use dronechain_fuzz::{memory, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("receipt", seeds()), |bytes: &[u8]| {
    let bytes_max = 8 * bytes.len().min(RECEIPT_BYTES_MAX) + 4096;
    let Ok(receipt) = memory::bounded(bytes_max, || Receipt::parse(bytes)) else { return };
    let json = receipt.to_json();
    assert_eq!(Receipt::parse(json.as_bytes()).as_ref(), Ok(&receipt));
    assert!(json.len() <= bytes.len(), "the compact form is the shortest");
    for confirmations in [0, 1, u64::MAX] {
        let _ = receipt.verify_path();
        if let Ok(proven) = receipt.verify(&receipt.target, &WORLD.chain, confirmations) {
            assert_eq!((proven.target, proven.height), (receipt.target, 2));
        }
    }
});

fn seeds() -> Vec<(String, Vec<u8>)> {
    let tree = Tree::new(leaves());
    let receipt = |(index, target)| {
        let path = tree.path(u64::from(index)).expect("one of the leaves");
        let receipt = Receipt::new(WORLD.id(), target, index, path, WORLD.anchor_proof()).expect("fits");
        let proven = receipt.verify(&target, &WORLD.chain, 1).expect("verifies");
        assert_eq!(proven.target, target);
        (format!("leaf-{index}"), receipt.to_json().into_bytes())
    };
    let mut seeds: Vec<_> = [0, 4].map(|at| receipt((at, leaves()[at as usize]))).to_vec();
    let json: serde_json::Value = serde_json::from_slice(&seeds[0].1).expect("JSON");
    seeds.push(("spaced".to_owned(), serde_json::to_vec_pretty(&json).expect("JSON")));
    seeds
}
