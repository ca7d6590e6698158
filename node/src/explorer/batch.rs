//! A batch by its root: who anchored it where, and its leaves.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::transaction::{Action, Anchor, Sender};
use maud::{Markup, html};
use serde::Deserialize;

use super::ask::{ask, ask_of};
use super::limits::{ANCHORS_SHOWN, LEAVES_SHOWN};
use super::page::{Page, Section, answer, facts, mark, pager, shown};
use super::{amount, files, moment, name};
use crate::core::view::BatchId;
use crate::rpc::anchors::AnchorsOfRoot;
use crate::rpc::api::Api;
use crate::rpc::call::from_query;
use crate::rpc::error::ApiError;
use crate::rpc::transactions::{Listing, OfSender};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Which batch, where anchors name several under one root.
    leaf_count: Option<u32>,
    /// Index of the first leaf that is shown.
    from: Option<usize>,
}

/// `GET /batch/{root}`
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(root): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer(&api, page(&api, &root, query.as_deref().unwrap_or_default(), &headers)).await
}

async fn page(api: &Arc<Api>, root: &str, query: &str, headers: &HeaderMap) -> Result<Page, ApiError> {
    let Wanted { leaf_count, from } = from_query(query)?;
    let anchors = ask_of::<AnchorsOfRoot>(api, "root", root, &[]).await?.anchors;
    let root: Hash256 = root.parse().map_err(|error| ApiError::Path(format!("root: {error}")))?;
    let mut listed = Vec::new();
    for anchor in anchors.iter().take(ANCHORS_SHOWN) {
        listed.extend(transaction(api, &anchor.sender, anchor.sequence).await?);
    }
    let counts: BTreeSet<_> = listed.iter().filter_map(anchor_of).map(|anchor| anchor.leaf_count).collect();
    let from = from.unwrap_or(0);
    let leaf_count = leaf_count.or(counts.first().copied()).ok_or(ApiError::Unknown("batch"))?;
    let batch = BatchId { root, leaf_count };
    let leaves = Arc::clone(api).run(move |api| Ok(api.rpc.store.body(&batch)?)).await?;
    let body = html! {
        (facts(&[
            ("Root", name::full(root)),
            ("Holds", html! { (amount::counted(leaf_count.into(), "record", "records")) }),
            ("Records' hashes", html! {
                @if leaves.is_some() { (mark("good", "here")) } @else {
                    (mark("warn", "missing")) span.note { " without them this node gives no receipts of the batch" }
                }
            }),
        ]))
        (others(&batch, &counts))
        section #anchors data-live aria-labelledby="anchors-title" {
            h2 #anchors-title { "Anchors" }
            (table(&listed))
            @if anchors.len() > listed.len() { (shown(listed.len(), anchors.len() as u64, "anchors")) }
        }
        section aria-labelledby="leaves-title" {
            h2 #leaves-title { "Leaves" }
            @match &leaves {
                Some(leaves) => {
                    (list(&batch, leaves, from))
                    @if from < leaves.len() && (counts.contains(&leaf_count) || anchors.len() > listed.len()) {
                        (files::of_batch(&batch, from, LEAVES_SHOWN, headers))
                    }
                }
                None => p.empty { "The hashes of this batch are not here. Nodes ask each other for them." },
            }
        }
    };
    Ok(Page::new("Batch", Section::Receipts, body))
}

/// The anchor at a sender's sequence with its transaction; none where a reorganisation came in between.
async fn transaction(api: &Arc<Api>, sender: &Sender, sequence: u64) -> Result<Option<Listing>, ApiError> {
    // Admins do not anchor.
    let Sender::Key(key) = sender else { return Ok(None) };
    let (name, from) = (key.to_string(), sequence.to_string());
    let page = ask::<OfSender>(api, &[("name", &name), ("from", &from), ("limit", "1")], "").await?;
    Ok(page.transactions.into_iter().next().filter(|found| found.sequence == sequence))
}

fn anchor_of(listing: &Listing) -> Option<&Anchor> {
    match &listing.transaction.body.action {
        Action::Anchor(anchor) => Some(anchor),
        _ => None,
    }
}

/// Batches of the same root with another number of leaves.
fn others(batch: &BatchId, counts: &BTreeSet<u32>) -> Markup {
    html! {
        @for count in counts.iter().filter(|count| **count != batch.leaf_count) {
            p.note { "The root is anchored with another number of leaves too: "
                a href={ "/batch/" (batch.root) "?leaf_count=" (count) } { (amount::count((*count).into())) } "." }
        }
    }
}

fn table(listed: &[Listing]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Block" }
                th scope="col" { "Transaction" }
                th scope="col" { "Sender" }
                th.number.wide scope="col" { "Sequence" }
                th.wide scope="col" { "Kind" }
                th.wide scope="col" { "Records as claimed" }
            } }
            tbody {
                @for (listing, anchor) in listed.iter().filter_map(|listing| Some((listing, anchor_of(listing)?))) {
                    tr {
                        td { (name::height(listing.height)) }
                        th scope="row" { (name::transaction(&listing.txid)) }
                        td { (name::sender(&listing.sender)) }
                        td.number.wide { (amount::count(listing.sequence)) }
                        td.wide { (name::anchor_kind(anchor.kind)) }
                        td.wide { (moment::claimed(anchor.first_time)) " to " (moment::claimed(anchor.last_time)) }
                    }
                }
            }
        }
    }
}

fn list(batch: &BatchId, leaves: &[Hash256], from: usize) -> Markup {
    let path = |from: usize| format!("/batch/{}?leaf_count={}&from={from}", batch.root, batch.leaf_count);
    let first = (from > 0).then(|| ("First leaves", path(0)));
    let end = from.saturating_add(LEAVES_SHOWN);
    let next = (end < leaves.len()).then(|| ("More leaves", path(end)));
    html! {
        p { "Each is the SHA-256 of a record, and leads to its receipt." }
        ol.leaves start=(from) {
            @for leaf in leaves.iter().skip(from).take(LEAVES_SHOWN) { li { (name::record_full(leaf)) } }
        }
        (shown(leaves.len().saturating_sub(from).min(LEAVES_SHOWN), leaves.len() as u64, "leaves"))
        (pager(first, next))
    }
}
