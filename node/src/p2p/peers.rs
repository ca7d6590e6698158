//! What faults cost, and who is banned until when.
//!
//! A fault is something that no honest node does, whatever chain it follows. What an honest node may
//! do when it sees another tip (a conflicting chain, a transaction that its state allows) costs
//! nothing, so that a partition never ends in mutual bans.

use std::collections::BTreeMap;
use std::time::Instant;

use dronechain_chain_spec::rules::{BlockError, HeaderError, TxError};
use libp2p::PeerId;

use super::limits::{BAN, BAN_STATIC, POINT_FORGIVEN, POINTS_MAX};
use crate::core::event::{BodyError, Fault};

/// Nothing: an honest peer may do it.
const NONE: u32 = 0;
/// May come from a version or a state that differs.
const ODD: u32 = 20;
/// Wrong, and cheap to have checked before sending.
const WRONG: u32 = 50;
/// Forged.
const FORGED: u32 = POINTS_MAX;

/// Points for a fault, of [`POINTS_MAX`] at which a peer is banned.
fn points(fault: &Fault) -> u32 {
    match fault {
        Fault::Undecodable(_) => WRONG,
        Fault::Header(error) => header_points(error),
        Fault::Block { error, .. } => match error {
            BlockError::Header(error) => header_points(error),
            BlockError::TxCount { .. }
            | BlockError::TxRoot { .. }
            | BlockError::TooLarge { .. }
            | BlockError::AdminLate { .. } => WRONG,
            // Known only once the blocks before it were applied, and perhaps brought by another peer.
            BlockError::Commitments { .. } => ODD,
            // A block that holds it is wrong on any chain, but may be passed on before it is applied.
            BlockError::Transaction { error, .. } => transaction_points(error).max(ODD),
        },
        Fault::Transaction(error) => transaction_points(error),
        Fault::Body(error) => match error {
            BodyError::Size { .. } | BodyError::Duplicate(_) | BodyError::Root { .. } => WRONG,
        },
        Fault::Unasked => ODD,
    }
}

fn header_points(error: &HeaderError) -> u32 {
    match error {
        HeaderError::Malformed(_)
        | HeaderError::Network { .. }
        | HeaderError::Bits(_)
        | HeaderError::TxCount { .. }
        | HeaderError::Work { .. }
        | HeaderError::Signature(_) => FORGED,
        HeaderError::Parent { .. }
        | HeaderError::Height { .. }
        | HeaderError::Difficulty { .. }
        | HeaderError::Time { .. } => WRONG,
        // Whoever passes a header on has checked the miner's turn, and shows what changed the roster.
        HeaderError::MinerNotAdmitted { .. }
        | HeaderError::MinerNotReady { .. }
        | HeaderError::MinerOutOfTurn { .. }
        | HeaderError::Opening { .. }
        | HeaderError::Change { .. }
        | HeaderError::Roster { .. } => WRONG,
        // A version that is newer than ours.
        HeaderError::Version(_) => ODD,
        // Clocks differ, and it may hold later; a newer version knows the rule.
        HeaderError::Future { .. } | HeaderError::RuleUnknown { .. } => NONE,
    }
}

fn transaction_points(error: &TxError) -> u32 {
    match error {
        TxError::Malformed(_)
        | TxError::TooLarge { .. }
        | TxError::WrongSender
        | TxError::DeviceAdmitted
        | TxError::TextTooLong
        | TxError::LeafCount { .. }
        | TxError::AdminSet
        | TxError::Parameters { .. }
        | TxError::Approvals { .. } => WRONG,
        TxError::Signature(_) | TxError::Possession { .. } => FORGED,
        TxError::SenderUnknown { .. }
        | TxError::SenderRevoked { .. }
        | TxError::SenderRole { .. }
        | TxError::AdminApprovals { .. }
        | TxError::Sequence { .. } => NONE,
    }
}

/// A peer's record.
#[derive(Debug, Clone, Copy)]
struct Record {
    points: u32,
    /// Up to when points were forgiven.
    since: Instant,
    banned_until: Option<Instant>,
}

/// The records of peers that did wrong. Bounded by the number of admitted keys: nobody else connects.
#[derive(Debug, Default)]
pub(super) struct Records(BTreeMap<PeerId, Record>);

impl Records {
    /// Counts a fault; whether the peer is banned by it. A peer that the configuration names
    /// (`is_static`) is banned shortly.
    pub(super) fn penalise(&mut self, peer: PeerId, fault: &Fault, is_static: bool, now: Instant) -> bool {
        let points = points(fault);
        if points == NONE {
            return false;
        }
        let record = self.0.entry(peer).or_insert(Record { points: 0, since: now, banned_until: None });
        record.forgive(now);
        record.points += points;
        if record.points < POINTS_MAX {
            return false;
        }
        record.points = 0;
        record.banned_until = Some(now + if is_static { BAN_STATIC } else { BAN });
        true
    }

    /// Whether a peer is banned.
    pub(super) fn is_banned(&self, peer: &PeerId, now: Instant) -> bool {
        self.0.get(peer).is_some_and(|record| record.banned_until.is_some_and(|until| now < until))
    }

    /// Forgets what is forgiven; whether a ban ended.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let mut ended = false;
        self.0.retain(|_, record| {
            record.forgive(now);
            if record.banned_until.is_some_and(|until| until <= now) {
                record.banned_until = None;
                ended = true;
            }
            record.points > 0 || record.banned_until.is_some()
        });
        ended
    }
}

impl Record {
    fn forgive(&mut self, now: Instant) {
        let periods = now.saturating_duration_since(self.since).as_millis() / POINT_FORGIVEN.as_millis();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.points = self.points.saturating_sub(periods);
        self.since += POINT_FORGIVEN * periods;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dronechain_chain_spec::transaction::Sender;

    use super::*;

    const SEQUENCE: TxError = TxError::Sequence { sender: Sender::Admins, found: 1, expected: 0 };

    #[test]
    fn faults_add_up_to_a_ban_that_ends() {
        let (mut records, peer, now) = (Records::default(), PeerId::random(), Instant::now());
        let fault = Fault::Undecodable("x".into());
        assert!(!records.penalise(peer, &fault, false, now));
        assert!(records.penalise(peer, &fault, false, now));
        assert!(records.is_banned(&peer, now));
        assert!(!records.expire(now + BAN / 2));
        assert!(records.expire(now + BAN));
        assert!(!records.is_banned(&peer, now + BAN));
        assert!(records.0.is_empty(), "nothing is kept for ever");
    }

    #[test]
    fn static_peer_is_banned_shortly() {
        let (mut records, peer, now) = (Records::default(), PeerId::random(), Instant::now());
        let fault = Fault::Header(HeaderError::Malformed(0));
        assert!(records.penalise(peer, &fault, true, now));
        assert!(!records.is_banned(&peer, now + BAN_STATIC));
    }

    #[test]
    fn points_are_forgiven_with_time() {
        let (mut records, peer, now) = (Records::default(), PeerId::random(), Instant::now());
        assert!(!records.penalise(peer, &Fault::Unasked, false, now));
        let later = now + POINT_FORGIVEN * 19 + Duration::from_secs(1);
        records.expire(later);
        assert_eq!(records.0[&peer].points, 1);
        for at in 1..100 {
            assert!(!records.penalise(peer, &Fault::Unasked, false, later + POINT_FORGIVEN * 20 * at));
        }
    }

    #[test]
    fn what_an_honest_peer_may_do_costs_nothing() {
        let (mut records, peer, now) = (Records::default(), PeerId::random(), Instant::now());
        for _ in 0..1_000 {
            for fault in
                [Fault::Transaction(SEQUENCE), Fault::Header(HeaderError::Future { found: 2, latest: 1 })]
            {
                assert!(!records.penalise(peer, &fault, false, now));
            }
        }
        assert!(records.0.is_empty());
    }
}
