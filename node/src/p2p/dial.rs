//! The peers that the configuration names: when to dial whom again.
//!
//! A target is left alone while its peer is connected, whoever dialled. Each failed or short-lived
//! connection doubles the wait, with jitter so that restarted nodes do not dial in step. Time and
//! randomness come in as arguments.

use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::address::{self, Place};
use super::error::P2pError;
use super::limits::{REDIAL_MAX, REDIAL_MIN, STABLE};

/// Failed or short connections to a target after which the operator is told: about 15 s.
const TELL_FIRST: u32 = 7;
/// And again, about every 8 minutes.
const TELL_EVERY: u32 = 64;

/// What is to be done for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    /// Index of the target.
    pub(super) target: usize,
    /// Where it is.
    pub(super) place: Place,
}

/// The targets.
#[derive(Debug)]
pub(super) struct Dialer(Vec<Target>);

#[derive(Debug)]
struct Target {
    place: Place,
    /// Who it is to be.
    wanted: Option<PeerId>,
    /// Who it was the last time.
    found: Option<PeerId>,
    attempts: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be dialled then.
    Waiting(Instant),
    /// Its name is being looked up.
    LookedUp,
    /// A connection is being made.
    Dialled(ConnectionId),
    /// Connected since then.
    Up(Instant),
    /// It is this node itself.
    Own,
}

impl Dialer {
    /// Targets at these addresses, to be dialled at once.
    pub(super) fn new(addresses: &[Multiaddr], own: PeerId, now: Instant) -> Result<Self, P2pError> {
        let target = |address: &Multiaddr| {
            let (place, wanted) = address::split(address)
                .map_err(|error| P2pError::Peer { address: address.clone(), error })?;
            let state = if wanted == Some(own) { State::Own } else { State::Waiting(now) };
            Ok(Target { place, wanted, found: None, attempts: 0, state })
        };
        Ok(Self(addresses.iter().map(target).collect::<Result<_, _>>()?))
    }

    /// Who the configuration names.
    pub(super) fn named(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.0.iter().filter_map(|target| target.wanted)
    }

    /// Whether the configuration names this peer.
    pub(super) fn names(&self, peer: &PeerId) -> bool {
        self.0.iter().any(|target| target.is(peer))
    }

    /// Who a target is to be.
    pub(super) fn wanted(&self, target: usize) -> Option<PeerId> {
        self.0[target].wanted
    }

    /// Brings the targets up to date with who is connected; returns those to dial now. Each must be
    /// followed by [`Dialer::dialled`] or [`Dialer::failed`].
    pub(super) fn due(
        &mut self,
        now: Instant,
        jitter: u32,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        for (index, target) in self.0.iter_mut().enumerate() {
            let connected = target.wanted.or(target.found).is_some_and(|peer| is_connected(&peer));
            match target.state {
                State::Waiting(_) if connected => target.state = State::Up(now),
                State::Waiting(at) if at <= now => {
                    target.state = State::LookedUp;
                    due.push(Due { target: index, place: target.place.clone() });
                }
                State::Up(since) if connected => {
                    if now.saturating_duration_since(since) >= STABLE {
                        target.attempts = 0;
                    }
                }
                State::Up(_) => target.wait(now, jitter),
                State::Waiting(_) | State::LookedUp | State::Dialled(_) | State::Own => {}
            }
        }
        due
    }

    /// A connection to the target is being made.
    pub(super) fn dialled(&mut self, target: usize, connection: ConnectionId) {
        self.0[target].state = State::Dialled(connection);
    }

    /// The target could not be looked up or dialled.
    pub(super) fn failed(&mut self, target: usize, now: Instant, jitter: u32) {
        self.0[target].wait(now, jitter);
    }

    /// A connection is up.
    pub(super) fn connected(&mut self, connection: ConnectionId, peer: PeerId, now: Instant) {
        if let Some(target) = self.by_connection(connection) {
            target.found = Some(peer);
            target.state = State::Up(now);
        }
    }

    /// A connection could not be made.
    pub(super) fn refused(&mut self, connection: ConnectionId, now: Instant, jitter: u32) {
        if let Some(target) = self.by_connection(connection) {
            target.wait(now, jitter);
        }
    }

    /// A connection reached this node itself: the target is left alone from now on.
    pub(super) fn reached_own(&mut self, connection: ConnectionId) {
        if let Some(target) = self.by_connection(connection) {
            target.state = State::Own;
        }
    }

    fn by_connection(&mut self, connection: ConnectionId) -> Option<&mut Target> {
        self.0.iter_mut().find(|target| target.state == State::Dialled(connection))
    }
}

impl Target {
    fn is(&self, peer: &PeerId) -> bool {
        self.wanted.or(self.found).as_ref() == Some(peer)
    }

    fn wait(&mut self, now: Instant, jitter: u32) {
        self.state = State::Waiting(now + back_off(self.attempts, jitter));
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts == TELL_FIRST || self.attempts.is_multiple_of(TELL_EVERY) {
            tracing::warn!(
                peer = %self.place, attempts = self.attempts,
                "a configured peer is out of reach or does not stay: is it up, has it the same pre-shared key, \
                 and do both admit the other's key?"
            );
        }
    }
}

/// The wait after so many failed attempts: doubles up to its bound, then half to all of it.
fn back_off(attempts: u32, jitter: u32) -> Duration {
    let doubled = REDIAL_MIN.saturating_mul(1 << attempts.min(16)).min(REDIAL_MAX);
    doubled.mul_f64(0.5 + 0.5 * f64::from(jitter) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialer(addresses: &[&str], now: Instant) -> Dialer {
        let addresses: Vec<_> = addresses.iter().map(|text| text.parse().expect("a multiaddress")).collect();
        Dialer::new(&addresses, PeerId::random(), now).expect("addresses of peers")
    }

    #[test]
    fn back_off_doubles_up_to_its_bound() {
        assert_eq!(back_off(0, u32::MAX), REDIAL_MIN);
        assert_eq!(back_off(1, u32::MAX), 2 * REDIAL_MIN);
        assert_eq!(back_off(1, 0), REDIAL_MIN);
        assert_eq!(back_off(u32::MAX, u32::MAX), REDIAL_MAX);
    }

    #[test]
    fn target_is_dialled_once_and_again_after_a_wait() {
        let now = Instant::now();
        let mut dialer = dialer(&["/ip4/127.0.0.1/tcp/1"], now);
        assert_eq!(dialer.due(now, 0, |_| false).len(), 1);
        let connection = ConnectionId::new_unchecked(1);
        dialer.dialled(0, connection);
        assert_eq!(dialer.due(now + REDIAL_MAX, 0, |_| false), []);
        dialer.refused(connection, now, u32::MAX);
        assert_eq!(dialer.due(now, 0, |_| false), []);
        assert_eq!(dialer.due(now + REDIAL_MIN, 0, |_| false).len(), 1);
    }

    #[test]
    fn target_is_left_alone_while_its_peer_is_connected() {
        let now = Instant::now();
        let peer = PeerId::random();
        let mut dialer = dialer(&[&format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}")], now);
        assert!(dialer.names(&peer));
        assert_eq!(dialer.due(now, 0, |_| true), []);
        // The connection is lost soon after: a wait, then the next attempt.
        assert_eq!(dialer.due(now, u32::MAX, |_| false), []);
        assert_eq!(dialer.due(now + REDIAL_MIN, 0, |_| false).len(), 1);
    }

    #[test]
    fn own_address_is_dialled_once_at_most() {
        let now = Instant::now();
        let mut dialer = dialer(&["/ip4/127.0.0.1/tcp/1"], now);
        assert_eq!(dialer.due(now, 0, |_| false).len(), 1);
        dialer.dialled(0, ConnectionId::new_unchecked(1));
        dialer.reached_own(ConnectionId::new_unchecked(1));
        assert_eq!(dialer.due(now + 2 * REDIAL_MAX, 0, |_| false), []);
    }
}
