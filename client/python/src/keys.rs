//! Signing keys.

use std::path::PathBuf;

use dronechain_chain_spec::key::PublicKey;
use dronechain_record::KeyFile;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use zeroize::Zeroizing;

use crate::convert::Hex;
use crate::errors::OrRaise;

/// An Ed25519 key to sign with. The secret half never leaves it but into a key file.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct SigningKey(pub(crate) dronechain_chain_spec::key::SigningKey);

#[pymethods]
impl SigningKey {
    /// Reads a key file, as `dronechain keygen` writes it.
    ///
    /// Raises `KeyFileError` if it is none, or if group or others have access to it.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let file = KeyFile::load(path).or_raise(py)?;
        Ok(Self(file.signing_key().clone()))
    }

    /// A new random key, in memory alone: see `save`.
    ///
    /// Raises `OSError` if the operating system gives no random bytes.
    #[staticmethod]
    fn generate() -> PyResult<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self(dronechain_chain_spec::key::SigningKey::from_bytes(&seed)))
    }

    /// Writes a key file that its owner alone can read. Durable on return.
    ///
    /// Raises `KeyFileError` if there is a file already, which is never overwritten, or if it cannot be written.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        KeyFile::create_from(path, self.0.clone()).or_raise(py).map(drop)
    }

    /// The public half, as 64 hex digits.
    #[getter]
    fn public_key(&self) -> Hex {
        PublicKey::of(&self.0).into()
    }

    /// SHA-256 of the public half, as hex: the subject of a device's records.
    #[getter]
    fn id(&self) -> Hex {
        PublicKey::of(&self.0).id().into()
    }

    fn __repr__(&self) -> String {
        format!("<SigningKey {}>", self.public_key())
    }
}
