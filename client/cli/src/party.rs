//! The parties beside nodes that commands speak to.

pub(crate) mod cloud;
pub(crate) mod controller;
