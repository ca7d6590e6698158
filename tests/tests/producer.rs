//! Producers of the SDK against real nodes: nothing that was acknowledged is lost, and nothing is anchored twice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_client::{Client, Producer, ProducerConfig, Record, SendError, Verifier};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::soak::{controller, read_ledger, record, soak, started};

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
async fn client_of_another_network_is_refused_by_its_genesis_hash() {
    let cluster = Cluster::started(1).await;
    let urls = [cluster.url(0)];
    let opened = Client::builder(urls).network(Hash256([7; 32])).open(cluster.path("client")).await;
    let error = opened.expect_err("another network").to_string();
    assert!(error.contains("another network"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_producers_lose_nothing_and_anchor_nothing_twice_while_nodes_restart() {
    let soaked = soak(20).await;
    assert!(soaked.kills_amid * 5 >= soaked.kills * 4, "{soaked:?}");
    assert!(soaked.restarts >= 3, "{soaked:?}");
    println!("{soaked:?}");
}
