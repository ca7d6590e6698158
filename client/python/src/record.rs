//! What is handed over, and signed records as they are read.

use dronechain_chain_spec::hash::Hash256;
use dronechain_record::Body;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{Hex, Moment, Octets, kind_name, kind_of};
use crate::errors::OrRaise;

/// A record on its way to the ledger, which gets SHA-256 of its bytes.
///
/// `data` is any bytes-like object of at most 65,536 bytes; `hash` instead names a file that stays elsewhere, by
/// its SHA-256. `time` is the time that it claims, a `datetime` with a time zone or ms since 1970 (UTC); now, if left
/// out. `kind` is what it is a record of: controllers anchor `"data"` and `"command"`, operators `"access"`.
///
/// Raises `ValueError` for neither or both of `data` and `hash`, and for another kind.
#[pyclass(frozen, eq, module = "dronechain")]
#[derive(PartialEq)]
pub(crate) struct Record(pub(crate) dronechain_client::Record);

#[pymethods]
impl Record {
    #[new]
    #[pyo3(signature = (data=None, *, hash=None, time=None, kind="data"))]
    fn new(data: Option<Octets>, hash: Option<Hex>, time: Option<Moment>, kind: &str) -> PyResult<Self> {
        let record = match (data, hash) {
            (Some(Octets(bytes)), None) => dronechain_client::Record::new(bytes),
            (None, Some(hash)) => dronechain_client::Record::of_hash(hash.hash()),
            _ => return Err(PyValueError::new_err("either data or hash is wanted")),
        };
        let record = record.of_kind(kind_of(kind)?);
        Ok(Self(match time {
            Some(Moment(ms)) => record.at(ms),
            None => record,
        }))
    }

    /// SHA-256 of the bytes, as hex: the name under which the ledger has it.
    #[getter]
    fn hash(&self) -> Hex {
        self.0.hash().into()
    }

    /// The bytes; none if only the hash was given.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.bytes().map(|bytes| PyBytes::new(py, bytes))
    }

    /// The time that it claims, in ms since 1970 (UTC).
    #[getter]
    fn time_ms(&self) -> u64 {
        self.0.time_ms()
    }

    /// What it is a record of: data, command or access.
    #[getter]
    fn kind(&self) -> &'static str {
        kind_name(self.0.kind())
    }

    fn __repr__(&self) -> String {
        format!("<Record {}>", self.0.hash())
    }
}

/// What may be handed over: a `Record`, or data that was collected now.
pub(crate) struct Handed(pub(crate) dronechain_client::Record);

impl FromPyObject<'_, '_> for Handed {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match object.cast::<Record>() {
            Ok(record) => Ok(Self(record.get().0.clone())),
            Err(_) => object.extract().map(|Octets(bytes)| Self(dronechain_client::Record::new(bytes))),
        }
    }
}

/// A device's signed record (COSE_Sign1) whose signature holds.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct SignedRecord(pub(crate) dronechain_record::SignedRecord);

#[pymethods]
impl SignedRecord {
    /// Reads a record of the network `chain_id` and checks its signature.
    ///
    /// Raises `RecordError` with the first rule that is broken.
    #[staticmethod]
    #[pyo3(signature = (data, *, chain_id))]
    fn from_bytes(py: Python<'_>, data: Octets, chain_id: Hex) -> PyResult<Self> {
        dronechain_record::SignedRecord::from_bytes(data.0, &chain_id.hash()).or_raise(py).map(Self)
    }

    /// The bytes that are stored, sent and hashed.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.bytes())
    }

    /// SHA-256 of the bytes, as hex.
    #[getter]
    fn hash(&self) -> Hex {
        self.0.target_hash().into()
    }

    /// The public key that signed, as hex.
    #[getter]
    fn signer(&self) -> Hex {
        (*self.0.signer()).into()
    }

    /// Whose record it is: SHA-256 of a public key, as hex.
    #[getter]
    fn subject(&self) -> Hex {
        self.0.record().subject.into()
    }

    /// Its number in the subject's chain, from 0 without gaps.
    #[getter]
    fn sequence(&self) -> u64 {
        self.0.record().sequence
    }

    /// Hash of the subject's record before, as hex; none of record 0.
    #[getter]
    fn previous(&self) -> Option<Hex> {
        let previous = self.0.record().previous;
        (previous != Hash256::ZERO).then(|| previous.into())
    }

    /// The latest block that the signer knew, as hex: the record is not older than it.
    #[getter]
    fn known_block(&self) -> Hex {
        self.0.record().known_block.into()
    }

    /// What it reports: data, command, access or closing.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.record().kind.as_str()
    }

    /// Who signed: device or gateway.
    #[getter]
    fn attested_by(&self) -> &'static str {
        self.0.record().attested_by.as_str()
    }

    /// What the time was read from: utc-gps, utc-host, boot or simulated.
    #[getter]
    fn clock(&self) -> &'static str {
        self.0.record().clock.as_str()
    }

    /// When, in µs since 1970 (UTC), or since the device started if `clock` is boot.
    #[getter]
    fn time_us(&self) -> u64 {
        self.0.record().time_us
    }

    /// What the body is, as a media type; empty in closing records.
    #[getter]
    fn content_type(&self) -> &str {
        &self.0.record().content_type
    }

    /// What was recorded; none if it is sealed or a closing record.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        match &self.0.record().body {
            Body::Clear(bytes) => Some(PyBytes::new(py, bytes)),
            Body::Sealed(_) | Body::Closing { .. } => None,
        }
    }

    /// In a closing record, the flight's records before it; else none.
    #[getter]
    fn count(&self) -> Option<u64> {
        match self.0.record().body {
            Body::Closing { count } => Some(count),
            Body::Clear(_) | Body::Sealed(_) => None,
        }
    }

    fn __repr__(&self) -> String {
        format!("<SignedRecord {} of {}>", self.0.record().sequence, self.0.record().subject)
    }
}
