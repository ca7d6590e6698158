//! Real flight logs, used in place.

use std::path::PathBuf;

/// The log `name` in `$DRONECHAIN_FLIGHTS`; without it the test says what it skips.
pub fn flight(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("DRONECHAIN_FLIGHTS").map(|folder| PathBuf::from(folder).join(name));
    let found = path.filter(|path| path.exists());
    if found.is_none() {
        println!("skipped: {name} is not in $DRONECHAIN_FLIGHTS");
    }
    found
}
