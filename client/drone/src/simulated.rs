//! An invented flight, the same for the same seed on every machine, that says of itself that it is.
//!
//! A multicopter takes off, surveys a field lane by lane, returns and lands; 20 entries a second.
//! Battery, barometer and receiver drift and rush as real ones do, within what real logs show. Every
//! body, content type and clock says `simulated`. Arithmetic is IEEE add, multiply, divide and square
//! root only: no sine of any platform's library can make two machines differ.

mod noise;
mod vehicle;

use dronechain_record::{Clock, Fix, Location};
use serde::Serialize;

use crate::entry::Entry;
use crate::fix::scaled;
use noise::{Drift, Random};
use vehicle::{Phase, Vehicle};

/// The content type of a simulated entry.
pub const CONTENT_TYPE: &str = "application/vnd.dronechain.simulated+json";
/// Entries per second.
pub const RATE_HZ: u64 = 20;

const STEP_US: u64 = 1_000_000 / RATE_HZ;
const STEP_S: f64 = 1.0 / RATE_HZ as f64;
/// No flight takes longer: a bound in case the vehicle never lands.
const STEPS_MAX: u64 = 600 * RATE_HZ;

/// Where the flight starts: a test site near Zurich, 1e-7 degrees and metres above mean sea level.
const HOME_LAT_E7: f64 = 473_977_420.0;
const HOME_LON_E7: f64 = 85_455_940.0;
const HOME_ALTITUDE_M: f64 = 488.0;
/// 1e-7 degrees per metre, north and (at this latitude) east.
const E7_PER_M_NORTH: f64 = 89.9322;
const E7_PER_M_EAST: f64 = 132.8612;

const CELLS: f64 = 6.0;
const CELL_FULL_V: f64 = 4.15;
const CELL_EMPTY_V: f64 = 3.50;
/// Charge that hovering takes, of 1, per second.
const DRAIN_PER_S: f64 = 1.0 / 1_200.0;
/// Voltage that the load costs in the air.
const SAG_V: f64 = 0.45;
/// Barometers are off by a constant; only their changes can be compared.
const BARO_BIAS_M: f64 = 12.5;

/// The entries of one simulated flight, in order.
#[derive(Debug)]
pub struct SimulatedFlight {
    start_us: u64,
    step: u64,
    random: Random,
    vehicle: Vehicle,
    charge: f64,
    north: Drift,
    east: Drift,
    up: Drift,
    baro: Drift,
}

/// The body of an entry. Whole numbers, so that JSON is the same everywhere.
#[derive(Serialize)]
struct Telemetry {
    simulated: bool,
    phase: Phase,
    armed: bool,
    in_air: bool,
    lat_e7: i32,
    lon_e7: i32,
    altitude_mm: i32,
    baro_altitude_mm: i32,
    velocity_north_mm_s: i32,
    velocity_east_mm_s: i32,
    velocity_up_mm_s: i32,
    accuracy_mm: u32,
    satellites: u64,
    battery_mv: u32,
    battery_percent: u32,
}

impl SimulatedFlight {
    /// The flight that belongs to `seed`, starting at `start_us` (UTC, microseconds since 1970).
    pub fn new(seed: u64, start_us: u64) -> Self {
        Self {
            start_us,
            step: 0,
            random: Random::new(seed),
            vehicle: Vehicle::at_home(),
            charge: 0.97,
            north: Drift::new(0.8, 0.006),
            east: Drift::new(0.8, 0.006),
            up: Drift::new(1.5, 0.01),
            baro: Drift::new(0.6, 0.01),
        }
    }

    fn telemetry(&mut self) -> Telemetry {
        let random = &mut self.random;
        let [north, east, up] = self.vehicle.position_m;
        let position =
            [north + self.north.next(random), east + self.east.next(random), up + self.up.next(random)];
        let [vn, ve, vu] = self.vehicle.velocity_m_s.map(|speed| speed + 0.03 * random.normal());
        let in_air = self.vehicle.in_air();
        let cell_v = CELL_EMPTY_V + (CELL_FULL_V - CELL_EMPTY_V) * self.charge;
        let sag_v = if in_air { SAG_V } else { 0.0 };
        let battery_v = CELLS * cell_v - sag_v + 0.015 * random.normal();
        Telemetry {
            simulated: true,
            phase: self.vehicle.phase(),
            armed: self.vehicle.armed(),
            in_air,
            lat_e7: whole(HOME_LAT_E7 + position[0] * E7_PER_M_NORTH, 1.0),
            lon_e7: whole(HOME_LON_E7 + position[1] * E7_PER_M_EAST, 1.0),
            altitude_mm: whole(HOME_ALTITUDE_M + position[2], 1e3),
            baro_altitude_mm: whole(HOME_ALTITUDE_M + up + BARO_BIAS_M + self.baro.next(random), 1e3),
            velocity_north_mm_s: whole(vn, 1e3),
            velocity_east_mm_s: whole(ve, 1e3),
            velocity_up_mm_s: whole(vu, 1e3),
            accuracy_mm: whole(0.9 + 0.05 * random.unit(), 1e3),
            satellites: 13 + random.next() % 4,
            battery_mv: whole(battery_v, 1e3),
            battery_percent: whole(self.charge, 100.0),
        }
    }
}

impl Iterator for SimulatedFlight {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.step == STEPS_MAX || self.vehicle.is_done() {
            return None;
        }
        let telemetry = self.telemetry();
        let entry = Entry {
            time_us: self.start_us.saturating_add(self.step * STEP_US),
            clock: Clock::Simulated,
            location: Location::Fix(Fix {
                lat_e7: telemetry.lat_e7,
                lon_e7: telemetry.lon_e7,
                altitude_mm: Some(telemetry.altitude_mm),
                accuracy_mm: Some(telemetry.accuracy_mm),
            }),
            content_type: CONTENT_TYPE,
            body: serde_json::to_vec(&telemetry).expect("numbers, booleans and a name always encode"),
            topic: Some(telemetry.phase.as_str().into()),
        };
        if telemetry.in_air {
            self.charge -= DRAIN_PER_S * STEP_S;
        }
        self.vehicle.advance(STEP_S);
        self.step += 1;
        Some(entry)
    }
}

/// `value` times `scale` as an integer.
fn whole<T: TryFrom<i64>>(value: f64, scale: f64) -> T {
    scaled(value, scale).expect("the field is small and the noise bounded")
}
