//! Links to receipts as files.

use axum::http::{HeaderMap, header};
use dronechain_chain_spec::hash::Hash256;
use form_urlencoded::byte_serialize;
use maud::{Markup, html};

use crate::core::view::BatchId;

/// Where the reader reached this node, which Chainpoint v4 names, as text and in a query.
fn host(headers: &HeaderMap) -> Option<(&str, String)> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    Some((host, format!("host={}", byte_serialize(host.as_bytes()).collect::<String>())))
}

fn looked_up(host: &str) -> Markup {
    html! { span.note { " v4 names " (host) ", where other tools look the block up" } }
}

/// The receipt of a record, in every format.
pub(super) fn of_record(hash: &Hash256, headers: &HeaderMap) -> Markup {
    let path = format!("/v1/receipts/{hash}");
    html! {
        p {
            "Download the receipt: "
            a href=(path) download={ (hash) ".receipt.json" } { "Chainpoint v2" }
            @if let Some((host, query)) = host(headers) {
                " · " a href={ (path) "/v4?" (query) } download={ (hash) ".v4.json" } { "Chainpoint v4" }
                " · " a href={ (path) "/v4.bin?" (query) } download={ (hash) ".chp" } { "v4 binary" }
                (looked_up(host))
            }
        }
    }
}

/// The receipts of up to `limit` records of a batch, from the one with the index `from` on, as lists.
pub(super) fn of_batch(batch: &BatchId, from: usize, limit: usize, headers: &HeaderMap) -> Markup {
    let BatchId { root, leaf_count } = batch;
    let path = format!("/v1/bodies/{root}/{leaf_count}/receipts");
    let page = format!("from={from}&limit={limit}");
    let name = format!("{root}.{from}");
    html! {
        p {
            "The receipts of these leaves, as one list: "
            a href={ (path) "?" (page) } download={ (name) ".receipts.json" } { "Chainpoint v2" }
            @if let Some((host, query)) = host(headers) {
                " · " a href={ (path) "/v4?" (page) "&" (query) } download={ (name) ".v4.json" } { "Chainpoint v4" }
                (looked_up(host))
            }
        }
    }
}
