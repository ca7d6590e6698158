//! One record on its way, and what is told when a batch is delivered.

use std::time::Duration;

use dronechain_chain_spec::promise::SignedPromise;
use dronechain_client::PendingError;
use pyo3::prelude::*;

use crate::convert::{Hex, Seconds, wait_of};
use crate::errors::OrRaise;
use crate::promise::Promise;
use crate::receipt::Receipt;
use crate::runtime::wait;

/// A record that is in the outbox. Dropping it cancels nothing.
///
/// Every wait takes a `timeout` in seconds, `math.inf` for no end, and can be interrupted by Ctrl-C; the handle stays good.
/// Without one it ends at the producer's `delivery_timeout`.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct Pending(pub(crate) dronechain_client::Pending);

#[pymethods]
impl Pending {
    /// SHA-256 of the record, as hex: its name.
    #[getter]
    fn hash(&self) -> Hex {
        self.0.hash().into()
    }

    /// Waits until a node has the record's batch and its transaction durably, and gives the promise that it signed;
    /// none where the batch was in a block before any node promised. The producer's `delivery_timeout` ends it, whatever the
    /// `timeout`.
    ///
    /// Raises `TimedOut`, `Rejected` or `Stopped`.
    #[pyo3(signature = (timeout=None))]
    fn promised(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Option<Promise>> {
        let promised = within(wait_of(timeout), self.0.promised());
        Ok(wait(py, promised)?.or_raise(py)?.map(|promise| Promise(SignedPromise::clone(&promise))))
    }

    /// Waits until the record is in a block of the own, verified header chain.
    ///
    /// Raises `TimedOut`, `Rejected` or `Stopped`.
    #[pyo3(signature = (timeout=None))]
    fn included(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Receipt> {
        self.confirmations(py, 1, timeout)
    }

    /// Waits until the record has `wanted` blocks, its own among them; anew if a reorganisation takes its block away, unless
    /// the record was delivered before: let the producer's `confirmations` be no fewer than `wanted`.
    ///
    /// Raises `TimedOut`, `Rejected` or `Stopped`.
    #[pyo3(signature = (wanted, timeout=None))]
    fn confirmations(&self, py: Python<'_>, wanted: u64, timeout: Option<Seconds>) -> PyResult<Receipt> {
        let confirmed = async {
            match timeout {
                Some(Seconds(limit)) => {
                    self.0.confirmations_within(wanted, limit.unwrap_or(Duration::MAX)).await
                }
                None => self.0.confirmations(wanted).await,
            }
        };
        wait(py, confirmed)?.or_raise(py).map(Receipt)
    }

    /// As `included`, for `await`: waits in a thread, which goes on to its end if the coroutine is cancelled.
    #[pyo3(signature = (timeout=None))]
    fn included_async<'py>(slf: &Bound<'py, Self>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        Self::confirmations_async(slf, 1, timeout)
    }

    /// As `confirmations`, for `await`: waits in a thread, which goes on to its end if the coroutine is cancelled.
    #[pyo3(signature = (wanted, timeout=None))]
    fn confirmations_async<'py>(
        slf: &Bound<'py, Self>,
        wanted: u64,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wait = slf.getattr("confirmations")?;
        slf.py().import("asyncio")?.call_method1("to_thread", (wait, wanted, timeout))
    }

    fn __repr__(&self) -> String {
        format!("<Pending {}>", self.0.hash())
    }
}

/// `wait` as a limit.
pub(crate) async fn within<T>(
    wait: Option<Duration>,
    future: impl Future<Output = Result<T, PendingError>>,
) -> Result<T, PendingError> {
    let Some(wait) = wait else { return future.await };
    tokio::time::timeout(wait, future).await.unwrap_or(Err(PendingError::TimedOut { waited: wait }))
}

/// A batch that was delivered: it has as many blocks as the producer's `confirmations`.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct Delivery(pub(crate) dronechain_client::Delivery);

#[pymethods]
impl Delivery {
    /// The records' hashes, in the order of their hand-over; none of a heartbeat.
    #[getter]
    fn hashes(&self) -> Vec<Hex> {
        self.0.hashes().iter().copied().map(Hex::from).collect()
    }

    /// The records' receipts, in the same order.
    fn receipts(&self, py: Python<'_>) -> Vec<Receipt> {
        py.detach(|| self.0.receipts().map(Receipt).collect())
    }

    /// Height of the block.
    #[getter]
    fn height(&self) -> u64 {
        self.0.inclusion().height
    }

    /// Hash of the block, as hex.
    #[getter]
    fn block(&self) -> Hex {
        self.0.inclusion().block.into()
    }

    /// The anchor transaction, as hex.
    #[getter]
    fn txid(&self) -> Hex {
        self.0.inclusion().txid.into()
    }

    /// The anchor's sequence.
    #[getter]
    fn sequence(&self) -> u64 {
        self.0.inclusion().sequence
    }

    fn __repr__(&self) -> String {
        format!("<Delivery of {} records in block {}>", self.0.hashes().len(), self.0.inclusion().height)
    }
}
