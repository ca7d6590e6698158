//! Branches of the chain, those that a reorganisation left among them, and chains that the node refuses.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::ask::ask;
use super::page::{Page, Section, answer, facts, mark};
use super::{amount, moment, name};
use crate::rpc::api::Api;
use crate::rpc::chain::{BranchView, Standing, Tips};
use crate::rpc::error::ApiError;
use crate::rpc::health::{RivalView, Rivals};

/// How far below the tip branches are looked for.
const DEPTH: &str = "1000";

/// `GET /forks`
pub(super) async fn show(State(api): State<Arc<Api>>) -> Response {
    answer(&api, page(&api)).await
}

async fn page(api: &Arc<Api>) -> Result<Page, ApiError> {
    let tips = ask::<Tips>(api, &[("depth", DEPTH)], "").await?.tips;
    let rivals = ask::<Rivals>(api, &[], "").await?;
    let body = html! {
        section #rivals data-live aria-labelledby="rivals-title" {
            h2 #rivals-title { "Rival chains" }
            @if rivals.is_empty() { p.empty { "No chain leaves this one below the finality depth." } }
            @else {
                p { "These chains leave this node's below the finality depth. The node does not follow them by itself: its "
                    "operators decide." }
                @for rival in &rivals { (rivalry(rival)) }
            }
        }
        section #branches data-live aria-labelledby="branches-title" {
            h2 #branches-title { "Branches" }
            p { "The last block of the active chain, and of every branch that left it within the last " (DEPTH) " blocks. A branch "
                "that was active before was left in a reorganisation." }
            (table(&tips))
            @if tips.len() < 2 { p.empty { "There is no other branch." } }
        }
    };
    Ok(Page::new("Forks and reorganisations", Section::Forks, body))
}

fn rivalry(rival: &RivalView) -> Markup {
    html! {
        div.verdict.bad {
            p.lead { (mark("bad", "A chain beyond the finality depth")) }
            (facts(&[
                ("Leaves this one behind", html! { "block " (name::height(rival.fork_height)) }),
                ("Its first block", name::full(rival.first)),
                ("Its newest known block", html! { (amount::count(rival.height)) " " (name::full(rival.head)) }),
                ("Its work", html! { (amount::scaled(amount::hashes(&rival.work))) " hashes" }),
                ("Seen", html! { "from " (moment::at(rival.first_seen_ms)) " to " (moment::at(rival.last_seen_ms)) }),
            ]))
        }
    }
}

fn table(tips: &[BranchView]) -> Markup {
    html! {
        table {
            thead { tr {
                th.number scope="col" { "Height" }
                th scope="col" { "Last block" }
                th scope="col" { "State" }
                th.number.wide scope="col" { "Left behind block" }
                th.number scope="col" { "Length" }
                th.number.wide scope="col" { "Work" }
            } }
            tbody {
                @for tip in tips {
                    tr {
                        td.number { (amount::count(tip.height)) }
                        th scope="row" { (name::block(&tip.hash)) }
                        td { (state(tip.state)) }
                        td.number.wide { @if tip.length > 0 { (name::height(tip.fork_height)) } }
                        td.number { (amount::count(tip.length)) }
                        td.number.wide { (amount::scaled(amount::hashes(&tip.work))) }
                    }
                }
            }
        }
    }
}

fn state(state: Standing) -> Markup {
    match state {
        Standing::Active => mark("good", "active"),
        Standing::Left => mark("warn", "was active"),
        Standing::Stored => mark("none", "side branch"),
        Standing::Header => mark("none", "headers only"),
        Standing::Invalid => mark("bad", "invalid"),
    }
}
