//! Outboxes of producers that are not what they were: copied back from an earlier day, damaged, altered.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_client::{Client, OpenError, Pending, Producer, ProducerConfig, Record};
use dronechain_tests::cluster::Cluster;
use dronechain_tests::ledger::copy;
use dronechain_tests::soak::{controller, read_ledger, record, started};

const WAIT: Duration = Duration::from_secs(90);

/// Batches of ten, which wait long for more.
fn slow() -> ProducerConfig {
    let mut config = ProducerConfig::default();
    (config.linger, config.heartbeat) = (Duration::from_secs(600), None);
    (config.batch_records, config.confirmations) = (10, 2);
    config
}

fn quick() -> ProducerConfig {
    let mut config = slow();
    config.linger = Duration::from_millis(50);
    config
}

struct Folder {
    path: PathBuf,
    urls: Vec<String>,
    delivered: Arc<Mutex<Vec<Hash256>>>,
}

impl Folder {
    fn of(cluster: &Cluster, name: &str) -> Self {
        let urls = (0..3).map(|i| cluster.url(i).to_owned()).collect();
        Self { path: cluster.path(name), urls, delivered: Arc::default() }
    }

    async fn client(&self) -> Client {
        Client::builder(self.urls.clone()).open(&self.path).await.expect("a client")
    }

    async fn open(&self, config: ProducerConfig) -> (Client, Producer) {
        let client = self.client().await;
        let told = Arc::clone(&self.delivered);
        let producer = client
            .producer(controller())
            .config(config)
            .on_delivery(move |delivery| told.lock().expect("a lock").extend(delivery.hashes()))
            .open()
            .expect("a producer");
        (client, producer)
    }

    /// Puts the folder in place of this one.
    fn restore(&self, backup: &Path) {
        std::fs::remove_dir_all(&self.path).expect("own folder");
        copy(backup, &self.path);
    }
}

fn records(numbers: Range<u64>) -> Vec<Record> {
    numbers.map(|number| Record::new(record(number))).collect()
}

/// Ends both without waiting for anything to be delivered.
async fn stop(client: Client, producer: Producer) {
    drop(producer.close(Duration::ZERO).await);
    client.close().await;
}

async fn delivered(handles: &[Pending]) {
    for pending in handles {
        let receipt = pending.confirmations_within(2, WAIT).await.expect("delivered");
        assert_eq!(receipt.target, pending.hash());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outbox_that_is_copied_back_anchors_nothing_twice_and_nothing_less() {
    let mut cluster = started().await;
    let folder = Folder::of(&cluster, "client");
    let (client, producer) = folder.open(quick()).await;
    delivered(&producer.send_all(&records(0..1)).await.expect("taken")).await;
    cluster.kill_all();
    // Two batches that are signed and at no node, and records that are not signed.
    producer.send_all(&records(1..21)).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop(client, producer).await;
    let (client, producer) = folder.open(slow()).await;
    producer.send_all(&records(21..26)).await.expect("taken");
    stop(client, producer).await;
    let earlier = cluster.path("earlier");
    copy(&folder.path, &earlier);
    let (client, producer) = folder.open(slow()).await;
    producer.send_all(&records(26..33)).await.expect("taken");
    stop(client, producer).await;
    let later = cluster.path("later");
    copy(&folder.path, &later);

    // From the earlier day on it is anchored, and more.
    for i in 0..3 {
        cluster.start(i, &[]).await;
    }
    folder.restore(&earlier);
    let (client, producer) = folder.open(quick()).await;
    let more = producer.send_all(&records(50..55)).await.expect("taken");
    delivered(producer.recovered()).await;
    delivered(&more).await;
    producer.close(WAIT).await.expect("closed");
    client.close().await;

    // The later day knows nothing of that, and has records that were lost since.
    folder.restore(&later);
    folder.delivered.lock().expect("a lock").clear();
    let (client, producer) = folder.open(quick()).await;
    assert_eq!(producer.recovered().len(), 32);
    let more = producer.send_all(&records(60..63)).await.expect("taken");
    // Handed over again, as whoever did not hear the answer would.
    let again = producer.send_all(&records(24..30)).await.expect("taken");
    delivered(producer.recovered()).await;
    delivered(&more).await;
    delivered(&again).await;
    producer.flush(WAIT).await.expect("flushed");
    let wanted: BTreeSet<_> = producer.recovered().iter().chain(&more).map(Pending::hash).collect();
    dronechain_tests::wait::until("the callback", async || {
        let told: BTreeSet<_> = folder.delivered.lock().expect("a lock").iter().copied().collect();
        (told == wanted).then_some(())
    })
    .await;
    producer.close(WAIT).await.expect("closed");
    client.close().await;
    cluster.one_tip().await;
    let all: Vec<u64> = (0..33).chain(50..55).chain(60..63).collect();
    read_ledger(&cluster, &all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batch_whose_place_is_taken_and_whose_records_are_anchored_elsewhere_is_not_signed_anew() {
    let mut cluster = started().await;
    let folder = Folder::of(&cluster, "client");
    let (client, producer) = folder.open(quick()).await;
    delivered(&producer.send_all(&records(0..1)).await.expect("taken")).await;
    cluster.kill_all();
    // Two batches of ten, signed.
    producer.send_all(&records(1..21)).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop(client, producer).await;
    for i in 0..3 {
        cluster.start(i, &[]).await;
    }
    // The same key without its outbox: other batches at their sequences, with some of their records.
    let other = Folder::of(&cluster, "other");
    let mut config = quick();
    config.batch_records = 8;
    let (client, producer) = other.open(config).await;
    delivered(&producer.send_all(&records(1..16)).await.expect("taken")).await;
    producer.close(WAIT).await.expect("closed");
    client.close().await;

    let (client, producer) = folder.open(quick()).await;
    assert_eq!(producer.recovered().len(), 20);
    delivered(producer.recovered()).await;
    producer.close(WAIT).await.expect("closed");
    client.close().await;
    cluster.one_tip().await;
    read_ledger(&cluster, &(0..21).collect::<Vec<_>>()).await;
}

/// Every file of a folder with its path.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn flip_at(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).expect("a file");
    bytes[at] ^= 0x10;
    std::fs::write(file, bytes).expect("written");
}

/// Where a file is damaged: at `parts` places here and there, at its start and at its end.
fn places(length: usize, parts: usize) -> BTreeSet<usize> {
    let spread = (1..parts).map(|part| length * part / parts + part % 7);
    let ends = (0..4).flat_map(|at| [at, length.saturating_sub(1 + at)]);
    spread.chain(ends).filter(|at| *at < length).collect()
}

fn is_journal(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "jnl")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_outbox_opens_with_all_that_was_acknowledged_or_says_that_it_does_not() {
    let mut cluster = started().await;
    let folder = Folder::of(&cluster, "client");
    let (client, producer) = folder.open(quick()).await;
    delivered(&producer.send_all(&records(0..1)).await.expect("taken")).await;
    cluster.kill_all();
    for number in 1..8 {
        producer.send_all(&records(number * 5..number * 5 + 5)).await.expect("taken");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop(client, producer).await;

    let client = folder.client().await;
    let (outbox, whole) = (folder.path.join("outbox"), cluster.path("whole"));
    copy(&outbox, &whole);
    let wanted: Vec<_> = records(5..40).iter().map(Record::hash).collect();
    let reopen = || client.producer(controller()).config(slow()).open();
    let (mut opened, mut refused, mut shortened) = (0, 0, 0);
    for file in files(&whole) {
        let name = file.strip_prefix(&whole).expect("below").to_owned();
        let length = usize::try_from(file.metadata().expect("a file").len()).expect("short");
        // The store's files may end in zeros that mean nothing.
        let used =
            std::fs::read(&file).expect("a file").iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        for at in places(used.min(length), if is_journal(&file) { 56 } else { 4 }) {
            std::fs::remove_dir_all(&outbox).expect("own folder");
            copy(&whole, &outbox);
            flip_at(&outbox.join(&name), at);
            match reopen() {
                Ok(mut producer) => {
                    let found: Vec<_> = producer.take_recovered().iter().map(Pending::hash).collect();
                    drop(producer.close(Duration::ZERO).await);
                    assert_eq!(found, wanted, "{} at {at} of {length}", name.display());
                    opened += 1;
                }
                Err(OpenError::Shortened { found, acknowledged, .. }) => {
                    assert!(found < acknowledged);
                    shortened += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("{opened} opened whole, {refused} refused, {shortened} found short");
    assert!(shortened > 0, "the store itself takes a broken journal for its end");

    // What is left opens when that is asked for.
    let journal = files(&whole).into_iter().find(|file| is_journal(file)).expect("a journal");
    std::fs::remove_dir_all(&outbox).expect("own folder");
    copy(&whole, &outbox);
    let name = journal.strip_prefix(&whole).expect("below").to_owned();
    let half = std::fs::read(&journal).expect("a journal");
    let used = half.iter().rposition(|byte| *byte != 0).expect("some byte");
    std::fs::write(outbox.join(&name), &half[..used / 2]).expect("own folder");
    let error = reopen().expect_err("half of it is gone");
    assert!(matches!(error, OpenError::Shortened { .. }), "{error}");
    let mut producer = client.producer(controller()).config(slow()).accept_loss().open().expect("it opens");
    let left = producer.take_recovered().len();
    assert!(left < wanted.len(), "{left}");
    drop(producer.close(Duration::ZERO).await);
    reopen().expect("the loss was accepted");
}
