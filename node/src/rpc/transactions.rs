//! Transactions: where they stand, and lists of them.

use std::sync::Arc;

use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::state::Outcome;
use dronechain_chain_spec::transaction::{ActionKind, Sender, Transaction};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::call::{Answer, Call, Rest};
use super::error::ApiError;
use super::limits::{PAGE_MAX, STATES_MAX};
use super::params::{Listed, SenderName, Spot, at_most};
use crate::core::view::View as _;
use crate::store::{SequencePlace, Store};

/// How far a transaction or anchor has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Progress {
    Unknown,
    Pending,
    Included,
}

/// Where a transaction stands.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TransactionState {
    pub(crate) txid: Hash256,
    pub(crate) state: Progress,
    pub(crate) height: Option<u64>,
    pub(crate) block: Option<Hash256>,
    /// Its index in the block.
    pub(crate) position: Option<u32>,
    pub(crate) confirmations: Option<u64>,
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct WholeTransaction {
    #[serde(flatten)]
    pub(crate) state: TransactionState,
    /// The transaction; none if it is unknown.
    pub(crate) transaction: Option<Transaction>,
}

impl Answer for WholeTransaction {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByTxid {
    txid: Hash256,
}

/// `tx.get`
pub(crate) struct Get;

impl Call for Get {
    const NAME: &'static str = "tx.get";
    const REST: Rest = Rest::Get("/v1/transactions/{txid}");
    const ABOUT: &'static str =
        "A transaction and where it stands: unknown, pending, or included in the active chain.";
    type Params = ByTxid;
    type Answer = WholeTransaction;

    async fn call(api: Arc<Api>, ByTxid { txid }: ByTxid) -> Result<WholeTransaction, ApiError> {
        api.run(move |api| whole(api, txid)).await
    }
}

fn whole(api: &Api, txid: Hash256) -> Result<WholeTransaction, ApiError> {
    let store = &api.rpc.store;
    let pooled = store.pool_place(&txid)?;
    let state = state(api, txid)?;
    let transaction = match (&state.block, state.position, pooled) {
        (Some(block), Some(position), _) => {
            let parts = api.block_parts(block)?;
            parts.and_then(|parts| parts.transactions.get(position as usize).cloned())
        }
        (_, _, Some((sender, sequence))) => store.pool_entry(sender, sequence)?,
        _ => None,
    };
    Ok(WholeTransaction { state, transaction: transaction.filter(|found| found.txid() == txid) })
}

pub(super) fn state(api: &Api, txid: Hash256) -> Result<TransactionState, ApiError> {
    let store = &api.rpc.store;
    // The mempool first: what a commit moves to the chain in between is found there.
    let pooled = store.pool_place(&txid)?.is_some();
    let Some(place) = store.transaction_place(&txid)? else {
        let state = if pooled { Progress::Pending } else { Progress::Unknown };
        return Ok(TransactionState {
            txid,
            state,
            height: None,
            block: None,
            position: None,
            confirmations: None,
            outcome: None,
        });
    };
    let outcomes = store.outcomes(&place.block)?.unwrap_or_default();
    Ok(TransactionState {
        txid,
        state: Progress::Included,
        height: Some(place.height),
        block: Some(place.block),
        position: Some(place.position),
        confirmations: Some(api.confirmations(place.height)?),
        outcome: outcomes.get(place.position as usize).copied(),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ByTxids {
    /// At most 256.
    txids: Listed<Hash256>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct States {
    /// By txid.
    states: Vec<TransactionState>,
}

impl Answer for States {}

/// `tx.states`
pub(super) struct GetStates;

impl Call for GetStates {
    const NAME: &'static str = "tx.states";
    const REST: Rest = Rest::Post("/v1/transactions/states");
    const ABOUT: &'static str = "Where many transactions stand.";
    type Params = ByTxids;
    type Answer = States;

    async fn call(api: Arc<Api>, ByTxids { txids }: ByTxids) -> Result<States, ApiError> {
        at_most("txids", txids.0.len() as u64, STATES_MAX)?;
        let read =
            move |api: &Api| txids.0.into_iter().map(|txid| state(api, txid)).collect::<Result<_, _>>();
        Ok(States { states: api.run(read).await? })
    }
}

/// A transaction of a list.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Listing {
    pub(crate) txid: Hash256,
    pub(crate) sender: Sender,
    pub(crate) sequence: u64,
    pub(crate) kind: ActionKind,
    pub(crate) height: u64,
    pub(crate) position: u32,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) transaction: Transaction,
}

/// The transactions at places of the active chain; without those where a reorganisation came in between.
pub(super) fn listings(
    store: &Store,
    places: impl IntoIterator<Item = SequencePlace>,
) -> Result<Vec<Listing>, ApiError> {
    let mut found = Vec::new();
    // Neighbours are often of one block, which is read once.
    let mut at: Option<(u64, Vec<Transaction>, Vec<Outcome>)> = None;
    for SequencePlace { height, position } in places {
        let block = match at.take_if(|(here, ..)| *here == height) {
            Some(block) => block,
            None => {
                let Some(hash) = store.active(height)? else { continue };
                let Some(transactions) = store.transactions(&hash)? else { continue };
                (height, transactions, store.outcomes(&hash)?.unwrap_or_default())
            }
        };
        let (_, transactions, outcomes) = at.insert(block);
        let Some(transaction) = transactions.get(position as usize) else { continue };
        found.push(Listing {
            txid: transaction.txid(),
            sender: transaction.body.sender,
            sequence: transaction.body.sequence,
            kind: transaction.body.action.kind(),
            height,
            position,
            outcome: outcomes.get(position as usize).copied(),
            transaction: transaction.clone(),
        });
    }
    Ok(found)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BySender {
    /// A key, or `admins`.
    name: SenderName,
    /// The first sequence; `next` of the page before.
    from: Option<u64>,
    /// How many at most.
    #[schemars(range(max = 100))]
    limit: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct BySenderView {
    /// By rising sequence.
    pub(crate) transactions: Vec<Listing>,
    /// `from` of the next page; none behind the last.
    pub(crate) next: Option<u64>,
}

impl Answer for BySenderView {}

/// `tx.bySender`
pub(crate) struct OfSender;

impl Call for OfSender {
    const NAME: &'static str = "tx.bySender";
    const REST: Rest = Rest::Get("/v1/senders/{name}/transactions");
    const ABOUT: &'static str = "A sender's transactions on the active chain by sequence, a page at a time.";
    type Params = BySender;
    type Answer = BySenderView;

    async fn call(api: Arc<Api>, BySender { name, from, limit }: BySender) -> Result<BySenderView, ApiError> {
        let limit = page(limit)?;
        api.run(move |api| {
            let places = api.rpc.store.sequences_from(name.0, from.unwrap_or(0), limit + 1)?;
            let next = places.get(limit).map(|(sequence, _)| *sequence);
            let places = places.into_iter().take(limit).map(|(_, place)| place);
            let transactions = listings(&api.rpc.store, places)?;
            Ok(BySenderView { transactions, next })
        })
        .await
    }
}

/// Rows of a page.
fn page(limit: Option<u64>) -> Result<usize, ApiError> {
    let limit = at_most("limit", limit.unwrap_or(PAGE_MAX), PAGE_MAX)?;
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByKind {
    /// What the transactions do.
    kind: ActionKind,
    /// `next` of the page before. Without it the page begins at the tip.
    before: Option<Spot>,
    /// How many at most.
    #[schemars(range(max = 100))]
    limit: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct ByKindView {
    /// From the latest down.
    pub(crate) transactions: Vec<Listing>,
    /// `before` of the next page; none behind the last.
    pub(crate) next: Option<Spot>,
}

impl Answer for ByKindView {}

/// `tx.byKind`
pub(crate) struct OfKind;

impl Call for OfKind {
    const NAME: &'static str = "tx.byKind";
    const REST: Rest = Rest::Get("/v1/transactions");
    const ABOUT: &'static str =
        "The active chain's transactions of a kind, the latest first, a page at a time.";
    type Params = ByKind;
    type Answer = ByKindView;

    async fn call(api: Arc<Api>, ByKind { kind, before, limit }: ByKind) -> Result<ByKindView, ApiError> {
        let limit = page(limit)?;
        let before = before.map_or(SequencePlace { height: u64::MAX, position: 0 }, |Spot(place)| place);
        api.run(move |api| {
            let mut places = api.rpc.store.kind_down(kind, before, limit + 1)?;
            let more = places.len() > limit;
            places.truncate(limit);
            let next = places.last().filter(|_| more).map(|place| Spot(*place));
            Ok(ByKindView { transactions: listings(&api.rpc.store, places)?, next })
        })
        .await
    }
}

/// `pool.list`
pub(crate) struct Pool;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolWanted {
    /// How many at most.
    #[schemars(range(max = 100))]
    limit: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct PoolView {
    /// All that wait.
    pub(crate) count: usize,
    /// The first of them, by sender and sequence.
    pub(crate) transactions: Vec<Waiting>,
}

impl Answer for PoolView {}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Waiting {
    pub(crate) txid: Hash256,
    pub(crate) sender: Sender,
    pub(crate) sequence: u64,
    pub(crate) kind: ActionKind,
}

impl Call for Pool {
    const NAME: &'static str = "pool.list";
    const REST: Rest = Rest::Get("/v1/pool");
    const ABOUT: &'static str = "Transactions that wait for their block.";
    type Params = PoolWanted;
    type Answer = PoolView;

    async fn call(api: Arc<Api>, PoolWanted { limit }: PoolWanted) -> Result<PoolView, ApiError> {
        let limit = page(limit)?;
        api.run(move |api| {
            let waiting = |transaction: Transaction| Waiting {
                txid: transaction.txid(),
                sender: transaction.body.sender,
                sequence: transaction.body.sequence,
                kind: transaction.body.action.kind(),
            };
            let transactions = api.rpc.store.pool_first(limit)?.into_iter().map(waiting).collect();
            Ok(PoolView { count: api.tip().mempool, transactions })
        })
        .await
    }
}
