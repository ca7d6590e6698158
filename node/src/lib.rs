//! The DroneChain node: a core without IO and a thin shell around it.
//!
//! `core` decides (chain acceptance, fork choice, mempool, sync) from events alone; `store` keeps,
//! `p2p` talks to peers, `miner` searches nonces, `rpc` serves clients, `explorer` shows people the same, and
//! `shell` is the one task that feeds the core and carries out what it says.

pub mod admin;
pub mod config;
pub mod core;
mod explorer;
pub mod failpoint;
pub mod keyfile;
pub mod logging;
pub mod metrics;
pub mod miner;
pub mod p2p;
pub mod rpc;
pub mod shell;
pub mod specfile;
pub mod store;
