//! What waits: transactions for their block, and anchors for the hashes of their records.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::ask::ask;
use super::limits::MISSING_SHOWN;
use super::page::{Page, Section, answer, shown};
use super::{amount, moment, name};
use crate::rpc::api::Api;
use crate::rpc::error::ApiError;
use crate::rpc::health::{Missing, MissingList};
use crate::rpc::transactions::{Pool, PoolView};

/// `GET /mempool`
pub(super) async fn show(State(api): State<Arc<Api>>) -> Response {
    answer(&api, page(&api)).await
}

async fn page(api: &Arc<Api>) -> Result<Page, ApiError> {
    let pool = ask::<Pool>(api, &[], "").await?;
    let missing = ask::<Missing>(api, &[], "").await?;
    let body = html! {
        section #waiting data-live aria-labelledby="waiting-title" {
            h2 #waiting-title { "Pending transactions" }
            (waiting(&pool))
        }
        section #missing data-live aria-labelledby="missing-title" {
            h2 #missing-title { "Missing batch bodies" }
            (lacking(&missing))
        }
    };
    Ok(Page::new("Mempool", Section::Mempool, body))
}

fn waiting(pool: &PoolView) -> Markup {
    if pool.transactions.is_empty() {
        return html! { p.empty { "No transaction waits for its block." } };
    }
    html! {
        table {
            thead { tr {
                th scope="col" { "Transaction" }
                th scope="col" { "What" }
                th scope="col" { "Sender" }
                th.number scope="col" { "Sequence" }
            } }
            tbody {
                @for waiting in &pool.transactions {
                    tr {
                        th scope="row" { (name::transaction(&waiting.txid)) }
                        td { (name::action(waiting.kind)) }
                        td { (name::sender(&waiting.sender)) }
                        td.number { (amount::count(waiting.sequence)) }
                    }
                }
            }
        }
        (shown(pool.transactions.len(), pool.count as u64, "pending transactions, by sender and sequence"))
    }
}

fn lacking(missing: &MissingList) -> Markup {
    if missing.bodies.is_empty() {
        return html! { p.empty { "The hashes of every anchored batch are here." } };
    }
    let bodies = missing.bodies.iter().take(MISSING_SHOWN);
    let told = bodies.len();
    html! {
        p { "These anchors are in blocks, but nobody has given this node the hashes of their records: without them there "
            "are no receipts. It is for their senders to bring them." }
        table {
            thead { tr {
                th scope="col" { "Batch" }
                th.number scope="col" { "Records" }
                th scope="col" { "Sender" }
                th.wide scope="col" { "Since" }
            } }
            tbody {
                @for body in bodies {
                    tr {
                        th scope="row" { (name::batch(&body.root)) }
                        td.number { (amount::count(body.leaf_count.into())) }
                        td { (name::sender(&body.sender)) }
                        td.wide { (moment::at(body.since_ms)) }
                    }
                }
            }
        }
        (shown(told, missing.count as u64, "missing bodies"))
    }
}
