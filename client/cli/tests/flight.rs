//! A flight through the binary: replayed to a controller, fetched with its receipts, verified
//! offline. Controller, cloud and node are one small server over a network in memory; the processes
//! themselves meet in the project's cluster tests.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use common::{World, batch_of, controller, device};
use dronechain_chain_spec::chain::encode_link;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::{Hash256, sha256};
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::wire::BatchBody;
use dronechain_client::{Batch, frames};
use dronechain_record::{Body, Follower, KeyFile, SignedRecord};
use serde_json::{Value, json};

/// The three parties' state.
struct Parties {
    world: World,
    follower: Follower,
    records: Vec<SignedRecord>,
    batches: Vec<(u64, Batch)>,
    /// Answers to drop on the floor after the records were taken.
    lost_answers: u32,
}

impl Parties {
    fn new() -> Self {
        let follower = Follower::new(PublicKey::of(&device()).id());
        let (records, batches) = (Vec::new(), Vec::new());
        Self { world: World::peopled(), follower, records, batches, lost_answers: 1 }
    }

    fn anchor_all(&mut self) {
        let records = std::mem::take(&mut self.records);
        for part in records.chunks(100) {
            let batch = batch_of(part);
            let height = self.world.anchor(&batch);
            self.batches.push((height, batch));
        }
        self.records = records;
        self.world.mine_empty(2);
    }

    fn answer(&mut self, path: &str, query: &str, body: &[u8]) -> Option<Vec<u8>> {
        let world = &self.world;
        let tip = json!({ "hash": world.chain.tip(), "height": world.chain.height(), "time_ms": 0, "work": world.chain.work() });
        let json = |value: Value| Some(value.to_string().into_bytes());
        let of = |name: &str| {
            let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
            pair.and_then(|(_, value)| value.parse::<u64>().ok()).unwrap_or_default()
        };
        let segments: Vec<_> = path.split('/').skip(2).collect();
        match segments[..] {
            ["status"] => json(json!({
                "controller": PublicKey::of(&controller()), "chain_id": world.chain_id(), "tip": world.chain.tip(),
            })),
            ["devices", _] => {
                let position = self.follower.position();
                json(
                    json!({ "state": "enrolled", "next_sequence": position.next_sequence, "previous": position.previous }),
                )
            }
            ["records"] if !body.is_empty() => {
                for record in frames::split(body, 256).expect("sound frames") {
                    let record =
                        SignedRecord::from_bytes(record.to_vec(), &world.chain_id()).expect("signed");
                    self.follower.accept(&record).expect("in order");
                    self.records.push(record);
                }
                if self.lost_answers > 0 {
                    self.lost_answers -= 1;
                    return None;
                }
                json(json!({}))
            }
            ["records"] => {
                let mut bytes = Vec::new();
                let from = usize::try_from(of("from")).expect("small");
                self.records[from..]
                    .iter()
                    .take(256)
                    .for_each(|record| frames::push(record.bytes(), &mut bytes));
                Some(bytes)
            }
            ["placements"] => {
                let from = of("from");
                let placements = self.records.iter().enumerate().skip(usize::try_from(from).expect("small"));
                let sender = PublicKey::of(&controller());
                // The controller's sequence 0 was the enrolment.
                let placement = |(at, record): (usize, &SignedRecord)| {
                    json!({
                        "sequence": at, "hash": record.target_hash(), "sender": sender,
                        "anchor_sequence": 1 + at / 100, "index": at % 100,
                    })
                };
                json(placements.take(256).map(placement).collect())
            }
            ["tip"] => json(tip),
            ["spec"] => json(
                json!({ "chain_id": world.chain_id(), "spec": hex::encode(codec::encode(&common::spec())) }),
            ),
            ["headers"] => {
                let mut bytes = Vec::new();
                (of("from")..=world.chain.height())
                    .for_each(|height| encode_link(world.chain.link(height).expect("there"), &mut bytes));
                Some(bytes)
            }
            ["anchors", _, sequence] => {
                let at = sequence.parse::<usize>().expect("a number") - 1;
                let height = self.batches[at].0;
                let proof = world.proof(height, height, Some(&PublicKey::of(&device())));
                json(json!({ "state": "included", "height": height, "confirmations": 1, "proof": proof }))
            }
            ["bodies", root, count] => {
                let root: Hash256 = root.parse().expect("a hash");
                let (_, batch) = self.batches.iter().find(|(_, batch)| batch.root() == root)?;
                assert_eq!(batch.leaves().len(), count.parse::<usize>().expect("a number"));
                Some(codec::encode(&BatchBody(batch.leaves().to_vec())))
            }
            _ => panic!("{path}"),
        }
    }
}

fn serve(parties: &Arc<Mutex<Parties>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let parties = Arc::clone(parties);
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| exchange(stream, &parties)));
    url
}

fn exchange(mut stream: TcpStream, parties: &Mutex<Parties>) {
    let (mut request, mut block) = (Vec::new(), [0; 65_536]);
    let head = loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let read = stream.read(&mut block).expect("a request");
        request.extend_from_slice(&block[..read]);
    };
    let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while request.len() < head + length {
        let read = stream.read(&mut block).expect("the body");
        request.extend_from_slice(&block[..read]);
    }
    let target = text.split(' ').nth(1).expect("a request line");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let answer = parties.lock().expect("no panics").answer(path, query, &request[head..]);
    let Some(answer) = answer else { return };
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer)).expect("the client waits");
}

fn dronechain(arguments: &[&str], more: &[&Path]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dronechain"));
    let output = command.arg("--json").args(arguments).args(more).output().expect("the binary runs");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn a_simulated_flight_is_sent_fetched_and_verified() {
    let parties = Arc::new(Mutex::new(Parties::new()));
    let url = serve(&parties);
    let dir = tempfile::tempdir().expect("a folder");
    let key = dir.path().join("drone.key");
    KeyFile::create_from(&key, device()).expect("a new file");

    let sent = dronechain(
        &["drone", "replay", "--log", "simulated", "--every", "250ms", "--controller", &url, "--key"],
        &[&key],
    );
    let records = {
        let mut parties = parties.lock().expect("no panics");
        assert!(parties.follower.is_closed());
        let bodies: Vec<_> = parties
            .records
            .iter()
            .filter_map(|record| match &record.record().body {
                Body::Clear(body) => Some(body.as_slice()),
                Body::Sealed(_) | Body::Closing { .. } => None,
            })
            .collect();
        assert_eq!(sent["bodies_sha256"], sha256(&bodies).to_string());
        assert_eq!(bodies.len() + 1, parties.records.len());
        parties.anchor_all();
        parties.records.len() as u64
    };
    assert!(records > 300, "more than one request and more than one batch");
    assert_eq!((&sent["records"], &sent["first_sequence"]), (&records.into(), &0.into()));
    assert_eq!(sent["last_sequence"], records - 1);

    let device = PublicKey::of(&device()).to_string();
    let folder = dir.path().join("evidence");
    let get = ["receipt", "get", "--follow", "--device", &device, "--cloud", &url, "--node", &url, "--out"];
    let got = dronechain(&get, &[&folder]);
    assert_eq!((&got["records"], &got["closed"]), (&records.into(), &true.into()));
    assert_eq!(fs::read_dir(&folder).expect("there").count() as u64, 2 * records + 1);

    let verified = dronechain(&["receipt", "verify", "--confirmations", "3", "--dir"], &[&folder]);
    assert_eq!((&verified["records"], &verified["verified"]), (&records.into(), &records.into()));
    assert_eq!((&verified["verified_all"], &verified["closed"]), (&true.into(), &true.into()));
}
