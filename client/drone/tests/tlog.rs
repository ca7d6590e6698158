//! Telemetry logs made by hand: fixes, other dialects, damage.
#![allow(clippy::unwrap_used, missing_docs)]

use dronechain_drone::Fault;
use dronechain_drone::tlog::Tlog;
use dronechain_record::{Clock, Location, NoLocation};
use mavlink::dialects::common::{
    GLOBAL_POSITION_INT_DATA, GPS_RAW_INT_DATA, GpsFixType, HEARTBEAT_DATA, MavMessage,
};
use mavlink::{MAVLinkV1MessageRaw, MAVLinkV2MessageRaw, MavHeader};

const NOW_US: u64 = 1_557_745_445_000_000;

fn v2(time_us: u64, system_id: u32, message: &MavMessage) -> Vec<u8> {
    let mut raw = MAVLinkV2MessageRaw::new();
    raw.serialize_message(MavHeader { system_id, component_id: 1, sequence: 0 }, message);
    [&time_us.to_be_bytes()[..], raw.raw_bytes()].concat()
}

fn v1(time_us: u64, message: &MavMessage) -> Vec<u8> {
    let mut raw = MAVLinkV1MessageRaw::new();
    raw.serialize_message(MavHeader { system_id: 1, component_id: 1, sequence: 0 }, message);
    [&time_us.to_be_bytes()[..], raw.raw_bytes()].concat()
}

fn heartbeat() -> MavMessage {
    MavMessage::HEARTBEAT(HEARTBEAT_DATA::default())
}

fn raw(lat: i32, fix_type: GpsFixType) -> MavMessage {
    MavMessage::GPS_RAW_INT(GPS_RAW_INT_DATA { lat, lon: 2, alt: 3, fix_type, ..Default::default() })
}

fn estimate(lat: i32) -> MavMessage {
    MavMessage::GLOBAL_POSITION_INT(GLOBAL_POSITION_INT_DATA { lat, lon: 2, ..Default::default() })
}

/// Latitudes of all entries; `None` without a fix.
fn latitudes(log: &[Vec<u8>]) -> Vec<Option<i32>> {
    let latitude = |location| match location {
        Location::Fix(fix) => Some(fix.lat_e7),
        Location::None(NoLocation::NoFix) => None,
        other => panic!("{other:?}"),
    };
    let log = Tlog::parse(log.concat()).unwrap();
    log.entries().map(|entry| latitude(entry.location)).collect()
}

#[test]
fn estimates_count_only_while_the_receiver_has_a_fix() {
    let fixed = GpsFixType::GPS_FIX_TYPE_3D_FIX;
    let lost = GpsFixType::GPS_FIX_TYPE_2D_FIX;
    let messages = [estimate(10), raw(20, fixed), estimate(30), raw(40, lost), estimate(50)];
    let log = messages.map(|message| v2(NOW_US, 1, &message));
    assert_eq!(latitudes(&log), [None, Some(20), Some(30), None, None]);
}

#[test]
fn another_system_does_not_move_the_vehicle() {
    let fixed = GpsFixType::GPS_FIX_TYPE_3D_FIX;
    let log = [(1, raw(20, fixed)), (9, raw(70, fixed)), (9, estimate(80)), (1, estimate(30))];
    let log = log.map(|(system, message)| v2(NOW_US, system, &message));
    assert_eq!(latitudes(&log), [Some(20), Some(20), Some(20), Some(30)]);
}

#[test]
fn both_versions_are_read_and_keep_their_bytes() {
    let log = [v1(NOW_US, &heartbeat()), v2(NOW_US + 1, 1, &heartbeat())];
    let entries: Vec<_> = Tlog::parse(log.concat()).unwrap().entries().collect();
    assert_eq!([&entries[0].body, &entries[1].body], [&log[0], &log[1]]);
    assert!(entries.iter().all(|entry| entry.topic.as_deref() == Some("HEARTBEAT")));
    assert_eq!((entries[1].time_us, entries[1].clock), (NOW_US + 1, Clock::UtcHost));
}

#[test]
fn unknown_signed_and_damaged_frames_are_kept_without_annotation() {
    let mut damaged = v2(NOW_US, 1, &raw(20, GpsFixType::GPS_FIX_TYPE_3D_FIX));
    damaged[20] ^= 1;
    let unknown =
        [&NOW_US.to_be_bytes()[..], &[0xfd, 2, 0, 0, 0, 1, 1, 0xff, 0xff, 0xff, 7, 7, 0, 0]].concat();
    // Flag 1 announces a signature of 13 bytes behind the checksum.
    let signed =
        [&NOW_US.to_be_bytes()[..], &[0xfd, 1, 1, 0, 0, 1, 1, 0xff, 0xff, 0xff, 7, 0, 0], &[9; 13]].concat();
    let log = [v2(NOW_US, 1, &heartbeat()), damaged, unknown, signed];
    assert_eq!(latitudes(&log), [None; 4]);
    let entries: Vec<_> = Tlog::parse(log.concat()).unwrap().entries().collect();
    let bodies: Vec<_> = entries.iter().map(|entry| entry.body.clone()).collect();
    assert_eq!(bodies, log);
    assert!(entries[1..].iter().all(|entry| entry.topic.is_none()));
}

#[test]
fn a_host_without_a_clock_gives_boot_times() {
    let log = Tlog::parse(v2(5_000, 1, &heartbeat())).unwrap();
    let entry = log.entries().next().unwrap();
    assert_eq!((entry.time_us, entry.clock), (5_000, Clock::Boot));
}

#[test]
fn bytes_that_only_look_like_frames_are_foreign() {
    let good = v2(NOW_US, 1, &heartbeat());
    let mut noise = good.clone();
    noise[18] ^= 1;
    assert!(matches!(Tlog::parse(noise), Err(Fault::Foreign { at: 0, .. })));
    let rubbish = [&good[..], &[0; 20]].concat();
    assert!(matches!(Tlog::parse(rubbish), Err(Fault::Foreign { at, .. }) if at == good.len() + 8));
}
