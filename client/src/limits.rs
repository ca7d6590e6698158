//! Every bound of the SDK, in one place.

use std::time::Duration;

use dronechain_chain_spec::limits::{MESSAGE_BYTES_MAX, RECORD_BYTES_MAX};

/// For a connection to a node.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole answer, longer than a node itself waits for its core.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// A kept connection is dropped before the node would: nodes wait 10 s for the next request.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that a node waits for another tip.
pub const TIP_WAIT_MAX: Duration = Duration::from_secs(30);
/// Bytes of a JSON answer.
pub const JSON_BYTES_MAX: usize = 1 << 20;
/// Bytes of an answer in canonical encodings: nodes end theirs soon after 4 MiB.
pub const OCTETS_MAX: usize = 2 * MESSAGE_BYTES_MAX;
/// Bytes of certificates that nodes are vouched for with: four times what operating systems trust.
pub const ROOTS_BYTES_MAX: u64 = 1 << 20;
/// Characters of an answer that is no JSON, as quoted in an error.
pub const QUOTE_CHARS_MAX: usize = 120;

/// Links asked for at a time.
pub const HEADERS_PER_REQUEST: u64 = 2_000;
/// Answers taken in one call of `Headers::sync`: 2 million blocks.
pub const SYNC_ROUNDS_MAX: u32 = 1_000;
/// Bytes of a file of headers: over 8 million blocks.
pub const HEADERS_FILE_BYTES_MAX: u64 = 2 << 30;

/// First pause after a failure; doubles with each further one.
pub const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest that a node may ask to be left alone: it is not to be taken at its word for ever.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Longest pause after failures.
pub const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Producers and followers look again after so long, whatever they are told.
pub const PRODUCER_TICK: Duration = Duration::from_millis(500);
/// Sequences that a node takes ahead of the chain.
pub const SEQUENCES_AHEAD_MAX: u64 = 256;
/// Blocks over another transaction at a batch's sequence, after which the batch is signed anew.
pub const LOST_DEPTH: u64 = 6;
/// Own blocks after which a batch that a node took and that is in no block is handed to the next node too.
pub const IDLE_BLOCKS: u64 = 12;
/// Records of a recovered outbox for which nodes are asked at the same time.
pub const RECALLS_MAX: usize = 8;
/// Times that all nodes are asked before one that shows nothing, or does not answer, is left out.
pub const ROUNDS_MAX: u32 = 5;
/// Times that all nodes are asked at a start before transactions of the own key that the outbox does not know, and that
/// are in no block, are left out: about half a minute.
pub const FOREIGN_ROUNDS_MAX: u32 = 8;
/// A node whose tip is more blocks below the own one is catching up.
pub const LAG_MAX: u64 = 3;
/// So many block times after its tip, and at least [`OLD_MIN`], a node may be catching up, or without the others.
pub const OLD_BLOCKS: u64 = 12;
/// The least of that.
pub const OLD_MIN: Duration = Duration::from_secs(60);
/// Bytes of records that an outbox keeps, and gives back to the disk, together.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Pause before records that wait for room on the disk are tried again.
pub const DISK_PAUSE: Duration = Duration::from_secs(1);
/// Longest time that a batch waits for more records.
pub const LINGER_MAX: Duration = Duration::from_secs(86_400);
/// The least that a wait lasts once the time for a record's delivery has passed.
pub const LATE_WAIT: Duration = Duration::from_secs(1);
/// Pieces of evidence that a producer keeps against one node.
pub const BROKEN_PER_NODE_MAX: usize = 16;
/// Pause before evidence of a broken promise is looked for again, at another node.
pub const JUDGE_PAUSE: Duration = Duration::from_secs(30);
/// Tries to find it, after which the promise is let go of.
pub const JUDGE_TRIES_MAX: u32 = 20;
/// Promises for which it is looked for at the same time.
pub const JUDGING_MAX: usize = 4;
/// All nodes are compared with the own header chain after so long.
pub const SURVEY_EVERY: Duration = Duration::from_secs(10);
/// Times that a node is asked for the headers of a tip that it claims, which may be newer than those it gave.
pub const LOOKS_MAX: u32 = 3;
/// For one answer with a node's headers.
pub const SYNC_TIMEOUT: Duration = Duration::from_secs(10);
/// Events of the header chain that wait for a slow listener.
pub const CHAIN_EVENTS_MAX: usize = 1_024;

/// Tries to hand a transaction to a node before the caller is told.
pub const SUBMIT_TRIES_MAX: u32 = 4;
/// Pause before the second try; doubles with each further one.
pub const SUBMIT_PAUSE: Duration = Duration::from_millis(250);
/// Times that a transaction is signed anew because its sequence was taken.
pub const RESIGN_TRIES_MAX: u32 = 3;
/// One wait for another tip while a transaction is pending.
pub const POLL_WAIT: Duration = Duration::from_secs(5);
/// Pause after a failed poll.
pub const POLL_PAUSE: Duration = Duration::from_millis(500);

/// Bytes of one event.
pub const EVENT_BYTES_MAX: usize = 64 << 10;
/// A stream of events that brings nothing for this long is dead: nodes send a comment every 10 s.
pub const EVENT_SILENCE_MAX: Duration = Duration::from_secs(30);
/// A stream of events is opened anew after this long; nodes end it sooner.
pub const EVENT_STREAM_AGE_MAX: Duration = Duration::from_secs(3_600);
/// Blocks below a promise's deadline that are searched for the transaction before the one promised.
pub const GATHER_BLOCKS_MAX: u64 = 4_096;

/// Records in one framed message.
pub const FRAMES_MAX: usize = 256;
/// Bytes of one framed message, by which senders cut; a single record is far below.
pub const FRAMES_BYTES_MAX: usize = 1 << 20;
const _: () = assert!(RECORD_BYTES_MAX + 4 <= FRAMES_BYTES_MAX);

/// Files in a folder of evidence.
pub const BUNDLE_FILES_MAX: usize = 20_000_000;
/// Signers kept at a time, as points of the curve.
pub const SIGNERS_KEPT: usize = 16;
/// Verified anchors kept at a time; records of one batch stand together.
pub const ANCHORS_KEPT: usize = 4;
/// Threads that verify a folder.
pub const VERIFY_THREADS_MAX: usize = 64;

/// Sequences and numbers of that kind above this are nobody's: a key that anchored each millisecond would not get there in
/// a hundred thousand years.
pub const SEQUENCE_MAX: u64 = 1 << 52;
