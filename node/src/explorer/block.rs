//! One block: its header, its neighbours, its transactions.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use dronechain_chain_spec::hash::Hash256;
use maud::{Markup, html};
use serde::Deserialize;

use super::ask::ask_of;
use super::limits::TRANSACTIONS_SHOWN;
use super::page::{Page, Section, answer, facts, mark, pager, shown};
use super::{amount, moment, name};
use crate::core::view::{Stage, StoredHeader, View as _};
use crate::rpc::api::Api;
use crate::rpc::call::from_query;
use crate::rpc::chain::{GetBlock, GetHeader, HeaderView, TransactionView};
use crate::rpc::error::ApiError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Index of the first transaction that is shown.
    from: Option<usize>,
}

/// `GET /block/{name}`
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    answer(&api, page(&api, &name, query.as_deref().unwrap_or_default())).await
}

async fn page(api: &Arc<Api>, name: &str, query: &str) -> Result<Page, ApiError> {
    let Wanted { from } = from_query(query)?;
    let header = ask_of::<GetHeader>(api, "name", name, &[]).await?;
    let hash = header.hash;
    // Of a side branch the header alone may be here; and the genesis block has nothing else.
    let transactions = match ask_of::<GetBlock>(api, "name", &hash.to_string(), &[]).await {
        Ok(block) => block.transactions,
        Err(ApiError::Unknown(_)) => None,
        Err(error) => return Err(error),
    };
    let stored = Arc::clone(api).run(move |api| stored(api, hash)).await?;
    let body = html! {
        div #standing data-live { (standing(&header, stored.stage)) (neighbours(&header)) }
        section aria-labelledby="header-title" {
            h2 #header-title { "Header" }
            (fields(&header, &stored))
        }
        section aria-labelledby="transactions-title" {
            h2 #transactions-title { "Transactions" }
            @match &transactions {
                Some(list) => (listed(&header, list, from.unwrap_or(0))),
                None if header.tx_count == 0 => p.empty { "The block has no transactions." },
                None => p.empty { "Only the header of this block is here." },
            }
        }
    };
    let title = format!("Block {}", amount::count(header.height));
    Ok(Page::new(title, Section::Blocks, body))
}

fn stored(api: &Api, hash: Hash256) -> Result<StoredHeader, ApiError> {
    api.rpc.store.header(&hash)?.ok_or(ApiError::Unknown("block"))
}

fn standing(header: &HeaderView, stage: Stage) -> Markup {
    let (class, text) = match stage {
        _ if header.active => ("good", "on the active chain"),
        Stage::Invalid => ("bad", "breaks a rule"),
        Stage::Valid => ("warn", "left the active chain"),
        Stage::Header | Stage::Stored => ("warn", "on a side branch"),
    };
    html! {
        p.lead {
            (mark(class, text))
            @if header.active { " " (amount::counted(header.confirmations, "confirmation", "confirmations")) }
            @else { " " a href={ "/block/" (header.height) } { "the active chain's block at this height" } }
        }
    }
}

fn neighbours(header: &HeaderView) -> Markup {
    html! {
        nav.pager aria-label="Blocks before and after" {
            @if header.height > 0 { a href={ "/block/" (header.parent) } rel="prev" { "Parent" } }
            @if header.active && header.confirmations > 1 {
                a href={ "/block/" (header.height + 1) } rel="next" { "Next block" }
            }
        }
    }
}

fn fields(header: &HeaderView, stored: &StoredHeader) -> Markup {
    let is_genesis = header.height == 0;
    let zeros = |hash: &Hash256| *hash == Hash256::ZERO;
    facts(&[
        ("Hash", name::full(header.hash)),
        ("Time", moment::at(header.time_ms)),
        (
            "Parent",
            html! { @if is_genesis { "none: this is the first block" } @else { (name::block_full(&header.parent)) } },
        ),
        ("Miner", html! { @if is_genesis { "nobody" } @else { (name::key_full(&header.miner)) } }),
        (
            "Root over transactions",
            html! {
                @if zeros(&header.tx_root) { "zeros: no transactions" } @else { (name::full(header.tx_root)) }
            },
        ),
        ("Commitments", name::full(header.commitments)),
        ("Transactions", html! { (amount::count(header.tx_count.into())) }),
        ("Target", html! { code { (header.bits) } " " span.note { "compact bits" } }),
        (
            "Work",
            html! {
                @if is_genesis { "none" } @else {
                    (amount::scaled(amount::difficulty(header.bits))) " hashes; the chain up to here "
                    (amount::scaled(amount::hashes(&stored.work)))
                }
            },
        ),
        ("Nonce", html! { (stored.signed.header.nonce) }),
    ])
}

fn listed(header: &HeaderView, list: &[TransactionView], from: usize) -> Markup {
    if list.is_empty() {
        return html! { p.empty { "The block has no transactions." } };
    }
    let page = list.iter().enumerate().skip(from).take(TRANSACTIONS_SHOWN);
    let end = from.saturating_add(TRANSACTIONS_SHOWN);
    let path = |from: usize| format!("/block/{}?from={from}", header.hash);
    let first = (from > 0).then(|| ("First transactions", format!("/block/{}", header.hash)));
    let next = (end < list.len()).then(|| ("More transactions", path(end)));
    html! {
        table {
            thead { tr {
                th.number scope="col" { "Index" }
                th scope="col" { "Transaction" }
                th scope="col" { "What" }
                th.wide scope="col" { "Sender" }
                th.wide scope="col" { "Outcome" }
            } }
            tbody {
                @for (index, view) in page {
                    tr {
                        td.number { (index) }
                        th scope="row" { (name::transaction(&view.txid)) }
                        td { (name::action(view.transaction.body.action.kind())) }
                        td.wide { (name::sender(&view.transaction.body.sender)) }
                        td.wide { @if let Some(outcome) = view.outcome { (name::outcome(outcome)) } }
                    }
                }
            }
        }
        (shown(list.len().saturating_sub(from).min(TRANSACTIONS_SHOWN), list.len() as u64, "transactions"))
        (pager(first, next))
    }
}
