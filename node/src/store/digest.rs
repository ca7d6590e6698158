//! The state digest: one hash over all that the ledger knows at a tip. Two nodes at the same tip that
//! differ in anything have different digests.

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::registry::Roll;
use dronechain_chain_spec::state::State;
use sha2::{Digest as _, Sha256};

/// What the digest begins with; another layout gets another one.
const DOMAIN: &[u8] = b"dronechain state digest 1";

/// SHA-256 over [`DOMAIN`], the tip's hash and height, the admins with their sequence, the history's peaks,
/// and both rolls with their lengths and every account's sequence. Numbers are big-endian in 8 bytes, the
/// rest canonical encodings.
pub fn state_digest(state: &State, tip: &Hash256, height: u64) -> Hash256 {
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    hasher.update(tip.0);
    hasher.update(height.to_be_bytes());
    hasher.update(codec::encode(&state.admins));
    hasher.update(codec::encode(&state.history));
    for roll in [Roll::Nodes, Roll::Accounts] {
        hasher.update(u64::from(state.registry.len(roll)).to_be_bytes());
        for account in state.registry.accounts(roll) {
            hasher.update(codec::encode(account));
        }
    }
    Hash256(hasher.finalize().into())
}
