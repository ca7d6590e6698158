//! Searching: straight to the only thing of a name, else a choice.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::ask::ask;
use super::page::{Page, Section, answer};
use super::{amount, name};
use crate::rpc::api::Api;
use crate::rpc::search::{Hit, Search};

/// `GET /search?q=`
pub(super) async fn show(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Response {
    match ask::<Search>(&api, &[], query.as_deref().unwrap_or_default()).await {
        Ok(found) if found.found.len() == 1 => Redirect::to(&path(&found.found[0])).into_response(),
        Ok(found) => answer(&api, async { Ok(page(&found.found)) }).await,
        Err(error) => answer(&api, async { Err(error) }).await,
    }
}

fn path(hit: &Hit) -> String {
    match hit {
        Hit::Block { hash, .. } => format!("/block/{hash}"),
        Hit::Transaction { txid, .. } => format!("/tx/{txid}"),
        Hit::Record { hash, .. } => format!("/receipt/{hash}"),
        Hit::Batch { root, .. } => format!("/batch/{root}"),
        Hit::Key { key, .. } => format!("/key/{key}"),
    }
}

fn page(found: &[Hit]) -> Page {
    if found.is_empty() {
        let body = html! {
            p.lead { "Nothing of this name is here." }
            p { "A name is a height, or 64 digits of hex: the hash of a block, transaction, record or batch, or a key. "
                "What is on another network, or has not reached this node yet, is not found." }
        };
        return Page::new("Nothing found", Section::Elsewhere, body);
    }
    let body = html! {
        p.lead { "This name is that of several things." }
        ul.hits { @for hit in found { li { a href=(path(hit)) { (told(hit)) } } } }
    };
    Page::new("Search", Section::Elsewhere, body)
}

fn told(hit: &Hit) -> Markup {
    match hit {
        Hit::Block { height, active, .. } => html! {
            "Block " (amount::count(*height)) @if !active { ", off the active chain" }
        },
        Hit::Transaction { height: Some(height), .. } => {
            html! { "Transaction in block " (amount::count(*height)) }
        }
        Hit::Transaction { height: None, .. } => html! { "Pending transaction" },
        Hit::Record { height, .. } => {
            html! { "Receipt of a record, anchored in block " (amount::count(*height)) }
        }
        Hit::Batch { anchors, .. } => {
            html! { "Batch with " (amount::counted(*anchors as u64, "anchor", "anchors")) }
        }
        Hit::Key { role, .. } => html! { "Key of a " (name::role(*role)) },
    }
}
