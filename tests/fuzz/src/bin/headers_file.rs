//! Files of headers and lists of links, as light clients read them.
#![no_main]

use dronechain_chain_spec::chain::{HEADERS_MAGIC, HeaderChain, decode_links, encode_link};
use dronechain_fuzz::network::WORLD;
use dronechain_fuzz::{memory, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("headers_file", seeds()), |bytes: &[u8]| {
    // Two codec limits: spec and links are decoded one after the other; 64 times for what is kept of each.
    let bytes_max = (8 << 20) + 64 * bytes.len();
    if let Ok(chain) = memory::bounded(bytes_max, || HeaderChain::from_bytes(bytes)) {
        assert_eq!(chain.to_bytes(), bytes);
        for height in 0..=chain.height() {
            let hash = chain.hash(height).expect("on the chain");
            assert_eq!(chain.height_of(&hash), Some(height));
        }
    }
    let list = bytes.strip_prefix(HEADERS_MAGIC).unwrap_or(bytes);
    if let Ok(links) = memory::bounded(bytes_max, || decode_links(list)) {
        let mut again = Vec::new();
        links.iter().for_each(|link| encode_link(link, &mut again));
        assert_eq!(again, list);
    }
});

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let whole = WORLD.chain.to_bytes();
    let mut genesis = WORLD.chain.clone();
    genesis.truncate(0);
    let links = whole[genesis.to_bytes().len()..].to_vec();
    vec![("whole", whole), ("genesis", genesis.to_bytes()), ("links", links)]
}
