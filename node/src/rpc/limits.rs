//! Every bound of the HTTP interface, in one place.

use std::time::Duration;

use dronechain_chain_spec::codec::Canonical as _;
use dronechain_chain_spec::limits::RECEIPT_BYTES_MAX;
use dronechain_chain_spec::wire::Submission;

/// Connections at a time; for one more, the one that has been silent longest is ended.
pub const CONNECTIONS_MAX: usize = 1_024;
/// For a request's head to arrive, and for the next request on a kept connection.
pub const HEAD_WAIT: Duration = Duration::from_secs(10);
/// Bytes of a file with certificates or a key.
pub const TLS_BYTES_MAX: u64 = 1 << 20;
/// How often certificate and key are looked at again.
pub const TLS_READ_EVERY: Duration = Duration::from_secs(5);
/// Looks in a row that find a file unreadable, after which the operator is told.
pub const TLS_UNREADABLE_MAX: u32 = 2;
/// Bytes of a request's head: it may name [`EVENT_HASHES_MAX`] hashes and [`EVENT_SENDERS_MAX`] keys.
pub const HEAD_BYTES_MAX: usize = 32 << 10;
/// How long one connection lives, so that a client that never reads cannot hold it for ever.
pub const CONNECTION_AGE_MAX: Duration = Duration::from_secs(600);
/// What a request under way gets to finish when its connection or the server is to end.
pub const GRACE: Duration = Duration::from_secs(5);
/// Failures to accept in a row after which the listener is given up, and the pause after each.
pub const ACCEPT_FAILURES_MAX: u32 = 100;
/// Pause after a failure to accept, such as too many open files.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a submission.
pub const SUBMISSION_BYTES_MAX: usize = 3 << 20;
const _: () = assert!(Submission::MAX <= SUBMISSION_BYTES_MAX);
/// Bytes of any other request's body: a receipt, with what is around it.
pub const BODY_BYTES_MAX: usize = RECEIPT_BYTES_MAX + (4 << 10);
/// KiB of submissions in memory at a time; more are told to come back.
pub const SUBMISSIONS_KIB_MAX: usize = 12 << 10;
/// For a submission's body to arrive: this, and a second for each of [`BODY_BYTES_PER_S`].
pub const BODY_WAIT: Duration = Duration::from_secs(5);
/// The slowest that a large submission may come in, in bytes a second.
pub const BODY_BYTES_PER_S: u64 = 256 << 10;
/// For the core's answer to a submission.
pub const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// How long `/readyz?verbose` tells of a clock that differed.
pub const CLOCK_MEMORY_MS: u64 = 3_600_000;

/// How many seconds' worth of its rate an identity may ask at once.
pub const RATE_BURST: Duration = Duration::from_secs(2);
/// Identities whose share is not whole, of each kind; more are told to come back.
pub const RATED_MAX: usize = 65_536;

/// Requests that read the store or check signatures at a time; more wait.
pub const WORKERS_MAX: usize = 8;
/// The longest that `/v1/tip` waits, in ms.
pub const TIP_WAIT_MAX_MS: u64 = 30_000;
/// Links in one answer.
pub const HEADERS_MAX: u64 = 2_000;
/// Bytes of links after which an answer ends early: what headers show can be large.
pub const HEADERS_BYTES_MAX: usize = 4 << 20;
/// Headers in one page of blocks.
pub const BLOCKS_MAX: u64 = 1_000;
/// Transactions in one page of a list.
pub const PAGE_MAX: u64 = 100;
/// Transactions whose states are asked for at once.
pub const STATES_MAX: u64 = 256;
/// How far below the tip branches are looked for, in blocks, unless it is said.
pub const TIPS_DEPTH: u64 = 100;
/// The same at most.
pub const TIPS_DEPTH_MAX: u64 = 10_000;
/// Headers that are looked through for branches.
pub const TIPS_HEADERS_MAX: usize = 20_000;
/// Branches in one answer.
pub const TIPS_MAX: usize = 100;
/// Registry entries in one answer.
pub const ENTRIES_MAX: u32 = 1_000;
/// Characters of a name that is searched for: the digits of a hash.
pub const NAME_CHARS_MAX: u64 = 64;
/// Leaves in one page of a batch.
pub const LEAVES_PAGE_MAX: u64 = 1_000;
/// Receipts in one page of a batch: each has its anchor's proof, and v4's binary form is compressed.
pub const RECEIPTS_PAGE_MAX: u64 = 100;
const _: () = assert!(RECEIPTS_PAGE_MAX * (RECEIPT_BYTES_MAX as u64) < RPC_ANSWER_BYTES_MAX as u64);

/// Batch trees kept, of at most 4 MiB each.
pub const BATCH_TREES_MAX: usize = 4;
/// Blocks kept with their trees, of about 3 MiB each.
pub const BLOCK_TREES_MAX: usize = 4;
/// Anchors of a leaf that are tried for a receipt, lowest first.
pub const RECEIPT_TRIES_MAX: usize = 8;
/// Times that a proof is built anew because the tip moved meanwhile.
pub const MOVED_TRIES_MAX: u32 = 5;
/// Pause before it is: the new tip is published just behind its commit.
pub const MOVED_PAUSE: Duration = Duration::from_millis(20);

/// Streams of events at a time; more are told to come back.
pub const EVENT_STREAMS_MAX: usize = 256;
/// Senders that a stream follows.
pub const EVENT_SENDERS_MAX: u64 = 64;
/// Hashes that a stream waits for.
pub const EVENT_HASHES_MAX: u64 = 256;
/// Blocks that are read at a time for one stream.
pub const EVENT_PAGE_BLOCKS: usize = 64;
/// Events after which such a page ends early; receipts come on top.
pub const EVENT_PAGE_MAX: usize = 256;
/// Events that wait for the reader beside the page at hand.
pub const EVENTS_AHEAD_MAX: usize = 16;
/// A reader that takes no event for this long is cut.
pub const EVENT_WAIT: Duration = Duration::from_secs(10);
/// A stream without events shows so often that it lives.
pub const EVENT_KEEP_ALIVE: Duration = Duration::from_secs(10);

/// JSON-RPC: WebSocket connections and requests under way at a time; more get 429.
pub const RPC_CONNECTIONS_MAX: u32 = 512;
/// Bytes of a JSON-RPC request: a submission is hex there.
pub const RPC_BYTES_MAX: u32 = 8 << 20;
const _: () = assert!(2 * SUBMISSION_BYTES_MAX < RPC_BYTES_MAX as usize);
/// Bytes of an answer, a batch's together.
pub const RPC_ANSWER_BYTES_MAX: u32 = 16 << 20;
/// Requests in a batch.
pub const RPC_BATCH_MAX: u32 = 100;
/// Subscriptions of one connection.
pub const RPC_SUBSCRIPTIONS_MAX: u32 = 16;
/// Messages that wait for a WebSocket's reader.
pub const RPC_MESSAGES_AHEAD: u32 = 64;
/// A WebSocket is pinged so often.
pub const RPC_PING: Duration = Duration::from_secs(20);
/// One that is silent for so long is closed.
pub const RPC_SILENCE_MAX: Duration = Duration::from_secs(60);
