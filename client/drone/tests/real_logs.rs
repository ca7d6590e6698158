//! Real flights: nothing is lost, nothing is invented.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use common::flight;
use dronechain_chain_spec::hash::sha256;
use dronechain_chain_spec::key::SigningKey;
use dronechain_drone::{Entry, Fault, Log, LogError, group, open, tlog, ulog};
use dronechain_record::{
    Body, Clock, Closing, Fix, Flight, Follower, Location, NoLocation, Position, SignedRecord,
};
use px4_ulog::stream_parser::{Message, SimpleCallbackResult, read_file_with_simple_callback};

const DAY_US: u64 = 86_400_000_000;
/// 2019-05-13, 00:00 UTC.
const FLIGHT_DAY_US: u64 = 1_557_705_600_000_000;

fn entries(log: &Log) -> Vec<Entry> {
    let entries: Vec<_> = log.entries().collect();
    assert_eq!(entries.len() as u64, log.messages());
    entries
}

fn bodies(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.body.iter().copied()).collect()
}

fn fixes(entries: &[Entry]) -> Vec<Fix> {
    let fix = |entry: &Entry| match entry.location {
        Location::Fix(fix) => Some(fix),
        _ => None,
    };
    entries.iter().filter_map(fix).collect()
}

/// Data messages and everything else of a PX4 log, and where each message ends.
fn split(bytes: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<usize>) {
    let (mut data, mut rest, mut ends) = (Vec::new(), bytes[..16].to_vec(), vec![16]);
    let mut at = 16;
    while at < bytes.len() {
        let end = at + 3 + usize::from(bytes[at]) + 256 * usize::from(bytes[at + 1]);
        let part = if bytes[at + 2] == b'D' { &mut data } else { &mut rest };
        part.extend_from_slice(&bytes[at..end]);
        ends.push(end);
        at = end;
    }
    (data, rest, ends)
}

#[test]
fn every_data_message_of_a_px4_log_becomes_an_entry_byte_for_byte() {
    for (name, count) in [("esc_status_log.ulg", 8_200), ("sample_px4_events.ulg", 29_480)] {
        let Some(path) = flight(name) else { continue };
        let log = open(&path).unwrap();
        let entries = entries(&log);
        assert_eq!(entries.len(), count, "{name}");
        let (data, rest, _) = split(&std::fs::read(&path).unwrap());
        assert_eq!(bodies(&entries), data, "{name}");
        let Log::Ulog(log) = log else { panic!("{name} is a PX4 log") };
        assert_eq!(log.definitions(), rest, "{name}");
    }
}

#[test]
fn another_reader_finds_the_same_topics_times_and_positions() {
    for name in ["esc_status_log.ulg", "sample_px4_events.ulg"] {
        let Some(path) = flight(name) else { continue };
        let mut theirs = Vec::new();
        read_file_with_simple_callback(path.to_str().unwrap(), &mut |message| {
            if let Message::Data(data) = message {
                let format = data.flattened_format;
                let time = format.timestamp_field.as_ref().unwrap().parse_timestamp(data.data);
                let double = |field, scale: f64| {
                    let field = format.get_field_parser::<f64>(field).ok()?;
                    Some((field.parse(data.data) * scale).round() as i64)
                };
                let whole =
                    |field| Some(i64::from(format.get_field_parser::<i32>(field).ok()?.parse(data.data)));
                let place = (format.message_name() == "vehicle_gps_position").then(|| {
                    let lat = double("latitude_deg", 1e7).or_else(|| whole("lat")).unwrap();
                    let alt = double("altitude_msl_m", 1e3).or_else(|| whole("alt")).unwrap();
                    (lat, alt)
                });
                theirs.push((format.message_name().to_owned(), time, place));
            }
            SimpleCallbackResult::KeepReading
        })
        .unwrap();
        let ours = entries(&open(&path).unwrap());
        assert_eq!(ours.len(), theirs.len());
        let offset = ours[0].time_us - theirs[0].1;
        for (entry, (topic, time, place)) in ours.iter().zip(theirs) {
            assert_eq!(entry.topic.as_deref(), Some(&*topic), "{name}");
            assert_eq!(entry.time_us - offset, time, "{name}");
            if let (Some((lat, alt)), Location::Fix(fix)) = (place, &entry.location) {
                assert_eq!(
                    (i64::from(fix.lat_e7), fix.altitude_mm.map(i64::from)),
                    (lat, Some(alt)),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn a_flight_of_2019_is_dated_and_placed_by_its_receiver() {
    let Some(path) = flight("esc_status_log.ulg") else { return };
    let entries = entries(&open(path).unwrap());
    assert!(entries.iter().all(|entry| entry.clock == Clock::UtcGps));
    assert!(entries.iter().all(|entry| entry.time_us / DAY_US == FLIGHT_DAY_US / DAY_US));
    assert_eq!(entries[0].content_type, ulog::CONTENT_TYPE);
    let fixes = fixes(&entries);
    assert!(fixes.len() > 8_000, "{}", fixes.len());
    assert!(fixes.iter().all(|fix| (fix.lat_e7, fix.lon_e7) != (0, 0)));
    let first = fixes[0];
    // A multicopter in 44 s does not leave a square of about 2 km.
    for fix in &fixes {
        assert!(fix.lat_e7.abs_diff(first.lat_e7) < 100_000 && fix.lon_e7.abs_diff(first.lon_e7) < 100_000);
        assert!(fix.altitude_mm.is_some_and(|mm| (-400_000..9_000_000).contains(&mm)));
        assert!(fix.accuracy_mm.is_some_and(|mm| (1..20_000).contains(&mm)));
    }
    // The log starts in mid-air; its first messages come before the receiver's.
    assert_eq!(entries[0].location, Location::None(NoLocation::NoFix));
}

#[test]
fn a_simulator_log_has_plausible_positions_too() {
    let Some(path) = flight("sample_px4_events.ulg") else { return };
    let entries = entries(&open(path).unwrap());
    let fixes = fixes(&entries);
    assert!(!fixes.is_empty());
    assert!(fixes.iter().all(|fix| (fix.lat_e7, fix.lon_e7) != (0, 0)));
}

#[test]
fn every_frame_of_a_telemetry_log_becomes_an_entry_and_no_position_is_invented() {
    let Some(path) = flight("rust-mavlink_log.tlog") else { return };
    let entries = entries(&open(&path).unwrap());
    assert_eq!(entries.len(), 1_426);
    assert_eq!(bodies(&entries), std::fs::read(path).unwrap());
    assert!(entries.iter().all(|entry| entry.location == Location::None(NoLocation::NoFix)));
    assert!(entries.iter().all(|entry| entry.clock == Clock::UtcHost));
    assert!(entries.iter().all(|entry| entry.content_type == tlog::CONTENT_TYPE));
    assert!(entries.iter().any(|entry| entry.topic.as_deref() == Some("HEARTBEAT")));
}

#[test]
fn a_cut_px4_log_is_refused_with_the_place_and_never_panics() {
    let Some(path) = flight("esc_status_log.ulg") else { return };
    let bytes = std::fs::read(path).unwrap();
    let (_, _, ends) = split(&bytes);
    for length in (0..200).chain((200..bytes.len()).step_by(4_999)).chain(bytes.len() - 40..bytes.len()) {
        let cut = ulog::Ulog::parse(bytes[..length].to_vec());
        if ends.contains(&length) {
            assert!(matches!(cut, Ok(_) | Err(Fault::NoMessages)), "{length}");
            continue;
        }
        let last = ends.iter().rev().find(|end| **end <= length).copied().unwrap_or(0);
        match cut.unwrap_err() {
            Fault::Empty => assert_eq!(length, 0),
            Fault::Truncated { at, needed, found, .. } => {
                assert_eq!((at, found), (last, length - last));
                assert!(needed > found);
            }
            other => panic!("{length}: {other}"),
        }
    }
}

#[test]
fn a_cut_telemetry_log_is_refused_with_the_place_and_never_panics() {
    let Some(path) = flight("rust-mavlink_log.tlog") else { return };
    let bytes = std::fs::read(path).unwrap();
    let whole = tlog::Tlog::parse(bytes.clone()).unwrap();
    let mut ends = vec![0];
    ends.extend(whole.entries().scan(0, |at, entry| {
        *at += entry.body.len();
        Some(*at)
    }));
    for length in (0..bytes.len()).step_by(7) {
        let cut = tlog::Tlog::parse(bytes[..length].to_vec());
        match cut {
            Ok(_) => assert!(ends.contains(&length)),
            Err(Fault::Empty) => assert_eq!(length, 0),
            Err(Fault::Truncated { at, messages, .. }) => {
                assert_eq!(ends[usize::try_from(messages).unwrap()], at);
            }
            Err(other) => panic!("{length}: {other}"),
        }
    }
}

#[test]
fn damaged_logs_never_panic() {
    for name in ["esc_status_log.ulg", "rust-mavlink_log.tlog"] {
        let Some(path) = flight(name) else { continue };
        let bytes = std::fs::read(path).unwrap();
        let head = &bytes[..60_000];
        for at in (0..20_000).step_by(17) {
            let mut damaged = head.to_vec();
            damaged[at] ^= 0xff;
            if let Ok(log) = ulog::Ulog::parse(damaged.clone()) {
                assert_eq!(log.entries().count() as u64, log.messages());
            }
            if let Ok(log) = tlog::Tlog::parse(damaged) {
                assert_eq!(log.entries().count() as u64, log.messages());
            }
        }
    }
}

#[test]
fn grouping_keeps_every_byte_and_the_first_time() {
    let Some(path) = flight("esc_status_log.ulg") else { return };
    let log = open(path).unwrap();
    let single = entries(&log);
    let grouped: Vec<_> = group(log.entries(), 100_000).collect();
    assert_eq!(bodies(&grouped), bodies(&single));
    assert!(grouped.len() < single.len() / 10 && grouped.len() > 300, "{}", grouped.len());
    assert_eq!(grouped[0].time_us, single[0].time_us);
    assert_eq!(group(log.entries(), 0).count(), single.len());
}

#[test]
fn a_real_flight_signs_into_a_chain_that_a_follower_accepts() {
    let Some(path) = flight("rust-mavlink_log.tlog") else { return };
    let chain_id = sha256(&[b"network"]);
    let mut flight = Flight::new(SigningKey::from_bytes(&[7; 32]), chain_id, Position::default());
    let mut follower = Follower::new(*flight.subject());
    let mut bodies = Vec::new();
    for entry in open(&path).unwrap().entries() {
        let signed = flight.append(entry.draft(chain_id), [1; 16]).unwrap();
        let received = SignedRecord::from_bytes(signed.into_bytes(), &chain_id).unwrap();
        follower.accept(&received).unwrap();
        if let Body::Clear(body) = &received.record().body {
            bodies.extend_from_slice(body);
        }
    }
    let location = Location::None(NoLocation::NoFix);
    let closing = Closing { known_block: chain_id, time_us: 1, clock: Clock::Boot, location };
    let closed = flight.close(closing, [2; 16]).unwrap();
    follower.accept(&closed).unwrap();
    assert_eq!(closed.record().body, Body::Closing { count: 1_426 });
    assert_eq!(bodies, std::fs::read(path).unwrap());
}

#[test]
fn files_that_are_no_logs_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        match open(&path).unwrap_err() {
            LogError::Refused { fault, .. } => fault,
            other => panic!("{other}"),
        }
    };
    for name in ["a.ulg", "a.tlog", "a.bin", "a"] {
        assert_eq!(refused(name, b""), Fault::Empty, "{name}");
        let foreign = refused(name, b"PK\x03\x04 not a log at all");
        assert!(matches!(foreign, Fault::Foreign { .. }), "{name}: {foreign}");
    }
    let missing = open(dir.path().join("none.ulg")).unwrap_err();
    assert!(matches!(missing, LogError::Unreadable { .. }));
    assert!(missing.to_string().contains("none.ulg"));
}
