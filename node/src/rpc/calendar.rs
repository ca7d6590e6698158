//! Block hashes as public Chainpoint clients look them up: their `cal` anchors name this path.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dronechain_chain_spec::hash::Hash256;

use super::api::Api;
use super::error::ApiError;
use super::params::{NoQuery, Params, Segments};
use crate::core::view::View as _;

/// `GET /calendar/{height}/data`: the hash of the active chain's block as a JSON string.
pub(super) async fn data(
    State(api): State<Arc<Api>>,
    Segments(height): Segments<u64>,
    _: Params<NoQuery>,
) -> Result<Json<Hash256>, ApiError> {
    let read = move |api: &Api| api.rpc.store.active(height)?.ok_or(ApiError::Unknown("block"));
    api.run(read).await.map(Json)
}
