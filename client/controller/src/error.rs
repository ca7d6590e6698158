//! Why the controller does not start, or stops.

use std::net::SocketAddr;

use dronechain_chain_spec::hash::Hash256;
use dronechain_client::ClientError;
use dronechain_record::KeyFileError;
use dronechain_service::folder::FolderError;

use crate::limits::BATCH_RECORDS_MAX;
use crate::store::StoreError;

/// Why the controller does not start, or stops. While it runs, failures of nodes and of the cloud
/// are waited out; a failing database is the end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControllerError {
    /// The configured size of a batch is out of range.
    #[error("batch_records_max is {found}, 1 to {BATCH_RECORDS_MAX} are allowed")]
    BatchRecords {
        /// The value.
        found: u32,
    },
    /// No confirmations are configured.
    #[error("confirmations is 0, at least 1 (the anchor's own block) is wanted")]
    Confirmations,
    /// The key file cannot be used.
    #[error("{0}")]
    Key(#[from] KeyFileError),
    /// The data folder cannot be used.
    #[error("{0}")]
    Folder(#[from] FolderError),
    /// The database cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// An address in the configuration is none.
    #[error("{0}")]
    Address(ClientError),
    /// No node answers, and the data folder is new: the network is unknown.
    #[error("no node answers, and the data folder does not know its network yet: {0}")]
    NoNode(ClientError),
    /// The data folder belongs to another network than the nodes.
    #[error("the data folder is of network {stored}, the nodes are of {found}")]
    WrongNetwork {
        /// Of the data folder.
        stored: Hash256,
        /// Of the nodes.
        found: Hash256,
    },
    /// The data folder belongs to another controller's key.
    #[error("the data folder is of controller {stored}, the key file holds {found}")]
    WrongKey {
        /// Of the data folder.
        stored: String,
        /// Of the key file.
        found: String,
    },
    /// The operating system gave no random bytes.
    #[error("no randomness for the cookie: {0}")]
    Randomness(getrandom::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source} (hint: another process may use the port)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}
