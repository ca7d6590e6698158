//! Whom the node is connected to.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::ask::ask;
use super::page::{Page, Section, answer};
use super::{amount, moment, name};
use crate::p2p::{Claimed, Direction, Met};
use crate::rpc::api::Api;
use crate::rpc::error::ApiError;
use crate::rpc::peers::Peers;

/// `GET /peers`
pub(super) async fn show(State(api): State<Arc<Api>>) -> Response {
    answer(&api, page(&api)).await
}

async fn page(api: &Arc<Api>) -> Result<Page, ApiError> {
    let peers = ask::<Peers>(api, &[], "").await?.peers;
    let body = html! {
        div #list data-live {
            @if peers.is_empty() {
                p.empty { "No peer is connected. A node alone hears of no other blocks, and mines only where it may." }
            } @else { (table(&peers, moment::now_ms())) }
        }
    };
    Ok(Page::new("Peers", Section::Peers, body))
}

fn table(peers: &[Met], now: u64) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Key" }
                th scope="col" { "Address" }
                th scope="col" { "Connection" }
                th scope="col" { "Tip, as it says" }
                th.wide scope="col" { "Connected" }
                th.wide scope="col" { "libp2p identity" }
            } }
            tbody {
                @for peer in peers {
                    tr {
                        th scope="row" { @match &peer.key { Some(key) => (name::key(key)), None => "of another kind" } }
                        td { code.hash { (peer.address) } }
                        td { (direction(peer.direction)) }
                        td { @match &peer.tip {
                            // No link: this node may not have it.
                            Some(Claimed { hash, height }) => span title=(hash) { (amount::count(*height)) },
                            None => "not told yet",
                        } }
                        td.wide { (moment::ago(peer.since_ms, now)) }
                        td.wide { code.hash { (peer.id) } }
                    }
                }
            }
        }
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "from there",
        Direction::Outbound => "from here",
    }
}
