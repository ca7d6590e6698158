//! The control system: takes records from enrolled drones, batches and anchors them, forwards the
//! originals to the cloud.
//!
//! A record goes one way: [`intake`] checks it and [`store`] makes it durable before the answer,
//! [`batcher`] closes batches and [`desk`] signs their anchors, [`tracker`] brings them into blocks,
//! [`forwarder`] hands originals to the cloud. Each stage reads what the one before it wrote, so a
//! process that is killed goes on where it stood: the same bytes at the same sequence, each record
//! anchored once.
//!
//! Not here: commands to drones, sealed bodies and their keys, and renumbering after somebody else
//! used this controller's key (`/v1/status` says `blocked`).

mod run;
mod tip;

pub mod api;
pub mod batcher;
pub mod config;
pub mod desk;
pub mod error;
pub mod forwarder;
pub mod intake;
pub mod limits;
pub mod registry;
pub mod store;
pub mod tracker;

pub use config::Config;
pub use error::ControllerError;
pub use run::run;
