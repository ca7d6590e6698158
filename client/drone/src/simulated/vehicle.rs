//! A simulated multicopter: flies from point to point with bounded speed and acceleration.

use serde::Serialize;

/// Metres from home: north, east, up.
type Vector = [f64; 3];

const SURVEY_UP_M: f64 = 30.0;
const LANE_M: f64 = 120.0;
const LANES: usize = 5;
const LANE_GAP_M: f64 = 20.0;
/// From home to the field.
const FIELD_NORTH_M: f64 = 25.0;

const CRUISE_M_S: f64 = 8.0;
const CLIMB_M_S: f64 = 2.5;
const SINK_M_S: f64 = 1.2;
const ACCELERATION_M_S2: f64 = 2.5;
/// A waypoint counts as reached within this distance.
const REACHED_M: f64 = 0.3;
/// Time on the ground before take-off and after landing.
const GROUND_S: f64 = 3.0;

/// What the flight is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    Ground,
    Takeoff,
    Survey,
    Return,
    Land,
    Landed,
}

impl Phase {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ground => "ground",
            Self::Takeoff => "takeoff",
            Self::Survey => "survey",
            Self::Return => "return",
            Self::Land => "land",
            Self::Landed => "landed",
        }
    }
}

/// The vehicle as it truly moves; what sensors make of it is noise on top.
#[derive(Debug)]
pub(super) struct Vehicle {
    pub(super) position_m: Vector,
    pub(super) velocity_m_s: Vector,
    plan: Vec<(Phase, Vector)>,
    /// The point of the plan that it flies to.
    next: usize,
    /// Time on the ground, before take-off and again after landing.
    on_ground_s: f64,
}

impl Vehicle {
    pub(super) fn at_home() -> Self {
        let still = [0.0; 3];
        Self { position_m: still, velocity_m_s: still, plan: plan(), next: 0, on_ground_s: 0.0 }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.plan.get(self.next) {
            None => Phase::Landed,
            Some(_) if self.next == 0 && self.on_ground_s < GROUND_S => Phase::Ground,
            Some((phase, _)) => *phase,
        }
    }

    pub(super) fn in_air(&self) -> bool {
        !matches!(self.phase(), Phase::Ground | Phase::Landed)
    }

    pub(super) fn armed(&self) -> bool {
        // Motors run up during the last second before take-off.
        self.in_air() || (self.phase() == Phase::Ground && self.on_ground_s >= GROUND_S - 1.0)
    }

    pub(super) fn is_done(&self) -> bool {
        self.phase() == Phase::Landed && self.on_ground_s >= GROUND_S
    }

    /// Moves on by `step_s` seconds.
    pub(super) fn advance(&mut self, step_s: f64) {
        if !self.in_air() {
            self.velocity_m_s = [0.0; 3];
            self.on_ground_s += step_s;
            return;
        }
        let (_, target) = self.plan[self.next];
        let wanted = wanted_velocity(self.position_m, target);
        let change = ACCELERATION_M_S2 * step_s;
        let axes = self.position_m.iter_mut().zip(&mut self.velocity_m_s).zip(wanted);
        for ((position, velocity), wanted) in axes {
            *velocity += (wanted - *velocity).clamp(-change, change);
            *position += *velocity * step_s;
        }
        if distance(self.position_m, target) < REACHED_M {
            self.next += 1;
            self.on_ground_s = 0.0;
        }
    }
}

/// Up, lane by lane over the field, back above home, down.
fn plan() -> Vec<(Phase, Vector)> {
    let mut plan = vec![(Phase::Takeoff, [0.0, 0.0, SURVEY_UP_M])];
    let mut east = 0.0;
    for lane in 0..LANES {
        let ends = [FIELD_NORTH_M, FIELD_NORTH_M + LANE_M];
        let [from, to] = if lane % 2 == 0 { ends } else { [ends[1], ends[0]] };
        plan.push((Phase::Survey, [from, east, SURVEY_UP_M]));
        plan.push((Phase::Survey, [to, east, SURVEY_UP_M]));
        east += LANE_GAP_M;
    }
    plan.push((Phase::Return, [0.0, 0.0, SURVEY_UP_M]));
    plan.push((Phase::Land, [0.0, 0.0, 0.0]));
    plan
}

/// Straight to the target, at a speed from which the way left suffices to stop.
fn wanted_velocity(position: Vector, target: Vector) -> Vector {
    let left = distance(position, target);
    let up = target[2] - position[2];
    let top = if up.abs() < 1.0 {
        CRUISE_M_S
    } else if up > 0.0 {
        CLIMB_M_S
    } else {
        SINK_M_S
    };
    // Half the acceleration, so that the limit per axis is never what decides.
    let speed = top.min((ACCELERATION_M_S2 * left).sqrt());
    [0, 1, 2].map(|axis| (target[axis] - position[axis]) / left.max(REACHED_M) * speed)
}

fn distance(from: Vector, to: Vector) -> f64 {
    let squares = [0, 1, 2].map(|axis: usize| (to[axis] - from[axis]) * (to[axis] - from[axis]));
    squares.iter().sum::<f64>().sqrt()
}
