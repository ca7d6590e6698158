//! How values go over: hashes and keys as text, bytes from whatever holds bytes, waits in seconds, times as `datetime`.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::transaction::AnchorKind;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};

/// 32 bytes: in as lower-case hex or `bytes`, out as lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hex([u8; 32]);

impl From<Hash256> for Hex {
    fn from(hash: Hash256) -> Self {
        Self(hash.0)
    }
}

impl From<PublicKey> for Hex {
    fn from(key: PublicKey) -> Self {
        Self(key.0)
    }
}

impl Hex {
    pub(crate) fn hash(self) -> Hash256 {
        Hash256(self.0)
    }

    pub(crate) fn key(self) -> PublicKey {
        PublicKey(self.0)
    }
}

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.hash().fmt(f)
    }
}

impl FromPyObject<'_, '_> for Hex {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            let text = text.to_string();
            let hash = text.parse::<Hash256>();
            return hash.map(Self::from).map_err(|error| PyValueError::new_err(error.to_string()));
        }
        let Ok(bytes) = object.cast::<PyBytes>() else {
            return Err(PyTypeError::new_err("64 lower-case hex digits (str) or 32 bytes are wanted"));
        };
        let found = bytes.as_bytes().len();
        let fixed = bytes.as_bytes().try_into().map(Self);
        fixed.map_err(|_| PyValueError::new_err(format!("{found} bytes where 32 are wanted")))
    }
}

impl<'py> IntoPyObject<'py> for Hex {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(PyString::new(py, &self.to_string()))
    }
}

/// A copy of what any bytes-like object holds.
#[derive(Debug)]
pub(crate) struct Octets(pub(crate) Vec<u8>);

impl FromPyObject<'_, '_> for Octets {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self(bytes.as_bytes().to_vec()));
        }
        if let Ok(bytes) = object.cast::<PyByteArray>() {
            return Ok(Self(bytes.to_vec()));
        }
        // The limited API of 3.10 has no buffers; a view of one has.
        let bytes = PyMemoryView::from(&object)?.call_method0("tobytes")?;
        Ok(Self(bytes.cast::<PyBytes>()?.as_bytes().to_vec()))
    }
}

/// A document: text, or bytes that hold it.
#[derive(Debug)]
pub(crate) struct Document(pub(crate) Vec<u8>);

impl FromPyObject<'_, '_> for Document {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match object.cast::<PyString>() {
            Ok(text) => Ok(Self(text.to_cow()?.into_owned().into_bytes())),
            Err(_) => object.extract().map(|Octets(bytes)| Self(bytes)),
        }
    }
}

/// What nobody waits to the end of: 100 years.
pub(crate) const NO_END: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A number of seconds; none if there is no end to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds(pub(crate) Option<Duration>);

impl FromPyObject<'_, '_> for Seconds {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let seconds: f64 = object.extract()?;
        if seconds >= NO_END.as_secs_f64() {
            return Ok(Self(None));
        }
        let duration = Duration::try_from_secs_f64(seconds);
        duration.map(Some).map(Self).map_err(|error| PyValueError::new_err(format!("seconds: {error}")))
    }
}

/// The wait that a caller named; none if there is no end to it.
pub(crate) fn wait_of(timeout: Option<Seconds>) -> Option<Duration> {
    timeout.and_then(|Seconds(wait)| wait)
}

/// A time: ms since 1970 UTC, or a `datetime` with a time zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(pub(crate) u64);

impl FromPyObject<'_, '_> for Moment {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(ms) = object.extract() {
            return Ok(Self(ms));
        }
        let Ok(time) = object.extract::<SystemTime>() else {
            let wanted = "a datetime with a time zone, or ms since 1970 (UTC), is wanted";
            return Err(PyTypeError::new_err(wanted));
        };
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// `ms` since 1970 UTC as a `datetime`; none beyond what a `datetime` holds.
pub(crate) fn datetime(py: Python<'_>, ms: u64) -> Option<Bound<'_, PyAny>> {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(ms))?;
    Some(time.into_pyobject(py).ok()?.into_any())
}

pub(crate) const fn kind_name(kind: AnchorKind) -> &'static str {
    match kind {
        AnchorKind::Data => "data",
        AnchorKind::Command => "command",
        AnchorKind::Access => "access",
    }
}

pub(crate) fn kind_of(name: &str) -> PyResult<AnchorKind> {
    match name {
        "data" => Ok(AnchorKind::Data),
        "command" => Ok(AnchorKind::Command),
        "access" => Ok(AnchorKind::Access),
        _ => Err(PyValueError::new_err(format!("kind {name:?}: data, command or access is wanted"))),
    }
}
