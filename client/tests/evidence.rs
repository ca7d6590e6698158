//! Evidence from records to verdicts, and what every changed byte does to it.

mod common;

use common::{World, batch_of, controller, device, flown, key, operator};
use dronechain_chain_spec::chain::{ChainError, HeaderChain};
use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::receipt::{AnchorProof, ExistenceProof, Part, Receipt, ReceiptError};
use dronechain_chain_spec::registry::Role;
use dronechain_chain_spec::transaction::{Action, AnchorKind};
use dronechain_client::{Batch, Evidence, EvidenceError, Verifier};
use dronechain_record::{EntitlementError, Position, SignedRecord, Verdict};

/// A bit that often gives another digit, several bits, the bit between cases, and a bit out of ASCII.
const FLIPS: [u8; 4] = [0x01, 0x07, 0x20, 0x80];

fn verify(chain: &HeaderChain, record: &[u8], receipt: &[u8]) -> Result<Evidence, EvidenceError> {
    Verifier::new(chain, 1).verify(record.to_vec(), receipt)
}

fn flipped(bytes: &[u8], at: usize, flip: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= flip;
    bytes
}

#[test]
fn a_flight_with_its_receipts_is_good() {
    let flown = flown();
    let mut verifier = Verifier::new(&flown.world.chain, 3);
    for (record, receipt) in flown.records.iter().zip(&flown.receipts) {
        let evidence =
            verifier.verify(record.bytes().to_vec(), receipt.to_json().as_bytes()).expect("it verifies");
        assert_eq!(evidence.verdict, Verdict::Good);
        assert_eq!(evidence.record.as_ref(), Some(record));
    }
    let too_few = Verifier::new(&flown.world.chain, 5)
        .verify(flown.records[6].bytes().to_vec(), flown.receipts[6].to_json().as_bytes());
    let expected = EvidenceError::Receipt(ReceiptError::TooFewConfirmations { found: 4, wanted: 5 });
    assert_eq!(too_few, Err(expected));
}

#[test]
fn every_flipped_byte_of_a_record_is_the_records_fault() {
    let flown = flown();
    let (record, receipt) = (flown.records[1].bytes(), flown.receipts[1].to_json());
    for at in 0..record.len() {
        for flip in FLIPS {
            let error = verify(&flown.world.chain, &flipped(record, at, flip), receipt.as_bytes());
            assert_eq!(error.expect_err("altered").part(), Part::Record, "byte {at} ^ {flip:02x}");
        }
    }
}

/// The fields of a receipt as they follow each other: up to the next one, a changed byte is refused for
/// one of these parts or for its format.
const FIELDS: [(&str, &[Part]); 17] = [
    ("{\"@context\":", &[]),
    ("\"targetHash\":", &[Part::Proof]),
    ("\"merkleRoot\":", &[Part::Proof]),
    ("\"proof\":", &[Part::Proof]),
    ("\"anchors\":", &[]),
    ("\"sourceId\":", &[Part::Transaction]),
    ("\"dronechain\":", &[]),
    ("\"chainId\":", &[Part::Header]),
    ("\"index\":", &[Part::Proof]),
    ("\"leafCount\":", &[Part::Proof, Part::Transaction]),
    ("\"anchor\":", &[]),
    ("\"transaction\":", &[Part::Transaction]),
    ("\"txIndex\":", &[Part::BlockPath]),
    ("\"blockPath\":", &[Part::BlockPath]),
    ("\"height\":", &[Part::Header]),
    ("\"header\":", &[Part::Header]),
    // A height above the tip is the headers' fault.
    ("\"authority\":", &[Part::Registry, Part::Header]),
];

/// Flips every byte of the receipt; each must be refused, and for its own part.
fn sweep(chain: &HeaderChain, record: &[u8], receipt: &str) {
    verify(chain, record, receipt.as_bytes()).expect("it verifies unchanged");
    let start = |name: &str| receipt.find(name).unwrap_or_else(|| panic!("{name} in {receipt}"));
    let starts = FIELDS.map(|(name, _)| start(name));
    assert!(starts[0] == 0 && starts.is_sorted(), "{starts:?}");
    for at in 0..receipt.len() {
        let (field, parts) = FIELDS[starts.partition_point(|start| *start <= at) - 1];
        for flip in FLIPS {
            let bytes = flipped(receipt.as_bytes(), at, flip);
            let Err(error) = verify(chain, record, &bytes) else {
                panic!("byte {at} ^ {flip:02x} verifies: {}", String::from_utf8_lossy(&bytes));
            };
            let part = error.part();
            let right = part == Part::Format || parts.contains(&part);
            assert!(right, "byte {at} ^ {flip:02x} in {field} is for {part:?}: {error}");
        }
    }
}

#[test]
fn every_flipped_byte_of_a_receipt_names_its_part() {
    let flown = flown();
    for at in [1, 5] {
        sweep(&flown.world.chain, flown.records[at].bytes(), &flown.receipts[at].to_json());
    }
}

#[test]
fn every_flipped_byte_of_a_receipt_without_a_device_names_its_part() {
    let flown = flown();
    for at in [1, 5] {
        let mut receipt = flown.receipts[at].clone();
        let authority = &mut receipt.anchor.authority;
        authority.device = None;
        // The first of three accounts: a tree of four would give its path the same shape.
        assert_eq!((authority.sender.path.len(), &authority.sender.entry.role), (2, &Role::Controller));
        sweep(&flown.world.chain, flown.records[at].bytes(), &receipt.to_json());
    }
}

#[test]
fn a_flipped_digit_names_its_part() {
    let flown = flown();
    let (record, receipt) = (flown.records[1].bytes(), flown.receipts[1].to_json());
    for (field, part) in [
        ("\"targetHash\":\"", Part::Proof),
        ("\"merkleRoot\":\"", Part::Proof),
        ("\"proof\":[{\"left\":\"", Part::Proof),
        ("\"sourceId\":\"", Part::Transaction),
        ("\"transaction\":\"", Part::Transaction),
        ("\"header\":\"", Part::Header),
        ("\"history\":\"", Part::Registry),
        ("\"accounts\":\"", Part::Registry),
        ("\"sender\":{\"entry\":{\"key\":\"", Part::Registry),
        ("\"chainId\":\"", Part::Header),
        ("\"@context", Part::Format),
        ("\"ready", Part::Format),
    ] {
        let start = receipt.find(field).unwrap_or_else(|| panic!("{field} in {receipt}"));
        let value = start + field.len();
        let at = if part == Part::Format { value - 1 } else { value };
        // Another digit, whichever it was.
        let flip = if receipt.as_bytes()[at].is_ascii_digit() { 0x01 } else { 0x07 };
        let error = verify(&flown.world.chain, record, &flipped(receipt.as_bytes(), at, flip));
        assert_eq!(error.expect_err(field).part(), part, "{field}");
    }
}

#[test]
fn a_block_path_and_a_registry_path_name_their_parts() {
    let mut flown = flown();
    let receipt = &mut flown.receipts[1];
    receipt.anchor.tx_index = 1;
    let error = verify(&flown.world.chain, flown.records[1].bytes(), receipt.to_json().as_bytes());
    assert_eq!(error.expect_err("another index").part(), Part::BlockPath);
    receipt.anchor.tx_index = 0;
    receipt.anchor.authority.device.as_mut().expect("shown").path.pop();
    let error = verify(&flown.world.chain, flown.records[1].bytes(), receipt.to_json().as_bytes());
    assert_eq!(error.expect_err("a short path").part(), Part::Registry);
}

#[test]
fn every_flipped_byte_of_a_headers_file_is_found_with_its_height() {
    let flown = flown();
    let file = flown.world.chain.to_bytes();
    let head = flown.world.chain.file_head().len();
    for at in 0..file.len() {
        for flip in FLIPS {
            let error = HeaderChain::from_bytes(&flipped(&file, at, flip)).err();
            let error = error.unwrap_or_else(|| panic!("byte {at} ^ {flip:02x} went unseen"));
            if at >= head + 4 && matches!(error, ChainError::Header { .. }) {
                // All links are of one length here: none shows a change.
                let height = (at - head) / 340 + 1;
                assert!(matches!(error, ChainError::Header { height: found, .. } if found == height as u64));
            }
        }
    }
}

#[test]
fn receipts_written_otherwise_verify_but_not_with_more_fields() {
    let flown = flown();
    let record = flown.records[0].bytes();
    let json = flown.receipts[0].to_json();
    let mut value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let pretty = serde_json::to_vec_pretty(&value).expect("JSON");
    verify(&flown.world.chain, record, &pretty).expect("white space and order say nothing");
    value["anchors"][0]["dronechain"]["anchor"]["authority"]["sender"]["entry"]["more"] = 1.into();
    let error = verify(&flown.world.chain, record, value.to_string().as_bytes());
    assert_eq!(error.expect_err("a field too many").part(), Part::Format);
}

#[test]
fn the_receipt_of_another_record_is_refused() {
    let flown = flown();
    let error = verify(&flown.world.chain, flown.records[0].bytes(), flown.receipts[1].to_json().as_bytes());
    assert_eq!(error.expect_err("another record's").part(), Part::Record);
}

#[test]
fn without_the_devices_registration_authority_is_unchecked() {
    let mut flown = flown();
    flown.receipts[0].anchor.authority.device = None;
    let evidence =
        verify(&flown.world.chain, flown.records[0].bytes(), flown.receipts[0].to_json().as_bytes());
    assert_eq!(evidence.expect("it verifies").verdict, Verdict::AuthorityUnchecked);
}

#[test]
fn an_existence_proof_shows_the_record_but_not_who_was_entitled() {
    let flown = flown();
    for (record, receipt) in flown.records.iter().zip(&flown.receipts) {
        let proof = ExistenceProof::of(receipt, "localhost:7700").expect("a sound receipt");
        for bytes in [proof.to_json().into_bytes(), proof.to_binary()] {
            let evidence = verify(&flown.world.chain, record.bytes(), &bytes).expect("it verifies");
            let known = verify(&flown.world.chain, record.bytes(), receipt.to_json().as_bytes());
            assert_eq!(evidence.verdict, Verdict::AuthorityUnchecked);
            assert_eq!(
                (evidence.record.as_ref(), evidence.proven),
                (Some(record), known.expect("so does the receipt").proven)
            );
            let altered = flipped(record.bytes(), record.bytes().len() - 1, 1);
            let error = verify(&flown.world.chain, &altered, &bytes).expect_err("another record");
            assert_eq!(error.part(), Part::Record);
        }
        // Whoever supplies the rest has the receipt again.
        let whole = proof.receipt(&flown.world.chain, receipt.anchor.authority.clone());
        assert_eq!(whole.as_ref(), Ok(receipt));
    }
}

#[test]
fn an_existence_proof_of_a_forged_record_does_not_verify() {
    let mut world = World::peopled();
    let record = world.flight(device(), 1, Position::default()).remove(0);
    let mut forged = record.bytes().to_vec();
    *forged.last_mut().expect("a signature") ^= 1;
    let batch = Batch::from_leaves([sha256(&[&forged]), record.target_hash()]).expect("two leaves");
    let height = world.mine_by(&controller(), Action::Anchor(batch.anchor(AnchorKind::Command)));
    let proof = world.proof(height, height, None);
    let receipts = batch.receipts(world.chain_id(), &proof).expect("its own");
    let proofs: Vec<_> =
        receipts.map(|receipt| ExistenceProof::of(&receipt, "localhost").expect("sound")).collect();
    let error = verify(&world.chain, &forged, proofs[0].to_json().as_bytes()).expect_err("its signature");
    assert!(matches!(error, EvidenceError::Record(_)), "{error}");
    // A sound record, anchored as what it is not.
    let error = verify(&world.chain, record.bytes(), &proofs[1].to_binary()).expect_err("another kind");
    assert!(matches!(error, EvidenceError::Entitlement(EntitlementError::OtherKind { .. })), "{error}");
}

#[test]
fn any_file_is_anchored_by_its_hash() {
    let mut world = World::peopled();
    let hash = sha256(&[b"a file"]);
    let batch = Batch::from_leaves([hash]).expect("one leaf");
    let height = world.anchor(&batch);
    let receipt = receipt_of(&world, &batch, &world.proof(height, height, None), 0);
    let evidence = verify(&world.chain, b"a file", receipt.to_json().as_bytes()).expect("it verifies");
    assert_eq!((evidence.record, evidence.verdict), (None, Verdict::AuthorityUnchecked));
    let hashed = Verifier::new(&world.chain, 1).verify_hash(hash, receipt.to_json().as_bytes());
    assert_eq!(hashed.expect("it verifies").verdict, Verdict::AuthorityUnchecked);
    let proof = ExistenceProof::of(&receipt, "localhost").expect("a sound receipt").to_binary();
    let evidence = verify(&world.chain, b"a file", &proof).expect("it verifies");
    assert_eq!((evidence.record, evidence.verdict), (None, Verdict::AuthorityUnchecked));
    let hashed = Verifier::new(&world.chain, 1).verify_hash(hash, &proof);
    assert_eq!(hashed.expect("it verifies").verdict, Verdict::AuthorityUnchecked);
}

fn receipt_of(world: &World, batch: &Batch, proof: &AnchorProof, index: usize) -> Receipt {
    let mut receipts = batch.receipts(world.chain_id(), proof).expect("its own proof");
    receipts.nth(index).expect("a leaf")
}

/// Anchors one record of `signer`, shows the registration of `shown` at the tip, and judges.
fn judge(
    world: &mut World,
    record: &SignedRecord,
    shown: &PublicKey,
    after: impl FnOnce(&mut World),
) -> Result<Verdict, EvidenceError> {
    let batch = batch_of(std::slice::from_ref(record));
    let height = world.anchor(&batch);
    after(world);
    let proof = world.proof(height, world.chain.height(), Some(shown));
    let receipt = receipt_of(world, &batch, &proof, 0);
    verify(&world.chain, record.bytes(), receipt.to_json().as_bytes()).map(|evidence| evidence.verdict)
}

#[test]
fn revocation_counts_by_the_height_of_inclusion() {
    let public = PublicKey::of(&device());
    let revoke = |suspect_since| Action::RevokeDevice { device: public, suspect_since };
    // Revoked at 4; anchored at 5.
    let mut world = World::peopled();
    let record = world.flight(device(), 1, Position::default()).remove(0);
    world.mine_empty(1);
    let revoked = world.mine_by(&controller(), revoke(u64::MAX));
    let verdict = judge(&mut world, &record, &public, |_| {});
    let included = revoked + 1;
    assert_eq!(verdict, Ok(Verdict::AfterRevocation { key: public, revoked, included }));
    // Anchored at 3; revoked at 4: with doubts since 3 suspect, with doubts since 4 good.
    for (since, expected) in
        [(3, Verdict::Suspect { key: public, since: 3, included: 3 }), (u64::MAX, Verdict::Good)]
    {
        let mut world = World::peopled();
        let verdict = judge(&mut world, &record, &public, |world| {
            world.mine_by(&controller(), revoke(since));
        });
        assert_eq!(verdict, Ok(expected));
    }
}

#[test]
fn other_devices_and_roles_are_not_entitled() {
    let record_of = |signer| World::peopled().flight(signer, 1, Position::default()).remove(0);
    // The registration of another device.
    let stranger = record_of(key(9));
    let shown = PublicKey::of(&device());
    let error = judge(&mut World::peopled(), &stranger, &shown, |_| {});
    let subject = stranger.record().subject;
    let expected = EntitlementError::OtherDevice { shown, subject };
    assert_eq!(error, Err(EvidenceError::Entitlement(expected)));
    // A key that is registered, but as an operator.
    let shown = PublicKey::of(&operator());
    let error = judge(&mut World::peopled(), &record_of(operator()), &shown, |_| {});
    assert!(matches!(error, Err(EvidenceError::Entitlement(EntitlementError::NotADevice { .. }))));
    // Enrolled only after its record was anchored.
    let late = key(8);
    let shown = PublicKey::of(&late);
    let error = judge(&mut World::peopled(), &record_of(late.clone()), &shown, |world| {
        let enrolment = world.enrolment(&late);
        world.mine_by(&controller(), enrolment);
    });
    let expected = EntitlementError::EnrolledLater { device: shown, admitted: 4, included: 3 };
    assert_eq!(error, Err(EvidenceError::Entitlement(expected)));
}

#[test]
fn a_data_record_in_a_batch_of_commands_is_refused() {
    let mut world = World::peopled();
    let record = world.flight(device(), 1, Position::default()).remove(0);
    let batch = batch_of(std::slice::from_ref(&record));
    let height = world.mine_by(&controller(), Action::Anchor(batch.anchor(AnchorKind::Command)));
    let proof = world.proof(height, height, Some(&PublicKey::of(&device())));
    let receipt = receipt_of(&world, &batch, &proof, 0);
    let error = verify(&world.chain, record.bytes(), receipt.to_json().as_bytes()).expect_err("another kind");
    assert!(matches!(error, EvidenceError::Entitlement(EntitlementError::OtherKind { .. })));
    assert_eq!(error.part(), Part::Registry);
}
