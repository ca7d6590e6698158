//! Folders of evidence: one device's records, each with its receipt.

use std::path::PathBuf;

use dronechain_client::BundleError;
use dronechain_client::bundle;
use dronechain_client::evidence::part_name;
use pyo3::prelude::*;

use crate::convert::Hex;
use crate::errors::OrRaise;
use crate::headers::Headers;

/// How far the verified records of one subject reach in a folder.
#[pyclass(frozen, get_all, eq, module = "dronechain")]
#[derive(Clone, PartialEq)]
pub(crate) struct Reach {
    /// The subject, as hex.
    subject: Hex,
    /// Its first sequence here.
    first_sequence: u64,
    /// Its last sequence here.
    last_sequence: u64,
    /// Whether the last one closes its flight.
    closed: bool,
}

/// One thing in a folder that does not verify.
#[pyclass(frozen, get_all, eq, module = "dronechain")]
#[derive(Clone, PartialEq)]
pub(crate) struct Failure {
    /// The file, by its name in the folder.
    file: String,
    /// The part that failed, as in `VerificationError`.
    part: &'static str,
    /// Why, in words.
    reason: String,
}

/// The result of verifying a folder.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct Report(bundle::Report);

#[pymethods]
impl Report {
    /// Whether there is something, and all of it verifies.
    #[getter]
    fn holds(&self) -> bool {
        self.0.holds()
    }

    /// Records in the folder, closing records among them.
    #[getter]
    fn records(&self) -> u64 {
        self.0.records
    }

    /// Records that verify with their receipt.
    #[getter]
    fn verified(&self) -> u64 {
        self.0.verified
    }

    /// Whether every subject's last record here closes its flight.
    #[getter]
    fn closed(&self) -> bool {
        self.0.closed
    }

    /// How far each subject's verified records reach, in order of subjects.
    #[getter]
    fn subjects(&self) -> Vec<Reach> {
        let reach = |reach: &bundle::Reach| Reach {
            subject: reach.subject.into(),
            first_sequence: reach.first_sequence,
            last_sequence: reach.last_sequence,
            closed: reach.closed,
        };
        self.0.subjects.iter().map(reach).collect()
    }

    /// What does not verify, in order of file names.
    #[getter]
    fn failures(&self) -> Vec<Failure> {
        let failure = |failure: &bundle::Failure| Failure {
            file: failure.file.clone(),
            part: part_name(failure.part),
            reason: failure.reason.clone(),
        };
        self.0.failures.iter().map(failure).collect()
    }

    fn __repr__(&self) -> String {
        format!("<Report: {} of {} verified>", self.0.verified, self.0.records)
    }
}

/// Verifies a folder of evidence, as `dronechain receipt get --device` writes it, against `headers`, over all cores.
///
/// Every record must be good; so must the order of each subject's records, without gaps. Raises `BundleError` if the
/// folder cannot be read; whatever does not verify is in the report.
#[pyfunction]
#[pyo3(signature = (folder, headers, *, confirmations=1))]
pub(crate) fn verify_folder(
    py: Python<'_>,
    folder: PathBuf,
    headers: &Headers,
    confirmations: u64,
) -> PyResult<Report> {
    let verify = || -> Result<_, BundleError> { bundle::verify_folder(&folder, &headers.0, confirmations) };
    py.detach(verify).or_raise(py).map(Report)
}
