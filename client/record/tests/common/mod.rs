//! A record with everything fixed, and the ways in which tests vary it.

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_record::{Attestation, Body, Clock, Fix, Kind, Location, Record, Sealed};

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn chain_id() -> Hash256 {
    sha256(&[b"golden network"])
}

pub(crate) fn record() -> Record {
    Record {
        kind: Kind::Data,
        subject: PublicKey::of(&key()).id(),
        attested_by: Attestation::Device,
        sequence: 1,
        previous: sha256(&[b"record 0"]),
        known_block: sha256(&[b"block"]),
        time_us: 1_557_745_445_000_000,
        clock: Clock::UtcGps,
        location: Location::Fix(Fix {
            lat_e7: 473_977_420,
            lon_e7: -85_455_940,
            altitude_mm: Some(488_000),
            accuracy_mm: None,
        }),
        content_type: "text/plain".to_owned(),
        salt: *b"sixteen salt byt",
        body: Body::Clear(b"battery 22.5 V".to_vec()),
    }
}

pub(crate) fn closing() -> Record {
    Record {
        kind: Kind::Closing,
        sequence: 9,
        content_type: String::new(),
        body: Body::Closing { count: 9 },
        ..record()
    }
}

pub(crate) fn sealed(ciphertext_bytes: usize) -> Sealed {
    Sealed { key_commitment: sha256(&[b"commitment"]), nonce: [3; 24], ciphertext: vec![5; ciphertext_bytes] }
}
