//! Measures how many receipts one core verifies in a second, against the bare calls of SHA-256 and of
//! `verify_strict` that this needs, interleaved in the same run.
//!
//! Prints one JSON object a line, as `scripts/bench` does. Everything is in memory; headers are verified and
//! receipts parsed beforehand.

mod corpus;

use std::hint::black_box;
use std::time::Instant;

use dronechain_chain_spec::merkle::Step;
use dronechain_chain_spec::receipt::{ExistenceProof, Receipt};
use dronechain_client::Verifier;
use dronechain_record::Verdict;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde_json::json;
use sha2::{Digest, Sha256};

use corpus::{BATCH, Corpus};

/// Receipts, unless the first argument says otherwise.
const RECEIPTS: usize = 100_000;
/// Of these one in so many is verified with signatures, which take ten times as long.
const SIGNED_SHARE: usize = 5;
const RUNS: usize = 7;

/// What is measured, with what it is held against.
struct Figure {
    name: &'static str,
    baseline: &'static str,
    ours: fn(&Case) -> usize,
    bare: fn(&Case) -> usize,
}

const FIGURES: [Figure; 5] = [
    Figure { name: "hash_path_single", baseline: "its SHA-256 calls", ours: hash_path, bare: bare_hash_path },
    Figure {
        name: "hash_path_batch",
        baseline: "its SHA-256 calls",
        ours: batch_path,
        bare: bare_batch_path,
    },
    Figure {
        name: "record_batch",
        baseline: "one verify_strict",
        ours: record_in_batch,
        bare: bare_signature,
    },
    Figure {
        name: "record_single",
        baseline: "two verify_strict",
        ours: record_alone,
        bare: bare_signatures,
    },
    Figure { name: "parse_v2", baseline: "", ours: parse_receipt, bare: nothing },
];

/// What all measurements share.
struct Case {
    corpus: Corpus,
    json: Vec<String>,
    key: VerifyingKey,
    /// Over the bytes of the first records.
    signatures: Vec<Signature>,
}

fn main() {
    let count = std::env::args().nth(1).map_or(RECEIPTS, |count| count.parse().expect("a number"));
    eprintln!("making {count} records with receipts");
    let corpus = Corpus::new(count);
    let key = SigningKey::from_bytes(&[9; 32]);
    let signed = corpus.records.iter().take(count / SIGNED_SHARE);
    let signatures = signed.map(|record| key.sign(record.bytes())).collect();
    let json = corpus.receipts.iter().take(count / SIGNED_SHARE).map(Receipt::to_json).collect();
    let case = Case { corpus, json, key: key.verifying_key(), signatures };
    check(&case);
    let mut rates = [const { (Vec::new(), Vec::new()) }; FIGURES.len()];
    for run in 1..=RUNS {
        eprintln!("run {run} of {RUNS}");
        for (Figure { ours, bare, .. }, (own, baseline)) in FIGURES.iter().zip(&mut rates) {
            own.push(rate(*ours, &case));
            baseline.push(rate(*bare, &case));
        }
    }
    for (figure, (own, baseline)) in FIGURES.iter().zip(rates) {
        let baseline = (!figure.baseline.is_empty()).then(|| median(baseline));
        print(figure, median(own), baseline);
    }
}

/// What is measured is what verifies: all of it gives its result, for v4 proofs too.
fn check(case: &Case) {
    let Corpus { chain, records, receipts } = &case.corpus;
    for at in (0..receipts.len()).step_by(BATCH / 3) {
        let block = chain.hash(receipts[at].anchor.height);
        assert_eq!(receipts[at].verify_hashes(&records[at].target_hash(), chain).ok(), block);
        let evidence = Verifier::new(chain, 1).verify_parsed(records[at].bytes().to_vec(), &receipts[at]);
        assert_eq!(evidence.expect("it verifies").verdict, Verdict::Good);
        let proof = ExistenceProof::of(&receipts[at], "localhost").expect("a sound receipt");
        assert_eq!(Some(bare_block(&receipts[at])), block.map(|block| block.0));
        assert!(proof.verify(&records[at].target_hash(), chain, 1).is_ok());
    }
}

fn rate(work: fn(&Case) -> usize, case: &Case) -> f64 {
    let start = Instant::now();
    let done = work(case);
    done as f64 / start.elapsed().as_secs_f64()
}

fn hash_path(case: &Case) -> usize {
    let Corpus { chain, records, receipts } = &case.corpus;
    for (record, receipt) in records.iter().zip(receipts) {
        receipt.verify_hashes(&record.target_hash(), chain).expect("it verifies");
    }
    receipts.len()
}

fn batch_path(case: &Case) -> usize {
    let Corpus { chain, records, receipts } = &case.corpus;
    for (records, receipts) in records.chunks(BATCH).zip(receipts.chunks(BATCH)) {
        receipts[0].verify_hashes(&records[0].target_hash(), chain).expect("it verifies");
        for (record, receipt) in records.iter().zip(receipts).skip(1) {
            receipt.verify_target(&record.target_hash()).expect("it verifies");
        }
    }
    receipts.len()
}

fn record_in_batch(case: &Case) -> usize {
    let mut verifier = Verifier::new(&case.corpus.chain, 1);
    let records = case.corpus.records.iter().take(case.signatures.len());
    for (record, receipt) in records.zip(&case.corpus.receipts) {
        verifier.verify_parsed(record.bytes().to_vec(), receipt).expect("it verifies");
    }
    case.signatures.len()
}

fn record_alone(case: &Case) -> usize {
    let records = case.corpus.records.iter().take(case.signatures.len());
    for (record, receipt) in records.zip(&case.corpus.receipts) {
        let mut verifier = Verifier::new(&case.corpus.chain, 1);
        verifier.verify_parsed(record.bytes().to_vec(), receipt).expect("it verifies");
    }
    case.signatures.len()
}

fn parse_receipt(case: &Case) -> usize {
    for json in &case.json {
        black_box(Receipt::parse(json.as_bytes()).expect("it is a receipt"));
    }
    case.json.len()
}

fn bare_root(receipt: &Receipt) -> [u8; 32] {
    receipt.path.iter().fold(receipt.target.0, bare_step)
}

fn bare_step(node: [u8; 32], step: &Step) -> [u8; 32] {
    let mut both = [0; 64];
    let (left, right) = both.split_at_mut(32);
    match step {
        Step::Left(hash) => (left.copy_from_slice(&hash.0), right.copy_from_slice(&node)),
        Step::Right(hash) => (left.copy_from_slice(&node), right.copy_from_slice(&hash.0)),
    };
    Sha256::digest(both).into()
}

/// The hashes from transaction to block. The header's bytes are laid out once more, since receipts keep fields.
fn bare_shared(receipt: &Receipt) -> [u8; 32] {
    let txid: [u8; 32] = Sha256::digest(&receipt.anchor.transaction).into();
    black_box(receipt.anchor.block_path.iter().fold(txid, bare_step));
    Sha256::digest(Sha256::digest(receipt.anchor.header.header.to_bytes())).into()
}

fn bare_block(receipt: &Receipt) -> [u8; 32] {
    black_box(bare_root(receipt));
    bare_shared(receipt)
}

fn bare_hash_path(case: &Case) -> usize {
    for receipt in &case.corpus.receipts {
        black_box(bare_block(receipt));
    }
    case.corpus.receipts.len()
}

fn bare_batch_path(case: &Case) -> usize {
    for receipts in case.corpus.receipts.chunks(BATCH) {
        black_box(bare_shared(&receipts[0]));
        for receipt in receipts {
            black_box(bare_root(receipt));
        }
    }
    case.corpus.receipts.len()
}

fn bare_signature(case: &Case) -> usize {
    for (record, signature) in case.corpus.records.iter().zip(&case.signatures) {
        case.key.verify_strict(record.bytes(), signature).expect("it verifies");
    }
    case.signatures.len()
}

fn bare_signatures(case: &Case) -> usize {
    (bare_signature(case) + bare_signature(case)) / 2
}

fn nothing(_: &Case) -> usize {
    0
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn print(figure: &Figure, value: f64, baseline: Option<f64>) {
    let ratio = baseline.map(|baseline| (value / baseline * 1000.0).round() / 1000.0);
    let line = json!({
        "bench": "verify", "figure": figure.name, "value": value.round(), "unit": "1/s",
        "baseline": baseline.map(f64::round), "ratio": ratio,
    });
    println!("{line}");
    if let Some(ratio) = ratio {
        eprintln!("{}: {:.1} % of {}", figure.name, ratio * 100.0, figure.baseline);
    }
}
