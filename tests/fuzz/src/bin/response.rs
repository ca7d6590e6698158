//! What a peer answers: what it holds is checked as the node would.
#![no_main]

use dronechain_chain_spec::codec;
use dronechain_chain_spec::wire::{Response, Status};
use dronechain_fuzz::network::{WORLD, leaves};
use dronechain_fuzz::{canonical, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("response", seeds()), |bytes: &[u8]| {
    match canonical::decode::<Response>(bytes) {
        Some(Response::Headers(links)) => {
            let mut chain = WORLD.chain.clone();
            chain.truncate(0);
            for link in links {
                let taken = link.clone();
                let height = chain.height();
                match chain.push(link) {
                    Ok(()) => assert_eq!(chain.link(height + 1), Some(&taken)),
                    Err(_) => assert_eq!(chain.height(), height, "a refused link was taken"),
                }
            }
        }
        Some(Response::Blocks(blocks)) => {
            for block in blocks {
                if let Ok(checked) = block.clone().check(WORLD.network()) {
                    assert_eq!(checked.to_block(), block);
                }
            }
        }
        Some(Response::Status(_) | Response::Body(_)) | None => {}
    }
});

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let chain = &WORLD.chain;
    let status = Status {
        chain_id: WORLD.id(),
        tip: chain.tip(),
        height: chain.height(),
        work: chain.work(),
        time_ms: 1_003_000,
    };
    let links: Vec<_> = (1..=2).map(|height| chain.link(height).expect("two blocks").clone()).collect();
    let blocks: Vec<_> = WORLD.blocks.iter().map(|block| block.to_block()).collect();
    let empty = WORLD.block(Vec::new());
    [
        ("status", Response::Status(status)),
        ("headers", Response::Headers(links.clone())),
        ("header-2", Response::Headers(links[1..].to_vec())),
        ("blocks", Response::Blocks(blocks)),
        ("block-empty", Response::Blocks(vec![empty])),
        ("body", Response::Body(Some(leaves()))),
        ("body-none", Response::Body(None)),
    ]
    .map(|(name, response)| (name, codec::encode(&response)))
    .to_vec()
}
