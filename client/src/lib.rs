//! The DroneChain SDK: hand records over, follow the chain, hold and verify receipts.
//!
//! [`Client`] is a network by several of its nodes, with failover; [`Producer`] hands records over and loses none;
//! [`LightClient`] is the own verified header chain. [`evidence`] verifies a record with its receipt and [`bundle`] a
//! folder of them, neither with a network.
//!
//! # Five minutes
//!
//! With a network at hand (`scripts/cluster up --loopback`) and a key of your own that nobody else uses, admitted as a controller:
//!
//! ```sh
//! export PATH=${XDG_CACHE_HOME:-~/.cache}/dronechain/target/release:$PATH
//! dronechain keygen --out controller.key >controller.pub
//! dronechain admin admit --role controller --key $(cat controller.pub) --node http://127.0.0.1:7700 --wait 1 \
//!     --admin-key ${XDG_STATE_HOME:-~/.local/state}/dronechain/cluster/network/admins/admin.key
//! ```
//!
//! Besides this crate it takes `dronechain-record` (key files, records), tokio, and `dronechain-chain-spec` for the types of the ledger.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use dronechain_client::{Client, Record, Verifier};
//! use dronechain_record::KeyFile;
//!
//! # async fn five_minutes() -> Result<(), Box<dyn std::error::Error>> {
//! // Several nodes, so that one may fail or lie. The folder keeps headers and the outbox.
//! let client = Client::builder(["http://127.0.0.1:7700", "http://127.0.0.1:7701"]).open("data").await?;
//! let key = KeyFile::load("controller.key")?;
//! let producer = client.producer(key.signing_key().clone()).open()?;
//!
//! // Returns once the record is on disk: from here on nothing loses it.
//! let record = b"14:03 wind 7 m/s".to_vec();
//! let pending = producer.send(Record::new(record.clone())).await?;
//!
//! // In a block of the own, verified header chain, and two on top.
//! let receipt = pending.confirmations_within(3, Duration::from_secs(120)).await?;
//!
//! // Record, receipt and headers: all that anyone needs, without a network.
//! let headers = client.light().headers().read().await;
//! let evidence = Verifier::new(headers.chain(), 3).verify(record, receipt.to_json().as_bytes())?;
//! println!("not later than {:?} ms since 1970", evidence.proven.not_later_than_ms);
//! // The file `data/headers` is that chain; whoever has a copy verifies by `dronechain receipt verify`, or with
//! // `HeaderChain::from_bytes`, while everything here is switched off.
//! # Ok(()) }
//! ```
//!
//! `client/examples` has a file's lines, a controller's loop, offline verification, and a door's log.
//!
//! # What to expect of errors
//!
//! [`SendError`] says that a record was not taken, [`PendingError`] that it is not where it was awaited; both tell
//! apart what may be tried again ([`SendError::is_retryable`], [`PendingError::is_retryable`]). After
//! [`SendError::Unknown`] nobody knows whether the record was taken: handing over the same bytes again is safe.
//! A [`Rejection`] is the ledger's own no. [`Error`] takes every error of the SDK in, and answers the same questions.
//!
//! Records that wait longer than usual are safe; [`Producer::holdup`] says why they wait: no node that knows the newest
//! blocks, a key that no admin has admitted, an outbox that is older than the ledger.
//!
//! [`Client::events`] is what happens on the chain, as nodes tell it; [`gather`] makes evidence of a promise that a node broke.
//!
//! Below them: [`NodeClient`] is one node's HTTP interface, with every answer parsed and bounded. [`Batch`] collects
//! record hashes; [`Anchorer`] signs and submits one transaction at a time for those who keep their own outbox, and
//! [`PendingTransaction`] is what it gives back. [`frames`] is how records travel between parties.
//!
//! Nothing here takes a node's word for what it can check.

pub mod admin;
pub mod anchorer;
pub mod any;
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
pub use any::Error;
pub use batch::{Batch, BatchError};
pub use bundle::{BundleError, Reach, Report, verify_folder};
pub use client::{Client, ClientBuilder};
pub use error::ClientError;
pub use events::{Cursor, Event, Events, Interest};
pub use evidence::{Evidence, EvidenceError, Verifier};
pub use headers::{Headers, HeadersError, SyncReport};
pub use light::{ChainEvent, LightClient, NodeStanding};
pub use node::{
    AccountView, AnchorStatus, NodeClient, Roots, RootsError, Sequences, State, Status, Submitted, Tip,
    TransactionStatus,
};
pub use nodes::Nodes;
pub use producer::{
    Delivery, Holdup, OpenError, Pending, PendingError, Producer, ProducerConfig, Record, Rejection,
    SendError,
};
pub use promise::{GatherError, Look, gather};
pub use transaction::{PendingTransaction, WaitError};
