//! The bytes: what FORMAT.md shows, what other CBOR and COSE libraries read, and what is refused.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use ciborium::Value;
use common::{chain_id, key, record};
use coset::{CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{KeyError, PublicKey, Purpose, Signature, SigningKey};
use dronechain_record::{RecordError, SignedRecord, UnverifiedRecord};
use ed25519_dalek::Signer;

fn golden() -> Vec<u8> {
    record().sign(&key(), &chain_id()).unwrap().into_bytes()
}

fn decode(bytes: Vec<u8>) -> Result<SignedRecord, RecordError> {
    SignedRecord::from_bytes(bytes, &chain_id())
}

/// External data of the signature, as FORMAT.md states it.
fn aad() -> Vec<u8> {
    Purpose::Record.preimage(&chain_id(), b"")
}

/// The text between ```` ```golden-NAME ```` and the next fence, without `#` comments and spaces.
fn block(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/FORMAT.md")).unwrap();
    let start = format!("```golden-{name}\n");
    let from = text.find(&start).unwrap_or_else(|| panic!("no {name} in FORMAT.md")) + start.len();
    let lines = text[from..].split("```").next().unwrap().lines();
    let digits: String = lines.map(|line| line.split('#').next().unwrap()).collect();
    hex::decode(digits.replace(' ', "")).unwrap()
}

/// Signs any payload under any headers with another library's envelope.
fn sign_with_coset(payload: Vec<u8>, edit: impl FnOnce(&mut CoseSign1)) -> Vec<u8> {
    let public = PublicKey::of(&key());
    let protected = HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA).key_id(public.0.to_vec()).build();
    let mut message = CoseSign1Builder::new().protected(protected).payload(payload).build();
    edit(&mut message);
    let signed = message.tbs_data(&aad());
    message.signature = key().sign(&signed).to_bytes().to_vec();
    message.to_tagged_vec().unwrap()
}

fn payload() -> Vec<u8> {
    CoseSign1::from_tagged_slice(&golden()).unwrap().payload.unwrap()
}

#[test]
fn golden_record_is_the_one_in_format_md() {
    let shown = block("record");
    assert_eq!(golden(), shown, "FORMAT.md should hold\n{}", hex::encode(golden()));
    assert_eq!(block("seed"), key().to_bytes());
    assert_eq!(block("chain-id"), chain_id().0);
    assert_eq!(block("target-hash"), sha256(&[&shown]).0);
    assert_eq!(decode(shown).unwrap().record(), &record());
}

#[test]
fn another_cose_library_verifies_a_record() {
    let message = CoseSign1::from_tagged_slice(&golden()).unwrap();
    let public = PublicKey::of(&key());
    assert_eq!(message.protected.header.key_id, public.0);
    message
        .verify_signature(&aad(), |signature, signed| {
            public.verify_raw(signed, &Signature(signature.try_into().unwrap()))
        })
        .unwrap();
    let fields: Value = ciborium::from_reader(&message.payload.unwrap()[..]).unwrap();
    let fields = fields.into_map().unwrap();
    let keys: Vec<_> = fields.iter().map(|(key, _)| key.as_integer().unwrap()).collect();
    assert_eq!(keys, (1..=13).map(Into::into).collect::<Vec<_>>());
    assert_eq!(fields[4].1, Value::from(1));
    assert_eq!(fields[10].1, Value::from("text/plain"));
}

#[test]
fn a_record_that_another_cose_library_wrote_is_accepted_bit_for_bit() {
    let bytes = sign_with_coset(payload(), |_| ());
    assert_eq!(bytes, golden());
    assert!(decode(bytes).is_ok());
}

#[test]
fn every_flipped_byte_is_noticed() {
    let golden = golden();
    for at in 0..golden.len() {
        for mask in [1, 0x80, 0xff] {
            let mut bytes = golden.clone();
            bytes[at] ^= mask;
            assert!(decode(bytes).is_err(), "byte {at} ^ {mask:#x}");
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    let golden = golden();
    for length in 0..golden.len() {
        assert!(decode(golden[..length].to_vec()).is_err(), "{length} bytes");
    }
    let longer = [&golden[..], &[0]].concat();
    assert_eq!(decode(longer), Err(RecordError::Trailing { at: golden.len() }));
}

#[test]
fn another_network_or_key_does_not_verify() {
    let unverified = UnverifiedRecord::decode(golden()).unwrap();
    let signer = PublicKey::of(&key());
    let bad = Err(RecordError::Signature(KeyError::BadSignature(signer)));
    assert_eq!(unverified.clone().verify(&sha256(&[b"other network"])), bad);
    assert_eq!(unverified.verify(&Hash256::ZERO), bad);
    // The right body under a signature of another key.
    let forged = SigningKey::from_bytes(&[8; 32]);
    let mut bytes = golden();
    let from = bytes.len() - 64;
    let message = CoseSign1::from_tagged_slice(&bytes).unwrap().tbs_data(&aad());
    bytes[from..].copy_from_slice(&forged.sign(&message).to_bytes());
    assert_eq!(decode(bytes), bad);
}

#[test]
fn other_encodings_of_the_same_payload_are_refused_though_well_signed() {
    let payload = payload();
    // ad | 01 01 | 02 00 | 03 5820...: a map of 13 pairs, version 1, kind 0.
    assert_eq!(payload[..6], [0xad, 1, 1, 2, 0, 3]);
    let with = |head: &[u8], rest: &[u8]| sign_with_coset([head, rest].concat(), |_| ());
    let longer_int = with(&[0xad, 1, 0x18, 1], &payload[3..]);
    assert!(matches!(decode(longer_int), Err(RecordError::NotCanonical { .. })));
    let longer_map = with(&[0xb8, 13], &payload[1..]);
    assert!(matches!(decode(longer_map), Err(RecordError::NotCanonical { .. })));
    let indefinite = with(&[0xbf], &[&payload[1..], &[0xff]].concat());
    assert!(matches!(decode(indefinite), Err(RecordError::NotCanonical { .. })));
    let unsorted = with(&[0xad, 2, 0, 1, 1], &payload[5..]);
    assert!(matches!(decode(unsorted), Err(RecordError::FieldOrder { expected: 1, found: 2, .. })));
    let repeated = with(&[0xad, 1, 1, 1, 1], &payload[5..]);
    assert!(matches!(decode(repeated), Err(RecordError::FieldOrder { expected: 2, found: 1, .. })));
    let fourteen = with(&[0xae], &[&payload[1..], &[14, 0]].concat());
    assert_eq!(decode(fourteen), Err(RecordError::FieldCount { found: 14, expected: 13 }));
    let trailing = with(&payload, &[0]);
    assert!(matches!(decode(trailing), Err(RecordError::Trailing { .. })));
    let version_2 = with(&[0xad, 1, 2], &payload[3..]);
    assert_eq!(decode(version_2), Err(RecordError::Version { found: 2 }));
    let kind_4 = with(&[0xad, 1, 1, 2, 4], &payload[5..]);
    assert_eq!(decode(kind_4), Err(RecordError::Code { field: "kind", found: 4 }));
    let text_kind = with(&[0xad, 1, 1, 2, 0x60], &payload[5..]);
    assert!(matches!(decode(text_kind), Err(RecordError::Type { field: "kind", .. })));
}

#[test]
fn other_headers_are_refused_though_well_signed() {
    let with = |edit: fn(&mut CoseSign1)| decode(sign_with_coset(payload(), edit));
    let unprotected = with(|message| message.unprotected.key_id = vec![1]);
    assert!(matches!(unprotected, Err(RecordError::UnprotectedHeader { .. })));
    let other_algorithm = with(|message| {
        message.protected.header.alg = Some(coset::Algorithm::Assigned(iana::Algorithm::ES256));
    });
    assert_eq!(other_algorithm, Err(RecordError::Algorithm { found: -7 }));
    let short_key_id = with(|message| {
        message.protected.header.key_id.pop();
    });
    assert!(matches!(short_key_id, Err(RecordError::Length { field: "key id", found: 31, .. })));
    let extra = with(|message| message.protected.header.rest.push((coset::Label::Int(99), Value::from(1))));
    assert!(matches!(extra, Err(RecordError::ProtectedHeader { .. })));
    let no_key_id = with(|message| message.protected.header.key_id.clear());
    assert!(matches!(no_key_id, Err(RecordError::ProtectedHeader { .. })));
    // The same two entries in the other order, as raw bytes.
    let unsorted = sign_with_coset(payload(), |message| {
        let key_id = [&[0xa2, 4, 0x58, 32][..], &PublicKey::of(&key()).0, &[1, 0x27]].concat();
        message.protected.original_data = Some(key_id);
    });
    assert!(matches!(decode(unsorted), Err(RecordError::ProtectedHeader { .. })));
    let untagged = golden()[1..].to_vec();
    assert_eq!(decode(untagged), Err(RecordError::NotCose { at: 0 }));
    let detached = with(|message| message.payload = None);
    assert!(matches!(detached, Err(RecordError::Type { field: "payload", .. })));
}

#[test]
fn signature_is_verified_by_its_own_signers_point_only() {
    let signed = record().sign(&key(), &chain_id()).expect("a sound record");
    let unverified = || UnverifiedRecord::decode(signed.bytes().to_vec()).expect("a sound record");
    let own = signed.signer().point().expect("a key");
    assert_eq!(unverified().verify_by(&own, &chain_id()).as_ref(), Ok(&signed));
    let other = PublicKey::of(&SigningKey::from_bytes(&[99; 32]));
    let error = unverified().verify_by(&other.point().expect("a key"), &chain_id()).expect_err("another key");
    assert_eq!(error, RecordError::Signature(KeyError::BadSignature(other)));
}
