//! Verifies a record with its receipt against a file of headers: no network, no node's word.
//!
//! `verify_offline RECORD RECEIPT HEADERS`

use std::error::Error;
use std::fs;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_client::Verifier;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [record, receipt, headers] = &arguments[..] else {
        return Err("usage: verify_offline RECORD RECEIPT HEADERS".into());
    };
    // Work, difficulty, signatures, turns and the roll of miners are checked here, header by header.
    let chain = HeaderChain::from_bytes(&fs::read(headers)?)?;
    let mut verifier = Verifier::new(&chain, 1);
    let evidence = verifier.verify(fs::read(record)?, &fs::read(receipt)?)?;
    let proven = &evidence.proven;
    println!("anchored by {} in block {} of {}", proven.sender, proven.height, chain.chain_id());
    println!("{} confirmations, verdict {:?}", proven.confirmations, evidence.verdict);
    Ok(())
}
