//! The 232 bytes of a signed header, and the rules that it meets one after the other.
//!
//! The header stands first; what follows says on which parent it is tried.
#![no_main]

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{Parent, SIGNED_HEADER_LEN, SignedHeader};
use dronechain_chain_spec::target::Target;
use dronechain_fuzz::network::WORLD;
use dronechain_fuzz::{memory, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("header", seeds()), |bytes: &[u8]| {
    let Some((header, rest)) = bytes.split_at_checked(SIGNED_HEADER_LEN) else {
        assert!(SignedHeader::from_bytes(bytes).is_err());
        return;
    };
    assert_eq!(SignedHeader::from_bytes(bytes).is_ok(), rest.is_empty());
    let signed = memory::bounded(1024, || SignedHeader::from_bytes(header)).expect("the right length");
    assert_eq!(signed.to_bytes(), header);
    if let Ok(target) = Target::from_bits(signed.header.bits) {
        assert_eq!(target.to_bits(), signed.header.bits);
        assert!(target.work() > Default::default());
    }
    if let Ok(checked) = signed.clone().check(WORLD.network()) {
        assert_eq!(checked.signed(), &signed);
    }
    let [a, b, c, d] = std::array::from_fn(|at| rest.get(8 * at..8 * at + 8).map_or(0, little_endian));
    let mut header = signed.header;
    (header.version, header.network) = (1, WORLD.network().tag);
    header.tx_count = header.tx_count.min(1);
    if header.tx_count == 0 {
        header.tx_root = Hash256::ZERO;
    }
    let Ok(checked) = WORLD.mined(header, 0x11).check(WORLD.network()) else { return };
    let parent = Parent {
        hash: checked.header().parent,
        height: checked.header().height.saturating_sub(1),
        time_ms: a,
        target: checked.target(),
        grandparent_time_ms: (b != 0).then_some(b),
    };
    let block_time_ms = (c % 3_600_000).max(10);
    let _ = checked.check_lineage(WORLD.network(), block_time_ms, &parent);
    let _ = checked.check_future(block_time_ms, d);
    let next = Target::from_bits(parent.next_bits(WORLD.network(), block_time_ms)).expect("canonical");
    assert!(next <= WORLD.network().limit);
    let _ = WORLD.state.roster().nodes.check_turn(checked.header().miner, checked.header().height, WORLD.blocks.iter().rev().map(|block| block.header().header().miner));
});

fn little_endian(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let header =
        |block: &dronechain_chain_spec::block::CheckedBlock| block.header().signed().to_bytes().to_vec();
    let mut seeds: Vec<_> = WORLD.blocks.iter().map(header).collect();
    let numbers = [1_001_000_u64, 1_000_000, 1_000, 2_000_000].map(u64::to_le_bytes).concat();
    seeds.push([&seeds[0][..], &numbers].concat());
    seeds.into_iter().enumerate().map(|(at, bytes)| (at.to_string(), bytes)).collect()
}
