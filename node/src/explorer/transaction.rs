//! One transaction: what it does, where it stands, who signed it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::transaction::Transaction;
use maud::{Markup, html};

use super::ask::ask_of;
use super::page::{Page, Section, answer, facts, mark};
use super::{action, amount, name};
use crate::rpc::api::Api;
use crate::rpc::error::ApiError;
use crate::rpc::transactions::{Get, Progress, TransactionState};

/// `GET /tx/{txid}`
pub(super) async fn show(State(api): State<Arc<Api>>, Path(txid): Path<String>) -> Response {
    answer(&api, page(&api, &txid)).await
}

async fn page(api: &Arc<Api>, txid: &str) -> Result<Page, ApiError> {
    let view = ask_of::<Get>(api, "txid", txid, &[]).await?;
    let transaction = view.transaction.ok_or(ApiError::Unknown("transaction"))?;
    let kind = transaction.body.action.kind();
    let body = html! {
        section #state data-live aria-labelledby="state-title" {
            h2 #state-title { "Where it stands" }
            (stands(&view.state))
        }
        section aria-labelledby="action-title" {
            h2 #action-title { "What it does" }
            (action::told(&transaction.body.action))
        }
        section aria-labelledby="sender-title" {
            h2 #sender-title { "Who sent it" }
            (sent(&view.state, &transaction))
        }
    };
    Ok(Page::new(format!("Transaction: {}", name::action(kind).to_lowercase()), Section::Transactions, body))
}

fn stands(state: &TransactionState) -> Markup {
    let TransactionState { height, block, position, confirmations, outcome, .. } = state;
    html! {
        p.lead {
            @match state.state {
                Progress::Included => (mark("good", "in a block")),
                Progress::Pending => (mark("warn", "pending: it waits for its block")),
                Progress::Unknown => (mark("warn", "neither pending nor on the active chain any more")),
            }
            @if let Some(confirmations) = confirmations {
                " " (amount::counted(*confirmations, "confirmation", "confirmations"))
            }
        }
        @if let (Some(height), Some(block), Some(position)) = (height, block, position) {
            (facts(&[
                ("Block", html! { (name::height(*height)) " " (name::block_full(block)) }),
                ("Place in the block", html! { (position) }),
                ("Outcome", html! { @if let Some(outcome) = outcome { (name::outcome(*outcome)) } }),
            ]))
        }
    }
}

fn sent(state: &TransactionState, transaction: &Transaction) -> Markup {
    let size = codec::encode(transaction).len();
    facts(&[
        ("Transaction", name::full(state.txid)),
        ("Sender", name::sender(&transaction.body.sender)),
        ("Sequence", html! { (amount::count(transaction.body.sequence)) }),
        ("Size", html! { (amount::counted(size as u64, "byte", "bytes")) }),
        (
            "Signed by",
            html! {
                ul.plain { @for approval in &transaction.approvals { li { (name::full(approval.key)) } } }
            },
        ),
    ])
}
