//! Who vouches for the certificates of nodes that are asked over TLS.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::limits::ROOTS_BYTES_MAX;

/// Who vouches for the certificates of `https://` addresses. What a node says is verified as ever; TLS keeps others from
/// reading along, and from asking in one's name.
#[derive(Debug, Clone, Default)]
pub struct Roots(Option<Arc<RootCertStore>>);

/// Why there are no roots.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are more than any such file has.
    #[error("more than {ROOTS_BYTES_MAX} bytes of certificates")]
    TooLong,
    /// The bytes are not PEM, or there is no certificate in them.
    #[error("certificates in PEM are wanted: {0}")]
    Pem(#[from] pem::Error),
    /// A certificate that nobody can be vouched for with.
    #[error("a certificate that is no root: {0}")]
    Certificate(#[from] rustls::Error),
}

impl Roots {
    /// The roots of the operating system; on Linux the file and folder in `SSL_CERT_FILE` and `SSL_CERT_DIR` instead, if
    /// they are set. The default.
    pub fn system() -> Self {
        Self(None)
    }

    /// The certificates in `bytes` and no others, in PEM: a fleet's own authority, or a node's certificate itself if it
    /// is signed with its own key and is no authority's (`basicConstraints=CA:FALSE`). Either way the node's certificate names the
    /// host of its address (`subjectAltName`).
    ///
    /// # Errors
    /// [`RootsError`].
    pub fn pem(bytes: &[u8]) -> Result<Self, RootsError> {
        if bytes.len() as u64 > ROOTS_BYTES_MAX {
            return Err(RootsError::TooLong);
        }
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bytes) {
            store.add(certificate?)?;
        }
        if store.is_empty() {
            return Err(pem::Error::NoItemsFound.into());
        }
        Ok(Self(Some(Arc::new(store))))
    }

    /// As [`Roots::pem`], of a file. Blocks.
    ///
    /// # Errors
    /// [`RootsError`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, RootsError> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(ROOTS_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|source| RootsError::Read { path: path.display().to_string(), source })?;
        Self::pem(&bytes)
    }

    /// What connections are made with; those without TLS need no roots.
    pub(super) fn config(&self, is_encrypted: bool) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?;
        let config = match &self.0 {
            Some(store) => builder.with_root_certificates(Arc::clone(store)),
            None if is_encrypted => builder.with_platform_verifier()?,
            None => builder.with_root_certificates(RootCertStore::empty()),
        };
        Ok(config.with_no_client_auth())
    }
}
