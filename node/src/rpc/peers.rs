//! Whom the node is connected to.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::api::Api;
use super::call::{Answer, Call, Rest};
use super::error::ApiError;
use super::params::Nothing;
use crate::p2p::Met;

/// `peers.list`
pub(crate) struct Peers;

#[derive(Serialize, JsonSchema)]
pub(crate) struct PeersView {
    /// By identity.
    pub(crate) peers: Vec<Met>,
}

impl Answer for PeersView {}

impl Call for Peers {
    const NAME: &'static str = "peers.list";
    const REST: Rest = Rest::Get("/v1/peers");
    const ABOUT: &'static str =
        "The connected peers: who they are, where, who began the connection, and since when.";
    type Params = Nothing;
    type Answer = PeersView;

    async fn call(api: Arc<Api>, Nothing {}: Nothing) -> Result<PeersView, ApiError> {
        let peers = api.rpc.met.borrow().to_vec();
        Ok(PeersView { peers })
    }
}
