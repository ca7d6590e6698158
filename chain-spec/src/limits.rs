//! Every bound of the protocol, in one place. A value beyond its bound is refused, never cut.

/// Leaves of one batch: a body of 65,536 hashes is 2 MiB.
pub const LEAVES_MAX: u32 = 65_536;
/// Transactions of one block.
pub const BLOCK_TXS_MAX: usize = 4_096;
/// Encoded bytes of one block's transactions.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;
/// Encoded bytes of one transaction.
pub const TX_BYTES_MAX: usize = 16 << 10;
/// Admins of a network; also the most approvals of a transaction.
pub const ADMINS_MAX: usize = 32;
/// Nodes that a chain spec names.
pub const GENESIS_NODES_MAX: usize = 256;
/// Bytes of a device's kind, e.g. `multicopter`.
pub const DEVICE_KIND_MAX: usize = 32;
/// Bytes of a device's area, e.g. the name of a site.
pub const DEVICE_AREA_MAX: usize = 64;
/// Bytes of a network's name.
pub const NETWORK_NAME_MAX: usize = 32;
/// Encoded bytes of a chain spec.
pub const CHAIN_SPEC_BYTES_MAX: usize = 32 << 10;
/// Bytes of a chain spec's TOML.
pub const CHAIN_SPEC_TOML_MAX: usize = 256 << 10;
/// Numbers of rules that may be activated: 1 to this.
pub const RULES_MAX: u32 = 64;
/// Entries on the roll of nodes, revoked ones included.
pub const NODES_MAX: usize = 4_096;
/// Keys of one node's line of successors: each keeps its place on the roll for ever.
pub const LINE_MAX: usize = 16;
/// Encoded bytes of one wire message.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Headers in one answer.
pub const HEADERS_PER_MESSAGE: usize = 2_000;
/// Blocks in one answer.
pub const BLOCKS_PER_MESSAGE: usize = 64;
/// Hashes of a locator: enough for 2^28 blocks.
pub const LOCATOR_MAX: usize = 64;
/// Items of a Merkle path: a tree of 2^32 leaves is 32 deep.
pub const PATH_MAX: usize = 32;
/// Bytes of a receipt's JSON.
pub const RECEIPT_BYTES_MAX: usize = 128 << 10;
/// Bytes of a Chainpoint v4 proof: as JSON, as a zlib stream, and of what that inflates to.
pub const PROOF_BYTES_MAX: usize = 64 << 10;
/// Bytes of the host that a proof names.
pub const PROOF_HOST_MAX: usize = 255;
/// Bytes of one operand in a proof: Chainpoint allows 512 hex digits.
pub const PROOF_OPERAND_MAX: usize = 256;
/// How deep lists and maps of a proof's binary form may be nested; proofs need 8.
pub const PROOF_DEPTH_MAX: usize = 10;
/// Bytes of one record.
pub const RECORD_BYTES_MAX: usize = 64 << 10;
/// Least time that a block may be ahead of the own clock, in ms, whatever the block time.
pub const FUTURE_MIN_MS: u64 = 10_000;
/// The same as a multiple of the block time.
pub const FUTURE_BLOCK_TIMES: u64 = 3;
/// Solve times count at most this many block times (SPEC.md, "Difficulty").
pub const SOLVE_TIME_CAP: u64 = 12;
/// Bounds of the block time T, in ms.
pub const BLOCK_TIME_RANGE: std::ops::RangeInclusive<u64> = 10..=3_600_000;
/// Half-life of the difficulty rule, in block times.
pub const HALF_LIFE: u64 = 20;
/// Blocks from a promise's tip to its deadline.
pub const PROMISE_BLOCKS: u64 = 120;
/// Blocks before the deadline within which a transaction must have been possible for the promise to count as
/// broken.
pub const PROMISE_SLACK: u64 = 60;
const _: () = assert!(PROMISE_SLACK <= PROMISE_BLOCKS);
