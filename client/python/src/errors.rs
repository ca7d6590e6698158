//! Every error of the SDK as an exception: the class is its family, the text its own.

use dronechain_chain_spec::chain::ChainError;
use dronechain_chain_spec::promise::BrokenPromiseError;
use dronechain_chain_spec::receipt::ReceiptError;
use dronechain_client::evidence::part_name;
use dronechain_client::producer::OutboxError;
use dronechain_client::{
    BundleError, ClientError, EvidenceError, HeadersError, OpenError, PendingError, Rejection, SendError,
};
use dronechain_record::{KeyFileError, RecordError};
use pyo3::prelude::*;

/// The classes, which are Python's: `python/dronechain/errors.py`.
mod classes {
    use pyo3::import_exception;

    import_exception!(dronechain.errors, BundleError);
    import_exception!(dronechain.errors, ClientError);
    import_exception!(dronechain.errors, Closed);
    import_exception!(dronechain.errors, ConfigError);
    import_exception!(dronechain.errors, Full);
    import_exception!(dronechain.errors, HeadersError);
    import_exception!(dronechain.errors, InUse);
    import_exception!(dronechain.errors, KeyFileError);
    import_exception!(dronechain.errors, Malformed);
    import_exception!(dronechain.errors, OpenError);
    import_exception!(dronechain.errors, PendingError);
    import_exception!(dronechain.errors, RecordError);
    import_exception!(dronechain.errors, Refused);
    import_exception!(dronechain.errors, Rejected);
    import_exception!(dronechain.errors, SendError);
    import_exception!(dronechain.errors, Stopped);
    import_exception!(dronechain.errors, TimedOut);
    import_exception!(dronechain.errors, TooLong);
    import_exception!(dronechain.errors, Unknown);
    import_exception!(dronechain.errors, Unreachable);
    import_exception!(dronechain.errors, VerificationError);
    import_exception!(dronechain.errors, WrongNetwork);
}

/// An error that has a class in Python.
pub(crate) trait Raise {
    /// The exception.
    fn raise(&self, py: Python<'_>) -> PyErr;
}

/// Results whose error is raised.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T, E: Raise> OrRaise<T> for Result<T, E> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| error.raise(py))
    }
}

/// The exception of a client or producer that was closed.
pub(crate) fn closed(what: &str) -> PyErr {
    classes::Closed::new_err(format!("the {what} is closed"))
}

/// Gives an exception an attribute, or what came in between.
fn with<'py>(
    py: Python<'py>,
    exception: PyErr,
    name: &str,
    value: impl IntoPyObject<'py, Error: Into<PyErr>>,
) -> PyErr {
    match exception.value(py).setattr(name, value) {
        Ok(()) => exception,
        Err(error) => error,
    }
}

fn with_rule(py: Python<'_>, exception: PyErr, rule: Option<(&str, &str)>) -> PyErr {
    let Some((number, name)) = rule else { return exception };
    with(py, with(py, exception, "rule", number), "rule_name", name)
}

impl Raise for ClientError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let text = self.to_string();
        let exception = match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => classes::Unreachable::new_err(text),
            Self::Refused { status, rule, name, .. } => {
                let exception = with(py, classes::Refused::new_err(text), "status", *status);
                with(py, with(py, exception, "rule", rule.as_deref()), "name", name)
            }
            Self::WrongNetwork { .. } => classes::WrongNetwork::new_err(text),
            Self::Malformed { .. } | Self::TooLong { .. } => classes::Malformed::new_err(text),
            _ => classes::ClientError::new_err(text),
        };
        with(py, exception, "is_retryable", self.is_retryable())
    }
}

impl Raise for HeadersError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let text = self.to_string();
        match self {
            Self::Client(error) => error.raise(py),
            Self::InUse { .. } => classes::InUse::new_err(text),
            Self::WrongNetwork { .. } => classes::WrongNetwork::new_err(text),
            Self::Chain { error, .. } => {
                with_rule(py, classes::HeadersError::new_err(text), chain_rule(error))
            }
            Self::Header { error, .. } => {
                with_rule(py, classes::HeadersError::new_err(text), Some(error.rule()))
            }
            _ => classes::HeadersError::new_err(text),
        }
    }
}

fn chain_rule(error: &ChainError) -> Option<(&'static str, &'static str)> {
    match error {
        ChainError::Header { error, .. } => Some(error.rule()),
        _ => None,
    }
}

impl Raise for ChainError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        with_rule(py, classes::HeadersError::new_err(self.to_string()), chain_rule(self))
    }
}

impl Raise for OpenError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let text = self.to_string();
        match self {
            Self::Config { setting, .. } => {
                with(py, classes::ConfigError::new_err(text), "setting", *setting)
            }
            Self::InUse { .. } => classes::InUse::new_err(text),
            Self::Headers(error) => error.raise(py),
            Self::Node(error) => error.raise(py),
            _ => classes::OpenError::new_err(text),
        }
    }
}

impl Raise for OutboxError {
    fn raise(&self, _py: Python<'_>) -> PyErr {
        classes::OpenError::new_err(self.to_string())
    }
}

impl Raise for Rejection {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let exception = with(py, classes::Rejected::new_err(self.to_string()), "sequence", self.sequence);
        let ClientError::Refused { status, rule, name, .. } = &self.source else { return exception };
        let exception = with(py, with(py, exception, "status", *status), "rule", rule.as_deref());
        with(py, exception, "name", name)
    }
}

impl Raise for SendError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let text = self.to_string();
        let exception = match self {
            Self::TooLong { .. } => classes::TooLong::new_err(text),
            Self::Full(_) => classes::Full::new_err(text),
            Self::Unknown => classes::Unknown::new_err(text),
            Self::Closed => classes::Closed::new_err(text),
            Self::Rejected(rejection) => rejection.raise(py),
            _ => classes::SendError::new_err(text),
        };
        with(py, exception, "is_retryable", self.is_retryable())
    }
}

impl Raise for PendingError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let text = self.to_string();
        let exception = match self {
            Self::TimedOut { .. } => classes::TimedOut::new_err(text),
            Self::Rejected(rejection) => rejection.raise(py),
            Self::Stopped => classes::Stopped::new_err(text),
            _ => classes::PendingError::new_err(text),
        };
        with(py, exception, "is_retryable", self.is_retryable())
    }
}

impl Raise for KeyFileError {
    fn raise(&self, _py: Python<'_>) -> PyErr {
        classes::KeyFileError::new_err(self.to_string())
    }
}

impl Raise for RecordError {
    fn raise(&self, _py: Python<'_>) -> PyErr {
        classes::RecordError::new_err(self.to_string())
    }
}

impl Raise for BundleError {
    fn raise(&self, _py: Python<'_>) -> PyErr {
        classes::BundleError::new_err(self.to_string())
    }
}

impl Raise for ReceiptError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let exception = classes::VerificationError::new_err(self.to_string());
        let exception = with(py, exception, "part", part_name(self.part()));
        let rule = match self {
            Self::TransactionRule(error) => Some(error.rule()),
            _ => None,
        };
        with_rule(py, exception, rule)
    }
}

impl Raise for BrokenPromiseError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let exception = classes::VerificationError::new_err(self.to_string());
        with_rule(py, with(py, exception, "part", "promise"), Some(self.rule()))
    }
}

impl Raise for EvidenceError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Receipt(error) => error.raise(py),
            _ => {
                let exception = classes::VerificationError::new_err(self.to_string());
                with(py, exception, "part", part_name(self.part()))
            }
        }
    }
}
