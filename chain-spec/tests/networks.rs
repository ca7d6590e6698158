//! The bundled networks: parameters that the rules accept, each with a word why.

use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::spec::{AdminSet, ChainSpec, NetworkTemplate};
use dronechain_chain_spec::target::{Bits, Target};

fn spec(NetworkTemplate { name, parameters }: NetworkTemplate) -> ChainSpec {
    let key = PublicKey::of(&SigningKey::from_bytes(&[1; 32]));
    let admins = AdminSet { threshold: 1, keys: vec![key] };
    ChainSpec { name, genesis_time_ms: 0, nodes: vec![key], parameters, admins }
}

/// Hashes that a target wants on average.
fn hashes(bits: Bits) -> u64 {
    let work = Target::from_bits(bits).expect("strict").work().to_be_bytes();
    assert_eq!(work[..24], [0; 24]);
    u64::from_be_bytes(work[24..].try_into().expect("8 of 32"))
}

#[test]
fn bundled_networks_meet_the_rules_and_are_read_back() {
    for (name, template) in [("dev", NetworkTemplate::dev()), ("fleet", NetworkTemplate::fleet())] {
        let spec = spec(template);
        assert_eq!(spec.name, name);
        spec.check().expect("sound");
        assert_eq!(ChainSpec::from_toml(&spec.to_toml()).expect("its own text"), spec);
    }
}

#[test]
fn every_parameter_of_a_bundled_network_for_fleets_is_explained() {
    let text = include_str!("../networks/fleet.toml");
    let lines: Vec<_> = text.lines().collect();
    let parameters = lines.iter().position(|line| *line == "[parameters]").expect("a table");
    let set: Vec<_> = (parameters + 1..lines.len()).filter(|at| lines[*at].contains(" = ")).collect();
    assert_eq!(set.len(), 4);
    for at in set {
        assert!(lines[at - 1].starts_with("# "), "{} has no comment", lines[at]);
    }
}

#[test]
fn fleets_start_easier_than_five_small_nodes_need_for_a_block_time() {
    let parameters = NetworkTemplate::fleet().parameters;
    assert_eq!((parameters.block_time_ms, parameters.finality_depth), (5_000, 720));
    let (initial, limit) = (hashes(parameters.initial_bits), hashes(parameters.limit_bits));
    assert_eq!((initial >> 19, limit >> 11), (2, 2), "what the file says: 2^20 and 2^12");
    // Five nodes, a twentieth of a core each, a million hashes a second a core, for T.
    assert!(initial < 5 * 1_000_000 / 20 * parameters.block_time_ms / 1_000);
}
