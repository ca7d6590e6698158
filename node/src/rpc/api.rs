//! What handlers share: sources, caches, and the bound on work at a time.

use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::merkle::Tree;
use dronechain_chain_spec::transaction::Transaction;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;

use super::cache::Cache;
use super::error::ApiError;
use super::limits::{BATCH_TREES_MAX, BLOCK_TREES_MAX, EVENT_STREAMS_MAX, SUBMISSIONS_KIB_MAX, WORKERS_MAX};
use super::metrics::Traffic;
use super::rates::Rates;
use super::{Rpc, TipView};
use crate::core::view::BatchId;

/// The state of every handler.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) rpc: Rpc,
    /// Trees of batches.
    pub(super) batches: Cache<BatchId, Tree>,
    /// Blocks by hash.
    pub(super) blocks: Cache<Hash256, BlockParts>,
    /// The accounts' tree by root: the tip's alone.
    pub(super) accounts: Cache<Hash256, Tree>,
    /// KiB of submissions that may still come in.
    pub(super) submissions: Arc<Semaphore>,
    /// Streams of events that may still be opened.
    pub(super) event_streams: Arc<Semaphore>,
    /// Requests and submissions, counted.
    pub(super) traffic: Traffic,
    /// Who has asked how often.
    pub(super) rates: Rates,
    /// True once the server stops: what has no end by itself ends then.
    pub(crate) stopped: watch::Receiver<bool>,
    workers: Arc<Semaphore>,
}

/// A block's transactions with the tree over their names.
#[derive(Debug)]
pub(crate) struct BlockParts {
    pub(crate) transactions: Vec<Transaction>,
    pub(super) tree: Tree,
}

impl Api {
    pub(super) fn new(rpc: Rpc, stopped: watch::Receiver<bool>) -> Self {
        let rates = Rates::new(rpc.limits);
        Self {
            rpc,
            rates,
            batches: Cache::new(BATCH_TREES_MAX),
            blocks: Cache::new(BLOCK_TREES_MAX),
            accounts: Cache::new(1),
            submissions: Arc::new(Semaphore::new(SUBMISSIONS_KIB_MAX)),
            event_streams: Arc::new(Semaphore::new(EVENT_STREAMS_MAX)),
            traffic: Traffic::default(),
            stopped,
            workers: Arc::new(Semaphore::new(WORKERS_MAX)),
        }
    }

    /// The tip published last.
    pub(crate) fn tip(&self) -> Arc<TipView> {
        Arc::clone(&self.rpc.tip.borrow())
    }

    /// Blocks from `height` to the committed tip, itself included: 1 when it is the tip.
    pub(crate) fn confirmations(&self, height: u64) -> Result<u64, ApiError> {
        let (_, tip) = self.rpc.store.tip()?;
        Ok((tip + 1).saturating_sub(height))
    }

    /// Runs `work`, which reads the store or computes, on a thread made for blocking.
    pub(crate) async fn run<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let workers = Arc::clone(&self.workers);
        let permit = workers.acquire_owned().await.map_err(|_| ApiError::Stopping)?;
        let done = spawn_blocking(move || {
            let result = work(&self);
            drop(permit);
            result
        });
        done.await.unwrap_or(Err(ApiError::Internal))
    }
}

/// An answer in bytes.
pub(super) fn octets(bytes: Vec<u8>) -> Response {
    let kind = HeaderValue::from_static("application/octet-stream");
    ([(header::CONTENT_TYPE, kind)], bytes).into_response()
}

/// An answer that is JSON text already.
pub(super) fn json_text(text: String) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
