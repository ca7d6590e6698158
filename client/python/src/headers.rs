//! Header chains, as files and in memory.

use std::path::PathBuf;
use std::sync::Arc;

use dronechain_chain_spec::chain::HeaderChain;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{Hex, Octets};
use crate::errors::OrRaise;

/// A verified header chain: work, difficulty, signatures, turns and the roll of miners, header by header.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct Headers(pub(crate) Arc<HeaderChain>);

#[pymethods]
impl Headers {
    /// Reads and verifies a file of headers, as `dronechain headers export` or `save` writes it.
    ///
    /// Raises `OSError` if it cannot be read, `HeadersError` with the place and the rule if it does not verify.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let bytes = py.detach(|| std::fs::read(path))?;
        Self::of_bytes(py, &bytes)
    }

    /// As `load`, from the file's bytes.
    ///
    /// Raises `HeadersError` with the place and the rule if they do not verify.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: Octets) -> PyResult<Self> {
        Self::of_bytes(py, &data.0)
    }

    /// The bytes of a file of headers.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = py.detach(|| self.0.to_bytes());
        PyBytes::new(py, &bytes)
    }

    /// Writes a file of headers, over what is there.
    ///
    /// Raises `OSError`.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        Ok(py.detach(|| std::fs::write(path, self.0.to_bytes()))?)
    }

    /// Genesis hash of the network, as hex.
    #[getter]
    fn chain_id(&self) -> Hex {
        self.0.chain_id().into()
    }

    /// Height of the last header.
    #[getter]
    fn height(&self) -> u64 {
        self.0.height()
    }

    /// Hash of the last header, as hex.
    #[getter]
    fn tip(&self) -> Hex {
        self.0.tip().into()
    }

    /// Hash of the block at `height`, as hex; none beyond the tip.
    fn block_at(&self, height: u64) -> Option<Hex> {
        self.0.hash(height).map(Hex::from)
    }

    fn __repr__(&self) -> String {
        format!("<Headers of {} to height {}>", self.0.chain_id(), self.0.height())
    }
}

impl Headers {
    fn of_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        let chain = py.detach(|| HeaderChain::from_bytes(bytes)).or_raise(py)?;
        Ok(Self(Arc::new(chain)))
    }
}
