//! HTTP for clients: `docs/http.md`, implemented.
//!
//! Handlers read the store and the last published [`TipView`]; submissions go through a bounded
//! queue to the one task that writes. Promises: every request is bounded in size, time and memory,
//! an answer is about committed data only, and every refusal has a name. One table of calls is behind
//! REST and JSON-RPC, and behind what they say of themselves. Leaves out: the explorer, and access by
//! pages of other origins (no CORS).

mod anchors;
mod api;
mod cache;
mod calendar;
mod call;
mod calls;
mod chain;
mod describe;
mod error;
mod events;
mod health;
mod jsonrpc;
pub mod limits;
mod metrics;
mod params;
mod proof;
mod ready;
#[cfg(test)]
mod reference;
mod registry;
mod search;
mod server;
mod status;
mod submit;
mod tip;
mod transactions;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use dronechain_chain_spec::key::SigningKey;
use dronechain_chain_spec::spec::ChainSpec;
use tokio::sync::{mpsc, watch};

use crate::metrics::Metrics;
use crate::store::Store;

pub(crate) use self::server::accept;
pub use self::server::serve;
pub use self::submit::Submit;
pub use self::tip::{Health, MISSING_SHOWN_MAX, TipView};

/// What the server answers from.
#[derive(Debug, Clone)]
pub struct Rpc {
    /// Committed data.
    pub store: Arc<Store>,
    /// The network's chain spec.
    pub spec: Arc<ChainSpec>,
    /// The node's own key, which signs promises.
    pub key: SigningKey,
    /// The tip, published after every commit and whenever `syncing` changes.
    pub tip: watch::Receiver<Arc<TipView>>,
    /// Where submissions go.
    pub submit: mpsc::Sender<Submit>,
    /// Connected peers.
    pub peers: Arc<AtomicUsize>,
    /// What the shell counts.
    pub metrics: Arc<Metrics>,
}

#[cfg(test)]
mod tests;
