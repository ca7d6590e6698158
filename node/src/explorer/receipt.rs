//! The receipt of a record by its hash: the verdict, then the path.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use dronechain_chain_spec::hash::Hash256;
use maud::{Markup, html};

use super::ask::ask_of;
use super::page::{Page, Section, answer, mark};
use super::verdict::{Judged, judge};
use super::{files, name, path};
use crate::rpc::anchors::GetReceipt;
use crate::rpc::api::Api;
use crate::rpc::error::ApiError;

/// `GET /receipt/{hash}`
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&api, page(&api, &hash, &headers)).await
}

async fn page(api: &Arc<Api>, hash: &str, headers: &HeaderMap) -> Result<Page, ApiError> {
    let receipt = ask_of::<GetReceipt>(api, "hash", hash, &[]).await;
    let hash: Hash256 = match hash.parse() {
        Ok(hash) => hash,
        Err(error) => return Err(ApiError::Path(format!("hash: {error}"))),
    };
    let json = match receipt {
        Ok(receipt) => receipt,
        Err(ApiError::Unknown(_)) => return without(api, hash).await,
        Err(error) => return Err(error),
    };
    let judged =
        Arc::clone(api).run(move |api| Ok(judge(&api.rpc.store, json.get().as_bytes(), Some(hash))?)).await?;
    let body = html! {
        div #verdict data-live { (judged.told()) }
        div #proof data-live { (shown(&judged)) }
        (files::of_record(&hash, headers))
        p { a href="/receipt" { "Check another one" } }
    };
    Ok(Page::new("Receipt", Section::Receipts, body))
}

/// The path of a judged receipt, what the browser finds, and the receipt itself.
pub(super) fn shown(judged: &Judged) -> Markup {
    let Some(receipt) = &judged.receipt else { return html! {} };
    html! {
        section aria-labelledby="path-title" {
            h2 #path-title { "From the record to the block" }
            p #recomputed.note role="status" {
                "This node computed every value below. With a script the browser would compute them once more."
            }
            (path::drawn(receipt, judged.failed()))
        }
        details {
            summary { "The receipt as JSON" }
            pre #receipt-json tabindex="0" { (receipt.to_json()) }
        }
    }
}

/// The page of a hash without a receipt.
async fn without(api: &Arc<Api>, hash: Hash256) -> Result<Page, ApiError> {
    let batches = Arc::clone(api).run(move |api| Ok(api.rpc.store.anchors_of_leaf(&hash)?)).await?;
    let is_known = !batches.is_empty();
    let body = html! {
        div #verdict data-live {
            div.verdict.warn {
                p.lead {
                    @if is_known { (mark("warn", "Not anchored yet")) } @else { (mark("warn", "No receipt")) }
                }
                @if is_known { p { "A batch with this hash is here, but its anchor is in no block of the active chain. "
                    "It may wait for its block, or a reorganisation took the block away." } }
                @else { p { "This node knows of no batch with this hash. What was changed by one bit has another hash; and what was "
                    "handed in a moment ago may be on its way." } }
            }
        }
        dl.facts { div { dt { "Hash of the record" } dd { (name::full(hash)) } } }
        p { a href="/receipt" { "Check a receipt at hand" } }
    };
    let status = if is_known { StatusCode::OK } else { StatusCode::NOT_FOUND };
    Ok(Page { status, ..Page::new("Receipt", Section::Receipts, body) })
}
