//! What can go wrong, with an exit code and a hint for each.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use dronechain_chain_spec::chain::ChainError;
use dronechain_chain_spec::checkpoint::CheckpointError;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::receipt::{Part, ReceiptError};
use dronechain_chain_spec::state::Outcome;
use dronechain_client::admin::PartialError;
use dronechain_client::evidence::part_name;
use dronechain_client::{
    AdminError, AnchorError, BatchError, BundleError, ClientError, HeadersError, WaitError,
};
use dronechain_drone::LogError;
use dronechain_record::{KeyFileError, RecordError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("no runtime: {0}")]
    Runtime(io::Error),
    #[error("{0}")]
    Usage(String),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} has more than {max} bytes", path.display())]
    TooLong { path: PathBuf, max: u64 },
    #[error("{}: {reason}", path.display())]
    Config { path: PathBuf, reason: String },
    #[error("{0}")]
    Key(#[from] KeyFileError),
    #[error("{0}")]
    Log(#[from] LogError),
    #[error("{0}")]
    Client(#[from] ClientError),
    #[error("{0}")]
    Headers(#[from] HeadersError),
    #[error("{0}")]
    Admin(#[from] AdminError),
    #[error("{}: {error}", path.display())]
    Partial { path: PathBuf, error: PartialError },
    #[error("{0}")]
    Anchor(#[from] AnchorError),
    #[error("{0}")]
    Wait(#[from] WaitError),
    #[error("{0}")]
    Bundle(#[from] BundleError),
    #[error("batch: {0}")]
    Batch(#[from] BatchError),
    #[error("no randomness: {0}")]
    Randomness(getrandom::Error),
    #[error("record {sequence}: {error}")]
    Record { sequence: u64, error: RecordError },
    #[error("record {sequence}: it hashes to {found}, the batch has {expected} at index {index}")]
    OtherLeaf { sequence: u64, index: u32, found: Hash256, expected: Hash256 },
    #[error("record {sequence}: the cloud gave record {found}")]
    OtherRecord { sequence: u64, found: u64 },
    #[error("the anchor {sender}/{anchor_sequence}: {error}")]
    Proof { sender: String, anchor_sequence: u64, error: ReceiptError },
    #[error("the receipt of {hash}: {error}")]
    Format { hash: Hash256, error: ReceiptError },
    #[error("transaction {txid} is recorded without effect: {}", why(*outcome))]
    NoEffect { txid: Hash256, outcome: Outcome },
    #[error("the node lacks the batch of root {0}")]
    BodyMissing(Hash256),
    #[error("the node has no receipt of {0}")]
    NoReceipt(Hash256),
    #[error("{what} did not happen within {seconds} s")]
    TimedOut { what: String, seconds: u64 },
    #[error("device {key} is {state}")]
    DeviceState { key: String, state: String },
    /// Height 0 is that of the genesis block, which the file's beginning stands for.
    #[error("header: file {}: height {height}: {error}", path.display())]
    HeadersFile { path: PathBuf, height: u64, error: ChainError },
    #[error("{}: not a file that begins at a checkpoint", path.display())]
    NoCheckpoint { path: PathBuf },
    #[error("{}: no block at height {height} with all below it, the headers end at {tip}", path.display())]
    NoBlockFor { path: PathBuf, height: u64, tip: u64 },
    #[error("header: {} is of network {found}, wanted is {expected}", path.display())]
    HeadersNetwork { path: PathBuf, found: Hash256, expected: Hash256 },
    #[error("{}: {reason}", part_name(*part))]
    NotVerified { part: Part, reason: String },
    #[error("{failures} failures among {records} records, first {first}")]
    FolderNotVerified { records: u64, failures: u64, first: String },
    #[error("{}: no records in it", .0.display())]
    FolderEmpty(PathBuf),
    #[error("{0}")]
    Service(String),
    /// A key of a service's configuration has a value that it cannot have.
    #[error("{0}")]
    Setting(String),
}

fn why(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "it took effect",
        Outcome::KeyKnown => "the key is registered already, or was once",
        Outcome::NotOwned => "there is no such key, or it is another's",
        Outcome::RevokedBefore => "the key was revoked before",
        Outcome::ReadyBefore => "the node had announced itself before",
        Outcome::TooLate => {
            "the height is not above its own block's, or what it would change has taken effect"
        }
        Outcome::RollFull => "there is no place left for another node, or another of its line",
    }
}

impl CliError {
    /// Says it in one line on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        // One line, whatever libraries and strangers say.
        let text = self.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        match self.hint() {
            // Some messages bring their own.
            Some(hint) if !text.contains("(hint:") => eprintln!("error: {text} (hint: {hint})"),
            _ => eprintln!("error: {text}"),
        }
        ExitCode::from(self.exit_code())
    }

    /// 1: the answer is no. 2: usage, or a configuration that is wrong. 3: could not be done.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            // A service that is started again with the same configuration would end the same way.
            Self::Usage(_) | Self::Config { .. } | Self::Setting(_) => 2,
            Self::NotVerified { .. }
            | Self::FolderNotVerified { .. }
            | Self::FolderEmpty(_)
            | Self::HeadersFile { .. }
            | Self::NoCheckpoint { .. }
            | Self::NoBlockFor { .. }
            | Self::HeadersNetwork { .. }
            | Self::OtherLeaf { .. }
            | Self::OtherRecord { .. }
            | Self::Record { .. }
            | Self::Proof { .. }
            | Self::Format { .. }
            | Self::NoReceipt(_)
            | Self::NoEffect { .. }
            | Self::DeviceState { .. }
            | Self::Partial { .. }
            | Self::Batch(_) => 1,
            Self::Admin(error) => match error {
                AdminError::Client(error) => of_client(error),
                AdminError::Partial(_) => 1,
                AdminError::NotAnAdmin { .. }
                | AdminError::Duplicate { .. }
                | AdminError::Threshold { .. } => 2,
            },
            Self::Client(error)
            | Self::Anchor(AnchorError::Client(error))
            | Self::Headers(HeadersError::Client(error))
            | Self::Wait(WaitError::Refused { source: error, .. }) => of_client(error),
            Self::Headers(
                HeadersError::WrongNetwork { .. }
                | HeadersError::Header { .. }
                | HeadersError::Chain { error: ChainError::Checkpoint(_), .. },
            ) => 1,
            Self::Runtime(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::TooLong { .. }
            | Self::Key(_)
            | Self::Log(_)
            | Self::Headers(_)
            | Self::Anchor(AnchorError::Unacknowledged { .. })
            | Self::Wait(WaitError::TimedOut { .. })
            | Self::Bundle(_)
            | Self::Randomness(_)
            | Self::BodyMissing(_)
            | Self::TimedOut { .. }
            | Self::Service(_) => 3,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        let hint = match self {
            Self::Client(error)
            | Self::Headers(HeadersError::Client(error))
            | Self::Anchor(AnchorError::Client(error))
            | Self::Admin(AdminError::Client(error)) => return of_refusal(error),
            Self::Key(error) => return of_key(error),
            Self::Usage(_) => "see --help",
            Self::Read { .. } | Self::Bundle(_) => "does it exist, and may you read it?",
            Self::Write { .. } => "does the folder exist, and may you write there?",
            Self::Config { .. } => "unknown keys are errors; see --help for the keys",
            Self::Log(_) => "PX4 logs (.ulg) and MAVLink telemetry logs (.tlog) can be flown, or `simulated`",
            Self::HeadersFile {
                error:
                    ChainError::Checkpoint(
                        CheckpointError::Untrusted { .. } | CheckpointError::NoneTrusted { .. },
                    ),
                ..
            } => "give --trust and the id that it must have, from a source that you trust",
            Self::HeadersFile { .. } => "fetch the headers again: dronechain headers export",
            Self::NoCheckpoint { .. } => "dronechain headers checkpoint makes one",
            Self::NoBlockFor { .. } => "give a lower height, or newer headers",
            Self::HeadersNetwork { .. } => "headers and --chain-id must be of one network",
            Self::NotVerified { part: Part::Header, .. } => {
                "are the headers new enough? dronechain headers export fetches them"
            }
            Self::Headers(HeadersError::InUse { .. }) => "give another file, or stop the other process",
            Self::Headers(HeadersError::WrongNetwork { .. }) => "give another file",
            Self::Headers(HeadersError::Chain {
                error:
                    ChainError::Checkpoint(
                        CheckpointError::Untrusted { .. } | CheckpointError::NoneTrusted { .. },
                    ),
                ..
            }) => "give --trust and the id that it must have, from a source that you trust",
            Self::Admin(AdminError::Threshold { .. }) => {
                "give --admin-key once for each admin that signs; --out FILE if they are elsewhere"
            }
            Self::Partial { error, .. } | Self::Admin(AdminError::Partial(error)) => {
                return of_partial(error);
            }
            Self::Anchor(AnchorError::Unacknowledged { .. }) => {
                "the node may have it; ask before submitting anew"
            }
            Self::NoReceipt(_) => "not anchored yet? try again after the next block",
            Self::TimedOut { .. } | Self::Wait(WaitError::TimedOut { .. }) => {
                "are blocks being made? --timeout gives more time"
            }
            Self::FolderEmpty(_) => "dronechain receipt get --device fills a folder",
            Self::DeviceState { .. } => "dronechain device enrol enrols a new key",
            Self::Runtime(_)
            | Self::TooLong { .. }
            | Self::Headers(_)
            | Self::Admin(_)
            | Self::Wait(_)
            | Self::Batch(_)
            | Self::Randomness(_)
            | Self::Record { .. }
            | Self::OtherLeaf { .. }
            | Self::OtherRecord { .. }
            | Self::Proof { .. }
            | Self::Format { .. }
            | Self::BodyMissing(_)
            | Self::NoEffect { .. }
            | Self::NotVerified { .. }
            | Self::FolderNotVerified { .. }
            | Self::Setting(_)
            | Self::Service(_) => return None,
        };
        Some(hint)
    }
}

/// A refusal is an answer; all else means that there was none. So does a refusal by something that is not
/// the service wanted.
fn of_client(error: &ClientError) -> u8 {
    match error {
        ClientError::Refused { name, .. } if is_strange(name) => 3,
        ClientError::Refused { status: 400..=499, .. } | ClientError::WrongNetwork { .. } => 1,
        ClientError::BadUrl { .. } => 2,
        _ => 3,
    }
}

/// Whether the refusal's name says that another service was asked: one of ours without that call, or one
/// that is none of ours.
fn is_strange(name: &str) -> bool {
    matches!(name, "http" | "no-route" | "method-not-allowed")
}

fn of_partial(error: &PartialError) -> Option<&'static str> {
    let hint = match error {
        PartialError::TooLong(_) | PartialError::Malformed(_) | PartialError::Signature(_) => {
            "ask whoever gave you the file for it again"
        }
        PartialError::Format(_) => "another version of dronechain made it",
        PartialError::Chain { .. } => "is this the node, or the file, of the right network?",
        PartialError::Stale { .. } => "decide anew: dronechain admin ... --out FILE",
        PartialError::Duplicate(_) => "another admin is to sign it",
        PartialError::Incomplete { .. } => "the others sign it: dronechain admin sign FILE --admin-key KEY",
        PartialError::Different => "give copies of one file",
        PartialError::NotAdmins
        | PartialError::Rule(_)
        | PartialError::NotAnAdmin(_)
        | PartialError::Early { .. } => return None,
    };
    Some(hint)
}

fn of_key(error: &KeyFileError) -> Option<&'static str> {
    let hint = match error {
        KeyFileError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "dronechain keygen --out FILE makes one"
        }
        KeyFileError::Read { .. } => "may you read it?",
        KeyFileError::Write { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "make the folder first"
        }
        KeyFileError::Write { .. } => "may you write there?",
        KeyFileError::Exists { .. } => "name another file",
        KeyFileError::NotAFile { .. } => "name the key file itself, not its folder",
        KeyFileError::Length { .. } | KeyFileError::Digits { .. } | KeyFileError::Newline { .. } => {
            "restore the file from a backup, or make a new key"
        }
        // The one brings its hint, against the other nothing helps.
        KeyFileError::OpenToOthers { .. } | KeyFileError::Randomness(_) => return None,
    };
    Some(hint)
}

fn of_refusal(error: &ClientError) -> Option<&'static str> {
    let hint = match error {
        ClientError::Unreachable { .. } => "is it running, and is the address right?",
        ClientError::Timeout { .. } => "try again",
        ClientError::BadUrl { .. } => "e.g. http://127.0.0.1:7700",
        ClientError::Malformed { .. } => "is this the address of the right service?",
        ClientError::Refused { name, .. } if is_strange(name) => "is this the address of the right service?",
        ClientError::Refused { name, .. } => match name.as_str() {
            "tx-sender-unknown" | "unknown" => "is the key admitted or enrolled, and in a block yet?",
            "unauthorized" => "the cookie file is in the service's data folder",
            "mempool-full" | "busy" => "try again in a moment",
            _ => return None,
        },
        _ => return None,
    };
    Some(hint)
}
