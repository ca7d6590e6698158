//! Chainpoint v4 proofs in JSON.
#![no_main]

use dronechain_chain_spec::limits::PROOF_BYTES_MAX;
use dronechain_chain_spec::receipt::ExistenceProof;
use dronechain_fuzz::{memory, proofs, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("proof_v4", seeds()), |bytes: &[u8]| {
    // The smallest operation is a few characters and stands for a text, a list and itself.
    let bytes_max = 32 * bytes.len().min(PROOF_BYTES_MAX) + 8192;
    let Ok(proof) = memory::bounded(bytes_max, || ExistenceProof::parse_json(bytes)) else { return };
    assert!(proof.to_json().len() <= bytes.len(), "the compact form is the shortest");
    proofs::check(&proof);
});

fn seeds() -> Vec<(String, Vec<u8>)> {
    let named = |(name, proof): (String, ExistenceProof)| (name, proof.to_json().into_bytes());
    let mut seeds: Vec<_> = proofs::of_leaves().into_iter().map(named).collect();
    let json: serde_json::Value = serde_json::from_slice(&seeds[0].1).expect("JSON");
    seeds.push(("spaced".to_owned(), serde_json::to_vec_pretty(&json).expect("JSON")));
    seeds
}
