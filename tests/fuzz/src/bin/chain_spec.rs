//! Chain specs as nodes answer them, in their canonical encoding.
#![no_main]

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_fuzz::network::spec;
use dronechain_fuzz::{canonical, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("chain_spec", seeds()), |bytes: &[u8]| {
    let Some(spec) = canonical::decode::<ChainSpec>(bytes) else { return };
    if spec.check().is_err() {
        assert!(HeaderChain::new(spec).is_err());
        return;
    }
    assert_eq!(ChainSpec::from_toml(&spec.to_toml()).as_ref(), Ok(&spec));
    let chain = HeaderChain::new(spec.clone()).expect("checked");
    assert_eq!(chain.chain_id(), spec.genesis().hash());
    assert_eq!(spec.genesis_state().nodes_root(), chain.roster(0).root());
    assert_eq!(HeaderChain::from_bytes(&chain.to_bytes()).expect("reads back").tip(), chain.tip());
});

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let one = ChainSpec { nodes: spec().nodes[..1].to_vec(), name: "one-node".into(), ..spec() };
    vec![("three-nodes", codec::encode(&spec())), ("one-node", codec::encode(&one))]
}
