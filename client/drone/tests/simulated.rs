//! The simulated flight: repeatable, believable, and open about being simulated.
#![allow(clippy::unwrap_used, missing_docs)]

use dronechain_drone::{Entry, SimulatedFlight, simulated};
use dronechain_record::{Clock, Location};
use serde_json::Value;

const START_US: u64 = 1_700_000_000_000_000;

fn fly(seed: u64) -> Vec<Entry> {
    SimulatedFlight::new(seed, START_US).collect()
}

fn bodies(entries: &[Entry]) -> Vec<Value> {
    entries.iter().map(|entry| serde_json::from_slice(&entry.body).unwrap()).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    assert_eq!(fly(1), fly(1));
    assert_ne!(fly(1), fly(2));
}

#[test]
fn every_entry_says_that_it_is_simulated() {
    let entries = fly(1);
    assert!(entries.len() >= 1_000, "{}", entries.len());
    assert!(entries.iter().all(|entry| entry.clock == Clock::Simulated));
    assert!(entries.iter().all(|entry| entry.content_type == simulated::CONTENT_TYPE));
    assert!(bodies(&entries).iter().all(|body| body["simulated"] == true));
}

#[test]
fn the_flight_takes_off_surveys_returns_and_lands_where_it_began() {
    for seed in 0..20 {
        let entries = fly(seed);
        let mut phases: Vec<_> = entries.iter().map(|entry| entry.topic.clone().unwrap()).collect();
        phases.dedup();
        let phases: Vec<_> = phases.iter().map(|phase| &**phase).collect();
        assert_eq!(phases, ["ground", "takeoff", "survey", "return", "land", "landed"], "seed {seed}");
        let place = |entry: &Entry| match entry.location {
            Location::Fix(fix) => (fix.lat_e7, fix.lon_e7),
            _ => panic!("a simulated receiver has a fix"),
        };
        let (first, last) = (place(&entries[0]), place(&entries[entries.len() - 1]));
        assert!(first.0.abs_diff(last.0) < 300 && first.1.abs_diff(last.1) < 300, "{first:?} {last:?}");
    }
}

#[test]
fn movement_stays_within_what_real_logs_show() {
    let entries = fly(3);
    let bodies = bodies(&entries);
    let number = |body: &Value, field: &str| body[field].as_f64().unwrap();
    for (pair, times) in bodies.windows(20).zip(entries.windows(20)) {
        let (from, to) = (&pair[0], &pair[19]);
        let seconds = (times[19].time_us - times[0].time_us) as f64 / 1e6;
        let north = (number(to, "lat_e7") - number(from, "lat_e7")) * 0.011_119 / seconds;
        let reported = pair.iter().map(|body| number(body, "velocity_north_mm_s")).sum::<f64>() / 20e3;
        assert!((north - reported).abs() < 0.65, "{north} m/s against {reported}");
    }
    let volts = |body: &Value| number(body, "battery_mv") / 1e3;
    assert!(volts(&bodies[0]) > volts(&bodies[bodies.len() - 1]) + 0.2);
    assert!(bodies.iter().all(|body| (18.0..26.0).contains(&volts(body))));
    assert!(entries.windows(2).all(|pair| pair[1].time_us - pair[0].time_us == 50_000));
    assert_eq!(entries[0].time_us, START_US);
}
