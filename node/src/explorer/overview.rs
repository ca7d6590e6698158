//! The first page: where the chain stands, how fast it goes, and the newest blocks.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::ask::ask;
use super::limits::{NEWEST_BLOCKS, WINDOW_BLOCKS};
use super::page::{Page, Section, answer, facts, mark};
use super::tally::{Count, Tally};
use super::{amount, blocks, chart, moment, name};
use crate::rpc::api::Api;
use crate::rpc::chain::{Blocks, HeaderView};
use crate::rpc::error::ApiError;
use crate::rpc::registry::{GetGovernance, GovernanceView};
use crate::rpc::status::{Status, StatusView};

/// `GET /`
pub(super) async fn show(State(api): State<Arc<Api>>, Extension(tally): Extension<Arc<Tally>>) -> Response {
    answer(&api, page(&api, tally)).await
}

async fn page(api: &Arc<Api>, tally: Arc<Tally>) -> Result<Page, ApiError> {
    let status = ask::<Status>(api, &[], "").await?;
    let limit = (WINDOW_BLOCKS + 1).to_string();
    let window = ask::<Blocks>(api, &[("limit", &limit)], "").await?.blocks;
    let governance = ask::<GetGovernance>(api, &[], "").await?;
    let count = Arc::clone(api).run(move |api| Ok(tally.at(api)?)).await?;
    let now = moment::now_ms();
    let body = html! {
        div #alerts data-live { (alerts(&status)) }
        section #chain data-live aria-labelledby="chain-title" {
            h2 #chain-title { "The chain" }
            (tiles(&status, &window, count, now))
        }
        section #times data-live aria-labelledby="times-title" {
            h2 #times-title { "Block times" }
            (chart::block_times(&window, target_ms(&governance, &status)))
        }
        section #newest data-live aria-labelledby="newest-title" {
            h2 #newest-title { "Newest blocks" }
            (blocks::table(window.get(..NEWEST_BLOCKS).unwrap_or(&window), now))
            p { a href="/blocks" { "All blocks" } }
        }
    };
    Ok(Page::new("Overview", Section::Overview, body))
}

/// T as it holds for the next block.
fn target_ms(view: &GovernanceView, status: &StatusView) -> u64 {
    view.governance.tuning_at(status.tip.height + 1).block_time_ms
}

fn tiles(status: &StatusView, window: &[HeaderView], count: Count, now: u64) -> Markup {
    let tip = &status.tip;
    let spoken = amount::counted(window.len().saturating_sub(1) as u64, "block", "blocks");
    let rate = rate(window).map(|rate| format!("{}H/s", amount::scaled(rate)));
    html! {
        (facts(&[
            ("Height", html! { strong.large { (name::height(tip.height)) } }),
            ("Newest block", html! { (moment::ago(tip.time_ms, now)) }),
            ("In sync", sync(status)),
            ("Peers", html! { a href="/peers" { (status.peers) } }),
            ("Pending transactions", html! { a href="/mempool" { (amount::count(status.mempool as u64)) } }),
            ("Records anchored", html! {
                (amount::count(count.records))
                @if count.height < tip.height { span.note { " up to block " (amount::count(count.height)) ", counting on" } }
            }),
            ("Hash rate", html! {
                @match rate {
                    Some(rate) => { (rate) span.note { " over the last " (spoken) } },
                    None => "not known yet",
                }
            }),
            ("Difficulty", html! {
                @match window.first().filter(|header| header.height > 0) {
                    Some(header) => { (amount::scaled(amount::difficulty(header.bits))) " hashes a block" },
                    None => "no block yet",
                }
            }),
            ("Work of the chain", html! { (amount::scaled(amount::hashes(&tip.work))) " hashes" }),
            ("Hash of the tip", name::block(&tip.hash)),
        ]))
        @if tip.height == 0 {
            p.empty { "The chain has only its genesis block. The first block comes once nodes mine." }
        }
    }
}

/// Hashes a second that the blocks of the window took; none without two times of mined blocks.
fn rate(window: &[HeaderView]) -> Option<f64> {
    let mined: Vec<_> = window.iter().filter(|header| header.height > 0).collect();
    let (last, first) = (mined.first()?, mined.last()?);
    let ms = last.time_ms.checked_sub(first.time_ms).filter(|ms| *ms > 0)?;
    // The first one's own work was done before its time.
    let work: f64 = mined[..mined.len() - 1].iter().map(|header| amount::difficulty(header.bits)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a few minutes in ms, to be told in three digits")]
    let seconds = ms as f64 / 1_000.0;
    Some(work / seconds)
}

fn sync(status: &StatusView) -> Markup {
    if status.syncing {
        let known = amount::count(status.headers_height);
        return html! { (mark("warn", "behind")) span.note { " headers are known up to " (known) } };
    }
    mark("good", "yes")
}

/// What an operator should know.
fn alerts(status: &StatusView) -> Markup {
    html! {
        @if let Some(upgrade) = &status.upgrade_needed {
            p.alert { (mark("bad", "Upgrade needed")) " Rule " (upgrade.rule) " holds from height "
                (amount::count(upgrade.height)) " on, and this version does not know it." }
        }
        @if status.rivals > 0 {
            p.alert { (mark("bad", "Rival chain")) " Another chain leaves this one below the finality depth: "
                a href="/forks" { "see forks" } "." }
        }
        @if status.storage.low {
            p.alert { (mark("bad", "Low on disk space")) " The node takes nothing in; "
                (amount::bytes(status.storage.free_bytes)) " are free." }
        }
        @if status.bodies_missing > 0 {
            p.alert { (mark("warn", "Bodies missing")) " "
                (amount::counted(status.bodies_missing as u64, "batch is", "batches are"))
                " anchored whose records' hashes are not here: " a href="/mempool#missing" { "which" } "." }
        }
    }
}
