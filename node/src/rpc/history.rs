//! What made a registered key what it is: the transactions that named it.

use std::sync::Arc;

use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry::{Entry, Registry, Role};
use dronechain_chain_spec::transaction::{Action, Sender, Transaction};
use schemars::JsonSchema;
use serde::Serialize;

use super::api::Api;
use super::call::{Answer, Call, Rest};
use super::error::ApiError;
use super::registry::ByKey;
use super::transactions::{Listing, listings};
use crate::core::view::View as _;
use crate::store::SequencePlace;

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Admitted, enrolled, or named as a successor.
    Registered,
    /// A node announced that it will mine; a successor is ready since its predecessor was.
    Ready,
    /// It handed its place to a successor.
    Succeeded,
    /// It was revoked.
    Revoked,
}

/// One thing that happened to a key.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Happened {
    pub(crate) change: Change,
    pub(crate) height: u64,
    /// The transaction that did it; none for what the chain spec names, at height 0.
    pub(crate) transaction: Option<Listing>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct HistoryView {
    /// By rising height.
    pub(crate) history: Vec<Happened>,
    /// The keys that succeeded each other here, this one among them, in order of admission; a device's own alone.
    pub(crate) line: Vec<PublicKey>,
}

impl Answer for HistoryView {}

/// `registry.history`
pub(crate) struct GetHistory;

impl Call for GetHistory {
    const NAME: &'static str = "registry.history";
    const REST: Rest = Rest::Get("/v1/registry/{key}/history");
    const ABOUT: &'static str =
        "The transactions that named a key and made it what it is, and the line of successors that it is of.";
    type Params = ByKey;
    type Answer = HistoryView;

    async fn call(api: Arc<Api>, ByKey { key }: ByKey) -> Result<HistoryView, ApiError> {
        api.run(move |api| of(api, key)).await
    }
}

fn of(api: &Api, key: PublicKey) -> Result<HistoryView, ApiError> {
    let tip = api.tip();
    let account = tip.registry.account(&key).ok_or(ApiError::Unknown("key"))?;
    let entry = &account.entry;
    let own = Sender::Key(key);
    let mut history = vec![happened(api, Change::Registered, entry.admitted, |found| brings(found, &key))?];
    if let Some(height) = entry.ready.filter(|height| *height >= entry.admitted) {
        let says_it = |found: &Transaction| found.body.sender == own && found.body.action == Action::Ready;
        history.push(happened(api, Change::Ready, height, says_it)?);
    }
    if let Some(height) = entry.revoked {
        let mut ended = happened(api, Change::Revoked, height, |found| takes(found, &key))?;
        let is_handed = |listing: &Listing| matches!(listing.transaction.body.action, Action::Succeed { .. });
        if ended.transaction.as_ref().is_some_and(is_handed) {
            ended.change = Change::Succeeded;
        }
        history.push(ended);
    }
    Ok(HistoryView { history, line: line(&tip.registry, entry) })
}

fn line(registry: &Registry, entry: &Entry) -> Vec<PublicKey> {
    if entry.role == Role::Device {
        return vec![entry.key];
    }
    let place = registry.place(&entry.key).expect("it was found by its key");
    let all = registry.accounts(place.roll).iter().map(|account| &account.entry);
    all.filter(|other| other.role == entry.role && other.line() == entry.line())
        .map(|other| other.key)
        .collect()
}

/// The first such transaction of the active chain's block at `height`.
fn happened(
    api: &Api,
    change: Change,
    height: u64,
    is_it: impl Fn(&Transaction) -> bool,
) -> Result<Happened, ApiError> {
    let store = &api.rpc.store;
    let block = store.active(height)?;
    let list = block.map(|block| store.transactions(&block)).transpose()?.flatten();
    let position = list.and_then(|list| list.iter().position(is_it));
    let place = position.and_then(|position| u32::try_from(position).ok());
    let place = place.map(|position| SequencePlace { height, position });
    let transaction = listings(store, place)?.pop();
    Ok(Happened { change, height, transaction })
}

/// Whether a transaction registers the key.
fn brings(transaction: &Transaction, key: &PublicKey) -> bool {
    match &transaction.body.action {
        Action::Admit { key: admitted, .. } => admitted == key,
        Action::Enrol(enrolment) => enrolment.device == *key,
        Action::Succeed { successor, .. } => successor == key,
        _ => false,
    }
}

/// Whether a transaction ends the key.
fn takes(transaction: &Transaction, key: &PublicKey) -> bool {
    match &transaction.body.action {
        Action::Revoke { key: revoked, .. } | Action::RevokeDevice { device: revoked, .. } => revoked == key,
        Action::Succeed { .. } => transaction.body.sender == Sender::Key(*key),
        _ => false,
    }
}
