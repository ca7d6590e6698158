//! How many files the process may have open: connections and the store's tables share them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as a node ever needs: 1,024 connections, peers, and the store's tables.
const FILES_MAX: u64 = 65_536;

/// Raises the soft limit, which is 1,024 on many machines, as far as the hard one allows.
pub(super) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(FILES_MAX, |maximum| maximum.min(FILES_MAX));
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        tracing::warn!(%error, wanted, "the limit of open files stays as it is");
    }
}
