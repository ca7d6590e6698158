//! What a name may mean: a height, or 64 digits of hex that are a block, a transaction, a record, a batch or a key.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::anchors::candidates;
use super::api::Api;
use super::call::{Answer, Call, Rest};
use super::error::ApiError;
use super::limits::NAME_CHARS_MAX;
use super::params::at_most;
use crate::core::view::View as _;

/// `search.find`
pub(crate) struct Search;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// A height, or 64 digits of hex.
    #[schemars(length(max = 64))]
    q: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Found {
    /// Everything of that name; none is an answer too.
    pub(crate) found: Vec<Hit>,
}

impl Answer for Found {}

/// Something of the name that was asked for.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Hit {
    /// A block.
    Block { hash: Hash256, height: u64, active: bool },
    /// A transaction; no height while it waits.
    Transaction { txid: Hash256, height: Option<u64> },
    /// A record that a batch holds, by its lowest anchor.
    Record { hash: Hash256, height: u64, sender: PublicKey, sequence: u64 },
    /// A batch by its root.
    Batch { root: Hash256, anchors: usize },
    /// A registered key.
    Key { key: PublicKey, role: Role },
}

impl Call for Search {
    const NAME: &'static str = "search.find";
    const REST: Rest = Rest::Get("/v1/search");
    const ABOUT: &'static str = "What has this name: a block's height, or the hash of a block, transaction, record or batch, \
        or a key.";
    type Params = Wanted;
    type Answer = Found;

    async fn call(api: Arc<Api>, Wanted { q }: Wanted) -> Result<Found, ApiError> {
        at_most("characters of q", q.chars().count() as u64, NAME_CHARS_MAX)?;
        api.run(move |api| find(api, q.trim()).map(|found| Found { found })).await
    }
}

fn find(api: &Api, text: &str) -> Result<Vec<Hit>, ApiError> {
    let store = &api.rpc.store;
    let mut found = Vec::new();
    if let Ok(height) = text.parse() {
        if let Some(hash) = store.active(height)? {
            found.push(Hit::Block { hash, height, active: true });
        }
        return Ok(found);
    }
    let lower = text.to_ascii_lowercase();
    let Ok(hash) = lower.parse::<Hash256>() else { return Ok(found) };
    if let Some(stored) = store.header(&hash)? {
        let height = stored.signed.header.height;
        found.push(Hit::Block { hash, height, active: store.active(height)? == Some(hash) });
    }
    let pooled = store.pool_place(&hash)?.is_some();
    let height = store.transaction_place(&hash)?.map(|place| place.height);
    if pooled || height.is_some() {
        found.push(Hit::Transaction { txid: hash, height });
    }
    if let Some(lowest) = candidates(api, &hash, None)?.first() {
        let (height, sender, sequence) = (lowest.height, lowest.sender, lowest.sequence);
        found.push(Hit::Record { hash, height, sender, sequence });
    }
    let anchors = store.anchors_of_root(&hash)?.len();
    if anchors > 0 {
        found.push(Hit::Batch { root: hash, anchors });
    }
    let key = PublicKey(hash.0);
    if let Some(account) = api.tip().registry.account(&key) {
        found.push(Hit::Key { key, role: account.entry.role });
    }
    Ok(found)
}
