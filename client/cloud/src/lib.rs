//! The cloud server: keeps originals, serves them by hash, and checks every one against its receipt.
//!
//! [`intake`] takes records and [`store`] keeps them; [`follower`] keeps the own header chain up with
//! the nodes; [`fetcher`] gets the anchors that controllers tell of, verifies them and places their
//! leaves; [`sweep`] walks over everything that is stored, again and again, and writes a [`report`].
//! Storage is not trusted: whoever alters the database is found by the next sweep, because every row
//! is held against an anchor that is proven from the header chain.
//!
//! Not here: sealed bodies and grants, accesses, healing from the controller's copy, detection.

mod examine;
mod run;

pub mod api;
pub mod config;
pub mod error;
pub mod fetcher;
pub mod follower;
pub mod intake;
pub mod limits;
pub mod proof;
pub mod report;
pub mod store;
pub mod sweep;

pub use config::Config;
pub use error::CloudError;
pub use report::Report;
pub use run::run;
