//! Who contradicted itself, with what it signed.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::evidence::{Evidence, Misbehaviour};
use maud::{Markup, html};
use serde::Deserialize;

use super::ask::ask;
use super::limits::EVIDENCE_SHOWN;
use super::page::{Page, Section, answer, facts, pager};
use super::{amount, name};
use crate::rpc::api::Api;
use crate::rpc::call::from_query;
use crate::rpc::error::ApiError;
use crate::rpc::health::{EvidenceView, GetEvidence};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// How many to leave out.
    from: Option<u32>,
}

/// `GET /evidence`
pub(super) async fn show(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Response {
    answer(&api, page(&api, query.as_deref().unwrap_or_default())).await
}

async fn page(api: &Arc<Api>, query: &str) -> Result<Page, ApiError> {
    let Wanted { from } = from_query(query)?;
    let from = from.unwrap_or(0);
    // One more than is shown tells whether there are more.
    let (skip, limit) = (from.to_string(), (EVIDENCE_SHOWN + 1).to_string());
    let list = ask::<GetEvidence>(api, &[("from", &skip), ("limit", &limit)], "").await?;
    let path = |from: u32| format!("/evidence?from={from}");
    let first = (from > 0).then(|| ("First", "/evidence".to_owned()));
    let next =
        (list.len() > EVIDENCE_SHOWN as usize).then(|| ("More", path(from.saturating_add(EVIDENCE_SHOWN))));
    let body = html! {
        p { "Whoever signs two things that contradict each other leaves evidence that anyone can check. It proves the fact, not "
            "the intent: a key may have been stolen, or run twice." }
        div #list data-live {
            @if list.is_empty() { p.empty { "There is no evidence of misbehaviour." } }
            @for view in list.iter().take(EVIDENCE_SHOWN as usize) { (piece(view)) }
        }
        (pager(first, next))
    };
    Ok(Page::new("Evidence", Section::Evidence, body))
}

fn piece(view: &EvidenceView) -> Markup {
    let what = match view.misbehaviour {
        Misbehaviour::TwoBlocks => "Two blocks on one parent",
        Misbehaviour::TwoTransactions => "Two transactions at one sequence",
    };
    let bytes = hex::decode(&view.evidence).unwrap_or_default();
    html! {
        article.evidence {
            h2 { (what) }
            (facts(&[
                ("By", html! { ul.plain { @for key in &view.offenders { li { (name::key_full(key)) } } } }),
                ("Id", name::full(view.id)),
            ]))
            @if let Ok(evidence) = codec::decode::<Evidence>(&bytes) { (contradiction(&evidence)) }
            details {
                summary { "The evidence itself, " (amount::counted(bytes.len() as u64, "byte", "bytes")) }
                pre tabindex="0" { (view.evidence) }
            }
        }
    }
}

fn contradiction(evidence: &Evidence) -> Markup {
    match evidence {
        Evidence::Blocks { first, second } => facts(&[
            ("Height", html! { (amount::count(first.header.height)) }),
            ("Parent", name::block_full(&first.header.parent)),
            ("One block", name::full(first.header.hash())),
            ("The other", name::full(second.header.hash())),
        ]),
        Evidence::Transactions { first, second } => facts(&[
            (
                "Sequence",
                html! { (name::sender(&first.body.sender)) ", " (amount::count(first.body.sequence)) },
            ),
            (
                "One",
                html! { (name::full(first.txid())) ", " (name::action(first.body.action.kind()).to_lowercase()) },
            ),
            (
                "The other",
                html! { (name::full(second.txid())) ", " (name::action(second.body.action.kind()).to_lowercase()) },
            ),
        ]),
    }
}
