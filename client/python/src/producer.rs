//! The producer: hands records over and loses none.

use std::sync::Arc;
use std::time::Duration;

use dronechain_chain_spec::promise;
use dronechain_client::{Holdup, PendingError, SendError};
use pyo3::prelude::*;
use tokio::sync::{RwLock, watch};
use tokio::time::{Instant, timeout_at};

use crate::convert::{Hex, NO_END, Seconds, wait_of};
use crate::errors::{OrRaise, closed};
use crate::pending::{Pending, within};
use crate::promise::BrokenPromise;
use crate::record::Handed;
use crate::runtime::{wait, wait_to_end};

/// How long the end of a `with` block waits for nodes to have everything.
const CLOSE_WAIT: Duration = Duration::from_secs(30);

/// Hands records over and loses none: see `Client.producer`. Calls may come from many threads at once.
///
/// As a context manager it is closed at the end: after an error at once, else with 30 s for nodes to have everything.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct Producer {
    shared: Arc<Shared>,
    sender: Hex,
    recovered: Vec<dronechain_client::Pending>,
    broken: watch::Receiver<Vec<Arc<promise::BrokenPromise>>>,
    holdup: watch::Receiver<Option<Holdup>>,
}

struct Shared {
    /// Read by whoever uses it; written to take it away.
    producer: RwLock<Option<dronechain_client::Producer>>,
    /// Told to those who wait for room when the producer closes.
    closing: watch::Sender<bool>,
}

#[pymethods]
impl Producer {
    /// Hands a record over: returns when it is synced to disk. Waits while the outbox has no room.
    ///
    /// `data` is any bytes-like object of at most 65,536 bytes, or a `Record`. Raises `TooLong`, `Rejected`, `Closed`;
    /// the record is not in the outbox then. After `Unknown`, or an interrupt by Ctrl-C, it may be: handing the same
    /// record over again is safe.
    fn send(&self, py: Python<'_>, data: Handed) -> PyResult<Pending> {
        let mut pending = self.hand(py, vec![data.0])?;
        Ok(pending.pop().expect("one record, one handle"))
    }

    /// As `send` for several records, which are synced together and keep their order.
    ///
    /// Raises what `send` raises; none is taken if one is too long.
    fn send_all(&self, py: Python<'_>, records: &Bound<'_, PyAny>) -> PyResult<Vec<Pending>> {
        let records = records.try_iter()?.map(|record| Ok(record?.extract::<Handed>()?.0));
        let records = records.collect::<PyResult<_>>()?;
        self.hand(py, records)
    }

    /// As `send`, but raises `Full` if the outbox has no room for the record now.
    fn try_send(&self, py: Python<'_>, data: Handed) -> PyResult<Pending> {
        let (shared, record) = (Arc::clone(&self.shared), data.0);
        let tried = async move {
            match &*shared.producer.read().await {
                Some(producer) => producer.try_send(record).await,
                None => Err(SendError::Closed),
            }
        };
        wait_to_end(py, tried)?.or_raise(py).map(Pending)
    }

    /// Ends the open batch's wait, and waits until nodes have everything that was handed over before.
    ///
    /// `timeout` in seconds, none for no end. Raises `TimedOut`, `Rejected`, `Stopped`, `Closed`.
    #[pyo3(signature = (timeout=None))]
    fn flush(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<()> {
        let flushed = wait(py, self.shared.flush(wait_of(timeout)))?;
        flushed.ok_or_else(|| closed("producer"))?.or_raise(py)
    }

    /// Flushes and stops. What is not delivered stays in the outbox; who opens it again goes on. Closing again does
    /// nothing.
    ///
    /// `timeout` in seconds, none for no end. Raises what `flush` raises; it is stopped in any case.
    #[pyo3(signature = (timeout=None))]
    fn close(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<()> {
        self.end(py, wait_of(timeout))?.or_raise(py)
    }

    /// Handles of what the outbox held when it was opened, in the order of its hand-over.
    #[getter]
    fn recovered(&self) -> Vec<Pending> {
        self.recovered.iter().cloned().map(Pending).collect()
    }

    /// Evidence of promises that nodes broke towards this producer, kept in its outbox.
    #[getter]
    fn broken_promises(&self) -> Vec<BrokenPromise> {
        self.broken.borrow().iter().map(|broken| BrokenPromise(Arc::clone(broken))).collect()
    }

    /// Why records wait longer than usual, in words: no node that knows the newest blocks, a key that is not admitted, an
    /// outbox that is older than the ledger. None if nothing holds them up.
    #[getter]
    fn holdup(&self) -> Option<String> {
        self.holdup.borrow().map(|holdup| holdup.to_string())
    }

    /// The public key that anchors, as hex.
    #[getter]
    fn sender(&self) -> Hex {
        self.sender
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (error_type=None, error=None, traceback=None, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        error_type: Option<&Bound<'_, PyAny>>,
        error: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let _ = (error, traceback);
        match error_type {
            None => self.end(py, Some(CLOSE_WAIT))?.or_raise(py),
            // The error on its way says more than what this one could add.
            Some(_) => self.end(py, Some(Duration::ZERO)).map(drop),
        }
    }

    fn __repr__(&self) -> String {
        format!("<Producer {}>", self.sender)
    }
}

impl Producer {
    pub(crate) fn new(mut producer: dronechain_client::Producer) -> Self {
        let (sender, recovered) = (producer.sender().into(), producer.take_recovered());
        let broken = producer.broken_promises();
        let holdup = producer.holdup();
        let shared = Shared { producer: RwLock::new(Some(producer)), closing: watch::Sender::new(false) };
        Self { shared: Arc::new(shared), sender, recovered, broken, holdup }
    }

    fn hand(&self, py: Python<'_>, records: Vec<dronechain_client::Record>) -> PyResult<Vec<Pending>> {
        let shared = Arc::clone(&self.shared);
        let pending = wait_to_end(py, async move { shared.send(&records).await })?.or_raise(py)?;
        Ok(pending.into_iter().map(Pending).collect())
    }

    fn end(&self, py: Python<'_>, limit: Option<Duration>) -> PyResult<Result<(), PendingError>> {
        let shared = Arc::clone(&self.shared);
        wait_to_end(py, async move { shared.close(limit.unwrap_or(NO_END)).await })
    }
}

impl Shared {
    async fn send(
        &self,
        records: &[dronechain_client::Record],
    ) -> Result<Vec<dronechain_client::Pending>, SendError> {
        let mut closing = self.closing.subscribe();
        let producer = self.producer.read().await;
        let Some(producer) = &*producer else { return Err(SendError::Closed) };
        tokio::select! {
            biased;
            sent = producer.send_all(records) => sent,
            _ = closing.wait_for(|closing| *closing) => Err(SendError::Unknown),
        }
    }

    /// None if it is closed.
    async fn flush(&self, limit: Option<Duration>) -> Option<Result<(), PendingError>> {
        let mut closing = self.closing.subscribe();
        let producer = self.producer.read().await;
        let producer = producer.as_ref()?;
        Some(tokio::select! {
            biased;
            flushed = within(limit, producer.flush(NO_END)) => flushed,
            _ = closing.wait_for(|closing| *closing) => Err(PendingError::Stopped),
        })
    }

    /// Those who hand over at the moment are let through for as long as `limit`.
    async fn close(&self, limit: Duration) -> Result<(), PendingError> {
        let deadline = Instant::now() + limit;
        let mut producer = match timeout_at(deadline, self.producer.write()).await {
            Ok(producer) => producer,
            Err(_elapsed) => {
                self.closing.send_replace(true);
                self.producer.write().await
            }
        };
        match producer.take() {
            Some(producer) => {
                let closed = producer.close(deadline.saturating_duration_since(Instant::now())).await;
                closed.map_err(|error| match error {
                    PendingError::TimedOut { .. } => PendingError::TimedOut { waited: limit },
                    other => other,
                })
            }
            None => Ok(()),
        }
    }
}
