//! Chainpoint v4 proofs of the small network's records, and what holds for any that parses.

use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::receipt::{Document, ExistenceProof, Receipt};

use crate::network::{WORLD, leaves};

/// Both forms give the proof again, and what verifies is in the network's one anchor.
pub fn check(proof: &ExistenceProof) {
    let (json, binary) = (proof.to_json(), proof.to_binary());
    assert_eq!(ExistenceProof::parse_json(json.as_bytes()).as_ref(), Ok(proof));
    assert_eq!(ExistenceProof::parse_binary(&binary).as_ref(), Ok(proof));
    for bytes in [json.as_bytes(), &binary] {
        assert_eq!(Document::parse(bytes), Ok(Document::Existence(Box::new(proof.clone()))));
    }
    for confirmations in [0, 1, u64::MAX] {
        if let Ok(existence) = proof.verify(&proof.target(), &WORLD.chain, confirmations) {
            assert_eq!((existence.target, existence.height), (proof.target(), 2));
            assert!(leaves().contains(&existence.target), "no inner node and no other hash");
            let receipt = proof.receipt(&WORLD.chain, WORLD.anchor_proof().authority);
            let receipt = receipt.expect("its header is on the chain");
            assert_eq!(ExistenceProof::of(&receipt, proof.host()).as_ref(), Ok(proof));
        }
    }
}

/// Proofs of the first and the last leaf, by name.
pub fn of_leaves() -> Vec<(String, ExistenceProof)> {
    let tree = Tree::new(leaves());
    let proof = |index: u32| {
        let path = tree.path(u64::from(index)).expect("one of the leaves");
        let target = leaves()[index as usize];
        let receipt = Receipt::new(WORLD.id(), target, index, path, WORLD.anchor_proof()).expect("fits");
        let proof = ExistenceProof::of(&receipt, "127.0.0.1:7700").expect("a sound receipt");
        proof.verify(&target, &WORLD.chain, 1).expect("verifies");
        (format!("leaf-{index}"), proof)
    };
    [0, 4].map(proof).to_vec()
}
