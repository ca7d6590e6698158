//! Every field reads back as it was written, and every rule of a single record is refused by name.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use common::{chain_id, closing, key, record, sealed};
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::PublicKey;
use dronechain_record::limits::{
    BODY_BYTES_MAX, CONTENT_TYPE_BYTES_MAX, OVERHEAD_BYTES_MAX, RECORD_BYTES_MAX, SEALED_LOCATION_BYTES_MAX,
    SEQUENCE_MAX, TIME_US_MAX,
};
use dronechain_record::{
    Attestation, Body, Clock, Fix, Kind, Location, NoLocation, Record, RecordError, SignedRecord,
};
use proptest::prelude::*;

fn holds(record: &Record) {
    let signed = record.clone().sign(&key(), &chain_id()).unwrap();
    assert_eq!(signed.record(), record);
    let again = SignedRecord::from_bytes(signed.bytes().to_vec(), &chain_id()).unwrap();
    assert_eq!(again, signed);
    assert_eq!(again.target_hash(), sha256(&[signed.bytes()]));
}

fn refused(record: Record) -> RecordError {
    record.sign(&key(), &chain_id()).unwrap_err()
}

#[test]
fn every_variant_of_every_field_reads_back() {
    for kind in [Kind::Data, Kind::Command, Kind::Access] {
        holds(&Record { kind, ..record() });
    }
    for clock in [Clock::UtcGps, Clock::UtcHost, Clock::Boot, Clock::Simulated] {
        holds(&Record { clock, ..record() });
    }
    let reasons = [NoLocation::NoFix, NoLocation::NotDecoded, NoLocation::NoReceiver, NoLocation::Withheld];
    for reason in reasons {
        holds(&Record { location: Location::None(reason), ..record() });
    }
    for (altitude_mm, accuracy_mm) in
        [(None, None), (Some(i32::MIN), None), (None, Some(u32::MAX)), (Some(-1), Some(0))]
    {
        let fix = Fix { lat_e7: -900_000_000, lon_e7: 1_800_000_000, altitude_mm, accuracy_mm };
        holds(&Record { location: Location::Fix(fix), ..record() });
    }
    holds(&Record { location: Location::Sealed(sealed(38)), body: Body::Sealed(sealed(99)), ..record() });
    holds(&Record { attested_by: Attestation::Gateway, subject: sha256(&[b"mute drone"]), ..record() });
    holds(&Record { sequence: 0, previous: Hash256::ZERO, ..record() });
    holds(&Record { sequence: SEQUENCE_MAX, time_us: TIME_US_MAX, ..record() });
    holds(&Record { body: Body::Clear(Vec::new()), ..record() });
    holds(&closing());
}

#[test]
fn the_longest_record_has_at_most_the_stated_overhead() {
    let longest = |location, body| Record {
        sequence: SEQUENCE_MAX,
        time_us: TIME_US_MAX,
        location,
        content_type: "x".repeat(CONTENT_TYPE_BYTES_MAX),
        body,
        ..record()
    };
    let location = Location::Sealed(sealed(SEALED_LOCATION_BYTES_MAX));
    let record = longest(location.clone(), Body::Sealed(sealed(BODY_BYTES_MAX)));
    let bytes = record.clone().sign(&key(), &chain_id()).unwrap().into_bytes();
    assert!(bytes.len() - BODY_BYTES_MAX <= OVERHEAD_BYTES_MAX, "{}", bytes.len() - BODY_BYTES_MAX);
    holds(&record);
    let too_long = longest(location, Body::Clear(vec![0; RECORD_BYTES_MAX]));
    assert!(matches!(refused(too_long), RecordError::TooLong { max: RECORD_BYTES_MAX, .. }));
    let bytes = vec![0; RECORD_BYTES_MAX + 1];
    let found = bytes.len();
    assert_eq!(
        SignedRecord::from_bytes(bytes, &chain_id()),
        Err(RecordError::TooLong { found, max: RECORD_BYTES_MAX })
    );
}

#[test]
fn the_signer_is_the_one_that_the_record_says() {
    let stranger = sha256(&[b"stranger"]);
    let signer = PublicKey::of(&key());
    assert_eq!(
        refused(Record { subject: stranger, ..record() }),
        RecordError::NotTheSubject { subject: stranger, signer }
    );
    assert_eq!(
        refused(Record { attested_by: Attestation::Gateway, ..record() }),
        RecordError::NotAGateway { subject: signer.id() }
    );
}

#[test]
fn record_0_alone_has_none_before_it() {
    let previous = record().previous;
    assert_eq!(refused(Record { sequence: 0, ..record() }), RecordError::PreviousOfFirst { previous });
    assert_eq!(
        refused(Record { previous: Hash256::ZERO, ..record() }),
        RecordError::PreviousMissing { sequence: 1 }
    );
}

#[test]
fn closing_records_alone_hold_a_count_and_no_content_type() {
    assert_eq!(
        refused(Record { body: Body::Closing { count: 1 }, ..record() }),
        RecordError::ClosingBody { kind: Kind::Data }
    );
    assert_eq!(
        refused(Record { body: Body::Clear(Vec::new()), ..closing() }),
        RecordError::ClosingBody { kind: Kind::Closing }
    );
    assert_eq!(
        refused(Record { body: Body::Closing { count: 10 }, ..closing() }),
        RecordError::ClosingCount { sequence: 9, count: 10 }
    );
    assert_eq!(
        refused(Record { content_type: String::new(), ..record() }),
        RecordError::ContentTypePresence { kind: Kind::Data, found: 0 }
    );
    assert_eq!(
        refused(Record { content_type: "a/b".to_owned(), ..closing() }),
        RecordError::ContentTypePresence { kind: Kind::Closing, found: 3 }
    );
}

#[test]
fn values_out_of_range_are_refused() {
    let field = |error: RecordError| match error {
        RecordError::Range { field, .. } | RecordError::Length { field, .. } => field,
        RecordError::ContentType { .. } => "content type characters",
        other => panic!("{other}"),
    };
    let at = |lat_e7, lon_e7| {
        let fix = Fix { lat_e7, lon_e7, altitude_mm: None, accuracy_mm: None };
        Record { location: Location::Fix(fix), ..record() }
    };
    assert_eq!(field(refused(at(900_000_001, 0))), "latitude");
    assert_eq!(field(refused(at(0, -1_800_000_001))), "longitude");
    assert_eq!(field(refused(Record { sequence: SEQUENCE_MAX + 1, ..record() })), "sequence");
    assert_eq!(field(refused(Record { time_us: u64::MAX, ..record() })), "time");
    assert_eq!(field(refused(Record { content_type: "x".repeat(65), ..record() })), "content type");
    for content_type in ["text plain", "text/plain\n", "tëxt/plain"] {
        let content_type = content_type.to_owned();
        assert_eq!(field(refused(Record { content_type, ..record() })), "content type characters");
    }
    assert_eq!(field(refused(Record { body: Body::Sealed(sealed(15)), ..record() })), "sealed body");
    for length in [15, 65] {
        let location = Location::Sealed(sealed(length));
        assert_eq!(field(refused(Record { location, ..record() })), "sealed location");
    }
}

#[test]
fn the_json_form_names_what_the_codes_mean() {
    let json = serde_json::to_value(record()).unwrap();
    assert_eq!(json["kind"], "data");
    assert_eq!(json["clock"], "utc-gps");
    assert_eq!(json["location"]["fix"]["lat_e7"], 473_977_420);
    assert_eq!(json["salt"], "7369787465656e2073616c7420627974");
    assert_eq!(json["body"]["clear"], "626174746572792032322e352056");
}

fn location() -> impl Strategy<Value = Location> {
    let fix = (
        -900_000_000..=900_000_000,
        -1_800_000_000..=1_800_000_000,
        any::<Option<i32>>(),
        any::<Option<u32>>(),
    );
    prop_oneof![
        Just(Location::None(NoLocation::NoFix)),
        fix.prop_map(|(lat_e7, lon_e7, altitude_mm, accuracy_mm)| {
            Location::Fix(Fix { lat_e7, lon_e7, altitude_mm, accuracy_mm })
        }),
        (16..=64_usize).prop_map(|length| Location::Sealed(sealed(length))),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..2000).prop_map(Body::Clear),
        (16..2000_usize).prop_map(|length| Body::Sealed(sealed(length))),
    ]
}

proptest! {
    #[test]
    fn any_record_reads_back(
        sequence in 1..=SEQUENCE_MAX,
        time_us in 0..=TIME_US_MAX,
        previous in any::<[u8; 32]>(),
        salt in any::<[u8; 16]>(),
        location in location(),
        content_type in "[!-~]{1,64}",
        body in body(),
    ) {
        let previous = Hash256(previous);
        prop_assume!(previous != Hash256::ZERO);
        holds(&Record { sequence, time_us, previous, salt, location, content_type, body, ..record() });
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(SignedRecord::from_bytes(bytes, &chain_id()).is_err());
    }
}
