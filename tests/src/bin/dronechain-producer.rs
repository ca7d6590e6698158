//! A producer that is there to be killed: hands over numbered records from several tasks, and notes in plain files
//! what it is about to hand over and what was acknowledged. What an earlier run did not get acknowledged is handed
//! over again first, as a real application would.
//!
//! `dronechain-producer FOLDER NODE,NODE… [finish]`: with `finish` nothing new is handed over, and it ends once
//! everything is delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dronechain_client::{Client, Producer, ProducerConfig};
use dronechain_tests::soak::{Journal, controller, record};
use tokio::task::JoinSet;

/// Few, since the ledger is read record by record afterwards; without pauses, so that some record is always on its
/// way.
const CALLERS: usize = 4;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, nodes, ..] = &arguments[..] else { panic!("FOLDER NODES") };
    let finish = arguments.get(2).is_some_and(|word| word == "finish");
    let folder = std::path::Path::new(folder);
    let client = Client::builder(nodes.split(',')).open(folder.join("client")).await.expect("a client");
    let mut config = ProducerConfig::default();
    config.linger = Duration::from_millis(100);
    config.confirmations = 2;
    config.heartbeat = None;
    let producer = client.producer(controller()).config(config).open().expect("a producer");
    let producer = Arc::new(producer);
    let sent = Journal::open(&folder.join("sent"));
    let acknowledged = Journal::open(&folder.join("acknowledged"));
    let known = acknowledged.numbers();
    let again: Vec<_> = sent.numbers().into_iter().filter(|number| !known.contains(number)).collect();
    let next = Arc::new(AtomicU64::new(sent.numbers().last().map_or(0, |last| last + 1)));
    let (sent, acknowledged) = (Arc::new(sent), Arc::new(acknowledged));
    for number in again {
        let pending = producer.send(record(number)).await.expect("it is taken");
        acknowledged.note(number);
        drop(pending);
    }
    if finish {
        finish_all(&producer).await;
        return;
    }
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (producer, next) = (Arc::clone(&producer), Arc::clone(&next));
        let (sent, acknowledged) = (Arc::clone(&sent), Arc::clone(&acknowledged));
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                sent.note(number);
                producer.send(record(number)).await.expect("it is taken");
                acknowledged.note(number);
            }
        });
    }
    callers.join_next().await;
}

async fn finish_all(producer: &Producer) {
    producer.flush(Duration::from_secs(120)).await.expect("nodes take everything");
    for pending in producer.recovered() {
        pending.confirmations_within(1, Duration::from_secs(120)).await.expect("it is included");
    }
}
