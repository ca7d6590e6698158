//! Why the cloud server does not start, or stops.

use std::net::SocketAddr;

use dronechain_chain_spec::codec::CodecError;
use dronechain_chain_spec::hash::Hash256;
use dronechain_client::{ClientError, HeadersError};
use dronechain_service::folder::FolderError;

use crate::store::StoreError;

/// Why the cloud server does not start, or stops. While it runs, failures of nodes are waited out;
/// a failing database or headers file is the end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloudError {
    /// No confirmations are configured.
    #[error("confirmations is 0, at least 1 (the anchor's own block) is wanted")]
    Confirmations,
    /// The data folder cannot be used.
    #[error("{0}")]
    Folder(#[from] FolderError),
    /// The database cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The header chain cannot be used.
    #[error("{0}")]
    Headers(#[from] HeadersError),
    /// An address in the configuration is none.
    #[error("{0}")]
    Address(ClientError),
    /// No node answers, and the data folder is new: the network is unknown.
    #[error("no node answers, and the data folder does not know its network yet: {0}")]
    NoNode(ClientError),
    /// The chain spec in the data folder is none.
    #[error("the chain spec in the data folder is damaged: {0}")]
    Spec(CodecError),
    /// The data folder belongs to another network than the nodes.
    #[error("the data folder is of network {stored}, the nodes are of {found}")]
    WrongNetwork {
        /// Of the data folder.
        stored: Hash256,
        /// Of the nodes.
        found: Hash256,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source} (hint: another process may use the port)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}
