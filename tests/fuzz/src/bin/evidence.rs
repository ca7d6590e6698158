//! Evidence of misbehaviour.
#![no_main]

use dronechain_chain_spec::codec;
use dronechain_chain_spec::evidence::{Evidence, EvidenceError};
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::transaction::{Action, Sender, TransactionBody};
use dronechain_fuzz::network::{WORLD, body, public};
use dronechain_fuzz::{canonical, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("evidence", seeds()), |bytes: &[u8]| {
    let Some(evidence) = canonical::decode::<Evidence>(bytes) else { return };
    check(&evidence);
    match evidence {
        Evidence::Blocks { first, second } => {
            let signed = [first, second].map(|signed| {
                let header = Header { version: 1, network: WORLD.network().tag, ..signed.header };
                WORLD.mined(header, 0x11)
            });
            let Some(made) = Evidence::of_headers(&signed[0], &signed[1]) else { return };
            assert_eq!(Evidence::of_headers(&signed[1], &signed[0]).as_ref(), Some(&made));
            check(&made);
        }
        Evidence::Transactions { first, second } => {
            let sequence = first.body.sequence;
            let second = WORLD.signed(TransactionBody { sender: first.body.sender, sequence, ..second.body });
            let first = WORLD.signed(first.body);
            let sound = [&first, &second].map(|one| one.clone().check(&WORLD.id()).is_ok());
            let made = Evidence::of_transactions(&first, &second);
            assert_eq!(made, Evidence::of_transactions(&second, &first));
            assert_eq!(made.is_some(), first.body != second.body, "one signer, one place");
            let Some(made) = made else { return };
            assert_eq!(check(&made), sound == [true; 2], "it holds if both transactions do");
        }
    }
});

/// Evidence that holds says the same in the one order that it has.
fn check(evidence: &Evidence) -> bool {
    let swapped = match evidence.clone() {
        Evidence::Blocks { first, second } => Evidence::Blocks { first: second, second: first },
        Evidence::Transactions { first, second } => Evidence::Transactions { first: second, second: first },
    };
    match evidence.clone().check(WORLD.network()) {
        Ok(checked) => {
            assert_eq!(checked.get(), evidence);
            assert!(!evidence.offenders().is_empty());
            assert_eq!(swapped.check(WORLD.network()), Err(EvidenceError::Order));
            canonical::decode::<Evidence>(&codec::encode(evidence)).expect("evidence travels");
            true
        }
        Err(_) => false,
    }
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let sent = |action| {
        let sender = Sender::Key(public(0x11));
        WORLD.signed(body(sender, 0, action))
    };
    let revoke = |suspect_since| Action::RevokeDevice { device: public(0x41), suspect_since };
    let key = Evidence::of_transactions(&sent(Action::Ready), &sent(revoke(1))).expect("they conflict");
    let admins = |rule| {
        let action = Action::Activate { rule, height: 9 };
        WORLD.signed(body(Sender::Admins, 3, action))
    };
    let admins = Evidence::of_transactions(&admins(1), &admins(2)).expect("they conflict");
    let headers = [WORLD.id(), WORLD.chain.tip()].map(|commitments| WORLD.header(&[], commitments));
    let blocks = Evidence::of_headers(&headers[0], &headers[1]).expect("they conflict");
    [("key", key), ("admins", admins), ("blocks", blocks)]
        .map(|(name, evidence)| {
            assert!(check(&evidence), "{name} holds");
            (name, codec::encode(&evidence))
        })
        .to_vec()
}
