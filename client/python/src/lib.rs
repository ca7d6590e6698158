//! The Python package `dronechain`: the client SDK for scripts.
//!
//! A thin layer: every rule, wait and bound is the SDK's. What is added is how Python speaks. Calls block with the
//! interpreter released and heed Ctrl-C (`runtime`), values go over as text, bytes, seconds and `datetime` (`convert`),
//! and each family of errors is a class of exceptions (`errors`, `python/dronechain/errors.py`).

mod client;
mod convert;
mod errors;
mod events;
mod folder;
mod headers;
mod keys;
mod pending;
mod producer;
mod promise;
mod receipt;
mod record;
mod runtime;
mod verify;

use pyo3::prelude::*;

/// The compiled part of the package `dronechain`.
#[pymodule(gil_used = false)]
mod _dronechain {
    #[pymodule_export]
    use crate::client::{Client, NodeStanding};
    #[pymodule_export]
    use crate::events::{AnchorEvent, Events, HeadEvent, ReceiptEvent, Reorganisation, Reset};
    #[pymodule_export]
    use crate::folder::{Failure, Reach, Report, verify_folder};
    #[pymodule_export]
    use crate::headers::Headers;
    #[pymodule_export]
    use crate::keys::SigningKey;
    #[pymodule_export]
    use crate::pending::{Delivery, Pending};
    #[pymodule_export]
    use crate::producer::Producer;
    #[pymodule_export]
    use crate::promise::{BrokenPromise, Promise};
    #[pymodule_export]
    use crate::receipt::{ExistenceProof, Receipt};
    #[pymodule_export]
    use crate::record::{Record, SignedRecord};
    #[pymodule_export]
    use crate::verify::{Evidence, Verifier};
}
