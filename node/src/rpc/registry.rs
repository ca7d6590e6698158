//! Who is registered, and the sequences of senders.

use std::sync::Arc;

use dronechain_chain_spec::governance::Governance;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::receipt::Authority;
use dronechain_chain_spec::registry::{Entry, Place, Roll};
use dronechain_chain_spec::state::Admins;
use dronechain_chain_spec::transaction::Sender;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::Api;
use super::call::{Answer, Call, Rest};
use super::error::ApiError;
use super::limits::ENTRIES_MAX;
use super::params::{Nothing, SenderName, at_most};
use crate::store::Sequences;

/// `registry.list`
pub(crate) struct Entries;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    /// Which list.
    roll: Roll,
    /// Index of the first.
    from: Option<u32>,
    /// How many at most.
    #[schemars(range(max = 1_000))]
    limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct EntriesView {
    /// All of the roll.
    pub(crate) count: u32,
    /// The roll's root.
    pub(crate) root: Hash256,
    pub(crate) entries: Vec<Entry>,
}

impl Answer for EntriesView {}

impl Call for Entries {
    const NAME: &'static str = "registry.list";
    const REST: Rest = Rest::Get("/v1/registry");
    const ABOUT: &'static str =
        "Who is registered: nodes, or accounts, which are controllers, operators and devices.";
    type Params = Range;
    type Answer = EntriesView;

    async fn call(api: Arc<Api>, Range { roll, from, limit }: Range) -> Result<EntriesView, ApiError> {
        let limit = limit.unwrap_or(ENTRIES_MAX);
        at_most("limit", limit.into(), ENTRIES_MAX.into())?;
        let from = from.unwrap_or(0);
        let tip = api.tip();
        let registry = &tip.registry;
        let places = (from..from.saturating_add(limit)).map(|index| Place { roll, index });
        let entries = places.map_while(|place| registry.at(place)).map(|account| account.entry.clone());
        Ok(EntriesView { count: registry.len(roll), root: registry.root(roll), entries: entries.collect() })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByKey {
    pub(super) key: PublicKey,
}

/// `registry.get`
pub(crate) struct GetAccount;

#[derive(Serialize, JsonSchema)]
pub(crate) struct AccountView {
    pub(crate) roll: Roll,
    pub(crate) index: u32,
    pub(crate) entry: Entry,
    pub(crate) next_sequence: u64,
}

impl Answer for AccountView {}

impl Call for GetAccount {
    const NAME: &'static str = "registry.get";
    const REST: Rest = Rest::Get("/v1/registry/{key}");
    const ABOUT: &'static str =
        "What is registered of a key: its role, and the heights that made it what it is.";
    type Params = ByKey;
    type Answer = AccountView;

    async fn call(api: Arc<Api>, ByKey { key }: ByKey) -> Result<AccountView, ApiError> {
        let tip = api.tip();
        let Place { roll, index } = tip.registry.place(&key).ok_or(ApiError::Unknown("key"))?;
        let account = tip.registry.account(&key).ok_or(ApiError::Unknown("key"))?;
        let (entry, next_sequence) = (account.entry.clone(), account.next_sequence);
        Ok(AccountView { roll, index, entry, next_sequence })
    }
}

/// `registry.proof`
pub(super) struct Proof;

impl Answer for Authority {}

impl Call for Proof {
    const NAME: &'static str = "registry.proof";
    const REST: Rest = Rest::Get("/v1/registry/{key}/proof");
    const ABOUT: &'static str = "A key's entry with its path to a root that a block commits to: the accounts', which has not \
        changed since that block; of a node the nodes', at the tip.";
    type Params = ByKey;
    type Answer = Authority;

    async fn call(api: Arc<Api>, ByKey { key }: ByKey) -> Result<Authority, ApiError> {
        api.run(move |api| api.entry_proof(key)).await
    }
}

/// `chain.governance`
pub(crate) struct GetGovernance;

#[derive(Serialize, JsonSchema)]
pub(crate) struct GovernanceView {
    #[serde(flatten)]
    pub(crate) governance: Governance,
    /// Of the admins' next transaction.
    pub(crate) next_sequence: u64,
}

impl Answer for GovernanceView {}

impl Call for GetGovernance {
    const NAME: &'static str = "chain.governance";
    const REST: Rest = Rest::Get("/v1/governance");
    const ABOUT: &'static str = "Who decides, and what was decided, after the tip.";
    type Params = Nothing;
    type Answer = GovernanceView;

    async fn call(api: Arc<Api>, Nothing {}: Nothing) -> Result<GovernanceView, ApiError> {
        let Admins { governance, next_sequence } = api.run(|api| Ok(api.rpc.store.admins()?)).await?;
        Ok(GovernanceView { governance, next_sequence })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BySender {
    /// A key, or `admins`.
    name: SenderName,
}

/// `tx.sequences`
pub(super) struct GetSequences;

#[derive(Serialize, JsonSchema)]
pub(super) struct SequencesView {
    /// By the chain.
    next_sequence: u64,
    /// Behind the mempool's gap-free run.
    pending_sequence: u64,
}

impl Answer for SequencesView {}

impl Call for GetSequences {
    const NAME: &'static str = "tx.sequences";
    const REST: Rest = Rest::Get("/v1/senders/{name}");
    const ABOUT: &'static str = "The sequences that a sender's next transaction may have.";
    type Params = BySender;
    type Answer = SequencesView;

    async fn call(api: Arc<Api>, BySender { name }: BySender) -> Result<SequencesView, ApiError> {
        let sequences = api.run(move |api| sequences(api, name.0)).await?;
        Ok(SequencesView { next_sequence: sequences.next, pending_sequence: sequences.pending })
    }
}

fn sequences(api: &Api, sender: Sender) -> Result<Sequences, ApiError> {
    let place = match sender {
        Sender::Admins => None,
        Sender::Key(key) => api.tip().registry.place(&key),
    };
    api.rpc.store.sequences(sender, place)?.ok_or(ApiError::Unknown("sender"))
}
