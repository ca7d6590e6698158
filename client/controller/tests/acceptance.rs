//! What the controller's database accepts, and what is there after a kill.
#![allow(clippy::unwrap_used, missing_docs)]

use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::{PublicKey, SigningKey};
use dronechain_chain_spec::merkle;
use dronechain_chain_spec::transaction::{Action, PossessionClaim};
use dronechain_controller::store::{Counts, OutboxState, Store};
use dronechain_record::{
    Body, ChainError, Clock, Closing, Draft, Flight, Kind, Location, NoLocation, Position, SignedRecord,
};

fn chain_id() -> Hash256 {
    sha256(&[b"network"])
}

fn controller() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn device(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn flight(n: u8) -> Flight {
    Flight::new(device(n), chain_id(), Position::default())
}

fn fly(flight: &mut Flight, text: &str, records: u8) -> Vec<SignedRecord> {
    let draft = |at: u8| Draft {
        kind: Kind::Data,
        known_block: chain_id(),
        time_us: 5_000_000 + u64::from(at) * 1_000,
        clock: Clock::UtcGps,
        location: Location::None(NoLocation::NoFix),
        content_type: "text/plain".into(),
        body: Body::Clear(format!("{text} {at}").into_bytes()),
    };
    (0..records).map(|at| flight.append(draft(at), [at; 16]).unwrap()).collect()
}

fn close(flight: &mut Flight) -> SignedRecord {
    let location = Location::None(NoLocation::NoFix);
    flight
        .close(Closing { known_block: chain_id(), time_us: 9, clock: Clock::Boot, location }, [9; 16])
        .unwrap()
}

async fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("controller.sqlite")).await.unwrap()
}

async fn close_batch(store: &Store, limit: u32) -> u64 {
    store.close_batch(limit, 0, &controller(), &chain_id()).await.unwrap()
}

#[tokio::test]
async fn records_are_accepted_once_and_again_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let records = fly(&mut flight(1), "a", 5);
    let taken = store.accept(&records[..3], 1).await.unwrap();
    assert_eq!((taken.accepted, taken.next_sequence, taken.refused), (3, Some(3), None));
    // A retry that overlaps what was accepted.
    let taken = store.accept(&records[1..], 2).await.unwrap();
    assert_eq!((taken.accepted, taken.next_sequence, taken.refused), (4, Some(5), None));
    assert_eq!(store.record_count().await.unwrap(), 5);
}

#[tokio::test]
async fn another_record_at_a_used_number_is_refused_and_kept_as_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let (records, rivals) = (fly(&mut flight(1), "a", 3), fly(&mut flight(1), "b", 3));
    store.accept(&records, 1).await.unwrap();
    for _ in 0..2 {
        let taken = store.accept(&rivals[1..], 2).await.unwrap();
        assert_eq!(taken.accepted, 0);
        let record = rivals[1].target_hash();
        assert_eq!(taken.refused, Some(ChainError::SequenceRepeated { expected: 3, found: 1, record }));
    }
    let evidence = store.evidence(&PublicKey::of(&device(1))).await.unwrap();
    assert_eq!(evidence, [rivals[1].bytes()]);
    assert_eq!(store.record_count().await.unwrap(), 3);
}

#[tokio::test]
async fn the_good_prefix_is_kept_when_a_later_record_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let (one, two) = (fly(&mut flight(1), "a", 4), fly(&mut flight(2), "b", 1));
    let mixed = [one[0].clone(), two[0].clone(), one[1].clone(), one[3].clone()];
    let taken = store.accept(&mixed, 1).await.unwrap();
    assert_eq!(taken.accepted, 3);
    assert_eq!(taken.refused, Some(ChainError::SequenceGap { expected: 2, found: 3 }));
    let store = {
        drop(store);
        open(&folder).await
    };
    assert_eq!(store.position(&PublicKey::of(&device(1))).await.unwrap().next_sequence, 2);
    assert_eq!(store.position(&PublicKey::of(&device(2))).await.unwrap().next_sequence, 1);
    assert_eq!(store.accept(&one[2..], 2).await.unwrap().accepted, 2);
}

#[tokio::test]
async fn the_signed_bytes_and_the_leaves_are_the_same_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let mut flight = flight(1);
    let mut records = fly(&mut flight, "a", 5);
    records.push(close(&mut flight));
    store.accept(&records, 1).await.unwrap();
    assert_eq!(store.unbatched(100, 11).await.unwrap(), (6, 10, true));
    assert_eq!(close_batch(&store, 4).await, 0);
    assert_eq!(close_batch(&store, 4).await, 1);
    let before = store.submission(0).await.unwrap();
    drop(store);

    let store = open(&folder).await;
    assert_eq!(store.submission(0).await.unwrap(), before);
    let hashes: Vec<_> = records.iter().map(SignedRecord::target_hash).collect();
    for (sequence, leaves) in [(0, &hashes[..4]), (1, &hashes[4..])] {
        let (transaction, body) = store.submission(sequence).await.unwrap();
        assert_eq!(transaction.body.sequence, sequence);
        assert_eq!(body.unwrap().0, leaves);
        let Action::Anchor(anchor) = transaction.check(&chain_id()).unwrap().body().action.clone() else {
            panic!("no anchor");
        };
        assert_eq!(anchor.root, merkle::root(leaves));
        assert_eq!(anchor.first_time, if sequence == 0 { 5_000 } else { 5_004 });
    }
    assert_eq!(store.unbatched(100, 11).await.unwrap().0, 0);
    assert_eq!(store.outgoing(10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn sequences_have_no_gap_between_anchors_enrolments_and_heartbeats() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let key = device(7);
    let device = PublicKey::of(&key);
    let claim =
        PossessionClaim { controller: PublicKey::of(&controller()), device, kind: "kind", area: "area" };
    let possession = claim.sign(&key, &chain_id());
    let enrolment = dronechain_chain_spec::transaction::Enrolment {
        device,
        kind: "kind".into(),
        area: "area".into(),
        possession,
    };
    // The ledger knows of 40 earlier transactions of this key.
    let sent = store.enqueue(Action::Enrol(enrolment), device, 40, &controller(), &chain_id()).await.unwrap();
    assert_eq!(sent.body.sequence, 40);
    assert_eq!(store.pending_for(&device).await.unwrap(), Some(sent.txid()));
    assert_eq!(close_batch(&store, 10).await, 41);
    let (heartbeat, body) = store.submission(41).await.unwrap();
    assert_eq!(body, None);
    heartbeat.check(&chain_id()).unwrap();
    assert_eq!(store.counts().await.unwrap(), Counts::default());
}

#[tokio::test]
async fn a_reorganisation_queues_the_same_bytes_again_and_announces_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.accept(&fly(&mut flight(1), "a", 4), 1).await.unwrap();
    close_batch(&store, 2).await;
    close_batch(&store, 2).await;
    store.set_state(0, OutboxState::Confirmed).await.unwrap();
    store.set_state(1, OutboxState::Included).await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!(counts, Counts { open: 0, submitted: 0, included: 1, confirmed: 1 });
    // Announced only once the cloud has the batch's records.
    assert_eq!(store.unannounced(1, 10).await.unwrap(), Vec::<u64>::new());
    assert_eq!(store.unannounced(3, 10).await.unwrap(), [0]);
    assert_eq!(store.unannounced(4, 10).await.unwrap(), [0, 1]);
    store.set_announced(0).await.unwrap();
    store.set_announced(1).await.unwrap();
    assert_eq!(store.rewind(1).await.unwrap(), 1);
    let outgoing = store.outgoing(10).await.unwrap();
    assert_eq!((outgoing.len(), outgoing[0].sequence, outgoing[0].state), (1, 1, OutboxState::Queued));
    store.set_state(1, OutboxState::Included).await.unwrap();
    assert_eq!(store.unannounced(4, 10).await.unwrap(), [1]);
}

#[tokio::test]
async fn what_was_forwarded_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let records = fly(&mut flight(1), "a", 3);
    store.accept(&records, 1).await.unwrap();
    store.set_forwarded(2).await.unwrap();
    let store = {
        drop(store);
        open(&folder).await
    };
    assert_eq!(store.forwarded().await.unwrap(), 2);
    let rest = store.accepted_behind(2, 10).await.unwrap();
    assert_eq!((rest.len(), rest[0].ordinal, &rest[0].bytes[..]), (1, 3, records[2].bytes()));
}
