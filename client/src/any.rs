//! One type for every failure of the SDK, for those who handle them in one place.

use crate::admin::{AdminError, PartialError};
use crate::anchorer::AnchorError;
use crate::batch::BatchError;
use crate::bundle::BundleError;
use crate::error::ClientError;
use crate::events::CursorError;
use crate::evidence::EvidenceError;
use crate::frames::FrameError;
use crate::headers::HeadersError;
use crate::node::RootsError;
use crate::producer::{OpenError, PendingError, Rejection, SendError};
use crate::promise::GatherError;
use crate::transaction::WaitError;

/// Any failure of the SDK. Every call's own error converts into it, so `?` does.
///
/// Three questions decide what to do: may the same be tried again ([`Error::is_retryable`]), does nobody know whether it
/// was done ([`Error::is_unknown`]: doing the same again, with the same bytes, is safe), did the ledger say no
/// ([`Error::is_rejected`]: the same will never be taken). At most one of the last two holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call to a node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A client or producer did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A record was not taken.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A record is not where it was awaited.
    #[error(transparent)]
    Pending(#[from] PendingError),
    /// The own header chain.
    #[error(transparent)]
    Headers(#[from] HeadersError),
    /// A record with its receipt does not verify.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A folder of evidence cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There is no evidence against a promise.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// Hashes are no batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A batch was not anchored, without a producer.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// A transaction is not where it was awaited.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// A transaction of the admins.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A file of an admins' transaction that not all have signed.
    #[error(transparent)]
    Partial(#[from] PartialError),
    /// Certificates that were to vouch for nodes.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// A cursor that is none.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// Bytes that are no frames of records.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl Error {
    /// Whether the same call may succeed later, or at another node.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Send(error) => error.is_retryable(),
            Self::Pending(error) => error.is_retryable(),
            Self::Anchor(AnchorError::Unacknowledged { .. }) | Self::Wait(WaitError::TimedOut { .. }) => true,
            Self::Gather(GatherError::NoBlock { .. } | GatherError::NoAuthority { .. }) => true,
            // Whoever uses the folder or the file may be done with it.
            Self::Open(OpenError::InUse { .. }) | Self::Headers(HeadersError::InUse { .. }) => true,
            other => other.client().is_some_and(ClientError::is_retryable),
        }
    }

    /// Whether nobody knows if it was done. Doing it again with the same bytes is safe.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Send(SendError::Unknown) | Self::Anchor(AnchorError::Unacknowledged { .. }))
    }

    /// Whether the ledger refuses it for good.
    pub fn is_rejected(&self) -> bool {
        match self {
            Self::Send(SendError::Rejected(_))
            | Self::Pending(PendingError::Rejected(_) | PendingError::Unfit) => true,
            Self::Wait(WaitError::Refused { .. }) => true,
            other => other.client().is_some_and(|error| {
                matches!(error, ClientError::Refused { rule: Some(_), .. }) && !error.is_retryable()
            }),
        }
    }

    /// What a node answered, where that is the cause.
    pub fn client(&self) -> Option<&ClientError> {
        match self {
            Self::Client(error)
            | Self::Open(OpenError::Node(error) | OpenError::Headers(HeadersError::Client(error)))
            | Self::Headers(HeadersError::Client(error))
            | Self::Gather(GatherError::Client(error))
            | Self::Anchor(AnchorError::Client(error) | AnchorError::Unacknowledged { source: error, .. })
            | Self::Wait(WaitError::Refused { source: error, .. })
            | Self::Admin(AdminError::Client(error))
            | Self::Send(SendError::Rejected(Rejection { source: error, .. })) => Some(error),
            Self::Pending(PendingError::Rejected(rejection)) => Some(&rejection.source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, rule: Option<&str>) -> ClientError {
        let rule = rule.map(str::to_owned);
        ClientError::Refused {
            status,
            rule,
            name: "a-name".into(),
            message: String::new(),
            retry_after_s: None,
        }
    }

    #[test]
    fn unknown_rejected_and_retryable_are_told_apart() {
        let unreachable = || ClientError::Unreachable { url: String::new(), reason: String::new() };
        let rejection = Rejection { sequence: 1, source: refused(422, Some("T5")) };
        let cases: [(Error, [bool; 3]); 9] = [
            (SendError::Unknown.into(), [true, true, false]),
            (SendError::Closed.into(), [false, false, false]),
            (SendError::Rejected(rejection.clone()).into(), [false, false, true]),
            (PendingError::Rejected(rejection.into()).into(), [false, false, true]),
            (PendingError::Unfit.into(), [false, false, true]),
            (PendingError::Stopped.into(), [false, false, false]),
            (unreachable().into(), [true, false, false]),
            (refused(503, None).into(), [true, false, false]),
            (OpenError::Node(refused(422, Some("T5"))).into(), [false, false, true]),
        ];
        for (error, expected) in cases {
            let found = [error.is_retryable(), error.is_unknown(), error.is_rejected()];
            assert_eq!(found, expected, "{error:?}");
        }
    }
}
