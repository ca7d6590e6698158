//! The explorer: what the calls tell, as pages for people.
//!
//! Pages are asked for at the node's one HTTP port and made here, whole: they need no script. With one they stay
//! up to date, hash files, and recompute receipts (`assets/`). Promises: a page asks the calls that clients ask
//! (see [`ask`]) and reads the store for what no call tells; everything from the chain is escaped; nothing is loaded
//! from elsewhere, and the browser is told to refuse it. Leaves out: anything that changes the node.

mod account;
mod accounts;
mod action;
mod amount;
mod ask;
mod assets;
mod batch;
mod block;
mod blocks;
mod chart;
mod check;
mod evidence;
mod files;
mod forks;
mod limits;
mod mempool;
mod moment;
mod name;
mod overview;
mod page;
mod path;
mod peers;
mod receipt;
mod search;
mod tally;
mod transaction;
mod transactions;
mod verdict;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};

use crate::rpc::api::Api;
use crate::rpc::error::ApiError;

/// Every page and asset.
pub(crate) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/", get(overview::show))
        .route("/blocks", get(blocks::show))
        .route("/block/{name}", get(block::show))
        .route("/transactions", get(transactions::show))
        .route("/tx/{txid}", get(transaction::show))
        .route("/batch/{root}", get(batch::show))
        .route("/receipt", get(check::form).post(check::verify))
        .route("/receipt/{hash}", get(receipt::show))
        .route("/accounts", get(accounts::show))
        .route("/key/{name}", get(account::show))
        .route("/mempool", get(mempool::show))
        .route("/peers", get(peers::show))
        .route("/forks", get(forks::show))
        .route("/evidence", get(evidence::show))
        .route("/search", get(search::show))
        .route("/assets/{version}/{name}", get(assets::serve))
        .layer(Extension(Arc::<tally::Tally>::default()))
        .layer(DefaultBodyLimit::max(limits::FORM_BYTES_MAX))
}

/// What answers where no route is.
pub(crate) async fn nowhere(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    refuse(&api, &headers, ApiError::NoRoute).await
}

/// A refusal: a page to browsers, JSON to programs.
pub(crate) async fn refuse(api: &Arc<Api>, headers: &HeaderMap, error: ApiError) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        return page::answer(api, async { Err(error) }).await;
    }
    error.into_response()
}
