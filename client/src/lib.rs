//! The DroneChain SDK: hand records over, follow the chain, hold and verify receipts.
//!
//! [`Client`] is a network by several of its nodes, with failover; [`Producer`] hands records over and loses none;
//! [`LightClient`] is the own verified header chain. [`evidence`] verifies a record with its receipt and [`bundle`] a
//! folder of them, neither with a network.
//!
//! [`Events`] is what happens on the chain, as nodes tell it; [`gather`] makes evidence of a promise that a node broke.
//!
//! Below them: [`NodeClient`] is one node's HTTP interface, with every answer parsed and bounded. [`Batch`] collects
//! record hashes; [`Anchorer`] signs and submits one transaction at a time for those who keep their own outbox, and
//! [`PendingTransaction`] is what it gives back. [`frames`] is how records travel between parties.
//!
//! Nothing here takes a node's word for what it can check.

pub mod admin;
pub mod anchorer;
pub mod batch;
pub mod bundle;
pub mod client;
pub mod error;
pub mod events;
pub mod evidence;
pub mod frames;
pub mod headers;
pub mod light;
pub mod limits;
pub mod node;
pub mod nodes;
pub mod pause;
pub mod producer;
pub mod promise;
pub mod transaction;

pub use admin::AdminError;
pub use anchorer::{AnchorError, Anchorer};
pub use batch::{Batch, BatchError};
pub use bundle::{BundleError, Reach, Report, verify_folder};
pub use client::{Client, ClientBuilder};
pub use error::ClientError;
pub use events::{Cursor, Event, Events, Interest};
pub use evidence::{Evidence, EvidenceError, Verifier};
pub use headers::{Headers, HeadersError, SyncReport};
pub use light::{ChainEvent, LightClient, NodeStanding};
pub use node::{
    AccountView, AnchorStatus, NodeClient, Sequences, State, Status, Submitted, Tip, TransactionStatus,
};
pub use nodes::Nodes;
pub use producer::{
    Delivery, OpenError, Pending, PendingError, Producer, ProducerConfig, Record, Rejection, SendError,
};
pub use promise::{GatherError, gather};
pub use transaction::{PendingTransaction, WaitError};
