//! Anchor proofs in JSON, as nodes answer them.
#![no_main]

use dronechain_chain_spec::receipt::{AnchorProof, Receipt};
use dronechain_fuzz::network::{WORLD, leaves};
use dronechain_fuzz::{memory, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("anchor_proof", seeds()), |bytes: &[u8]| {
    let read = memory::bounded(8 * bytes.len() + 4096, || serde_json::from_slice::<AnchorProof>(bytes));
    let Ok(proof) = read else { return };
    let json = serde_json::to_vec(&proof).expect("strings, numbers and lists");
    assert_eq!(serde_json::from_slice::<AnchorProof>(&json).expect("reads back"), proof);
    if let Ok(receipt) = Receipt::new(WORLD.id(), leaves()[0], 0, Vec::new(), proof) {
        let _ = receipt.verify_anchor(&WORLD.chain, 1);
    }
});

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let whole = WORLD.anchor_proof();
    let mut other = whole.clone();
    other.authority.device = None;
    [("whole", whole), ("no-device", other)]
        .map(|(name, proof)| (name, serde_json::to_vec(&proof).expect("JSON")))
        .to_vec()
}
