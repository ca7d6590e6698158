//! The frame around every page, what goes out with it, and the pages of refusals.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use dronechain_chain_spec::key::PublicKey;
use maud::{DOCTYPE, Markup, html};

use super::limits::BEHIND_TOLD;
use super::moment::now_ms;
use super::{amount, assets, name};
use crate::rpc::TipView;
use crate::rpc::api::Api;
use crate::rpc::error::ApiError;

/// What pages may load and do: scripts, styles, images and data of this node alone, in no frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page before it has its frame.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) title: String,
    pub(super) section: Section,
    pub(super) body: Markup,
}

impl Page {
    pub(super) fn new(title: impl Into<String>, section: Section, body: Markup) -> Self {
        Self { status: StatusCode::OK, title: title.into(), section, body }
    }
}

/// Where a page stands in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Blocks,
    Transactions,
    Receipts,
    Accounts,
    Mempool,
    Peers,
    Forks,
    Evidence,
    Elsewhere,
}

const SECTIONS: [(Section, &str, &str); 9] = [
    (Section::Overview, "/", "Overview"),
    (Section::Blocks, "/blocks", "Blocks"),
    (Section::Transactions, "/transactions", "Transactions"),
    (Section::Receipts, "/receipt", "Receipts"),
    (Section::Accounts, "/accounts", "Accounts"),
    (Section::Mempool, "/mempool", "Mempool"),
    (Section::Peers, "/peers", "Peers"),
    (Section::Forks, "/forks", "Forks"),
    (Section::Evidence, "/evidence", "Evidence"),
];

/// The answer to a request for a page.
pub(super) async fn answer(
    api: &Arc<Api>,
    page: impl Future<Output = Result<Page, ApiError>> + Send,
) -> Response {
    let (page, wait) = match page.await {
        Ok(page) => (page, None),
        Err(error) => (refused(&error), error.retry_after_s()),
    };
    let (status, html) = (page.status, framed(api, &page).into_string());
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(wait) = wait {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

fn refused(error: &ApiError) -> Page {
    error.log();
    let status = error.status();
    let (title, hint) = match status {
        StatusCode::NOT_FOUND => {
            ("Not found", "It may be on another network, or this node has not heard of it yet.")
        }
        StatusCode::SERVICE_UNAVAILABLE => ("Not now", "Try again in a moment."),
        StatusCode::TOO_MANY_REQUESTS => {
            ("Too often", "Try again in a moment. Updates that come by themselves count, too.")
        }
        StatusCode::INTERNAL_SERVER_ERROR => ("The node failed", "Its log says more."),
        _ => ("This cannot be asked", "Check the address, or search for a hash, height or key above."),
    };
    let body = html! {
        p.lead { (sentence(&error.to_string())) }
        p { (hint) }
        p { a href="/" { "To the overview" } }
    };
    Page { status, title: title.to_owned(), section: Section::Elsewhere, body }
}

/// Begins with a capital letter and ends with a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

fn framed(api: &Api, page: &Page) -> Markup {
    let (tip, network) = (api.tip(), &api.rpc.spec.name);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (page.title) " · " (network) " · DroneChain" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="stylesheet" href=(assets::path("explorer.css"));
                link rel="icon" type="image/svg+xml" href=(assets::path("icon.svg"));
                script type="module" src=(assets::path("explorer.js")) {}
            }
            body data-tip=(tip.hash) data-now=(now_ms()) {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    div.bar {
                        a.brand href="/" {
                            img src=(assets::path("icon.svg")) alt="" width="26" height="26";
                            span { "DroneChain" }
                            span.network { (network) }
                        }
                        (search())
                    }
                    (navigation(page.section))
                }
                div #behind data-live { (behind(&tip)) }
                div #notice role="status" {}
                main #main tabindex="-1" {
                    h1 { (page.title) }
                    (page.body)
                }
                (footer(api))
            }
        }
    }
}

/// Whoever does not find what others see is told why.
fn behind(tip: &TipView) -> Markup {
    html! {
        @if tip.syncing && tip.headers_height >= tip.height + BEHIND_TOLD {
            p.alert { (mark("warn", "Catching up")) " This node is at block " (amount::count(tip.height)) " of "
                (amount::count(tip.headers_height)) ": what came later is not here yet." }
        }
    }
}

/// The search box; the script adds a way to look for a file by its hash.
fn search() -> Markup {
    html! {
        form.search role="search" action="/search" method="get" {
            label.unseen for="q" { "Search for a hash, height or key" }
            input #q name="q" type="search" placeholder="Hash, height or key" autocomplete="off"
                autocapitalize="off" spellcheck="false" required;
            button type="submit" { "Search" }
            label.file hidden data-file="search" {
                "File…" span.unseen { " find its receipt: it is hashed here, not sent" }
                input.unseen type="file";
            }
        }
    }
}

fn navigation(current: Section) -> Markup {
    html! {
        nav aria-label="Pages" {
            ul {
                @for (section, path, title) in SECTIONS {
                    li { a href=(path) aria-current=[(section == current).then_some("page")] { (title) } }
                }
            }
        }
    }
}

fn footer(api: &Api) -> Markup {
    html! {
        footer {
            p #live { "This page shows the node as it was when it was asked." }
            p {
                "Node " (name::key(&PublicKey::of(&api.rpc.key)))
                " · chain " (name::block(&api.rpc.store.chain_id()))
                " · version " (env!("CARGO_PKG_VERSION"))
                " · for programs: " a href="/openapi.json" { "openapi.json" }
            }
        }
    }
}

/// A list of facts: terms with what is to be said of them.
pub(super) fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts {
            @for (term, value) in rows {
                div { dt { (term) } dd { (value) } }
            }
        }
    }
}

/// Links to the pages around this one; none where there is none.
pub(super) fn pager(first: Option<(&str, String)>, next: Option<(&str, String)>) -> Markup {
    if first.is_none() && next.is_none() {
        return html! {};
    }
    html! {
        nav.pager aria-label="Pages of this list" {
            @for (title, path) in [first, next].into_iter().flatten() {
                a href=(path) { (title) }
            }
        }
    }
}

/// A state in words, with a mark that does not rest on colour.
pub(super) fn mark(class: &str, text: &str) -> Markup {
    let icon = match class {
        "good" => "✓",
        "bad" => "✗",
        "warn" => "!",
        _ => "–",
    };
    html! { span class={ "mark " (class) } { span.icon aria-hidden="true" { (icon) } (text) } }
}

/// Of pages that count: `12 of 345`.
pub(super) fn shown(shown: usize, all: u64, what: &str) -> Markup {
    html! { p.note { (amount::count(shown as u64)) " of " (amount::count(all)) " " (what) } }
}
