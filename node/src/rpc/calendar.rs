//! Block hashes as public Chainpoint clients look them up: their `cal` anchors name this path.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use schemars::JsonSchema;
use serde::Deserialize;

use super::api::Api;
use super::call::{Answer, Call, Rest};
use super::error::ApiError;
use crate::core::view::View as _;

/// `calendar.data`
pub(super) struct Data;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ByHeight {
    height: u64,
}

impl Answer for Hash256 {}

impl Call for Data {
    const NAME: &'static str = "calendar.data";
    const REST: Rest = Rest::Get("/calendar/{height}/data");
    const ABOUT: &'static str =
        "The hash of the active chain's block: what cal anchors of Chainpoint v4 proofs name.";
    type Params = ByHeight;
    type Answer = Hash256;

    async fn call(api: Arc<Api>, ByHeight { height }: ByHeight) -> Result<Hash256, ApiError> {
        api.run(move |api| api.rpc.store.active(height)?.ok_or(ApiError::Unknown("block"))).await
    }
}
