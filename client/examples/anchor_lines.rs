//! Anchors the lines of a file, one record each, and writes their receipts.
//!
//! `anchor_lines FILE KEY FOLDER NODE...`: FOLDER keeps the header chain, the outbox and, in `receipts`, one receipt a
//! line. Started again after a crash it goes on where it was; lines that were taken are not anchored twice while they
//! are in the outbox.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use dronechain_client::{Client, Record};
use dronechain_record::KeyFile;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, key, folder, nodes @ ..] = &arguments[..] else {
        return Err("usage: anchor_lines FILE KEY FOLDER NODE...".into());
    };
    let key = KeyFile::load(Path::new(key))?;
    let client = Client::builder(nodes.iter().cloned()).open(folder).await?;
    let producer = client.producer(key.signing_key().clone()).open()?;

    // A line may stand in the file twice; its number makes each a record of its own.
    let text = fs::read_to_string(file)?;
    let records: Vec<Record> =
        text.lines().enumerate().map(|(number, line)| Record::new(format!("{number} {line}"))).collect();
    // From here on nothing is lost: the records are on disk.
    let handed_over = producer.send_all(&records).await?;

    let receipts = Path::new(folder).join("receipts");
    fs::create_dir_all(&receipts)?;
    for (number, pending) in handed_over.iter().enumerate() {
        let receipt = pending.confirmations_within(1, Duration::from_secs(120)).await?;
        fs::write(receipts.join(format!("{number}.record")), records[number].bytes().unwrap_or_default())?;
        fs::write(receipts.join(format!("{number}.json")), receipt.to_json())?;
    }
    println!("{} lines anchored", handed_over.len());
    producer.close(Duration::from_secs(10)).await?;
    Ok(())
}
