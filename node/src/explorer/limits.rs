//! Every bound of the explorer, in one place.

use dronechain_chain_spec::limits::RECEIPT_BYTES_MAX;

use crate::rpc::limits::RECEIPTS_PAGE_MAX;

/// Bytes of a form: a receipt in which every byte is escaped, and its record's hash.
pub(super) const FORM_BYTES_MAX: usize = 3 * RECEIPT_BYTES_MAX + (1 << 10);
/// Blocks that a node is behind when its pages say so: fewer are on their way whenever one is made.
pub(super) const BEHIND_TOLD: u64 = 3;
/// Blocks that are counted through at a time for the number of records.
pub(super) const TALLY_STEP: u64 = 20;
/// Counts that are kept: a reorganisation of so many blocks is counted from where it left.
pub(super) const TALLY_KEPT: usize = 1_000;
/// Blocks whose times the overview shows, and of which the hash rate is told.
pub(super) const WINDOW_BLOCKS: usize = 60;
/// Blocks that the overview lists.
pub(super) const NEWEST_BLOCKS: usize = 10;
/// Blocks of a page.
pub(super) const BLOCKS_SHOWN: &str = "50";
/// Transactions of a page, whether of a block, a sender or a kind.
pub(super) const TRANSACTIONS_SHOWN: usize = 25;
/// Leaves of a page.
pub(super) const LEAVES_SHOWN: usize = 100;
const _: () = assert!(LEAVES_SHOWN as u64 <= RECEIPTS_PAGE_MAX);
/// Entries of a page of the registry, and devices of a page of their controller.
pub(super) const ENTRIES_SHOWN: u32 = 100;
/// Pieces of evidence of a page.
pub(super) const EVIDENCE_SHOWN: u32 = 20;
/// Anchors of one root that are told with what they anchor.
pub(super) const ANCHORS_SHOWN: usize = 20;
/// Missing bodies that are told.
pub(super) const MISSING_SHOWN: usize = 50;
