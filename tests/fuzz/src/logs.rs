//! Flight logs made by hand, and what holds for the entries of any log.

use dronechain_chain_spec::hash::Hash256;
use dronechain_drone::{Entry, group};
use dronechain_record::{Flight, Position};

use crate::network::{WORLD, key};

/// Every entry can be signed as it is, and grouping loses nothing.
pub fn check(entries: &[Entry]) {
    let mut flight = Flight::new(key(0x41).clone(), WORLD.id(), Position::default());
    let rest = entries.len().saturating_sub(4).max(4).min(entries.len());
    for entry in entries[..entries.len().min(4)].iter().chain(&entries[rest..]) {
        flight.append(entry.clone().draft(Hash256::ZERO), [0; 16]).expect("an entry fits into a record");
    }
    let bodies =
        |entries: &mut dyn Iterator<Item = Entry>| entries.flat_map(|entry| entry.body).collect::<Vec<_>>();
    let grouped = bodies(&mut group(entries.iter().cloned(), 1_000_000));
    assert_eq!(grouped, bodies(&mut entries.iter().cloned()));
}

fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = u16::try_from(payload.len()).expect("short").to_le_bytes();
    [&size[..], &[kind], payload].concat()
}

/// Small PX4 logs: both layouts of positions, nested formats, appended data.
pub fn ulog_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let header = [&b"ULog\x01\x12\x35\x01"[..], &7_u64.to_le_bytes()].concat();
    let whole = b"vehicle_gps_position:uint64_t timestamp;uint64_t time_utc_usec;int32_t lat;int32_t lon;\
                  int32_t alt;float eph;uint8_t fix_type;uint8_t[3] _padding0;";
    let double = b"vehicle_gps_position:uint64_t timestamp;uint64_t time_utc_usec;double latitude_deg;\
                   double longitude_deg;double altitude_msl_m;float eph;uint8_t fix_type;";
    let nested = b"esc_status:uint64_t timestamp;esc_report[2] esc;uint8_t count;";
    let inner = b"esc_report:uint32_t rpm;float[4] volts;";
    let (boot_us, utc_us) = (5_000_000_u64.to_le_bytes(), 1_557_745_445_000_000_u64.to_le_bytes());
    let eph = 1.5_f32.to_le_bytes();
    let whole_sample = [
        &[0, 0][..],
        &boot_us,
        &utc_us,
        &473_977_420_i32.to_le_bytes(),
        &(-85_455_940_i32).to_le_bytes(),
        &488_000_i32.to_le_bytes(),
        &eph,
        &[3, 0, 0, 0],
    ]
    .concat();
    let degrees = [47.397_742_f64, -8.545_594, 488.0].map(f64::to_le_bytes).concat();
    let double_sample = [&[0, 0][..], &boot_us, &utc_us, &degrees, &eph, &[3]].concat();
    let gps = [&[0, 0, 0][..], b"vehicle_gps_position"].concat();
    let esc = [&[0, 1, 0][..], b"esc_status"].concat();
    let esc_sample = [&[1, 0][..], &6_000_000_u64.to_le_bytes(), &[9; 41]].concat();
    let log = |format: &[u8], sample: &[u8]| {
        let definitions = [message(b'F', format), message(b'F', nested), message(b'F', inner)].concat();
        let subscriptions = [message(b'A', &gps), message(b'A', &esc)].concat();
        let data = [message(b'D', sample), message(b'D', &esc_sample), message(b'O', &[1, 0])].concat();
        [header.clone(), message(b'B', &[0; 40]), definitions, subscriptions, data].concat()
    };
    let plain = log(whole, &whole_sample);
    let mut flags = [0; 40];
    flags[8] = 1;
    flags[16..24].copy_from_slice(&(plain.len() as u64).to_le_bytes());
    let tail = message(b'D', &esc_sample);
    let appended = [&header[..], &message(b'B', &flags), &plain[header.len() + 43..], &tail].concat();
    vec![
        ("whole", plain),
        ("double", log(double, &double_sample)),
        ("appended", appended),
        ("bare", [header.clone(), message(b'D', &[0, 0, 1])].concat()),
    ]
}

/// Small telemetry logs: both versions, a signed frame, an unknown message.
pub fn tlog_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let time = 1_557_745_445_000_000_u64;
    let heartbeat = frame_v1(0, 50, &[0, 0, 0, 0, 2, 12, 81, 4, 3]);
    let mut gps = [&time.to_le_bytes()[..], &473_977_420_i32.to_le_bytes()].concat();
    gps.extend((-85_455_940_i32).to_le_bytes());
    gps.extend(488_000_i32.to_le_bytes());
    gps.extend([100, 0, 100, 0, 0, 0, 0, 0, 3, 9]);
    let global =
        [&5_000_u32.to_le_bytes()[..], &473_977_421_i32.to_le_bytes(), &(-85_455_941_i32).to_le_bytes()];
    let global = [global.concat(), 488_100_i32.to_le_bytes().to_vec(), vec![0; 12]].concat();
    let stamped = |frames: &[Vec<u8>]| {
        let frames = (0..)
            .zip(frames)
            .flat_map(|(at, frame)| [&(time + at * 100_000_u64).to_be_bytes()[..], frame].concat());
        frames.collect::<Vec<_>>()
    };
    let both = [frame_v1(24, 24, &gps), frame_v2(33, 104, &global, 0)];
    vec![
        ("heartbeat", stamped(std::slice::from_ref(&heartbeat))),
        ("position", stamped(&[vec![heartbeat.clone()], both.to_vec()].concat())),
        ("signed", stamped(&[heartbeat, frame_v2(24, 24, &gps, 1)])),
        ("unknown", stamped(&[frame_v2(0x00ff_fff0, 0, &[1, 2, 3], 0)])),
    ]
}

/// MCRF4XX, MAVLink's checksum.
fn checksum(covered: &[u8], extra: u8) -> [u8; 2] {
    let crc = covered.iter().chain([&extra]).fold(0xffff_u16, |crc, byte| {
        let mixed = u16::from(*byte) ^ (crc & 0xff);
        let mixed = (mixed ^ (mixed << 4)) & 0xff;
        (crc >> 8) ^ (mixed << 8) ^ (mixed << 3) ^ (mixed >> 4)
    });
    crc.to_le_bytes()
}

fn frame_v1(id: u8, extra: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    let covered = [&[length, 1, 1, 1, id][..], payload].concat();
    [&[0xfe][..], &covered, &checksum(&covered, extra)].concat()
}

fn frame_v2(id: u32, extra: u8, payload: &[u8], flags: u8) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    let [a, b, c, _] = id.to_le_bytes();
    let covered = [&[length, flags, 0, 1, 1, 1, a, b, c][..], payload].concat();
    let signature = if flags == 0 { Vec::new() } else { vec![7; 13] };
    [&[0xfd][..], &covered, &checksum(&covered, extra), &signature].concat()
}
