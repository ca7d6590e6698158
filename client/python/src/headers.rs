//! Header chains, as files and in memory.

use std::path::PathBuf;
use std::sync::Arc;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::checkpoint::Checkpoint;
use pyo3::exceptions::PyValueError;
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
    /// `trust` is the id of the checkpoint at which the file may begin; without it, it begins at genesis. Raises
    /// `OSError` if it cannot be read, `HeadersError` with the place and the rule if it does not verify.
    #[staticmethod]
    #[pyo3(signature = (path, *, trust=None))]
    fn load(py: Python<'_>, path: PathBuf, trust: Option<Hex>) -> PyResult<Self> {
        let bytes = py.detach(|| std::fs::read(path))?;
        Self::of_bytes(py, &bytes, trust)
    }

    /// As `load`, from the file's bytes.
    ///
    /// Raises `HeadersError` with the place and the rule if they do not verify.
    #[staticmethod]
    #[pyo3(signature = (data, *, trust=None))]
    fn from_bytes(py: Python<'_>, data: Octets, trust: Option<Hex>) -> PyResult<Self> {
        Self::of_bytes(py, &data.0, trust)
    }

    /// The same chain from the block at `height` on, which is its `checkpoint`: for those who trust that id.
    ///
    /// Raises `ValueError` if there is no such block with all that is needed below it.
    fn begun_at(&self, py: Python<'_>, height: u64) -> PyResult<Self> {
        let begun = py.detach(|| {
            let checkpoint = Checkpoint::of(&self.0, height)?;
            let id = checkpoint.id();
            let checkpoint = checkpoint.check(id).expect("of a verified chain");
            let mut chain = HeaderChain::from_checkpoint(checkpoint).expect("of a verified chain");
            for above in height + 1..=self.0.height() {
                let link = self.0.link(above).expect("up to the tip").clone();
                chain.push(link).expect("of a verified chain");
            }
            Some(chain)
        });
        let missing = || PyValueError::new_err(format!("no checkpoint at height {height}"));
        begun.map(|chain| Self(Arc::new(chain))).ok_or_else(missing)
    }

    /// Id of the checkpoint at which it begins, as hex; none if at genesis.
    #[getter]
    fn checkpoint(&self) -> Option<Hex> {
        self.0.checkpoint().map(|checkpoint| checkpoint.id().into())
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
    fn of_bytes(py: Python<'_>, bytes: &[u8], trust: Option<Hex>) -> PyResult<Self> {
        let read = || match trust {
            Some(id) => HeaderChain::from_bytes_trusting(bytes, id.hash()),
            None => HeaderChain::from_bytes(bytes),
        };
        let chain = py.detach(read).or_raise(py)?;
        Ok(Self(Arc::new(chain)))
    }
}
