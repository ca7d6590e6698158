//! Who is registered: nodes, and accounts.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use dronechain_chain_spec::registry::{Entry, Role, Roll};
use maud::{Markup, html};

use super::ask::ask;
use super::limits::ENTRIES_SHOWN;
use super::page::{Page, Section, answer, mark, pager, shown};
use super::{amount, name};
use crate::rpc::api::Api;
use crate::rpc::call::from_query;
use crate::rpc::error::ApiError;
use crate::rpc::registry::Entries;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    roll: Option<Roll>,
    from: Option<u32>,
}

/// `GET /accounts`
pub(super) async fn show(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Response {
    answer(&api, page(&api, query.as_deref().unwrap_or_default())).await
}

async fn page(api: &Arc<Api>, query: &str) -> Result<Page, ApiError> {
    let Wanted { roll, from } = from_query(query)?;
    let (roll, from) = (roll.unwrap_or(Roll::Nodes), from.unwrap_or(0));
    let (roll_name, first, limit) = (roll_name(roll), from.to_string(), ENTRIES_SHOWN.to_string());
    let params = [("roll", roll_name), ("from", &first), ("limit", &limit)];
    let view = ask::<Entries>(api, &params, "").await?;
    let entries: Vec<_> = (from as usize..).zip(&view.entries).collect();
    let end = from.saturating_add(ENTRIES_SHOWN);
    let path = |from: u32| format!("/accounts?roll={roll_name}&from={from}");
    let back = (from > 0).then(|| ("First", path(0)));
    let next = (end < view.count).then(|| ("More", path(end)));
    let body = html! {
        nav.choice aria-label="Rolls" {
            ul {
                @for (known, title) in [(Roll::Nodes, "Nodes"), (Roll::Accounts, "Controllers, operators, devices")] {
                    li { a href={ "/accounts?roll=" (self::roll_name(known)) } aria-current=[(known == roll).then_some("page")] { (title) } }
                }
                li { a href="/key/admins" { "Admins" } }
            }
        }
        div #list data-live {
            @if entries.is_empty() { p.empty { "Nobody is registered here yet." } } @else { (table(&entries)) }
            (shown(entries.len(), view.count.into(), "entries"))
        }
        (pager(back, next))
        p.note { "Root of the roll " (name::full(view.root)) }
    };
    Ok(Page::new("Accounts", Section::Accounts, body))
}

/// A roll as queries name it.
pub(super) fn roll_name(roll: Roll) -> &'static str {
    match roll {
        Roll::Nodes => "nodes",
        Roll::Accounts => "accounts",
    }
}

/// Entries with their places on the roll.
pub(super) fn table(entries: &[(usize, &Entry)]) -> Markup {
    html! {
        table {
            thead { tr {
                th.number.wide scope="col" { "Place" }
                th scope="col" { "Key" }
                th scope="col" { "Role" }
                th scope="col" { "Standing" }
                th.number.wide scope="col" { "Admitted" }
                th.wide scope="col" { "Enrolled by" }
            } }
            tbody {
                @for (index, entry) in entries {
                    tr {
                        td.number.wide { (amount::count(*index as u64)) }
                        th scope="row" { (name::key(&entry.key)) }
                        td { (name::role(entry.role)) }
                        td { (standing(entry)) }
                        td.number.wide { (name::height(entry.admitted)) }
                        td.wide { @if let Some(owner) = &entry.owner { (name::key(owner)) } }
                    }
                }
            }
        }
    }
}

/// What a key may do, in a word or two.
pub(super) fn standing(entry: &Entry) -> Markup {
    match entry {
        Entry { revoked: Some(_), .. } => mark("bad", "revoked"),
        Entry { role: Role::Node, ready: None, .. } => mark("warn", "not ready"),
        Entry { role: Role::Node, .. } => mark("good", "ready"),
        _ => mark("good", "admitted"),
    }
}
