//! One key: what it is, how it came to be that, and what it did last. And the admins, who are several.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::registry::{Account, Entry, Role, Roll};
use dronechain_chain_spec::transaction::{Action, Enrolment};
use maud::{Markup, html};
use serde::Deserialize;

use super::ask::{ask, ask_of};
use super::limits::{ENTRIES_SHOWN, TRANSACTIONS_SHOWN, WINDOW_BLOCKS};
use super::page::{Page, Section, answer, facts, pager};
use super::{accounts, amount, moment, name, transactions};
use crate::rpc::api::Api;
use crate::rpc::call::from_query;
use crate::rpc::chain::Blocks;
use crate::rpc::error::ApiError;
use crate::rpc::history::{Change, GetHistory, Happened};
use crate::rpc::registry::{AccountView, GetAccount, GetGovernance};
use crate::rpc::transactions::{Listing, OfSender};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Transactions below this sequence.
    before: Option<u64>,
    /// Place on the roll from which on devices are listed.
    devices: Option<usize>,
}

/// `GET /key/{name}`
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    if name == "admins" {
        return answer(&api, admins(&api, &query)).await;
    }
    answer(&api, page(&api, &name, &query)).await
}

async fn page(api: &Arc<Api>, key: &str, query: &str) -> Result<Page, ApiError> {
    let wanted: Wanted = from_query(query)?;
    let view = ask_of::<GetAccount>(api, "key", key, &[]).await?;
    let history = History::of(api, key).await?;
    let sent = match view.entry.role {
        Role::Device => html! {},
        _ => sent(api, key, view.next_sequence, &wanted).await?,
    };
    let mined = match view.entry.role {
        Role::Node => Some(mined(api, &view.entry.key).await?),
        _ => None,
    };
    let body = html! {
        section #registration data-live aria-labelledby="registration-title" {
            h2 #registration-title { "Registration" }
            (registration(&view, &history, mined))
        }
        (sent)
        @if view.entry.role == Role::Controller { (devices(api, &view.entry, wanted.devices.unwrap_or(0))) }
    };
    let title = page_title(view.entry.role);
    Ok(Page::new(title, Section::Accounts, body))
}

fn page_title(role: Role) -> &'static str {
    match role {
        Role::Node => "Node",
        Role::Controller => "Controller",
        Role::Operator => "Operator",
        Role::Device => "Device",
    }
}

/// The transactions that made an entry what it is.
#[derive(Default)]
struct History {
    admitted: Option<Hash256>,
    ready: Option<Hash256>,
    revoked: Option<Hash256>,
    /// Of a device.
    enrolment: Option<Enrolment>,
    line: Vec<PublicKey>,
}

impl History {
    async fn of(api: &Arc<Api>, key: &str) -> Result<Self, ApiError> {
        let view = ask_of::<GetHistory>(api, "key", key, &[]).await?;
        let mut found = Self { line: view.line, ..Self::default() };
        for Happened { change, transaction, .. } in view.history {
            let Some(Listing { txid, transaction, .. }) = transaction else { continue };
            match change {
                Change::Registered => {
                    found.admitted = Some(txid);
                    if let Action::Enrol(enrolment) = transaction.body.action {
                        found.enrolment = Some(enrolment);
                    }
                }
                Change::Ready => found.ready = Some(txid),
                Change::Succeeded | Change::Revoked => found.revoked = Some(txid),
            }
        }
        Ok(found)
    }
}

fn registration(view: &AccountView, history: &History, mined: Option<usize>) -> Markup {
    let AccountView { roll, index, entry, next_sequence } = view;
    let mut rows = vec![
        ("Standing", accounts::standing(entry)),
        ("Key", name::full(entry.key)),
        ("Role", html! { (name::role(entry.role)) }),
        ("Device id", html! { (name::full(entry.key.id())) span.note { " SHA-256 of the key" } }),
        ("Place", html! { (index) " on the roll of " (accounts::roll_name(*roll)) }),
    ];
    if let Some(owner) = &entry.owner {
        let term = if entry.role == Role::Device { "Enrolled by" } else { "First of its line" };
        rows.push((term, name::key_full(owner)));
    }
    if let Some(Enrolment { kind, area, .. }) = &history.enrolment {
        rows.push(("Kind", html! { (kind) }));
        rows.push(("Area", html! { (area) }));
    }
    if history.line.len() > 1 {
        let others = history.line.iter().filter(|key| **key != entry.key);
        rows.push((
            "Others of its line",
            html! { ol.plain { @for key in others { li { (name::key_full(key)) } } } },
        ));
    }
    rows.push(("Admitted", at(Some(entry.admitted), history.admitted.as_ref())));
    if entry.role == Role::Node {
        rows.push(("Ready to mine", at(entry.ready, history.ready.as_ref())));
    }
    rows.push(("Revoked", at(entry.revoked, history.revoked.as_ref())));
    if let Some(since) = entry.suspect_since {
        rows.push(("In doubt", html! { "from height " (name::height(since)) " on" }));
    }
    if entry.role != Role::Device {
        rows.push(("Next sequence", html! { (amount::count(*next_sequence)) }));
    }
    if let Some(mined) = mined {
        rows.push(("Blocks made", html! { (mined) " of the last " (WINDOW_BLOCKS) }));
    }
    html! {
        (facts(&rows))
        @if entry.role == Role::Device {
            p.note { "Records do not name their device on the chain: the controller's anchors hold them." }
        }
    }
}

/// A height with the transaction that set it.
fn at(height: Option<u64>, txid: Option<&Hash256>) -> Markup {
    match (height, txid) {
        (None, _) => html! { "no" },
        (Some(0), _) => html! { "from the first block on, by the chain spec" },
        (Some(height), None) => html! { "at height " (name::height(height)) },
        (Some(height), Some(txid)) => {
            html! { "at height " (name::height(height)) " by " (name::transaction(txid)) }
        }
    }
}

/// Blocks of the window that the node made.
async fn mined(api: &Arc<Api>, key: &PublicKey) -> Result<usize, ApiError> {
    let limit = WINDOW_BLOCKS.to_string();
    let window = ask::<Blocks>(api, &[("limit", &limit)], "").await?.blocks;
    Ok(window.iter().filter(|header| header.height > 0 && header.miner == *key).count())
}

/// What a sender sent last, newest first.
async fn sent(api: &Arc<Api>, name: &str, next_sequence: u64, wanted: &Wanted) -> Result<Markup, ApiError> {
    let end = wanted.before.unwrap_or(next_sequence).min(next_sequence);
    let from = end.saturating_sub(TRANSACTIONS_SHOWN as u64);
    let (first, limit) = (from.to_string(), (end - from).to_string());
    let params = [("name", name), ("from", &first), ("limit", &limit)];
    let mut list = ask::<OfSender>(api, &params, "").await?.transactions;
    list.reverse();
    let newest = (end < next_sequence).then(|| ("Latest", format!("/key/{name}")));
    let older = (from > 0).then(|| ("Earlier", format!("/key/{name}?before={from}")));
    Ok(html! {
        section #sent data-live aria-labelledby="sent-title" {
            h2 #sent-title { "Latest transactions" }
            (transactions::table(&list, "It has sent nothing yet."))
            (pager(newest, older))
        }
    })
}

/// Devices that a controller enrolled, from a place of the roll on.
fn devices(api: &Api, entry: &Entry, from: usize) -> Markup {
    let tip = api.tip();
    let line = entry.line();
    let is_own = |account: &Account| account.entry.role == Role::Device && account.entry.owner == Some(line);
    let all = tip.registry.accounts(Roll::Accounts).iter().enumerate();
    let mut found: Vec<_> = all
        .skip(from)
        .filter(|(_, account)| is_own(account))
        .map(|(index, account)| (index, &account.entry))
        .take(ENTRIES_SHOWN as usize + 1)
        .collect();
    let more = if found.len() > ENTRIES_SHOWN as usize { found.pop() } else { None };
    let next = more.map(|(index, _)| ("More devices", format!("/key/{}?devices={index}", entry.key)));
    let first = (from > 0).then(|| ("First devices", format!("/key/{}", entry.key)));
    html! {
        section #devices data-live aria-labelledby="devices-title" {
            h2 #devices-title { "Its devices" }
            @if found.is_empty() { p.empty { "It has enrolled no device." } }
            @else { (accounts::table(&found)) }
            (pager(first, next))
        }
    }
}

/// `GET /key/admins`
async fn admins(api: &Arc<Api>, query: &str) -> Result<Page, ApiError> {
    let wanted: Wanted = from_query(query)?;
    let view = ask::<GetGovernance>(api, &[], "").await?;
    let governance = &view.governance;
    let tuning = governance.tuning_at(api.tip().height + 1);
    let sent = sent(api, "admins", view.next_sequence, &wanted).await?;
    let body = html! {
        section #governance data-live aria-labelledby="governance-title" {
            h2 #governance-title { "Who decides, and what was decided" }
            (facts(&[
                ("Approvals wanted", html! { (governance.admins.threshold) " of " (governance.admins.keys.len()) }),
                ("Admins", html! { ol.plain { @for key in &governance.admins.keys { li { (name::full(key)) } } } }),
                ("Block time", html! { (moment::span(tuning.block_time_ms)) }),
                ("Finality depth", html! {
                    @match tuning.finality_depth { 0 => "no bound", depth => { (amount::counted(depth, "block", "blocks")) } }
                }),
                ("Planned", html! {
                    @match governance.planned.filter(|planned| planned.height > api.tip().height) {
                        Some(planned) => { "block time " (moment::span(planned.tuning.block_time_ms)) ", finality depth "
                            (planned.tuning.finality_depth) " from height " (amount::count(planned.height)) " on" },
                        None => "nothing",
                    }
                }),
                ("Rules", html! {
                    @if governance.activations.is_empty() { "those of the first block" }
                    @for activation in &governance.activations {
                        "rule " (activation.rule) " from height " (amount::count(activation.height)) " on "
                    }
                }),
            ]))
        }
        (sent)
    };
    Ok(Page::new("The admins", Section::Accounts, body))
}
