//! HTTP for clients: `docs/http.md`, implemented.
//!
//! Handlers read the store and the last published [`TipView`]; submissions go through a bounded
//! queue to the one task that writes. Promises: every request is bounded in size, time and memory,
//! an answer is about committed data only, and every refusal has a name. One table of calls is behind
//! REST and JSON-RPC, behind the explorer's pages, and behind what they say of themselves. Leaves out: access by
//! pages of other origins (no CORS).

pub(crate) mod active;
pub(crate) mod anchors;
pub(crate) mod api;
mod batch_receipts;
mod cache;
mod calendar;
pub(crate) mod call;
mod calls;
pub(crate) mod chain;
mod describe;
pub(crate) mod error;
mod events;
pub(crate) mod health;
pub(crate) mod history;
mod jsonrpc;
mod leaves;
pub mod limits;
mod metrics;
mod mining;
mod params;
pub(crate) mod peers;
mod proof;
mod rates;
mod ready;
mod receipts;
#[cfg(test)]
mod reference;
pub(crate) mod registry;
pub(crate) mod search;
mod server;
mod slots;
pub(crate) mod status;
mod submit;
mod tip;
mod tls;
pub(crate) mod transactions;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use dronechain_chain_spec::key::SigningKey;
use dronechain_chain_spec::spec::ChainSpec;
use tokio::sync::{mpsc, watch};

use crate::metrics::Metrics;
use crate::p2p::Met;
use crate::store::Store;

pub use self::mining::MinerAsks;
pub use self::rates::Limits;
pub(crate) use self::server::accept;
pub use self::server::serve;
pub use self::submit::Submit;
pub use self::tip::{Health, MISSING_SHOWN_MAX, TipView};
pub use self::tls::{Tls, TlsError, TlsFiles};

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
    /// Where miners elsewhere ask.
    pub miner_asks: mpsc::Sender<MinerAsks>,
    /// How often one identity may ask.
    pub limits: Limits,
    /// Connected peers.
    pub peers: Arc<AtomicUsize>,
    /// What the shell counts.
    pub metrics: Arc<Metrics>,
    /// Who they are.
    pub met: watch::Receiver<Arc<Vec<Met>>>,
}

#[cfg(test)]
mod tests;
