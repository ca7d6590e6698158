//! Headers, blocks, and the branches that they form.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use dronechain_chain_spec::block::Block;
use dronechain_chain_spec::chain::encode_link;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::header::Header;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::state::Outcome;
use dronechain_chain_spec::target::{Bits, Work};
use dronechain_chain_spec::transaction::Transaction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::call::{Answer, Call, Octets, Rest};
use super::error::ApiError;
use super::limits::{
    BLOCKS_MAX, HEADERS_BYTES_MAX, HEADERS_MAX, TIPS_DEPTH, TIPS_DEPTH_MAX, TIPS_HEADERS_MAX, TIPS_MAX,
};
use super::params::{BlockName, at_most};
use crate::core::view::{Stage, StoredHeader, View as _};

/// `chain.headers`
pub(super) struct Headers;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    /// Height of the first, at least 1.
    #[schemars(range(min = 1))]
    from: u64,
    /// How many at most.
    #[schemars(range(max = 2_000))]
    limit: Option<u64>,
}

impl Call for Headers {
    const NAME: &'static str = "chain.headers";
    const REST: Rest = Rest::Get("/v1/headers");
    const ABOUT: &'static str = "Links of the active chain in bulk, each a 4-byte little-endian length and the canonical \
        bytes of a Link. May end before the limit: after 4 MiB, or at a reorganisation.";
    type Params = Range;
    type Answer = Octets;

    async fn call(api: Arc<Api>, Range { from, limit }: Range) -> Result<Octets, ApiError> {
        let limit = at_most("limit", limit.unwrap_or(HEADERS_MAX), HEADERS_MAX)?;
        if from == 0 {
            return Err(ApiError::Query("from is at least 1: the genesis block has no link".to_owned()));
        }
        api.run(move |api| links(api, from, limit)).await.map(Octets)
    }
}

fn links(api: &Api, from: u64, limit: u64) -> Result<Vec<u8>, ApiError> {
    let store = &api.rpc.store;
    let mut bytes = Vec::new();
    let mut parent = None;
    for height in from..from.saturating_add(limit) {
        let Some(hash) = store.active(height)? else { break };
        let Some(stored) = store.header(&hash)? else { break };
        // A reorganisation came in between: what follows belongs to another chain.
        if parent.is_some_and(|parent| parent != stored.signed.header.parent) {
            break;
        }
        encode_link(&store.link(&hash, stored)?, &mut bytes);
        if bytes.len() >= HEADERS_BYTES_MAX {
            break;
        }
        parent = Some(hash);
    }
    Ok(bytes)
}

/// A header with where it stands.
#[derive(Serialize, JsonSchema)]
pub(crate) struct HeaderView {
    pub(crate) hash: Hash256,
    /// The 232 bytes of header and signature, in hex.
    pub(crate) header: String,
    pub(crate) height: u64,
    /// Ms since 1970 UTC.
    pub(crate) time_ms: u64,
    pub(crate) parent: Hash256,
    pub(crate) miner: PublicKey,
    pub(crate) bits: Bits,
    pub(crate) tx_count: u32,
    pub(crate) tx_root: Hash256,
    pub(crate) commitments: Hash256,
    /// Whether it is on the active chain.
    pub(crate) active: bool,
    /// Blocks from it to the tip, itself included; 0 off the active chain.
    pub(crate) confirmations: u64,
}

impl Answer for HeaderView {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// A block's hash, or its height on the active chain.
    name: BlockName,
}

/// `chain.header`
pub(crate) struct GetHeader;

impl Call for GetHeader {
    const NAME: &'static str = "chain.header";
    const REST: Rest = Rest::Get("/v1/header/{name}");
    const ABOUT: &'static str = "A header, by its hash or by its height on the active chain.";
    type Params = Named;
    type Answer = HeaderView;

    async fn call(api: Arc<Api>, Named { name }: Named) -> Result<HeaderView, ApiError> {
        api.run(move |api| header_view(api, name)).await
    }
}

fn header_view(api: &Api, name: BlockName) -> Result<HeaderView, ApiError> {
    let store = &api.rpc.store;
    let hash = match name {
        BlockName::Hash(hash) => hash,
        BlockName::Height(height) => store.active(height)?.ok_or(ApiError::Unknown("block"))?,
    };
    let stored = store.header(&hash)?.ok_or(ApiError::Unknown("block"))?;
    view_of(api, hash, stored)
}

fn view_of(
    api: &Api,
    hash: Hash256,
    StoredHeader { signed, .. }: StoredHeader,
) -> Result<HeaderView, ApiError> {
    let bytes = hex::encode(signed.to_bytes());
    let Header { height, parent, tx_root, commitments, tx_count, time_ms, bits, miner, .. } = signed.header;
    let active = api.rpc.store.active(height)? == Some(hash);
    let confirmations = if active { api.confirmations(height)? } else { 0 };
    Ok(HeaderView {
        hash,
        header: bytes,
        height,
        time_ms,
        parent,
        miner,
        bits,
        tx_count,
        tx_root,
        commitments,
        active,
        confirmations,
    })
}

/// How much of a block is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Detail {
    /// The canonical bytes.
    Bytes,
    /// The names of its transactions.
    Names,
    /// Its transactions, decoded.
    #[default]
    Full,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockWanted {
    /// A block's hash, or its height on the active chain.
    name: BlockName,
    /// `bytes`: the canonical bytes in hex; `names`: names of its transactions; `full`, the default: its transactions.
    detail: Option<Detail>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct BlockView {
    #[serde(flatten)]
    pub(crate) header: HeaderView,
    /// With `bytes`: the block's canonical encoding in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) block: Option<String>,
    /// With `names`: of its transactions, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) txids: Option<Vec<Hash256>>,
    /// With `full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transactions: Option<Vec<TransactionView>>,
}

impl Answer for BlockView {}

#[derive(Serialize, JsonSchema)]
pub(crate) struct TransactionView {
    pub(crate) txid: Hash256,
    /// None while the block was never connected.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) transaction: Transaction,
}

/// `chain.block`
pub(crate) struct GetBlock;

impl Call for GetBlock {
    const NAME: &'static str = "chain.block";
    const REST: Rest = Rest::Get("/v1/block/{name}");
    const ABOUT: &'static str =
        "A block, by its hash or by its height on the active chain, at three depths of detail.";
    type Params = BlockWanted;
    type Answer = BlockView;

    async fn call(api: Arc<Api>, BlockWanted { name, detail }: BlockWanted) -> Result<BlockView, ApiError> {
        api.run(move |api| block_view(api, name, detail.unwrap_or_default())).await
    }
}

fn block_view(api: &Api, name: BlockName, detail: Detail) -> Result<BlockView, ApiError> {
    let store = &api.rpc.store;
    let header = header_view(api, name)?;
    let missing = ApiError::Unknown("block with transactions");
    let list = store.transactions(&header.hash)?.ok_or(missing)?;
    let mut view = BlockView { header, block: None, txids: None, transactions: None };
    match detail {
        Detail::Bytes => {
            let stored = store.header(&view.header.hash)?.ok_or(ApiError::Unknown("block"))?;
            let block = Block { header: stored.signed, transactions: list };
            view.block = Some(hex::encode(codec::encode(&block)));
        }
        Detail::Names => view.txids = Some(list.iter().map(Transaction::txid).collect()),
        Detail::Full => {
            let outcomes = store.outcomes(&view.header.hash)?.unwrap_or_default();
            let told = |(index, transaction): (usize, Transaction)| TransactionView {
                txid: transaction.txid(),
                outcome: outcomes.get(index).copied(),
                transaction,
            };
            view.transactions = Some(list.into_iter().enumerate().map(told).collect());
        }
    }
    Ok(view)
}

/// `chain.blocks`
pub(crate) struct Blocks;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlocksWanted {
    /// `next` of the page before: the blocks below that height. Without it the page begins at the tip.
    before: Option<u64>,
    /// How many at most.
    #[schemars(range(max = 1_000))]
    limit: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct BlocksView {
    /// From the highest down.
    pub(crate) blocks: Vec<HeaderView>,
    /// `before` of the next page; none behind the genesis block.
    pub(crate) next: Option<u64>,
}

impl Answer for BlocksView {}

impl Call for Blocks {
    const NAME: &'static str = "chain.blocks";
    const REST: Rest = Rest::Get("/v1/blocks");
    const ABOUT: &'static str = "Headers of the active chain from the tip down, a page at a time.";
    type Params = BlocksWanted;
    type Answer = BlocksView;

    async fn call(
        api: Arc<Api>,
        BlocksWanted { before, limit }: BlocksWanted,
    ) -> Result<BlocksView, ApiError> {
        let limit = at_most("limit", limit.unwrap_or(BLOCKS_MAX), BLOCKS_MAX)?;
        api.run(move |api| blocks(api, before, limit)).await
    }
}

fn blocks(api: &Api, before: Option<u64>, limit: u64) -> Result<BlocksView, ApiError> {
    let store = &api.rpc.store;
    let (_, tip) = store.tip()?;
    let end = before.unwrap_or(u64::MAX).min(tip + 1);
    let first = end.saturating_sub(limit);
    let mut blocks = Vec::new();
    for height in (first..end).rev() {
        let Some(hash) = store.active(height)? else { break };
        let stored = store.header(&hash)?.ok_or(ApiError::Unknown("block"))?;
        blocks.push(view_of(api, hash, stored)?);
    }
    Ok(BlocksView { blocks, next: (first > 0).then_some(first) })
}

/// `chain.tips`
pub(crate) struct Tips;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TipsWanted {
    /// How far below the tip branches are looked for, in blocks.
    #[schemars(range(max = 10_000))]
    depth: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct TipsView {
    /// The active chain's first, then by height.
    pub(crate) tips: Vec<BranchView>,
}

impl Answer for TipsView {}

/// What is known of a branch's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// It is the active chain.
    Active,
    /// Every rule was applied to it once: it was active before.
    Left,
    /// Its transactions are here, not executed.
    Stored,
    /// Its header alone is here.
    Header,
    /// It breaks a rule.
    Invalid,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct BranchView {
    pub(crate) hash: Hash256,
    pub(crate) height: u64,
    pub(crate) work: Work,
    pub(crate) state: Standing,
    /// Height of the last block that it has in common with the active chain.
    pub(crate) fork_height: u64,
    /// Blocks of it that are not on the active chain.
    pub(crate) length: u64,
}

impl Call for Tips {
    const NAME: &'static str = "chain.tips";
    const REST: Rest = Rest::Get("/v1/tips");
    const ABOUT: &'static str = "The last block of the active chain and of every branch that left it within the last \
        blocks: 100 unless said otherwise, and at most 100 branches.";
    type Params = TipsWanted;
    type Answer = TipsView;

    async fn call(api: Arc<Api>, TipsWanted { depth }: TipsWanted) -> Result<TipsView, ApiError> {
        let depth = at_most("depth", depth.unwrap_or(TIPS_DEPTH), TIPS_DEPTH_MAX)?;
        api.run(move |api| tips(api, depth)).await
    }
}

fn tips(api: &Api, depth: u64) -> Result<TipsView, ApiError> {
    let store = &api.rpc.store;
    let (tip, tip_height) = store.tip()?;
    let read = |hash: &Hash256| store.header(hash)?.ok_or(ApiError::Unknown("block"));
    let headers = store.headers_down(tip_height.saturating_sub(depth), TIPS_HEADERS_MAX)?;
    // Of the lowest height some may be cut off.
    let is_whole = headers.len() < TIPS_HEADERS_MAX;
    let lowest = headers.last().map(|(height, _)| *height).filter(|_| !is_whole);
    let mut branches = Vec::new();
    let mut above: &[(u64, Hash256)] = &[];
    // From the highest down: whoever is a parent is one of a block just above.
    for at in headers.chunk_by(|(one, _), (other, _)| one == other) {
        let is_parent: Box<dyn Fn(&Hash256) -> bool> = match (at, above) {
            (_, []) => Box::new(|_| false),
            // No header is here without its parent: of a single one it need not be read.
            ([(height, _)], _) if lowest != Some(*height) => Box::new(|_| true),
            (_, above) => {
                let parents = above.iter().map(|(_, hash)| Ok(read(hash)?.signed.header.parent));
                let parents = parents.collect::<Result<HashSet<_>, ApiError>>()?;
                Box::new(move |hash| parents.contains(hash))
            }
        };
        for (_, hash) in at {
            // The active tip may have children that are not executed.
            if (!is_parent(hash) || *hash == tip) && branches.len() < TIPS_MAX {
                branches.push(branch(api, *hash, &read(hash)?, tip)?);
            }
        }
        above = at;
    }
    branches.sort_by_key(|branch| (branch.state != Standing::Active, Reverse(branch.height)));
    Ok(TipsView { tips: branches })
}

fn branch(api: &Api, hash: Hash256, stored: &StoredHeader, tip: Hash256) -> Result<BranchView, ApiError> {
    let store = &api.rpc.store;
    let height = stored.signed.header.height;
    let (mut at, mut fork_height) = (hash, height);
    while store.active(fork_height)? != Some(at) {
        let header = store.header(&at)?.ok_or(ApiError::Unknown("block"))?.signed.header;
        at = header.parent;
        let Some(below) = fork_height.checked_sub(1) else { break };
        fork_height = below;
    }
    let state = match stored.stage {
        _ if hash == tip => Standing::Active,
        Stage::Valid => Standing::Left,
        Stage::Stored => Standing::Stored,
        Stage::Header => Standing::Header,
        Stage::Invalid => Standing::Invalid,
    };
    Ok(BranchView { hash, height, work: stored.work, state, fork_height, length: height - fork_height })
}
