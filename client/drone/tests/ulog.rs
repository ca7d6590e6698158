//! PX4 logs made by hand: what real ones at hand do not show.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use common::{ulog_header, ulog_message};
use dronechain_drone::ulog::Ulog;
use dronechain_drone::{Entry, Fault};
use dronechain_record::{Clock, Fix, Location, NoLocation};

const GPS: &str = "vehicle_gps_position:uint64_t timestamp;uint64_t time_utc_usec;double latitude_deg;\
                   double longitude_deg;double altitude_msl_m;float eph;uint8_t fix_type;uint8_t[3] _padding0;";
const BARO: &str = "baro:uint64_t timestamp;float pressure;";

fn subscription(id: u16, topic: &str) -> Vec<u8> {
    ulog_message(b'A', &[&[0][..], &id.to_le_bytes(), topic.as_bytes()].concat())
}

fn definitions() -> Vec<u8> {
    [
        ulog_header(),
        ulog_message(b'F', GPS.as_bytes()),
        ulog_message(b'F', BARO.as_bytes()),
        subscription(1, "vehicle_gps_position"),
        subscription(2, "baro"),
    ]
    .concat()
}

fn gps(boot_us: u64, utc_us: u64, lat: f64, lon: f64, fix_type: u8) -> Vec<u8> {
    let fields = [
        &1_u16.to_le_bytes()[..],
        &boot_us.to_le_bytes(),
        &utc_us.to_le_bytes(),
        &lat.to_le_bytes(),
        &lon.to_le_bytes(),
        &488.25_f64.to_le_bytes(),
        &1.5_f32.to_le_bytes(),
        &[fix_type],
    ];
    ulog_message(b'D', &fields.concat())
}

fn baro(boot_us: u64) -> Vec<u8> {
    let fields = [&2_u16.to_le_bytes()[..], &boot_us.to_le_bytes(), &1013.0_f32.to_le_bytes()];
    ulog_message(b'D', &fields.concat())
}

fn parse(messages: &[Vec<u8>]) -> Vec<Entry> {
    let log = Ulog::parse([definitions(), messages.concat()].concat()).unwrap();
    log.entries().collect()
}

#[test]
fn degrees_as_doubles_become_whole_numbers_and_hold_until_the_fix_is_lost() {
    let entries = parse(&[
        baro(1_000),
        gps(2_000, 0, 47.397_742, -8.545_594, 3),
        baro(3_000),
        gps(4_000, 0, 0.0, 0.0, 1),
        baro(5_000),
        gps(6_000, 0, 0.0, 0.0, 3),
    ]);
    let fix = Fix {
        lat_e7: 473_977_420,
        lon_e7: -85_455_940,
        altitude_mm: Some(488_250),
        accuracy_mm: Some(1_500),
    };
    let none = Location::None(NoLocation::NoFix);
    let locations: Vec<_> = entries.iter().map(|entry| entry.location.clone()).collect();
    let fix = Location::Fix(fix);
    assert_eq!(locations, [none.clone(), fix.clone(), fix, none.clone(), none.clone(), none]);
}

#[test]
fn a_position_is_dropped_when_the_receiver_falls_silent() {
    let entries = parse(&[gps(1_000_000, 0, 1.0, 1.0, 3), baro(11_000_000), baro(11_000_001)]);
    assert!(matches!(entries[1].location, Location::Fix(_)));
    assert_eq!(entries[2].location, Location::None(NoLocation::NoFix));
}

#[test]
fn the_first_utc_dates_the_whole_log_and_without_it_times_are_boot_times() {
    let utc_us = 1_557_745_445_000_000;
    let entries = parse(&[baro(1_000), gps(5_000, 0, 1.0, 1.0, 0), gps(9_000, utc_us, 1.0, 1.0, 0)]);
    assert_eq!((entries[0].time_us, entries[0].clock), (utc_us - 8_000, Clock::UtcGps));
    let entries = parse(&[baro(1_000), gps(5_000, 42, 1.0, 1.0, 3)]);
    assert_eq!((entries[0].time_us, entries[0].clock), (1_000, Clock::Boot));
}

#[test]
fn without_a_receiver_or_its_format_the_reason_says_so() {
    let log = [ulog_header(), ulog_message(b'F', BARO.as_bytes()), subscription(2, "baro"), baro(1_000)];
    let log = Ulog::parse(log.concat()).unwrap();
    assert_eq!(log.entries().next().unwrap().location, Location::None(NoLocation::NoReceiver));
    let log = [ulog_header(), subscription(1, "vehicle_gps_position"), gps(1, 0, 1.0, 1.0, 3)];
    let log = Ulog::parse(log.concat()).unwrap();
    assert_eq!(log.entries().next().unwrap().location, Location::None(NoLocation::NotDecoded));
}

#[test]
fn messages_that_nobody_understands_are_kept() {
    let unknown = ulog_message(b'D', &[0xff, 0xff, 1]);
    let empty = ulog_message(b'D', &[]);
    let entries = parse(&[baro(7_000), unknown.clone(), empty.clone(), baro(8_000)]);
    assert_eq!(entries.len(), 4);
    assert_eq!((&entries[1].body, &entries[2].body), (&unknown, &empty));
    assert_eq!((entries[1].time_us, entries[1].topic.as_deref()), (7_000, None));
}

#[test]
fn hostile_definitions_cost_nothing_and_break_nothing() {
    let deep = (0..100).map(|at| ulog_message(b'F', format!("t{at}:t{}[1000] x;", at + 1).as_bytes()));
    let wide = (0..100).map(|at| format!("w{at}:{}", format!("w{}[9] a;", at + 1).repeat(50)));
    let wide = wide.map(|text| ulog_message(b'F', text.as_bytes()));
    let definitions = [
        ulog_header(),
        deep.flatten().collect(),
        wide.flatten().collect(),
        ulog_message(b'F', b"self:self x;uint64_t timestamp;"),
        ulog_message(b'F', b"huge:uint8_t[18446744073709551615] x;uint64_t timestamp;"),
        ulog_message(b'F', b"top:t0 x;w0 y;uint64_t timestamp;"),
        ulog_message(b'F', b"\xff\xfe"),
        ulog_message(b'A', b""),
        ulog_message(b'A', &[0]),
    ];
    let topics = ["self", "huge", "top", "w0", "none"];
    let subscriptions = topics.iter().zip(2..).flat_map(|(topic, id)| subscription(id, topic));
    let log = [definitions.concat(), subscriptions.collect(), baro(1), baro(2)].concat();
    assert_eq!(Ulog::parse(log).unwrap().entries().count(), 2);
}

#[test]
fn appended_data_are_read_and_a_log_cut_before_them_keeps_its_whole_messages() {
    let flags = |offset: usize| {
        let mut payload = [0; 40];
        payload[8] = 1;
        payload[16..24].copy_from_slice(&(offset as u64).to_le_bytes());
        ulog_message(b'B', &payload)
    };
    let rest = &definitions()[16..];
    let head = |offset| [ulog_header(), flags(offset), rest.to_vec(), baro(1)].concat();
    // A crash cut the second message short; its report was appended behind.
    let offset = head(0).len() + 5;
    let log = [head(offset), baro(2)[..5].to_vec(), baro(3)].concat();
    let entries: Vec<_> = Ulog::parse(log).unwrap().entries().collect();
    let times: Vec<_> = entries.iter().map(|entry| entry.time_us).collect();
    assert_eq!(times, [1, 3]);
    let beyond = [head(1 << 40), baro(3)].concat();
    assert!(matches!(Ulog::parse(beyond), Err(Fault::Foreign { at: 16, .. })));
}

#[test]
fn logs_for_other_readers_without_data_or_with_giant_messages_are_refused() {
    let mut flags = [0; 40];
    flags[9] = 4;
    let log = [ulog_header(), ulog_message(b'B', &flags)].concat();
    let unsupported = Fault::Unsupported { at: 16, flags: "0004000000000000".to_owned() };
    assert_eq!(Ulog::parse(log).unwrap_err(), unsupported);
    assert_eq!(Ulog::parse(definitions()).unwrap_err(), Fault::NoMessages);
    let giant = [definitions(), ulog_message(b'D', &[0; 65_535])].concat();
    assert!(matches!(Ulog::parse(giant), Err(Fault::MessageTooLong { found: 65_538, .. })));
}
