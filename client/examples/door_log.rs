//! Not about drones: a door notes who passed, and can prove later that nothing was added or taken away.
//!
//! `door_log KEY FOLDER NODE...`: notes three passages, each naming the hash of the one before, waits until they are on
//! the ledger and prints where. Whoever removes a passage breaks the chain of hashes; whoever rewrites it has no receipt
//! of that time.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dronechain_client::{Client, Record};
use dronechain_record::KeyFile;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [key, folder, nodes @ ..] = &arguments[..] else {
        return Err("usage: door_log KEY FOLDER NODE...".into());
    };
    let key = KeyFile::load(Path::new(key))?;
    let client = Client::builder(nodes.iter().cloned()).open(folder).await?;
    let producer = client.producer(key.signing_key().clone()).open()?;

    let mut before = "nothing".to_owned();
    let mut passages = Vec::new();
    for badge in ["badge 4711", "badge 0815", "badge 4711"] {
        let time_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let entry = format!(
            "{{\"door\":\"east\",\"badge\":\"{badge}\",\"time_ms\":{time_ms},\"before\":\"{before}\"}}"
        );
        let pending = producer.send(Record::new(entry)).await?;
        before = pending.hash().to_string();
        passages.push(pending);
    }
    for pending in &passages {
        let receipt = pending.confirmations_within(1, Duration::from_secs(120)).await?;
        println!("{} in block {}", pending.hash(), receipt.anchor.height);
    }
    producer.close(Duration::from_secs(10)).await?;
    Ok(())
}
