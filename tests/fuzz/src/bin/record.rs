//! Records: COSE_Sign1 in deterministic CBOR.
#![no_main]

use coset::{CoseSign1, TaggedCborSerializable};
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_fuzz::network::{WORLD, key, public};
use dronechain_fuzz::{memory, seeds};
use dronechain_record::limits::RECORD_BYTES_MAX;
use dronechain_record::{
    Attestation, Body, Clock, Fix, Follower, Kind, Location, NoLocation, Record, Sealed, SignedRecord,
    UnverifiedRecord,
};

const DEVICE: u8 = 0x41;
const GATEWAY: u8 = 0x21;

libfuzzer_sys::fuzz_target!(init: seeds::keep("record", seeds()), |bytes: &[u8]| {
    let bytes_max = 4 * bytes.len().min(RECORD_BYTES_MAX) + 4096;
    let input = bytes.to_vec();
    let Ok(unverified) = memory::bounded(bytes_max, || UnverifiedRecord::decode(input)) else { return };
    // Another library reads the same from it, and writes the same bytes.
    let other = CoseSign1::from_tagged_slice(bytes).expect("tagged COSE_Sign1");
    assert_eq!(other.protected.header.key_id, unverified.signer().0);
    assert_eq!(other.to_tagged_vec().expect("writes"), bytes);
    let mut record = unverified.record().clone();
    if let Ok(signed) = unverified.verify(&WORLD.id()) {
        assert_eq!((signed.bytes(), signed.target_hash()), (bytes, sha256(&[bytes])));
    }
    let signer = match record.attested_by {
        Attestation::Device => {
            record.subject = public(DEVICE).id();
            DEVICE
        }
        // Never the subject itself.
        Attestation::Gateway if record.subject == public(GATEWAY).id() => DEVICE,
        Attestation::Gateway => GATEWAY,
    };
    let signed = record.clone().sign(key(signer), &WORLD.id()).expect("what was read can be signed");
    let read = SignedRecord::from_bytes(signed.bytes().to_vec(), &WORLD.id()).expect("reads back");
    assert_eq!((&read, read.record()), (&signed, &record));
    let mut follower = Follower::new(record.subject);
    let before = follower.position();
    if follower.accept(&read).is_err() {
        assert_eq!(follower.position(), before);
    }
});

fn record() -> Record {
    Record {
        kind: Kind::Data,
        subject: public(DEVICE).id(),
        attested_by: Attestation::Device,
        sequence: 0,
        previous: Hash256::ZERO,
        known_block: WORLD.chain.tip(),
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

fn sealed(bytes: usize) -> Sealed {
    Sealed { key_commitment: WORLD.id(), nonce: [3; 24], ciphertext: vec![5; bytes] }
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let closing = Record {
        kind: Kind::Closing,
        sequence: 9,
        previous: WORLD.id(),
        content_type: String::new(),
        body: Body::Closing { count: 9 },
        location: Location::None(NoLocation::NoFix),
        ..record()
    };
    let secret =
        Record { location: Location::Sealed(sealed(40)), body: Body::Sealed(sealed(100)), ..record() };
    let by_gateway = Record { attested_by: Attestation::Gateway, subject: public(0x42).id(), ..record() };
    let command = Record { kind: Kind::Command, clock: Clock::Simulated, ..record() };
    let access = Record { kind: Kind::Access, clock: Clock::Boot, time_us: 7, ..record() };
    [
        ("data", record()),
        ("closing", closing),
        ("sealed", secret),
        ("gateway", by_gateway),
        ("command", command),
        ("access", access),
    ]
    .map(|(name, record)| (name, record.sign(key(DEVICE), &WORLD.id()).expect("sound").into_bytes()))
    .to_vec()
}
