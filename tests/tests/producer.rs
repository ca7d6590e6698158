//! Producers of the SDK against real nodes: nothing that was acknowledged is lost, and nothing is anchored twice.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::AnchorKind;
use dronechain_client::{
    ChainEvent, Client, Holdup, NodeClient, PendingError, Producer, ProducerConfig, Record, SendError,
    Verifier,
};
use dronechain_tests::cluster::{Cluster, Place, write_key};
use dronechain_tests::disk::Disk;
use dronechain_tests::process::{program, run};
use dronechain_tests::soak::{admit_at, controller, read_ledger, record, soak, started};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const WAIT: Duration = Duration::from_secs(60);

async fn client(cluster: &Cluster, folder: &str) -> Client {
    let urls = (0..3).map(|i| cluster.url(i));
    let opened = Client::builder(urls).network(cluster.chain_id()).open(cluster.path(folder)).await;
    opened.expect("a client")
}

fn quick() -> ProducerConfig {
    let mut config = ProducerConfig::default();
    config.linger = Duration::from_millis(50);
    config.confirmations = 2;
    config
}

fn open(client: &Client, config: ProducerConfig) -> Producer {
    client.producer(controller()).config(config).open().expect("a producer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_promised_included_and_delivered_with_receipts_that_verify() {
    let cluster = started().await;
    let client = client(&cluster, "client").await;
    let delivered: Arc<Mutex<BTreeSet<Hash256>>> = Arc::default();
    let told = Arc::clone(&delivered);
    let producer = client
        .producer(controller())
        .config(quick())
        .on_delivery(move |delivery| told.lock().expect("a lock").extend(delivery.hashes()))
        .open()
        .expect("a producer");
    let one = producer.send(record(0)).await.expect("taken");
    let records: Vec<_> = (1..300).map(|number| Record::new(record(number))).collect();
    let many = producer.send_all(&records).await.expect("taken");
    // The same record is the same record.
    let again = producer.send(record(7)).await.expect("taken");
    assert_eq!(again.hash(), many[6].hash());
    producer.flush(WAIT).await.expect("flushed");
    one.promised().await.expect("promised");
    let receipt = one.included().await.expect("included");
    for (number, pending) in (1..).zip(&many) {
        let receipt = pending.confirmations_within(2, WAIT).await.expect("confirmed");
        let headers = client.light().headers().read().await;
        let mut verifier = Verifier::new(headers.chain(), 2);
        verifier.verify(record(number), receipt.to_json().as_bytes()).expect("it verifies");
    }
    assert_eq!(receipt.target, one.hash());
    let expected: BTreeSet<_> = many.iter().map(|pending| pending.hash()).chain([one.hash()]).collect();
    dronechain_tests::wait::until("the callback", async || {
        (*delivered.lock().expect("a lock") == expected).then_some(())
    })
    .await;
    producer.close(WAIT).await.expect("closed");
    cluster.one_tip().await;
    read_ledger(&cluster, &(0..300).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producer_without_nodes_takes_records_and_goes_on_when_they_are_back() {
    let mut cluster = started().await;
    let client = client(&cluster, "client").await;
    let producer = open(&client, quick());
    producer.send(record(0)).await.expect("taken").included().await.expect("included");
    let urls: Vec<_> = (0..3).map(|i| cluster.url(i).to_owned()).collect();
    cluster.kill_all();
    for number in 1..50 {
        producer.send(record(number)).await.expect("taken without a node");
    }
    drop(producer.close(Duration::from_millis(200)).await);
    client.close().await;
    // Without any node, but with its folder.
    let client = Client::builder(urls).open(cluster.path("client")).await.expect("a client");
    let producer = open(&client, quick());
    let more = producer.send(record(50)).await.expect("taken");
    for i in 0..3 {
        cluster.start(i, &[]).await;
    }
    for pending in producer.recovered().iter().chain([&more]) {
        pending.confirmations_within(1, WAIT).await.expect("included");
    }
    producer.close(WAIT).await.expect("closed");
    cluster.one_tip().await;
    read_ledger(&cluster, &(0..=50).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_buffer_gives_the_record_back_and_makes_send_wait() {
    let mut cluster = started().await;
    let client = client(&cluster, "client").await;
    let mut config = quick();
    (config.batch_records, config.buffer_records) = (10, 20);
    let producer = open(&client, config);
    cluster.kill_all();
    for number in 0..20 {
        producer.try_send(record(number)).await.expect("there is room");
    }
    let refused = producer.try_send(record(20)).await;
    let Err(SendError::Full(given_back)) = refused else { panic!("{refused:?}") };
    assert_eq!(given_back.bytes(), Some(&record(20)[..]));
    let waits = producer.send(*given_back);
    let waits = tokio::time::timeout(Duration::from_millis(300), waits).await;
    assert!(waits.is_err(), "there is no room");
    for i in 0..3 {
        cluster.start(i, &[]).await;
    }
    producer.send(record(20)).await.expect("there is room again").included().await.expect("included");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_disk_makes_send_wait_and_loses_nothing() {
    let cluster = started().await;
    let Some(disk) = Disk::mounted(&cluster.path("client"), 256) else { return };
    let client = client(&cluster, "client").await;
    let mut config = quick();
    config.free_bytes = 32 << 20;
    let producer = Arc::new(open(&client, config));
    producer.send(record(0)).await.expect("taken");
    disk.fill(16 << 10);
    let waiting = tokio::spawn({
        let producer = Arc::clone(&producer);
        async move { producer.send(record(1)).await.expect("taken") }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished(), "there is no room");
    disk.clear();
    let pending = waiting.await.expect("taken with room");
    // To the last byte, in the middle of everything: no floor keeps it from happening.
    let load = tokio::spawn({
        let producer = Arc::clone(&producer);
        async move {
            let mut last = None;
            for number in 2..4_000 {
                last = Some(producer.send(record(number)).await.expect("taken"));
            }
            last.expect("some record")
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    disk.fill(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    disk.clear();
    let last = load.await.expect("taken with room");
    pending.confirmations_within(1, WAIT).await.expect("included");
    producer.flush(WAIT).await.expect("flushed");
    last.confirmations_within(1, WAIT).await.expect("included");
    cluster.one_tip().await;
    read_ledger(&cluster, &(0..4_000).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_of_another_network_is_refused_by_its_genesis_hash() {
    let cluster = Cluster::started(1).await;
    let urls = [cluster.url(0)];
    let opened = Client::builder(urls).network(Hash256([7; 32])).open(cluster.path("client")).await;
    let error = opened.expect_err("another network").to_string();
    assert!(error.contains("another network"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn folder_of_a_client_that_is_closed_is_free_at_once() {
    let cluster = Cluster::started(3).await;
    for _ in 0..50 {
        // It has begun to compare nodes, each in a task of its own.
        client(&cluster, "client").await.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_producers_lose_nothing_and_anchor_nothing_twice_while_nodes_restart() {
    let soaked = soak(20).await;
    assert!(soaked.kills_amid * 5 >= soaked.kills * 4, "{soaked:?}");
    assert!(soaked.restarts >= 3, "{soaked:?}");
    println!("{soaked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn same_bytes_as_data_and_as_a_command_are_two_records() {
    let cluster = started().await;
    let client = client(&cluster, "client").await;
    let producer = open(&client, quick());
    let data = producer.send(record(0)).await.expect("taken");
    let command = producer.send(Record::new(record(0)).of_kind(AnchorKind::Command)).await.expect("taken");
    assert_eq!(data.hash(), command.hash());
    for (pending, kind) in [(data, AnchorKind::Data), (command, AnchorKind::Command)] {
        let receipt = pending.confirmations_within(1, WAIT).await.expect("included");
        assert_eq!(receipt.kind(), Some(kind));
        let node = NodeClient::new(cluster.url(0)).expect("an address");
        let found = node.receipt_of(receipt.target, &producer.sender(), kind).await;
        let found = found.expect("an answer").expect("a receipt");
        assert_eq!((found.kind(), found.source_id), (Some(kind), receipt.source_id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_callback_that_panics_is_called_again_before_the_records_leave() {
    let cluster = started().await;
    let client = client(&cluster, "client").await;
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let producer = client
        .producer(controller())
        .config(quick())
        .on_delivery(move |_| assert!(called.fetch_add(1, Ordering::SeqCst) > 0, "the first time it panics"))
        .open()
        .expect("a producer");
    producer.send(record(0)).await.expect("taken").confirmations_within(2, WAIT).await.expect("confirmed");
    dronechain_tests::wait::until("a second call", async || {
        (calls.load(Ordering::SeqCst) == 2).then_some(())
    })
    .await;
    // What is behind it goes on.
    dronechain_tests::wait::until("another delivery", async || {
        let more = producer.send(record(1)).await.expect("taken");
        more.confirmations_within(2, WAIT).await.expect("confirmed");
        (calls.load(Ordering::SeqCst) >= 3).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_buffer_at_once_is_refused_and_given_up_sends_leak_no_room() {
    let mut cluster = started().await;
    let client = client(&cluster, "client").await;
    let mut config = quick();
    (config.batch_records, config.buffer_records) = (10, 20);
    let producer = Arc::new(open(&client, config));
    cluster.kill_all();
    let records: Vec<_> = (0..21).map(|number| Record::new(record(number))).collect();
    let refused = producer.send_all(&records).await;
    assert!(matches!(refused, Err(SendError::TooMany { records: 21, .. })), "{refused:?}");
    // Given up while they wait, at every step of the way.
    for round in 0..200_u64 {
        let given_up = tokio::spawn({
            let (producer, records) = (Arc::clone(&producer), records[..20].to_vec());
            async move { producer.send_all(&records).await.map(drop) }
        });
        tokio::time::sleep(Duration::from_micros(round * 20)).await;
        given_up.abort();
        drop(given_up.await);
    }
    // Whatever of it was taken is delivered once there are nodes; then there is all of the room again.
    for i in 0..3 {
        cluster.start(i, &[]).await;
    }
    let more: Vec<_> = (100..120).map(|number| Record::new(record(number))).collect();
    let taken = tokio::time::timeout(WAIT, producer.send_all(&more)).await.expect("there is room");
    taken.expect("taken").last().expect("some").confirmations_within(1, WAIT).await.expect("included");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_the_key_may_not_anchor_leave_the_outbox_and_hold_up_nothing() {
    let cluster = started().await;
    let client = client(&cluster, "client").await;
    let producer = open(&client, quick());
    let unfit = producer.send(Record::new(record(0)).of_kind(AnchorKind::Access)).await.expect("taken");
    let fit = producer.send(record(1)).await.expect("taken");
    let error = unfit.included().await.expect_err("a controller anchors no accesses");
    assert!(matches!(error, PendingError::Unfit), "{error}");
    assert!(!error.is_retryable());
    fit.confirmations_within(2, WAIT).await.expect("confirmed");
    producer.flush(WAIT).await.expect("flushed");
    producer.close(WAIT).await.expect("closed");
    let producer = open(&client, quick());
    assert!(producer.recovered().iter().all(|pending| pending.hash() == fit.hash()), "the other has left");
    producer.send(record(2)).await.expect("taken").confirmations_within(1, WAIT).await.expect("included");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_that_is_not_admitted_is_told_and_goes_on_once_it_is() {
    let cluster = Cluster::started(3).await;
    let client = client(&cluster, "client").await;
    let producer = open(&client, quick());
    let pending = producer.send(record(0)).await.expect("taken");
    let mut holdup = producer.holdup();
    let told = tokio::time::timeout(WAIT, holdup.wait_for(|why| *why == Some(Holdup::NotAdmitted))).await;
    drop(told.expect("in time").expect("it is told"));
    admit_at(&cluster, 0, &controller()).await;
    pending.confirmations_within(1, WAIT).await.expect("included");
    assert_eq!(*producer.holdup().borrow(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disk_that_the_outbox_filled_stops_no_delivery_and_takes_records_again() {
    let mut cluster = started().await;
    let Some(_disk) = Disk::mounted(&cluster.path("client"), 384) else { return };
    let client = client(&cluster, "client").await;
    let large = |number: u64| {
        let mut bytes = record(number);
        bytes.resize(60_000, 7);
        Record::new(bytes)
    };
    let mut config = quick();
    (config.confirmations, config.free_bytes) = (1, 96 << 20);
    let producer = open(&client, config);
    producer.send(record(0)).await.expect("taken").confirmations_within(1, WAIT).await.expect("included");
    cluster.kill_all();
    let mut taken = Vec::new();
    for number in 1.. {
        let sent = tokio::time::timeout(Duration::from_secs(3), producer.send(large(number))).await;
        match sent {
            Ok(sent) => taken.push(sent.expect("taken")),
            Err(_waits) => break,
        }
    }
    let refused = producer.try_send(record(1)).await;
    assert!(matches!(refused, Err(SendError::Full(_))), "{refused:?}");
    for i in 0..3 {
        cluster.start(i, &[]).await;
    }
    for pending in &taken {
        pending.confirmations_within(1, WAIT).await.expect("included");
    }
    // As much again finds room, more than once.
    for round in 1..3 {
        let mut last = None;
        for number in 1..=taken.len() as u64 {
            let sent = tokio::time::timeout(WAIT, producer.send(large(number + round * 100_000)));
            last = Some(sent.await.expect("there is room again").expect("taken"));
        }
        last.expect("some").confirmations_within(1, WAIT).await.expect("included");
    }
}

/// Two nodes with one key that never hear of each other, so that each makes a chain of its own; their addresses
/// outlive them.
async fn two_chains() -> Cluster {
    let mut cluster = Cluster::new(2, |spec| spec.nodes.truncate(1));
    cluster.keys[1] = cluster.keys[0].clone();
    for i in 0..2 {
        cluster.start(i, &["--mining-share", "0"]).await;
        let http = cluster.url(i).strip_prefix("http://").expect("an address").to_owned();
        cluster.put(i, Place { http, ..Place::default() });
    }
    cluster
}

async fn restart(cluster: &mut Cluster, i: usize, extra: &[&str]) {
    cluster.kill(i);
    cluster.start(i, extra).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reorganisation_that_takes_a_receipt_away_is_told_and_the_record_is_anchored_on_the_other_branch() {
    let mut cluster = two_chains().await;
    restart(&mut cluster, 0, &[]).await;
    admit_at(&cluster, 0, &controller()).await;
    let urls = (0..2).map(|i| cluster.url(i).to_owned());
    let client = Client::builder(urls).open(cluster.path("client")).await.expect("a client");
    let mut events = client.light().events();
    let mut config = quick();
    config.confirmations = 1_000;
    let producer = open(&client, config);
    let pending = producer.send(record(0)).await.expect("taken");
    let before = pending.confirmations_within(2, WAIT).await.expect("included");

    // The first node stands still, the other one overtakes it.
    restart(&mut cluster, 0, &["--mining-share", "0"]).await;
    let (height, _) = cluster.tip(0).await.expect("a tip");
    restart(&mut cluster, 1, &[]).await;
    admit_at(&cluster, 1, &controller()).await;
    cluster.reaches(1, height + 3).await;
    loop {
        let event = tokio::time::timeout(WAIT, events.recv()).await.expect("it is told").expect("an event");
        if let ChainEvent::Reorganised { removed, .. } = event {
            assert!(removed >= 2, "{event:?}");
            break;
        }
    }
    {
        let headers = client.light().headers().read().await;
        before.verify(&pending.hash(), headers.chain(), 1).expect_err("its block left the chain");
    }
    let after = pending.confirmations_within(1, WAIT).await.expect("included again");
    assert_ne!(before.anchor.header, after.anchor.header);
    let headers = client.light().headers().read().await;
    after.verify(&pending.hash(), headers.chain(), 1).expect("it verifies on the own chain");
}

/// Passes bytes on to `node`, but closes the first `lost` connections that brought a submission instead of giving its
/// answer back. Gives its address.
async fn proxy_that_loses_answers(node: &str, lost: usize) -> String {
    let node = node.strip_prefix("http://").expect("an address").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let left = Arc::new(AtomicUsize::new(lost));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (node, left) = (node.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(&node).await else { return };
                let ((mut from, mut to), (mut answers, mut requests)) =
                    (client.into_split(), server.into_split());
                let submits = Arc::new(AtomicBool::new(false));
                let seen = Arc::clone(&submits);
                let asking = tokio::spawn(async move {
                    let mut bytes = vec![0; 64 << 10];
                    while let Ok(count @ 1..) = from.read(&mut bytes).await {
                        if bytes[..count].starts_with(b"POST /v1/transactions") {
                            seen.store(true, Ordering::SeqCst);
                        }
                        if requests.write_all(&bytes[..count]).await.is_err() {
                            return;
                        }
                    }
                });
                let mut bytes = vec![0; 64 << 10];
                while let Ok(count @ 1..) = answers.read(&mut bytes).await {
                    let take = |left: usize| left.checked_sub(1);
                    let is_lost = submits.swap(false, Ordering::SeqCst)
                        && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
                    if is_lost || to.write_all(&bytes[..count]).await.is_err() {
                        break;
                    }
                }
                asking.abort();
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_lost_after_the_commit_is_asked_for_again_and_the_record_is_anchored_once() {
    let cluster = started().await;
    let proxy = proxy_that_loses_answers(cluster.url(0), 3).await;
    let client = Client::builder([proxy]).open(cluster.path("client")).await.expect("a client");
    let producer = open(&client, quick());
    for number in 0..5 {
        let pending = producer.send(record(number)).await.expect("taken");
        pending.confirmations_within(1, WAIT).await.expect("included");
    }
    producer.close(WAIT).await.expect("closed");
    cluster.one_tip().await;
    read_ledger(&cluster, &[0, 1, 2, 3, 4]).await;
}

/// An example of the SDK, as its readers would run it.
fn example(name: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(program(&format!("examples/{name}")));
    command.args(arguments);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn examples_of_the_sdk_do_what_they_say() {
    let cluster = started().await;
    let path = |name: &str| cluster.path(name).to_str().expect("a path").to_owned();
    write_key(&cluster.path("controller.key"), &controller());
    let nodes: Vec<_> = (0..3).map(|i| cluster.url(i)).collect();
    let text = |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();

    std::fs::write(cluster.path("lines"), "one\ntwo\none\n").expect("a file");
    let (lines, key, folder) = (path("lines"), path("controller.key"), path("lines.client"));
    let anchored = run(example("anchor_lines", &[&lines, &key, &folder]).args(&nodes));
    assert!(text(&anchored).contains("3 lines anchored"), "{anchored:?}");

    let receipt = |end: &str| format!("{folder}/receipts/2.{end}");
    let headers = format!("{folder}/headers");
    let verified = run(&mut example("verify_offline", &[&receipt("record"), &receipt("json"), &headers]));
    assert!(text(&verified).contains("verdict"), "{verified:?}");
    std::fs::write(receipt("record"), "2 two").expect("a file");
    let altered = example("verify_offline", &[&receipt("record"), &receipt("json"), &headers]).output();
    assert!(!altered.expect("it runs").status.success());

    let passed = run(example("door_log", &[&key, &path("door.client")]).args(&nodes));
    assert_eq!(text(&passed).lines().filter(|line| line.contains(" in block ")).count(), 3, "{passed:?}");

    let input = std::fs::File::open(&lines).expect("a file");
    let looped = example("controller_loop", &[&key, &path("loop.client")]).args(&nodes).stdin(input).output();
    let looped = looped.expect("it runs");
    assert_eq!(text(&looped).lines().filter(|line| line.ends_with(" safe")).count(), 3, "{looped:?}");
}
