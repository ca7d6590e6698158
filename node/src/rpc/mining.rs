//! For miners elsewhere: what to work on, and what they find. The node's own miner needs neither.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::{CheckedHeader, Header, SIGNED_HEADER_LEN, SignedHeader};
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::target::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::api::Api;
use super::call::{Answer, Call, Rest};
use super::error::ApiError;
use super::limits::ANSWER_WAIT;
use crate::core::event::{FoundBlock, MiningError, Template};

/// What a miner elsewhere asks of the core; the asker may be gone when the answer comes.
#[derive(Debug)]
pub enum MinerAsks {
    /// A template.
    Template {
        /// The key that it signs with.
        miner: PublicKey,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Template, MiningError>>,
    },
    /// To take a block.
    Block {
        /// Its header, whose work and signature hold.
        header: Box<CheckedHeader>,
        /// Where the answer goes, once the block is durable.
        reply: oneshot::Sender<Result<FoundBlock, MiningError>>,
    },
}

/// Asks the core.
async fn ask<T>(
    api: &Api,
    asks: MinerAsks,
    answer: oneshot::Receiver<Result<T, MiningError>>,
) -> Result<T, ApiError> {
    if api.rpc.store.disk().is_low() {
        return Err(ApiError::NoSpace);
    }
    api.rpc.miner_asks.try_send(asks).map_err(|error| match error {
        TrySendError::Full(_) => ApiError::Busy,
        TrySendError::Closed(_) => ApiError::Stopping,
    })?;
    let answer = timeout(ANSWER_WAIT, answer).await.map_err(|_| ApiError::NoAnswer)?;
    answer.map_err(|_| ApiError::Stopping)?.map_err(ApiError::Mining)
}

/// `mining.template`
pub(crate) struct GetTemplate;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateWanted {
    /// The admitted key that the block is to be signed with.
    miner: PublicKey,
}

/// A block without its nonce and signature.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TemplateView {
    /// The header's 168 bytes in hex. Its last 8 are the nonce, little-endian, here 0: the only ones that may change.
    header: String,
    /// What SHA-256 of SHA-256 of the header, read as a number whose first byte is the highest, must not exceed.
    target: Hash256,
    /// Height of the block.
    height: u64,
    /// The present tip. Once it is another, the template is void.
    parent: Hash256,
    /// The block's time, ms since 1970 UTC.
    time_ms: u64,
    /// Transactions in the block.
    transactions: u32,
}

impl Answer for TemplateView {}

impl From<Header> for TemplateView {
    fn from(header: Header) -> Self {
        let target = Target::from_bits(header.bits).map(Target::to_be_bytes).unwrap_or_default();
        Self {
            header: hex::encode(header.to_bytes()),
            target: Hash256(target),
            height: header.height,
            parent: header.parent,
            time_ms: header.time_ms,
            transactions: header.tx_count,
        }
    }
}

impl Call for GetTemplate {
    const NAME: &'static str = "mining.template";
    const REST: Rest = Rest::Get("/v1/mining/template");
    const ABOUT: &'static str =
        "A block on the tip for a miner elsewhere to find the nonce of; not while it is another's turn.";
    type Params = TemplateWanted;
    type Answer = TemplateView;

    async fn call(api: Arc<Api>, TemplateWanted { miner }: TemplateWanted) -> Result<TemplateView, ApiError> {
        let (reply, answer) = oneshot::channel();
        let Template { header } = ask(&api, MinerAsks::Template { miner, reply }, answer).await?;
        Ok(header.into())
    }
}

/// `mining.submit`
pub(crate) struct SubmitBlock;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Found {
    /// The template's header with its nonce, then the miner's signature over its hash: 232 bytes in hex.
    #[schemars(regex(pattern = "^[0-9a-f]{464}$"))]
    header: String,
}

/// A block that the node took; it is durable.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Taken {
    hash: Hash256,
    height: u64,
}

impl Answer for Taken {}

impl Call for SubmitBlock {
    const NAME: &'static str = "mining.submit";
    const REST: Rest = Rest::Post("/v1/mining/blocks");
    const ABOUT: &'static str =
        "Takes the block of a template that this node gave on the present tip, with its nonce and signature.";
    type Params = Found;
    type Answer = Taken;

    async fn call(api: Arc<Api>, Found { header }: Found) -> Result<Taken, ApiError> {
        let mut bytes = [0; SIGNED_HEADER_LEN];
        hex::decode_to_slice(&header, &mut bytes)
            .map_err(|error| ApiError::Params(format!("header: {error}")))?;
        let check = move |api: &Api| {
            let signed = SignedHeader::from_bytes(&bytes)?;
            signed.check(&api.rpc.spec.network()).map_err(ApiError::Header)
        };
        let header = Arc::clone(&api).run(check).await?;
        let (reply, answer) = oneshot::channel();
        let FoundBlock { hash, height } =
            ask(&api, MinerAsks::Block { header: Box::new(header), reply }, answer).await?;
        Ok(Taken { hash, height })
    }
}
