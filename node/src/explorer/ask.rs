//! Asking a call as REST does: with parameters by name, which the call reads and refuses itself.

use std::sync::Arc;

use form_urlencoded::Serializer;

use crate::rpc::api::Api;
use crate::rpc::call::{Call, from_query};
use crate::rpc::error::ApiError;

/// Asks with `params` and with what stands in `query`, that of the page.
pub(super) async fn ask<C: Call>(
    api: &Arc<Api>,
    params: &[(&str, &str)],
    query: &str,
) -> Result<C::Answer, ApiError> {
    let text = Serializer::new(query.to_owned()).extend_pairs(params).finish();
    C::call(Arc::clone(api), from_query(&text)?).await
}

/// Asks about what the page's path names: what is wrong with it is wrong with the path.
pub(super) async fn ask_of<C: Call>(
    api: &Arc<Api>,
    name: &str,
    value: &str,
    params: &[(&str, &str)],
) -> Result<C::Answer, ApiError> {
    let all: Vec<_> = [(name, value)].iter().chain(params).copied().collect();
    ask::<C>(api, &all, "").await.map_err(|error| match error {
        ApiError::Query(message) => ApiError::Path(message),
        error => error,
    })
}
