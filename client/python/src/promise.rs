//! What nodes promise, and evidence that they did not keep it.

use std::sync::Arc;

use dronechain_chain_spec::codec;
use dronechain_chain_spec::promise::{self, SignedPromise};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::Hex;
use crate::errors::OrRaise;
use crate::headers::Headers;

/// That a node will have a transaction in a block of the active chain, at the height `deadline` at the latest; signed.
#[pyclass(frozen, eq, module = "dronechain")]
#[derive(PartialEq)]
pub(crate) struct Promise(pub(crate) SignedPromise);

#[pymethods]
impl Promise {
    /// Public key of the node, as hex.
    #[getter]
    fn node(&self) -> Hex {
        self.0.promise.node.into()
    }

    /// The transaction, as hex.
    #[getter]
    fn txid(&self) -> Hex {
        self.0.promise.txid.into()
    }

    /// The sender's sequence.
    #[getter]
    fn sequence(&self) -> u64 {
        self.0.promise.sequence
    }

    /// Height of the node's tip when it promised.
    #[getter]
    fn tip_height(&self) -> u64 {
        self.0.promise.tip_height
    }

    /// Height of the last block that may be the one.
    #[getter]
    fn deadline(&self) -> u64 {
        self.0.promise.deadline
    }

    /// The encoding, with the node's signature.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &codec::encode(&self.0))
    }

    fn __repr__(&self) -> String {
        format!("<Promise of {} up to height {}>", self.0.promise.txid, self.0.promise.deadline)
    }
}

/// Evidence that a node did not keep a promise, for whoever has the headers.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct BrokenPromise(pub(crate) Arc<promise::BrokenPromise>);

#[pymethods]
impl BrokenPromise {
    /// Reads the encoding; `check` says whether it holds.
    ///
    /// Raises `ValueError` for bytes that are none.
    #[staticmethod]
    fn from_bytes(data: crate::convert::Octets) -> PyResult<Self> {
        let broken = codec::decode(&data.0);
        let broken = broken.map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
        Ok(Self(Arc::new(broken)))
    }

    /// The encoding.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &codec::encode(&*self.0))
    }

    /// What the node promised.
    #[getter]
    fn promise(&self) -> Promise {
        Promise(self.0.promise.clone())
    }

    /// That the node promised, and that the deadline passed without the transaction on the chain of `headers`.
    ///
    /// Raises `VerificationError` with the rule that is not met.
    fn check(&self, py: Python<'_>, headers: &Headers) -> PyResult<()> {
        py.detach(|| self.0.check(&headers.0)).or_raise(py)
    }

    fn __repr__(&self) -> String {
        format!("<BrokenPromise of {}>", self.0.promise.promise.txid)
    }
}
