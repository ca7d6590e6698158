//! Receipts in their formats.

use dronechain_chain_spec::receipt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{Document, Hex, Octets};
use crate::errors::OrRaise;

/// A Chainpoint v2 receipt: everything between a record's hash and a block, and who was entitled to anchor it.
///
/// Nothing in it is believed before a `Verifier` has checked it.
#[pyclass(frozen, eq, module = "dronechain")]
#[derive(PartialEq)]
pub(crate) struct Receipt(pub(crate) receipt::Receipt);

#[pymethods]
impl Receipt {
    /// Reads the JSON form, `str` or bytes.
    ///
    /// Raises `VerificationError` with the part `format` if it is none.
    #[staticmethod]
    fn from_json(py: Python<'_>, json: Document) -> PyResult<Self> {
        receipt::Receipt::parse(&json.0).or_raise(py).map(Self)
    }

    /// The JSON form.
    fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// The hash path alone, as a Chainpoint v4 proof for public tools.
    ///
    /// They look the block up at `http://HOST/calendar/HEIGHT/data`; `host` is a node's name or address, with a port
    /// or without. Raises `VerificationError` if a step does not follow from the one before, or `host` is none.
    fn existence_proof(&self, py: Python<'_>, host: &str) -> PyResult<ExistenceProof> {
        receipt::ExistenceProof::of(&self.0, host).or_raise(py).map(ExistenceProof)
    }

    /// SHA-256 of the record, as hex.
    #[getter]
    fn hash(&self) -> Hex {
        self.0.target.into()
    }

    /// Root of the batch tree, as hex.
    #[getter]
    fn root(&self) -> Hex {
        self.0.root.into()
    }

    /// The record's index in its batch.
    #[getter]
    fn index(&self) -> u32 {
        self.0.index
    }

    /// Records of the batch.
    #[getter]
    fn leaf_count(&self) -> u32 {
        self.0.leaf_count
    }

    /// The anchor transaction, as hex.
    #[getter]
    fn txid(&self) -> Hex {
        self.0.source_id.into()
    }

    /// Genesis hash of the network, as hex.
    #[getter]
    fn chain_id(&self) -> Hex {
        self.0.chain_id.into()
    }

    /// Height of the block.
    #[getter]
    fn height(&self) -> u64 {
        self.0.anchor.height
    }

    /// Hash of the block, as hex.
    #[getter]
    fn block(&self) -> Hex {
        self.0.anchor.header.header.hash().into()
    }

    /// Time of the block, in ms since 1970 (UTC).
    #[getter]
    fn block_time_ms(&self) -> u64 {
        self.0.anchor.header.header.time_ms
    }

    fn __repr__(&self) -> String {
        format!("<Receipt of {} in block {}>", self.0.target, self.0.anchor.height)
    }
}

/// A Chainpoint v4 proof: the hash path from a record to a block, without who was entitled.
#[pyclass(frozen, eq, module = "dronechain")]
#[derive(PartialEq)]
pub(crate) struct ExistenceProof(pub(crate) receipt::ExistenceProof);

#[pymethods]
impl ExistenceProof {
    /// Reads the JSON form, `str` or bytes.
    ///
    /// Raises `VerificationError` if it is not in exactly the form that `to_json` writes.
    #[staticmethod]
    fn from_json(py: Python<'_>, json: Document) -> PyResult<Self> {
        receipt::ExistenceProof::parse_json(&json.0).or_raise(py).map(Self)
    }

    /// Reads the binary form, zlib of MessagePack.
    ///
    /// Raises `VerificationError` if it is not in exactly the form that `to_binary` writes.
    #[staticmethod]
    fn from_binary(py: Python<'_>, data: Octets) -> PyResult<Self> {
        receipt::ExistenceProof::parse_binary(&data.0).or_raise(py).map(Self)
    }

    /// The JSON form.
    fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// The binary form.
    fn to_binary<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_binary())
    }

    /// SHA-256 of the record, as hex.
    #[getter]
    fn hash(&self) -> Hex {
        self.0.target().into()
    }

    /// The record's index in its batch.
    #[getter]
    fn index(&self) -> u32 {
        self.0.index()
    }

    /// The anchor transaction, as hex.
    #[getter]
    fn txid(&self) -> Hex {
        self.0.txid().into()
    }

    /// Height of the block.
    #[getter]
    fn height(&self) -> u64 {
        self.0.height()
    }

    /// The node that public tools ask.
    #[getter]
    fn host(&self) -> &str {
        self.0.host()
    }

    fn __repr__(&self) -> String {
        format!("<ExistenceProof of {} in block {}>", self.0.target(), self.0.height())
    }
}
