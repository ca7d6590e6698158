//! PX4 logs.
#![no_main]

use dronechain_drone::ulog::Ulog;
use dronechain_fuzz::{logs, memory, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("ulog", logs::ulog_seeds()), |bytes: &[u8]| {
    let input = bytes.to_vec();
    let Ok(log) = memory::bounded(64 * bytes.len() + 4096, || Ulog::parse(input)) else { return };
    let entries: Vec<_> = log.entries().collect();
    assert_eq!(entries.len() as u64, log.messages());
    let bodies: usize = entries.iter().map(|entry| entry.body.len()).sum();
    assert!(log.definitions().len() + bodies <= bytes.len(), "nothing is invented");
    logs::check(&entries);
});
