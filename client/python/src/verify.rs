//! Offline verification of records with their receipts.

use std::sync::Arc;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_client::EvidenceError;
use dronechain_client::bundle::describe;
use dronechain_client::evidence;
use dronechain_record::Verdict;
use pyo3::prelude::*;

use crate::convert::{Document, Hex, Octets, datetime, kind_name};
use crate::errors::{OrRaise, Raise};
use crate::headers::Headers;
use crate::receipt::{ExistenceProof, Receipt};
use crate::record::SignedRecord;

/// A receipt in any form.
enum Claim {
    Parsed(Box<dronechain_chain_spec::receipt::Receipt>),
    Document(Vec<u8>),
}

impl FromPyObject<'_, '_> for Claim {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(receipt) = object.cast::<Receipt>() {
            return Ok(Self::Parsed(Box::new(receipt.get().0.clone())));
        }
        if let Ok(proof) = object.cast::<ExistenceProof>() {
            return Ok(Self::Document(proof.get().0.to_json().into_bytes()));
        }
        object.extract().map(|Document(bytes)| Self::Document(bytes))
    }
}

impl Claim {
    fn verify(
        &self,
        verifier: &mut evidence::Verifier<'_>,
        record: Vec<u8>,
    ) -> Result<evidence::Evidence, EvidenceError> {
        match self {
            Self::Parsed(receipt) => verifier.verify_parsed(record, receipt),
            Self::Document(bytes) => verifier.verify(record, bytes),
        }
    }
}

/// Verifies records with their receipts against `headers`: no network, no clock, no node's word.
///
/// `confirmations` is the number of blocks wanted, the anchor's own among them.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct Verifier {
    chain: Arc<HeaderChain>,
    confirmations: u64,
}

#[pymethods]
impl Verifier {
    #[new]
    #[pyo3(signature = (headers, *, confirmations=1))]
    fn new(headers: &Headers, confirmations: u64) -> Self {
        Self { chain: Arc::clone(&headers.0), confirmations }
    }

    /// Verifies the bytes of a record, or of any file, with its receipt: a `Receipt`, an `ExistenceProof`, or either's
    /// JSON or binary form.
    ///
    /// Raises `VerificationError` with the first part that fails.
    fn verify(&self, py: Python<'_>, record: Octets, receipt: Claim) -> PyResult<Evidence> {
        py.detach(|| receipt.verify(&mut self.verifier(), record.0)).or_raise(py).map(Evidence)
    }

    /// As `verify` for a file that was hashed elsewhere, being too long for a record.
    ///
    /// Raises `VerificationError`; also if the receipt is that of a record.
    fn verify_hash(&self, py: Python<'_>, hash: Hex, receipt: Claim) -> PyResult<Evidence> {
        let document = match receipt {
            Claim::Parsed(receipt) => receipt.to_json().into_bytes(),
            Claim::Document(bytes) => bytes,
        };
        py.detach(|| self.verifier().verify_hash(hash.hash(), &document)).or_raise(py).map(Evidence)
    }

    /// Verifies many pairs of record and receipt, what receipts of one batch share only once.
    ///
    /// Gives for each pair, in order, its `Evidence`, or the `VerificationError` that `verify` would raise.
    fn verify_all<'py>(
        &self,
        py: Python<'py>,
        pairs: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut claims = Vec::new();
        for pair in pairs.try_iter()? {
            let (record, receipt): (Octets, Claim) = pair?.extract()?;
            claims.push((record.0, receipt));
        }
        let mut verifier = self.verifier();
        let mut results = Vec::with_capacity(claims.len());
        // In runs, so that Ctrl-C is heard.
        let mut claims = claims.into_iter().peekable();
        while claims.peek().is_some() {
            py.check_signals()?;
            let run: Vec<_> = claims.by_ref().take(VERIFIED_AT_A_TIME).collect();
            results.extend(py.detach(|| {
                let verify = |(record, claim): (_, Claim)| claim.verify(&mut verifier, record);
                run.into_iter().map(verify).collect::<Vec<_>>()
            }));
        }
        let object = |result: Result<_, EvidenceError>| match result {
            Ok(evidence) => Ok(Bound::new(py, Evidence(evidence))?.into_any()),
            Err(error) => Ok(error.raise(py).into_value(py).into_bound(py).into_any()),
        };
        results.into_iter().map(object).collect()
    }
}

/// Some 50 ms' work.
const VERIFIED_AT_A_TIME: usize = 512;

impl Verifier {
    fn verifier(&self) -> evidence::Verifier<'_> {
        evidence::Verifier::new(&self.chain, self.confirmations)
    }
}

/// What was verified of one record.
#[pyclass(frozen, module = "dronechain")]
pub(crate) struct Evidence(evidence::Evidence);

#[pymethods]
impl Evidence {
    /// What may be believed: good, authority-unchecked, suspect or after-revocation.
    #[getter]
    fn verdict(&self) -> &'static str {
        match self.0.verdict {
            Verdict::Good => "good",
            Verdict::AuthorityUnchecked => "authority-unchecked",
            Verdict::Suspect { .. } => "suspect",
            Verdict::AfterRevocation { .. } => "after-revocation",
        }
    }

    /// The verdict in words.
    #[getter]
    fn reason(&self) -> String {
        describe(&self.0.verdict)
    }

    /// Whether it was anchored and its signer was entitled.
    #[getter]
    fn is_good(&self) -> bool {
        self.0.verdict == Verdict::Good
    }

    /// SHA-256 of the record, as hex.
    #[getter]
    fn hash(&self) -> Hex {
        self.0.proven.target.into()
    }

    /// The signed record; none for any other file.
    #[getter]
    fn record(&self) -> Option<SignedRecord> {
        self.0.record.clone().map(SignedRecord)
    }

    /// Height of the block.
    #[getter]
    fn height(&self) -> u64 {
        self.0.proven.height
    }

    /// Hash of the block, as hex.
    #[getter]
    fn block(&self) -> Hex {
        self.0.proven.block.into()
    }

    /// Blocks from that one to the headers' tip, itself among them.
    #[getter]
    fn confirmations(&self) -> u64 {
        self.0.proven.confirmations
    }

    /// The record existed by then, in UTC; none while the headers do not reach far enough.
    #[getter]
    fn not_later_than<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.proven.not_later_than_ms.and_then(|ms| datetime(py, ms))
    }

    /// The same in ms since 1970 (UTC).
    #[getter]
    fn not_later_than_ms(&self) -> Option<u64> {
        self.0.proven.not_later_than_ms
    }

    /// The public key that anchored, as hex.
    #[getter]
    fn sender(&self) -> Hex {
        self.0.proven.sender.into()
    }

    /// The anchor's sequence; with `sender` its identity.
    #[getter]
    fn sequence(&self) -> u64 {
        self.0.proven.sequence
    }

    /// The anchor transaction, as hex.
    #[getter]
    fn txid(&self) -> Hex {
        self.0.proven.txid.into()
    }

    /// What was anchored: data, command or access.
    #[getter]
    fn kind(&self) -> &'static str {
        kind_name(self.0.proven.anchor.kind)
    }

    fn __repr__(&self) -> String {
        let proven = &self.0.proven;
        format!("<Evidence of {} in block {}: {}>", proven.target, proven.height, self.verdict())
    }
}
