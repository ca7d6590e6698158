//! TLS for the HTTP port: certificates and their key from PEM files, which are read again when they change.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use dronechain_chain_spec::hash::{Hash256, sha256};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::limits::{TLS_BYTES_MAX, TLS_READ_EVERY, TLS_UNREADABLE_MAX};

/// Where certificates and key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The node's certificate, then those that lead from it towards a root.
    pub certificates: PathBuf,
    /// The private key of the first one.
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file is longer than any of its kind.
    #[error("{}: more than {TLS_BYTES_MAX} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A file is not PEM, or what is wanted is not in it.
    #[error("{}: {error}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: pem::Error,
    },
    /// The key is not that of the certificate, or neither can be used.
    #[error("{} and {}: {error}", files.certificates.display(), files.key.display())]
    Pair {
        /// Both files.
        files: TlsFiles,
        /// What is wrong.
        error: rustls::Error,
    },
}

/// What connections are encrypted with at the moment. Clones share it.
#[derive(Debug, Clone)]
pub struct Tls {
    files: TlsFiles,
    current: Arc<RwLock<Current>>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// Looks in a row that found a file unreadable.
    unreadable: u32,
    /// Of the bytes that were last read, whatever came of them.
    seen: Hash256,
}

impl Tls {
    /// Reads both files. Blocks.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let (certificates, key, seen) = read_both(&files)?;
        let config = parse(&files, &certificates, &key)?;
        Ok(Self { files, current: Arc::new(RwLock::new(Current { config, unreadable: 0, seen })) })
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current.config))
    }

    /// Looks at the files again and again: a certificate that is renewed needs no restart. What cannot be used is told
    /// once, and the one before stays.
    pub(super) async fn follow(self) {
        loop {
            sleep(TLS_READ_EVERY).await;
            let tls = self.clone();
            // It fails when the runtime ends, which ends this too.
            if tokio::task::spawn_blocking(move || tls.read_again()).await.is_err() {
                return;
            }
        }
    }

    fn read_again(&self) {
        let read = read_both(&self.files);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let (certificates, key, seen) = match read {
            Ok(read) => read,
            Err(error) => {
                current.unreadable = current.unreadable.saturating_add(1);
                // Between two steps of whoever renews them, a file may not be there.
                if current.unreadable == TLS_UNREADABLE_MAX {
                    tracing::warn!(%error, "certificate and key cannot be read, those before stay");
                }
                return;
            }
        };
        current.unreadable = 0;
        if current.seen == seen {
            return;
        }
        let parsed = parse(&self.files, &certificates, &key);
        current.seen = seen;
        match parsed {
            Ok(config) => {
                current.config = config;
                tracing::info!("new connections get the new certificate");
            }
            Err(error) => tracing::warn!(%error, "the new certificate cannot be used, the one before stays"),
        }
    }
}

fn read_both(files: &TlsFiles) -> Result<(Vec<u8>, Vec<u8>, Hash256), TlsError> {
    let (certificates, key) = (read(&files.certificates)?, read(&files.key)?);
    let seen = sha256(&[&sha256(&[&certificates]).0, &sha256(&[&key]).0]);
    Ok((certificates, key, seen))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(TLS_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| TlsError::Read { path: path.into(), error })?;
    if bytes.len() as u64 > TLS_BYTES_MAX {
        return Err(TlsError::TooLong { path: path.into() });
    }
    Ok(bytes)
}

fn parse(files: &TlsFiles, certificates: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let not_pem = |path: &Path| {
        let path = path.to_owned();
        move |error| TlsError::Pem { path, error }
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<_, _>>()
        .map_err(not_pem(&files.certificates))?;
    if chain.is_empty() {
        return Err(not_pem(&files.certificates)(pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(not_pem(&files.key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| TlsError::Pair { files: files.clone(), error })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
