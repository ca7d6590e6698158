//! What checking a record costs beside its Ed25519 signature alone.
//!
//! `cargo run --release -p dronechain-record --example verify_cost`
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::{PublicKey, Purpose, SigningKey, sign};
use dronechain_record::{
    Attestation, Body, Clock, Kind, Location, NoLocation, Record, SignedRecord, UnverifiedRecord,
};

const ROUNDS: u32 = 5_000;

fn main() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = PublicKey::of(&key);
    let chain_id = sha256(&[b"network"]);
    println!("body bytes  record bytes  decode us  decode+verify us  ed25519 alone us");
    for length in [64, 1_024, 60_000] {
        let record = Record {
            kind: Kind::Data,
            subject: public.id(),
            attested_by: Attestation::Device,
            sequence: 1,
            previous: chain_id,
            known_block: chain_id,
            time_us: 1,
            clock: Clock::Boot,
            location: Location::None(NoLocation::NoFix),
            content_type: "application/octet-stream".to_owned(),
            salt: [1; 16],
            body: Body::Clear(vec![1; length]),
        };
        let bytes = record.sign(&key, &chain_id).unwrap().into_bytes();
        let decode = micros(|| {
            black_box(UnverifiedRecord::decode(black_box(bytes.clone())).unwrap());
        });
        let both = micros(|| {
            black_box(SignedRecord::from_bytes(black_box(bytes.clone()), &chain_id).unwrap());
        });
        // The same number of bytes under a signature and nothing around it.
        let signature = sign(&key, Purpose::Record, &chain_id, &bytes);
        let alone = micros(|| {
            black_box(public.verify(Purpose::Record, &chain_id, black_box(&bytes), &signature)).unwrap();
        });
        println!("{length:10}  {:12}  {decode:9.2}  {both:16.2}  {alone:16.2}", bytes.len());
    }
}

fn micros(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        run();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
}
