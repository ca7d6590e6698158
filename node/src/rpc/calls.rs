//! The table of calls.

use super::call::Entry;
use super::{
    anchors, batch_receipts, calendar, chain, health, history, leaves, mining, peers, receipts, registry,
    search, status, transactions,
};

/// Every call that is parameters in, an answer out. Submissions and streams are beside it.
pub(super) fn all() -> Vec<Entry> {
    vec![
        Entry::of::<status::Status>(),
        Entry::of::<status::Tip>(),
        Entry::of::<status::Spec>(),
        Entry::of::<chain::Headers>(),
        Entry::of::<chain::GetHeader>(),
        Entry::of::<chain::GetBlock>(),
        Entry::of::<chain::Blocks>(),
        Entry::of::<chain::Tips>(),
        Entry::of::<health::Rivals>(),
        Entry::of::<registry::GetGovernance>(),
        Entry::of::<transactions::Get>(),
        Entry::of::<transactions::GetStates>(),
        Entry::of::<transactions::OfSender>(),
        Entry::of::<transactions::OfKind>(),
        Entry::of::<registry::GetSequences>(),
        Entry::of::<transactions::Pool>(),
        Entry::of::<anchors::GetAnchor>(),
        Entry::of::<anchors::GetReceipt>(),
        Entry::of::<receipts::GetProof>(),
        Entry::of::<receipts::GetBinaryProof>(),
        Entry::of::<receipts::Verify>(),
        Entry::of::<anchors::GetBody>(),
        Entry::of::<leaves::Leaves>(),
        Entry::of::<batch_receipts::Receipts>(),
        Entry::of::<batch_receipts::Proofs>(),
        Entry::of::<batch_receipts::BinaryProofs>(),
        Entry::of::<anchors::AnchorsOfRoot>(),
        Entry::of::<health::Missing>(),
        Entry::of::<registry::Entries>(),
        Entry::of::<registry::GetAccount>(),
        Entry::of::<registry::Proof>(),
        Entry::of::<history::GetHistory>(),
        Entry::of::<health::GetEvidence>(),
        Entry::of::<peers::Peers>(),
        Entry::of::<mining::GetTemplate>(),
        Entry::of::<mining::SubmitBlock>(),
        Entry::of::<search::Search>(),
        Entry::of::<calendar::Data>(),
    ]
}
