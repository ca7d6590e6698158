//! Folders of evidence.

mod common;

use std::fs;
use std::path::Path;

use common::{Flown, flown};
use dronechain_chain_spec::receipt::Part;
use dronechain_client::bundle::{receipt_name, record_name, write};
use dronechain_client::verify_folder;
use dronechain_client::{Reach, Report};

fn folder(flown: &Flown) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (record, receipt) in flown.records.iter().zip(&flown.receipts) {
        write(dir.path(), record.record().sequence, record.bytes(), &receipt.to_json()).expect("writable");
    }
    dir
}

fn verify(flown: &Flown, dir: &Path) -> Report {
    verify_folder(dir, &flown.world.chain, 3).expect("readable")
}

#[test]
fn a_whole_flight_holds() {
    let flown = flown();
    let dir = folder(&flown);
    let report = verify(&flown, dir.path());
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.records, report.verified, report.closings), (7, 7, 1));
    assert!(report.closed);
    assert_eq!(report.sequences, Some((0, 6)));
    let subject = flown.records[0].record().subject;
    let whole = Reach { subject, first_sequence: 0, last_sequence: 6, closed: true };
    assert_eq!(report.subjects, [whole]);
}

#[test]
fn an_altered_record_is_named_and_no_other() {
    let flown = flown();
    let dir = folder(&flown);
    let path = dir.path().join(record_name(3));
    let mut bytes = fs::read(&path).expect("there");
    bytes[100] ^= 1;
    fs::write(&path, bytes).expect("writable");
    let report = verify(&flown, dir.path());
    assert_eq!((report.records, report.verified), (7, 6));
    let failures: Vec<_> = report.failures.iter().map(|failure| (&*failure.file, failure.part)).collect();
    assert_eq!(failures, [("00000003.cose", Part::Record)]);
}

#[test]
fn what_is_missing_shows() {
    let flown = flown();
    let dir = folder(&flown);
    fs::remove_file(dir.path().join(record_name(2))).expect("there");
    fs::remove_file(dir.path().join(receipt_name(2))).expect("there");
    fs::remove_file(dir.path().join(receipt_name(4))).expect("there");
    fs::remove_file(dir.path().join(record_name(5))).expect("there");
    let report = verify(&flown, dir.path());
    let files: Vec<_> = report.failures.iter().map(|failure| &*failure.file).collect();
    assert_eq!(files, ["00000002.cose", "00000004.cose", "00000005.receipt.json"]);
    assert!(!report.holds());
}

#[test]
fn a_folder_without_its_first_flight_holds_and_one_without_its_end_is_open() {
    let flown = flown();
    let dir = folder(&flown);
    for sequence in [0, 1, 6] {
        fs::remove_file(dir.path().join(record_name(sequence))).expect("there");
        fs::remove_file(dir.path().join(receipt_name(sequence))).expect("there");
    }
    let report = verify(&flown, dir.path());
    assert!(report.holds(), "{report:?}");
    assert!(!report.closed);
    assert_eq!(report.sequences, Some((2, 5)));
    let subject = flown.records[0].record().subject;
    let open = Reach { subject, first_sequence: 2, last_sequence: 5, closed: false };
    assert_eq!(report.subjects, [open]);
}

#[test]
fn exchanged_files_and_receipts_without_the_device_do_not_hold() {
    let mut flown = flown();
    flown.receipts[0].anchor.authority.device = None;
    let dir = folder(&flown);
    let path = |name| dir.path().join(name);
    fs::rename(path(record_name(5)), path("aside".to_owned())).expect("there");
    fs::rename(path(record_name(4)), path(record_name(5))).expect("there");
    fs::rename(path("aside".to_owned()), path(record_name(4))).expect("there");
    fs::write(path("7.cose".to_owned()), b"x").expect("writable");
    let report = verify(&flown, dir.path());
    let failures: Vec<_> = report.failures.iter().map(|failure| (&*failure.file, failure.part)).collect();
    let expected = [
        ("00000000.cose", Part::Registry),
        ("00000004.cose", Part::Record),
        ("00000005.cose", Part::Record),
        ("7.cose", Part::Record),
    ];
    assert_eq!(failures, expected);
}

#[test]
fn an_empty_folder_proves_nothing() {
    let flown = flown();
    let dir = tempfile::tempdir().expect("a folder");
    assert!(!verify(&flown, dir.path()).holds());
    verify_folder(&dir.path().join("missing"), &flown.world.chain, 1).expect_err("no such folder");
}
