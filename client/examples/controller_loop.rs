//! A controller's loop: records come in at any time, are safe at once, and are told when they are final.
//!
//! `controller_loop KEY FOLDER NODE...`: each line on standard input is a record. Ends with the input, once nodes have
//! everything; what is not final then is told by the next start.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use dronechain_client::{ChainEvent, Client, ProducerConfig};
use dronechain_record::KeyFile;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [key, folder, nodes @ ..] = &arguments[..] else {
        return Err("usage: controller_loop KEY FOLDER NODE...".into());
    };
    let key = KeyFile::load(Path::new(key))?;
    let client = Client::builder(nodes.iter().cloned()).open(folder).await?;

    // Nodes that are behind, lie or lead elsewhere, and reorganisations.
    let mut events = client.light().events();
    tokio::spawn(async move {
        loop {
            match events.recv().await {
                Ok(ChainEvent::Advanced { .. }) => {}
                Ok(event) => eprintln!("{event:?}"),
                Err(RecvError::Lagged(missed)) => eprintln!("{missed} events were missed"),
                Err(RecvError::Closed) => break,
            }
        }
    });

    let mut config = ProducerConfig::default();
    config.linger = Duration::from_millis(250);
    // Silence is told too: an auditor sees that nothing is missing.
    config.heartbeat = Some(Duration::from_secs(60));
    config.confirmations = 2;
    let producer = client
        .producer(key.signing_key().clone())
        .config(config)
        .on_delivery(|delivery| {
            let inclusion = delivery.inclusion();
            println!("{} records final in block {}", delivery.hashes().len(), inclusion.height);
        })
        .open()?;
    println!("{} records from before", producer.recovered().len());

    let (lines, mut received) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = received.recv().await {
        // Returns once the record is on disk; waits while the outbox is full.
        let pending = producer.send(line.into_bytes()).await?;
        println!("{} safe", pending.hash());
    }
    producer.close(Duration::from_secs(60)).await?;
    Ok(())
}
