//! What happens on the chain, as nodes tell it.

use std::sync::Arc;
use std::time::Duration;

use dronechain_client::events::ReceiptState;
use dronechain_client::{Client, ClientError, Cursor, Event, Interest, events};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::convert::{Hex, Seconds, kind_name, wait_of};
use crate::errors::OrRaise;
use crate::runtime::wait;

/// A block joined the active chain, or is its tip at the beginning.
#[pyclass(frozen, get_all, eq, module = "dronechain")]
#[derive(PartialEq)]
pub(crate) struct HeadEvent {
    /// Its hash, as hex.
    hash: Hex,
    /// Its height.
    height: u64,
    /// Its time, in ms since 1970 (UTC).
    time_ms: u64,
    /// Hash of the block before, as hex.
    parent: Hex,
    /// Number of its transactions.
    tx_count: u32,
}

/// Blocks left the active chain: what was told of them is void.
#[pyclass(frozen, get_all, eq, module = "dronechain")]
#[derive(PartialEq)]
pub(crate) struct Reorganisation {
    /// The block told last, which left, as hex.
    from_block: Hex,
    /// Height of the highest block that stays.
    fork_height: u64,
    /// Its hash, as hex.
    fork_hash: Hex,
    /// Blocks that left.
    disconnected: u64,
}

/// The node does not know where the stream stood: it goes on behind this tip, and what lies between was not told.
#[pyclass(frozen, get_all, eq, module = "dronechain")]
#[derive(PartialEq)]
pub(crate) struct Reset {
    /// The tip, as hex.
    hash: Hex,
    /// Its height.
    height: u64,
}

/// An anchor of a sender of interest stands in the block told last.
#[pyclass(frozen, get_all, eq, module = "dronechain")]
#[derive(PartialEq)]
pub(crate) struct AnchorEvent {
    /// The public key that anchored, as hex.
    sender: Hex,
    /// The anchor's sequence.
    sequence: u64,
    /// The transaction, as hex.
    txid: Hex,
    /// Height of the block.
    height: u64,
    /// Its hash, as hex.
    block: Hex,
    /// What was anchored: data, command or access.
    kind: &'static str,
    /// Root of the batch, as hex; zeros of a heartbeat.
    root: Hex,
    /// Records of the batch.
    leaf_count: u32,
}

/// A hash of interest is in the active chain, or is no more. May be told again after a new connection.
#[pyclass(frozen, get_all, eq, module = "dronechain")]
#[derive(PartialEq)]
pub(crate) struct ReceiptEvent {
    /// The hash, as hex.
    hash: Hex,
    /// Whether it still stands there.
    is_included: bool,
    /// Height of the anchor's block.
    height: u64,
    /// The block, as hex.
    block: Hex,
    /// The public key that anchored, as hex.
    sender: Hex,
    /// The anchor's sequence.
    sequence: u64,
}

/// An endless iterator over what happens on the chain: see `Client.events`. It survives its connections.
///
/// What a node tells is not verified, but for the order of heads: receipts are what counts.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct Events(Arc<Mutex<dronechain_client::Events>>);

#[pymethods]
impl Events {
    /// The next event; none after `timeout` seconds without one.
    ///
    /// Raises `ClientError` for a refusal that no other node would change.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Option<Py<PyAny>>> {
        match wait(py, self.take(wait_of(timeout)))? {
            Some(event) => object(py, event.or_raise(py)?).map(Some),
            None => Ok(None),
        }
    }

    /// Behind the last event taken: with it, another iterator goes on from here, at any node. None before the first.
    #[getter]
    fn cursor(&self, py: Python<'_>) -> PyResult<Option<String>> {
        wait(py, async { self.0.lock().await.cursor().map(|cursor| cursor.to_string()) })
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let event = wait(py, async { self.0.lock().await.next().await })?;
        object(py, event.or_raise(py)?)
    }
}

impl Events {
    pub(crate) fn new(
        client: &Client,
        senders: Vec<Hex>,
        hashes: Vec<Hex>,
        cursor: Option<&str>,
    ) -> PyResult<Self> {
        let cursor = cursor.map(str::parse::<Cursor>).transpose();
        let cursor = cursor.map_err(|error| PyValueError::new_err(error.to_string()))?;
        let interest = Interest {
            senders: senders.into_iter().map(Hex::key).collect(),
            hashes: hashes.into_iter().map(Hex::hash).collect(),
        };
        let nodes = client.nodes().each().cloned().collect();
        let events = dronechain_client::Events::new(nodes, interest, cursor)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self(Arc::new(Mutex::new(events.of_network(client.chain_id())))))
    }

    async fn take(&self, limit: Option<Duration>) -> Option<Result<Event, ClientError>> {
        let next = async { self.0.lock().await.next().await };
        match limit {
            Some(limit) => timeout(limit, next).await.ok(),
            None => Some(next.await),
        }
    }
}

fn object(py: Python<'_>, event: Event) -> PyResult<Py<PyAny>> {
    Ok(match event {
        Event::Head(head) => Py::new(py, HeadEvent::of(&head))?.into_any(),
        Event::Reorganisation(told) => {
            let events::Reorganisation { from, fork_height, fork_hash, disconnected } = told;
            let (from_block, fork_hash) = (from.into(), fork_hash.into());
            Py::new(py, Reorganisation { from_block, fork_height, fork_hash, disconnected })?.into_any()
        }
        Event::Reset(head) => Py::new(py, Reset { hash: head.hash.into(), height: head.height })?.into_any(),
        Event::Anchor(anchor) => Py::new(py, AnchorEvent::of(&anchor))?.into_any(),
        Event::Receipt(receipt) => Py::new(py, ReceiptEvent::of(&receipt))?.into_any(),
    })
}

impl HeadEvent {
    fn of(head: &events::HeadEvent) -> Self {
        let events::HeadEvent { hash, height, time_ms, parent, tx_count } = *head;
        Self { hash: hash.into(), height, time_ms, parent: parent.into(), tx_count }
    }
}

impl AnchorEvent {
    fn of(anchor: &events::AnchorEvent) -> Self {
        Self {
            sender: anchor.sender.into(),
            sequence: anchor.sequence,
            txid: anchor.txid.into(),
            height: anchor.height,
            block: anchor.block.into(),
            kind: kind_name(anchor.kind),
            root: anchor.root.into(),
            leaf_count: anchor.leaf_count,
        }
    }
}

impl ReceiptEvent {
    fn of(receipt: &events::ReceiptEvent) -> Self {
        Self {
            hash: receipt.hash.into(),
            is_included: receipt.state == ReceiptState::Included,
            height: receipt.place.height,
            block: receipt.place.block.into(),
            sender: receipt.place.sender.into(),
            sequence: receipt.place.sequence,
        }
    }
}
