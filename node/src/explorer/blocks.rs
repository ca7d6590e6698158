//! The blocks of the active chain from the tip down.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use maud::{Markup, html};

use super::ask::ask;
use super::limits::BLOCKS_SHOWN;
use super::page::{Page, Section, answer, pager};
use super::{amount, moment, name};
use crate::rpc::api::Api;
use crate::rpc::chain::{Blocks, HeaderView};
use crate::rpc::error::ApiError;

/// `GET /blocks`
pub(super) async fn show(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Response {
    answer(&api, page(&api, query.as_deref().unwrap_or_default())).await
}

async fn page(api: &Arc<Api>, query: &str) -> Result<Page, ApiError> {
    let view = ask::<Blocks>(api, &[("limit", BLOCKS_SHOWN)], query).await?;
    let first = (!query.is_empty()).then(|| ("Newest blocks", "/blocks".to_owned()));
    let next = view.next.map(|next| ("Older blocks", format!("/blocks?before={next}")));
    let body = html! {
        // A page further down does not change but by a reorganisation.
        div #list data-live { (table(&view.blocks, moment::now_ms())) }
        (pager(first, next))
    };
    Ok(Page::new("Blocks", Section::Blocks, body))
}

/// Headers as rows.
pub(super) fn table(blocks: &[HeaderView], now: u64) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Height" }
                th scope="col" { "Hash" }
                th scope="col" { "Age" }
                th.number scope="col" { "Transactions" }
                th.wide scope="col" { "Miner" }
                th.number.wide scope="col" { "Difficulty" }
            } }
            tbody {
                @for block in blocks {
                    tr {
                        th scope="row" { (name::height(block.height)) }
                        td { (name::block(&block.hash)) }
                        td { (moment::ago(block.time_ms, now)) }
                        td.number { (amount::count(block.tx_count.into())) }
                        td.wide { @if block.height == 0 { "genesis" } @else { (name::key(&block.miner)) } }
                        td.number.wide { @if block.height > 0 { (amount::scaled(amount::difficulty(block.bits))) } }
                    }
                }
            }
        }
    }
}
