//! The DroneChain SDK: talk to nodes, anchor batches, follow headers, hold and verify receipts.
//!
//! [`NodeClient`] is one node's HTTP interface, with every answer parsed and bounded. [`Headers`] is
//! the own verified header chain on disk. [`Batch`] collects record hashes; [`Anchorer`] signs and
//! submits what anchors them and keeps count of the sender's sequence; [`Pending`] is the handle that
//! is waited on. [`evidence`] verifies a record with its receipt and [`bundle`] a folder of them,
//! neither with a network. [`frames`] is how records travel between parties.
//!
//! Nothing here takes a node's word for what it can check. What it does not do: fail over between
//! nodes, and keep an outbox; whoever must not lose a transaction stores the [`Pending`] first.

pub mod admin;
pub mod anchorer;
pub mod batch;
pub mod bundle;
pub mod error;
pub mod evidence;
pub mod frames;
pub mod headers;
pub mod limits;
pub mod node;
pub mod pending;

pub use admin::AdminError;
pub use anchorer::{AnchorError, Anchorer};
pub use batch::{Batch, BatchError};
pub use bundle::{BundleError, Reach, Report, verify_folder};
pub use error::ClientError;
pub use evidence::{Evidence, EvidenceError, Verifier};
pub use headers::{Headers, HeadersError, SyncReport};
pub use node::{
    AccountView, AnchorStatus, NodeClient, Sequences, State, Status, Submitted, Tip, TransactionStatus,
};
pub use pending::{Pending, WaitError};
