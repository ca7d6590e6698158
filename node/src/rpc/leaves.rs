//! The leaves of a batch, a page at a time.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::call::{Answer, Call, Rest};
use super::error::ApiError;
use super::limits::LEAVES_PAGE_MAX;
use super::params::at_most;
use crate::core::view::BatchId;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageOfBatch {
    root: Hash256,
    leaf_count: u32,
    /// Index of the first; 0 unless it is said.
    from: Option<u32>,
    /// At most 1,000, which it is unless it is said.
    #[schemars(range(max = 1_000))]
    limit: Option<u64>,
}

/// `batch.leaves`
pub(crate) struct Leaves;

#[derive(Serialize, JsonSchema)]
pub(crate) struct LeavesPage {
    /// By index, from `from` on.
    leaves: Vec<Hash256>,
    /// Where the next page begins; null at the end.
    next: Option<u32>,
}

impl Answer for LeavesPage {}

impl Call for Leaves {
    const NAME: &'static str = "batch.leaves";
    const REST: Rest = Rest::Get("/v1/bodies/{root}/{leaf_count}/leaves");
    const ABOUT: &'static str = "The leaves of a batch in order: SHA-256 of its records.";
    type Params = PageOfBatch;
    type Answer = LeavesPage;

    async fn call(api: Arc<Api>, asked: PageOfBatch) -> Result<LeavesPage, ApiError> {
        let PageOfBatch { root, leaf_count, from, limit } = asked;
        let limit = at_most("limit", limit.unwrap_or(LEAVES_PAGE_MAX), LEAVES_PAGE_MAX)?;
        let batch = BatchId { root, leaf_count };
        let leaves =
            api.run(move |api| api.rpc.store.body(&batch)?.ok_or(ApiError::Unknown("batch body"))).await?;
        let from = from.unwrap_or(0);
        let page: Vec<_> = leaves
            .into_iter()
            .skip(usize::try_from(from).unwrap_or(usize::MAX))
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .collect();
        let next = next_page(from, page.len(), leaf_count);
        Ok(LeavesPage { leaves: page, next })
    }
}

/// Where the page behind one of `len` leaves from `from` on begins; none behind the last leaf, or an empty page.
pub(super) fn next_page(from: u32, len: usize, leaf_count: u32) -> Option<u32> {
    let next = u32::try_from(len).ok().and_then(|len| from.checked_add(len));
    next.filter(|next| *next < leaf_count && len > 0)
}
