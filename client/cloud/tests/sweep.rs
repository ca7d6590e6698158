//! A database over a hand-made chain, altered column by column behind the server's back.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use common::{House, RECORDS};
use dronechain_cloud::Report;
use dronechain_cloud::report::Totals;

async fn alter(house: &House, sql: &'static str, at: usize) -> Report {
    let mut other = house.other_connection().await;
    let hash = house.records[at].target_hash();
    let done = sqlx::query(sql).bind(&hash.0[..]).execute(&mut other).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    house.sweep().await
}

fn assert_altered(report: &Report, house: &House, at: usize, differs: &[&str]) {
    let expected = Totals { altered: 1, ..Totals::default() };
    assert_eq!(report.totals, expected, "{report:#?}");
    let found = &report.altered[0];
    assert_eq!(found.hash, house.records[at].target_hash().to_string());
    assert_eq!(found.sequence, i64::try_from(at).unwrap());
    assert_eq!(found.differs, differs);
    assert_eq!((report.records, report.verified), (RECORDS as u64, RECORDS as u64 - 1));
}

#[tokio::test]
async fn an_untouched_database_verifies_whole() {
    let house = House::new().await;
    let report = house.sweep().await;
    assert_eq!(report.totals, Totals::default(), "{report:#?}");
    assert_eq!((report.records, report.verified, report.pending), (RECORDS as u64, RECORDS as u64, 0));
    let placements = house.store.placements(&house.device, 2, 3).await.unwrap();
    let sequences: Vec<_> = placements.iter().map(|placement| placement.sequence).collect();
    assert_eq!(sequences, [2, 3, 4]);
}

#[tokio::test]
async fn altered_bytes_name_just_that_record() {
    let house = House::new().await;
    let sql = "UPDATE records SET bytes = substr(bytes, 1, 99) || x'00' || substr(bytes, 101) WHERE hash = ?";
    let report = alter(&house, sql, 3).await;
    assert_altered(&report, &house, 3, &["bytes"]);
    assert_eq!(report.altered[0].device, house.device.to_string());
}

#[tokio::test]
async fn an_altered_hash_is_one_finding_that_names_the_record() {
    let house = House::new().await;
    let report = alter(&house, "UPDATE records SET hash = randomblob(32) WHERE hash = ?", 0).await;
    assert_altered(&report, &house, 0, &["hash"]);
}

#[tokio::test]
async fn bytes_exchanged_together_with_their_hash_are_found() {
    let house = House::new().await;
    let report =
        alter(&house, "UPDATE records SET bytes = x'00', hash = randomblob(32) WHERE hash = ?", 5).await;
    assert_altered(&report, &house, 5, &["bytes", "hash"]);
}

#[tokio::test]
async fn an_altered_device_or_sequence_is_found() {
    let house = House::new().await;
    let report = alter(&house, "UPDATE records SET device = randomblob(32) WHERE hash = ?", 1).await;
    assert_altered(&report, &house, 1, &["device"]);
    assert_eq!(report.altered[0].device, house.device.to_string());

    let house = House::new().await;
    let report = alter(&house, "UPDATE records SET sequence = 777 WHERE hash = ?", 2).await;
    assert_altered(&report, &house, 2, &["sequence"]);
}

#[tokio::test]
async fn an_altered_placement_is_found() {
    for sql in [
        "UPDATE records SET leaf_index = leaf_index + 1000 WHERE hash = ?",
        "UPDATE records SET anchor_sequence = 999 WHERE hash = ?",
        "UPDATE records SET anchor_sequence = 1 - anchor_sequence WHERE hash = ?",
        "UPDATE records SET sender = randomblob(32) WHERE hash = ?",
    ] {
        for at in [1, RECORDS - 2] {
            let house = House::new().await;
            let report = alter(&house, sql, at).await;
            let differs = &report.altered.first().expect("found").differs.clone();
            assert!(matches!(differs[..], ["placement"] | ["leaf_index"]), "{differs:?}");
            assert_altered(&report, &house, at, differs);
        }
    }
}

#[tokio::test]
async fn a_deleted_record_is_missing_and_heals_when_it_comes_again() {
    let house = House::new().await;
    let report = alter(&house, "DELETE FROM records WHERE hash = ?", 4).await;
    assert_eq!(report.totals, Totals { missing: 1, ..Totals::default() });
    assert_eq!(report.missing[0].hash, house.records[4].target_hash());
    house.store.keep(&house.records[4..5], 0).await.unwrap();
    let report = house.sweep().await;
    assert_eq!((report.totals, report.verified), (Totals::default(), RECORDS as u64));
}

#[tokio::test]
async fn rows_that_nothing_accounts_for_are_surplus() {
    let house = House::new().await;
    let mut other = house.other_connection().await;
    let sql = "INSERT INTO records (hash, device, sequence, received_ms, bytes, sender, anchor_sequence, leaf_index)
        SELECT randomblob(32), device, 500, 0, x'00', sender, anchor_sequence, leaf_index FROM records LIMIT 1";
    sqlx::query(sql).execute(&mut other).await.unwrap();
    let report = house.sweep().await;
    assert_eq!(report.totals, Totals { surplus: 1, ..Totals::default() }, "{report:#?}");
    assert_eq!(report.surplus[0].sequence, 500);
}

#[tokio::test]
async fn an_altered_anchor_is_unverifiable_and_fetched_anew() {
    for sql in [
        "UPDATE anchors SET leaves = zeroblob(length(leaves)) WHERE sequence = 0",
        "UPDATE anchors SET root = randomblob(32) WHERE sequence = 0",
        "UPDATE anchors SET proof = 'nothing' WHERE sequence = 0",
        "DELETE FROM anchors WHERE sequence = 0",
    ] {
        let house = House::new().await;
        let mut other = house.other_connection().await;
        sqlx::query(sql).execute(&mut other).await.unwrap();
        let report = house.sweep().await;
        assert_eq!(report.totals, Totals { unverifiable: 1, ..Totals::default() }, "{sql}: {report:#?}");
        let wanted = house.store.wanted(10).await.unwrap();
        assert_eq!((wanted.len(), wanted[0].name.sequence), (1, 0));
    }
}

#[tokio::test]
async fn records_without_an_anchor_are_pending_then_unanchored() {
    let house = House::new().await;
    let extra = house.extra_record();
    house.store.keep(std::slice::from_ref(&extra), u64::MAX).await.unwrap();
    let report = house.sweep().await;
    assert_eq!((report.pending, report.totals), (1, Totals::default()));
    let mut other = house.other_connection().await;
    sqlx::query("UPDATE records SET received_ms = 0 WHERE sender IS NULL").execute(&mut other).await.unwrap();
    let report = house.sweep().await;
    assert_eq!(report.totals, Totals { unanchored: 1, ..Totals::default() });
    assert_eq!(report.unanchored[0].hash, extra.target_hash().to_string());
}

#[tokio::test]
async fn a_second_record_at_a_used_number_is_not_stored() {
    let house = House::new().await;
    let rival = house.rival_of_first();
    let kept = house.store.keep(std::slice::from_ref(&rival), 0).await.unwrap();
    assert_eq!((kept.accepted, kept.repeated), (0, Some(house.records[0].target_hash())));
    let kept = house.store.keep(&house.records, 0).await.unwrap();
    assert_eq!((kept.accepted, kept.repeated), (RECORDS, None));
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let house = House::new().await.reopened().await;
    assert_eq!(house.store.totals().await.unwrap(), (RECORDS as u64, 2));
    let bytes = house.store.record(&house.records[7].target_hash()).await.unwrap();
    assert_eq!(bytes.as_deref(), Some(house.records[7].bytes()));
    assert_eq!(house.sweep().await.verified, RECORDS as u64);
}
