//! Chainpoint v4 proofs in their binary form: what inflates, and MessagePack by itself.
#![no_main]

use std::io::Write;

use dronechain_chain_spec::limits::PROOF_BYTES_MAX;
use dronechain_chain_spec::receipt::ExistenceProof;
use dronechain_fuzz::{memory, proofs, seeds};
use flate2::Compression;
use flate2::write::ZlibEncoder;

/// A stream's window and tables, twice what inflates while its buffer grows, and for each byte of that a value:
/// 72 bytes in a list whose buffer grows, too.
const BYTES_MAX: usize = (256 << 10) + 256 * PROOF_BYTES_MAX;

libfuzzer_sys::fuzz_target!(init: seeds::keep("proof_v4_binary", seeds()), |bytes: &[u8]| {
    // Mutated streams nearly all fail by their checksum, so the bytes are also taken for what is in one.
    for binary in [bytes.to_vec(), deflated(bytes)] {
        let Ok(proof) = memory::bounded(BYTES_MAX, || ExistenceProof::parse_binary(&binary)) else { continue };
        proofs::check(&proof);
    }
});

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn inflated(binary: &[u8]) -> Vec<u8> {
    let mut decoder = flate2::write::ZlibDecoder::new(Vec::new());
    decoder.write_all(binary).expect("a whole stream");
    decoder.finish().expect("a whole stream")
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let both = |(name, proof): (String, ExistenceProof)| {
        let binary = proof.to_binary();
        [(format!("{name}-packed"), inflated(&binary)), (name, binary)]
    };
    proofs::of_leaves().into_iter().flat_map(both).collect()
}
