//! The active chain's transactions of a kind, the latest first, and lists of transactions as other pages show them.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use dronechain_chain_spec::transaction::Action;
use maud::{Markup, html};

use super::amount;
use super::ask::ask;
use super::limits::TRANSACTIONS_SHOWN;
use super::name::{self, KINDS};
use super::page::{Page, Section, answer, pager};
use crate::rpc::api::Api;
use crate::rpc::error::ApiError;
use crate::rpc::transactions::{Listing, OfKind};

/// The kind that is shown without a choice.
const COMMONEST: &str = "kind=anchor";

/// `GET /transactions`
pub(super) async fn show(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Response {
    answer(&api, page(&api, query.as_deref().filter(|query| !query.is_empty()).unwrap_or(COMMONEST))).await
}

async fn page(api: &Arc<Api>, query: &str) -> Result<Page, ApiError> {
    let limit = TRANSACTIONS_SHOWN.to_string();
    let view = ask::<OfKind>(api, &[("limit", &limit)], query).await?;
    let chosen = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "kind");
    let chosen = chosen.map(|(_, kind)| kind.into_owned()).unwrap_or_default();
    let first = query.contains("before=").then(|| ("Latest", format!("/transactions?kind={chosen}")));
    let next = view.next.map(|next| ("Earlier", format!("/transactions?kind={chosen}&before={next}")));
    let body = html! {
        nav.choice aria-label="Kinds of transactions" {
            ul {
                @for (_, kind, title) in KINDS {
                    li { a href={ "/transactions?kind=" (kind) } aria-current=[(kind == chosen).then_some("page")] { (title) } }
                }
            }
        }
        div #list data-live { (table(&view.transactions, "There is no transaction of this kind.")) }
        (pager(first, next))
    };
    Ok(Page::new("Transactions", Section::Transactions, body))
}

/// Transactions of the chain as rows.
pub(super) fn table(list: &[Listing], none: &str) -> Markup {
    if list.is_empty() {
        return html! { p.empty { (none) } };
    }
    html! {
        table {
            thead { tr {
                th scope="col" { "Block" }
                th scope="col" { "Transaction" }
                th scope="col" { "What" }
                th.wide scope="col" { "Sender" }
                th.number.wide scope="col" { "Sequence" }
                th.wide scope="col" { "Outcome" }
            } }
            tbody {
                @for listing in list {
                    tr {
                        td { (name::height(listing.height)) }
                        th scope="row" { (name::transaction(&listing.txid)) }
                        td { (what(&listing.transaction.body.action)) }
                        td.wide { (name::sender(&listing.sender)) }
                        td.number.wide { (amount::count(listing.sequence)) }
                        td.wide { @if let Some(outcome) = listing.outcome { (name::outcome(outcome)) } }
                    }
                }
            }
        }
    }
}

/// An action in a few words.
fn what(action: &Action) -> Markup {
    match action {
        Action::Anchor(anchor) if anchor.leaf_count == 0 => html! { "Heartbeat" },
        Action::Anchor(anchor) => html! {
            "Anchor of " a href={ "/batch/" (anchor.root) "?leaf_count=" (anchor.leaf_count) } {
                (amount::counted(anchor.leaf_count.into(), "record", "records"))
            }
        },
        Action::Enrol(enrolment) => html! { "Enrols " (name::key(&enrolment.device)) },
        Action::Admit { role, key } => html! { "Admits a " (name::role(*role)) ": " (name::key(key)) },
        Action::Revoke { key, .. } | Action::RevokeDevice { device: key, .. } => {
            html! { "Revokes " (name::key(key)) }
        }
        Action::Succeed { successor, .. } => html! { "Hands over to " (name::key(successor)) },
        action => html! { (name::action(action.kind())) },
    }
}
