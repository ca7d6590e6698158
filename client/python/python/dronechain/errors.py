"""What can go wrong, one family for each of the SDK's.

Every exception of the package is a :class:`DroneChainError` and says whether the same call may succeed later.
Arguments of a wrong type or form are ``TypeError`` and ``ValueError``, as everywhere in Python.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "ClientError",
    "Closed",
    "ConfigError",
    "DroneChainError",
    "Full",
    "HeadersError",
    "InUse",
    "KeyFileError",
    "Malformed",
    "OpenError",
    "PendingError",
    "RecordError",
    "Refused",
    "Rejected",
    "SendError",
    "Stopped",
    "TimedOut",
    "TooLong",
    "Unknown",
    "Unreachable",
    "VerificationError",
    "WrongNetwork",
]


class DroneChainError(Exception):
    """The base of every error here."""

    is_retryable: bool = False
    """Whether the same call may succeed later, or at another node."""


class KeyFileError(DroneChainError):
    """A key file cannot be made or used: it exists, is open to others, or is none."""


class RecordError(DroneChainError):
    """Bytes are no signed record, or a record breaks a rule of the format."""


class BundleError(DroneChainError):
    """A folder of evidence cannot be read at all."""


class HeadersError(DroneChainError):
    """A header chain cannot be opened, read or followed."""

    rule: str | None = None
    """Number of the ledger's rule that a header breaks, e.g. ``H6``."""

    rule_name: str | None = None
    """That rule's name."""


class OpenError(DroneChainError):
    """A client or producer does not start: its folder or outbox cannot be used."""


class ConfigError(OpenError, ValueError):
    """A setting of a producer is out of range."""

    setting: str = ""
    """The setting's name."""


class InUse(OpenError, HeadersError):
    """Another client, in this process or another, uses the folder or the outbox."""

    is_retryable = True


class ClientError(DroneChainError):
    """A node did not answer as asked."""


class Unreachable(ClientError):
    """No connection, or no whole answer in time."""

    is_retryable = True


class Refused(ClientError):
    """A node refused."""

    status: int = 0
    """HTTP status."""

    rule: str | None = None
    """Number of the ledger's rule, if one refused."""

    name: str = ""
    """The refusal's name, e.g. ``tx-sender-unknown``."""


class WrongNetwork(ClientError, HeadersError):
    """A node or file is of another network than the one wanted."""


class Malformed(ClientError):
    """An answer is not what the interface says, or longer than any right one."""


class SendError(DroneChainError):
    """A record was not taken. It is not in the outbox, but for :class:`Unknown`."""


class TooLong(SendError, ValueError):
    """A record has more bytes than the 65,536 allowed."""


class Full(SendError):
    """The outbox has no room now."""

    is_retryable = True


class Unknown(SendError):
    """No answer from the outbox: handing the same record over again is safe."""

    is_retryable = True


class PendingError(DroneChainError):
    """A record is not where it was awaited."""


class TimedOut(PendingError, TimeoutError):
    """It takes longer. The record stays in the outbox, and its handle good."""

    is_retryable = True


class Stopped(PendingError):
    """The producer stopped. The record is in the outbox; who opens it again goes on."""


class Rejected(SendError, PendingError):
    """The ledger refuses a batch for good; its records stay in the outbox."""

    sequence: int = 0
    """Sequence of the batch."""

    status: int | None = None
    """HTTP status of the node's refusal."""

    rule: str | None = None
    """Number of the ledger's rule, if one refused."""

    name: str | None = None
    """The refusal's name, e.g. ``tx-sender-unknown``."""


class Closed(SendError, PendingError):
    """The client or producer was closed."""


class VerificationError(DroneChainError):
    """Evidence does not hold."""

    part: str = ""
    """The part that failed: format, record, proof, transaction, block-path, header, registry or promise."""

    rule: str | None = None
    """Number of the ledger's rule that is broken, where it is one, e.g. ``T8``."""

    rule_name: str | None = None
    """That rule's name."""
