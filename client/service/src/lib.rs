//! What controller and cloud share as services: a [`folder`] of their own, a [`server`] that answers, the
//! [`body`] in which records come and the [`clock`].
//!
//! Not here: what becomes of records, batches or anchors; databases, whose tables and durability are
//! each service's own; keys.

pub mod body;
pub mod clock;
pub mod folder;
pub mod limits;
pub mod server;
