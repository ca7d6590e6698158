//! Checking a receipt at hand: a form that works without a script, and its verdict.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::Response;
use dronechain_chain_spec::hash::Hash256;
use maud::{Markup, html};

use super::limits::FORM_BYTES_MAX;
use super::page::{Page, Section, answer, sentence};
use super::receipt::shown;
use super::verdict::judge;
use crate::rpc::api::Api;
use crate::rpc::error::ApiError;

/// What the form sends.
#[derive(Debug, Clone, Default)]
struct Asked {
    receipt: String,
    record: String,
}

/// `GET /receipt`
pub(super) async fn form(State(api): State<Arc<Api>>) -> Response {
    answer(&api, async { Ok(page(html! { (fields(&Asked::default(), None)) })) }).await
}

/// `POST /receipt`
pub(super) async fn verify(State(api): State<Arc<Api>>, body: Result<Bytes, BytesRejection>) -> Response {
    answer(&api, judged(&api, body)).await
}

async fn judged(api: &Arc<Api>, body: Result<Bytes, BytesRejection>) -> Result<Page, ApiError> {
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::TooLarge { found: FORM_BYTES_MAX as u64 + 1, max: FORM_BYTES_MAX }
        }
        _ => ApiError::BodyRead(error.body_text()),
    })?;
    let asked = Asked::read(&body);
    let record = asked.record.trim().to_ascii_lowercase();
    let record = match record.as_str() {
        "" => None,
        text => match text.parse::<Hash256>() {
            Ok(hash) => Some(hash),
            Err(error) => {
                let why = format!("the record's hash: {error}");
                let page = page(html! { (fields(&asked, Some(&why))) });
                return Ok(Page { status: StatusCode::BAD_REQUEST, ..page });
            }
        },
    };
    let bytes = asked.receipt.clone().into_bytes();
    let judged = Arc::clone(api).run(move |api| Ok(judge(&api.rpc.store, &bytes, record)?)).await?;
    Ok(page(html! {
        div #verdict { (judged.told()) }
        (shown(&judged))
        h2 { "Check another one" }
        (fields(&asked, None))
    }))
}

impl Asked {
    fn read(body: &[u8]) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                "receipt" => asked.receipt = value.into_owned(),
                "record" => asked.record = value.into_owned(),
                _ => {}
            }
        }
        asked
    }
}

fn page(body: Markup) -> Page {
    Page::new("Check a receipt", Section::Receipts, body)
}

fn fields(asked: &Asked, wrong: Option<&str>) -> Markup {
    html! {
        p { "A receipt is held against this node's chain: every hash, the transaction's signature, the block, and who was "
            "entitled. Nothing is kept. A node that lies can lie here too; "
            code { "dronechain receipt verify" } " needs to trust none." }
        @if let Some(wrong) = wrong { p.alert role="alert" { (sentence(wrong)) } }
        form.check method="post" action="/receipt" {
            label for="receipt" { "The receipt: Chainpoint v2 or v4 as JSON" }
            textarea #receipt name="receipt" rows="10" required spellcheck="false" autocomplete="off" { (asked.receipt) }
            label.file hidden data-file="receipt" {
                "Take the receipt from a file…"
                input.unseen type="file" accept=".json,application/json";
            }
            label for="record" { "SHA-256 of the record, if it is at hand" }
            input #record name="record" type="text" value=(asked.record) autocomplete="off" autocapitalize="off"
                spellcheck="false" placeholder="64 digits of hex; without it the receipt's own is taken";
            label.file hidden data-file="record" {
                "Hash the record's file…" span.unseen { " it is not sent" }
                input.unseen type="file";
            }
            button type="submit" { "Check" }
        }
    }
}
