//! What a peer asks.
#![no_main]

use dronechain_chain_spec::codec;
use dronechain_chain_spec::wire::Request;
use dronechain_fuzz::network::{WORLD, leaves};
use dronechain_fuzz::{canonical, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("request", seeds()), |bytes: &[u8]| {
    canonical::decode::<Request>(bytes);
});

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let locator = vec![WORLD.chain.tip(), WORLD.id()];
    let root = dronechain_chain_spec::merkle::root(&leaves());
    vec![
        ("status", codec::encode(&Request::Status)),
        ("headers", codec::encode(&Request::Headers { locator: locator.clone() })),
        ("blocks", codec::encode(&Request::Blocks { hashes: locator })),
        ("body", codec::encode(&Request::Body { root, leaf_count: 5 })),
    ]
}
