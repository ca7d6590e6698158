//! A subject's chain, written by `Flight` and followed by `Follower`.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use common::{chain_id, key, record};
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::PublicKey;
use dronechain_record::{
    Attestation, Body, ChainError, Clock, Closing, Draft, Flight, Follower, Kind, Location, NoLocation,
    Position, Record, RecordError, SignedRecord,
};

fn draft(body: &[u8]) -> Draft {
    Draft {
        kind: Kind::Data,
        known_block: chain_id(),
        time_us: 1,
        clock: Clock::Boot,
        location: Location::None(NoLocation::NoFix),
        content_type: "text/plain".to_owned(),
        body: Body::Clear(body.to_vec()),
    }
}

fn closing() -> Closing {
    let location = Location::None(NoLocation::NoFix);
    Closing { known_block: chain_id(), time_us: 2, clock: Clock::Boot, location }
}

fn flight() -> Flight {
    Flight::new(key(), chain_id(), Position::default())
}

fn subject() -> Hash256 {
    PublicKey::of(&key()).id()
}

fn fly(flight: &mut Flight, records: u8) -> Vec<SignedRecord> {
    let mut signed: Vec<_> = (0..records).map(|at| flight.append(draft(&[at]), [at; 16]).unwrap()).collect();
    signed.push(flight.close(closing(), [255; 16]).unwrap());
    signed
}

#[test]
fn a_second_flight_continues_numbers_and_links_and_counts_itself() {
    let mut flight = flight();
    let (first, second) = (fly(&mut flight, 3), fly(&mut flight, 2));
    assert_eq!(first[3].record().body, Body::Closing { count: 3 });
    assert_eq!(second[2].record().body, Body::Closing { count: 2 });
    assert_eq!(second[0].record().sequence, 4);
    assert_eq!(second[0].record().previous, first[3].target_hash());

    let mut follower = Follower::new(subject());
    for signed in first.iter().chain(&second) {
        follower.accept(signed).unwrap();
    }
    assert!(follower.is_closed());
    assert_eq!(follower.position(), flight.position());
}

#[test]
fn both_sides_resume_from_a_kept_position() {
    let mut before = flight();
    let mut follower = Follower::new(subject());
    follower.accept(&before.append(draft(b"a"), [1; 16]).unwrap()).unwrap();
    let mut after = Flight::new(key(), chain_id(), before.position());
    let mut follower = Follower::resume(subject(), follower.position());
    follower.accept(&after.append(draft(b"b"), [2; 16]).unwrap()).unwrap();
    let closed = after.close(closing(), [3; 16]).unwrap();
    assert_eq!(closed.record().body, Body::Closing { count: 2 });
    follower.accept(&closed).unwrap();
}

#[test]
fn gaps_repeats_and_other_subjects_are_named_and_change_nothing() {
    let mut flight = flight();
    let records = fly(&mut flight, 3);
    let mut follower = Follower::new(subject());
    assert_eq!(follower.accept(&records[1]), Err(ChainError::SequenceGap { expected: 0, found: 1 }));
    follower.accept(&records[0]).unwrap();
    assert_eq!(
        follower.accept(&records[0]),
        Err(ChainError::SequenceRepeated { expected: 1, found: 0, record: records[0].target_hash() })
    );
    let mut other = Follower::new(sha256(&[b"other"]));
    let subject_error = ChainError::Subject { expected: sha256(&[b"other"]), found: subject() };
    assert_eq!(other.accept(&records[0]), Err(subject_error));
    follower.accept(&records[1]).unwrap();
}

#[test]
fn a_record_that_follows_another_past_is_refused() {
    let mut flight = flight();
    let first = flight.append(draft(b"a"), [1; 16]).unwrap();
    let second = flight.append(draft(b"b"), [2; 16]).unwrap();
    // The same device tells another story from the start.
    let other = self::flight().append(draft(b"c"), [3; 16]).unwrap();
    let mut follower = Follower::new(subject());
    follower.accept(&other).unwrap();
    assert_eq!(
        follower.accept(&second),
        Err(ChainError::PreviousMismatch {
            sequence: 1,
            expected: other.target_hash(),
            found: first.target_hash()
        })
    );
}

#[test]
fn a_closing_record_with_another_count_is_refused() {
    let mut flight = flight();
    let first = flight.append(draft(b"a"), [1; 16]).unwrap();
    let lie = Record {
        kind: Kind::Closing,
        sequence: 1,
        previous: first.target_hash(),
        content_type: String::new(),
        body: Body::Closing { count: 0 },
        ..record()
    };
    let lie = lie.sign(&key(), &chain_id()).unwrap();
    let mut follower = Follower::new(subject());
    follower.accept(&first).unwrap();
    assert_eq!(follower.accept(&lie), Err(ChainError::Count { sequence: 1, expected: 1, found: 0 }));
    assert!(!follower.is_closed());
}

#[test]
fn a_refused_draft_leaves_the_chain_where_it_was() {
    let mut flight = flight();
    let closing_draft = Draft { kind: Kind::Closing, body: Body::Closing { count: 0 }, ..draft(b"") };
    assert_eq!(flight.append(closing_draft, [0; 16]), Err(RecordError::ClosingBody { kind: Kind::Closing }));
    let untyped = Draft { content_type: String::new(), ..draft(b"") };
    assert!(flight.append(untyped, [0; 16]).is_err());
    assert_eq!(flight.position(), Position::default());
}

#[test]
fn a_gateway_signs_for_a_subject_and_says_so() {
    let drone = sha256(&[b"mute drone"]);
    let mut gateway = Flight::for_subject(key(), chain_id(), drone, Position::default());
    let signed = gateway.append(draft(b"a"), [1; 16]).unwrap();
    assert_eq!(signed.record().attested_by, Attestation::Gateway);
    Follower::new(drone).accept(&signed).unwrap();
}

#[test]
fn debug_of_a_flight_hides_its_key() {
    let text = format!("{:?}", flight());
    assert!(!text.contains(&"07".repeat(8)) && !text.contains("7, 7"), "{text}");
}
