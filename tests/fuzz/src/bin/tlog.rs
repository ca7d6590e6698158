//! MAVLink telemetry logs.
#![no_main]

use dronechain_drone::tlog::Tlog;
use dronechain_fuzz::{logs, memory, seeds};

libfuzzer_sys::fuzz_target!(init: seeds::keep("tlog", logs::tlog_seeds()), |bytes: &[u8]| {
    let input = bytes.to_vec();
    let Ok(log) = memory::bounded(4 * bytes.len() + 4096, || Tlog::parse(input)) else { return };
    let entries: Vec<_> = log.entries().collect();
    assert_eq!(entries.len() as u64, log.messages());
    let bodies: Vec<_> = entries.iter().flat_map(|entry| entry.body.clone()).collect();
    assert_eq!(bodies, bytes, "the bodies together are the file");
    logs::check(&entries);
});
