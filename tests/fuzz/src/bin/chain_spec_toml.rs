//! Chain specs and bundled networks in TOML.
#![no_main]

use dronechain_chain_spec::codec;
use dronechain_chain_spec::spec::{ChainSpec, NetworkTemplate};
use dronechain_fuzz::network::spec;
use dronechain_fuzz::{memory, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("chain_spec_toml", seeds()), |bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // The parser keeps tokens and keys apart, and begins with tables of its own.
    let bytes_max = 256 * text.len() + (256 << 10);
    let _ = memory::bounded(bytes_max, || NetworkTemplate::from_toml(text));
    let Ok(spec) = memory::bounded(bytes_max, || ChainSpec::from_toml(text)) else { return };
    assert_eq!(spec.check(), Ok(()));
    assert_eq!(ChainSpec::from_toml(&spec.to_toml()).as_ref(), Ok(&spec));
    assert_eq!(codec::decode(&codec::encode(&spec)).as_ref(), Ok(&spec));
    assert_eq!(spec.network().chain_id, spec.genesis().hash());
});

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let dev = include_bytes!("../../../../chain-spec/networks/dev.toml");
    vec![("three-nodes", spec().to_toml().into_bytes()), ("network", dev.to_vec())]
}
