//! A line of successors keeps its devices: who may anchor a device's records before and after.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use common::{chain_id, key, record};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::receipt::Proven;
use dronechain_chain_spec::registry::{Entry, Role};
use dronechain_chain_spec::transaction::{Anchor, AnchorKind};
use dronechain_record::{EntitlementError, SignedRecord, Verdict, assess};

fn public(byte: u8) -> PublicKey {
    PublicKey::of(&SigningKey::from_bytes(&[byte; 32]))
}

const FIRST: u8 = 0x21;
const SUCCESSOR: u8 = 0x22;
const OTHER: u8 = 0x23;
/// Height of the succession.
const SUCCEEDED: u64 = 5;

fn signed() -> SignedRecord {
    record().sign(&key(), &chain_id()).unwrap()
}

/// What the receipt of a record, anchored at `height` by `sender`, proved.
fn proven(sender: Entry, device: Entry, height: u64) -> Proven {
    let target = signed().target_hash();
    let kind = AnchorKind::Data;
    Proven {
        target,
        txid: Hash256::ZERO,
        sender: sender.key,
        sequence: 0,
        anchor: Anchor { kind, root: target, leaf_count: 1, first_time: 0, last_time: 0 },
        height,
        block: Hash256::ZERO,
        confirmations: 1,
        not_later_than_ms: None,
        sender_entry: sender,
        device_entry: Some(device),
    }
}

/// The device as enrolled by a key of the first one's line.
fn device() -> Entry {
    Entry::new(PublicKey::of(&key()), Role::Device, Some(public(FIRST)), 2)
}

fn first() -> Entry {
    let (revoked, suspect_since) = (Some(SUCCEEDED), Some(SUCCEEDED));
    Entry { revoked, suspect_since, ..Entry::new(public(FIRST), Role::Controller, None, 1) }
}

fn successor() -> Entry {
    Entry::new(public(SUCCESSOR), Role::Controller, Some(public(FIRST)), SUCCEEDED)
}

fn verdict(sender: Entry, device: Entry, height: u64) -> Result<Verdict, EntitlementError> {
    assess(&signed(), &proven(sender, device, height))
}

#[test]
fn a_successor_anchors_what_its_lines_devices_record() {
    let key = public(FIRST);
    assert_eq!(verdict(first(), device(), SUCCEEDED - 1), Ok(Verdict::Good));
    assert_eq!(verdict(successor(), device(), SUCCEEDED), Ok(Verdict::Good));
    // In the block of the succession itself the order is not shown.
    let suspect = Verdict::Suspect { key, since: SUCCEEDED, included: SUCCEEDED };
    assert_eq!(verdict(first(), device(), SUCCEEDED), Ok(suspect));
}

#[test]
fn another_line_does_not() {
    let (device, owner) = (device(), Some(public(FIRST)));
    let other = Entry::new(public(OTHER), Role::Controller, None, 1);
    let stranger = Entry::new(public(SUCCESSOR), Role::Controller, Some(public(OTHER)), SUCCEEDED);
    for sender in [other, stranger] {
        let expected = EntitlementError::OtherController { device: device.key, owner, sender: sender.key };
        assert_eq!(verdict(sender, device.clone(), 9), Err(expected));
    }
    // The successor's own key is not the line's name.
    let misled = Entry { owner: Some(public(SUCCESSOR)), ..device };
    let error = verdict(successor(), misled, 9);
    assert!(matches!(error, Err(EntitlementError::OtherController { .. })), "{error:?}");
}
