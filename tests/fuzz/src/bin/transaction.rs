//! Transactions as they are gossiped and submitted.
#![no_main]

use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::state::Draft;
use dronechain_chain_spec::transaction::Transaction;
use dronechain_fuzz::network::{self, WORLD};
use dronechain_fuzz::{canonical, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("transaction", seeds()), |bytes: &[u8]| {
    let Some(transaction) = canonical::decode::<Transaction>(bytes) else { return };
    let json = serde_json::to_vec(&transaction).expect("JSON for people");
    assert_eq!(serde_json::from_slice::<Transaction>(&json).expect("reads back"), transaction);
    if let Ok(checked) = transaction.clone().check(&WORLD.id()) {
        assert_eq!((checked.size(), checked.txid()), (bytes.len(), sha256(&[bytes])));
        assert_eq!(checked.get(), &transaction);
    }
    // The same with signatures that hold, so that the rules behind them are met too.
    let signed = WORLD.signed(transaction.body);
    if let Ok(checked) = signed.check(&WORLD.id()) {
        let mut draft = Draft::new(&WORLD.state, WORLD.chain.height() + 1);
        if draft.apply(&checked).is_ok() {
            assert_eq!(draft.finish().outcomes.len(), 1);
        }
    }
});

fn seeds() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    network::transactions().into_iter().map(|(name, transaction)| (name, codec::encode(&transaction)))
}
