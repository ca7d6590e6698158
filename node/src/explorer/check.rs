//! Checking a receipt at hand: a form that works without a script, and its verdict.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::http::{StatusCode, header};
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
#[derive(Debug, Default)]
struct Asked {
    receipt: String,
    /// A receipt as a file, in any format; empty where none was chosen.
    file: Bytes,
    record: String,
}

/// `GET /receipt`
pub(super) async fn form(State(api): State<Arc<Api>>) -> Response {
    answer(&api, async { Ok(page(html! { (fields(&Asked::default(), None)) })) }).await
}

/// `POST /receipt`
pub(super) async fn verify(State(api): State<Arc<Api>>, request: Request) -> Response {
    answer(&api, judged(&api, request)).await
}

async fn judged(api: &Arc<Api>, request: Request) -> Result<Page, ApiError> {
    let asked = Asked::read(request).await?;
    let (document, record) = match asked.meant() {
        Ok(meant) => meant,
        Err(why) => {
            let page = page(html! { (fields(&asked, Some(&why))) });
            return Ok(Page { status: StatusCode::BAD_REQUEST, ..page });
        }
    };
    let judged = Arc::clone(api).run(move |api| Ok(judge(&api.rpc.store, &document, record)?)).await?;
    Ok(page(html! {
        div #verdict { (judged.told()) }
        (shown(&judged))
        h2 { "Check another one" }
        (fields(&Asked::default(), None))
    }))
}

impl Asked {
    /// With its file as browsers send it, and without one as programs may.
    async fn read(request: Request) -> Result<Self, ApiError> {
        let content = request.headers().get(header::CONTENT_TYPE);
        let content = content.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content.to_ascii_lowercase().starts_with("multipart/form-data") {
            let parts = Multipart::from_request(request, &()).await;
            let parts = parts.map_err(|error| ApiError::BodyRead(error.body_text()))?;
            return Self::of_parts(parts).await.map_err(|error| unread(error.status(), error.body_text()));
        }
        let body = Bytes::from_request(request, &()).await;
        let body = body.map_err(|error: BytesRejection| unread(error.status(), error.body_text()))?;
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(&body) {
            match &*name {
                "receipt" => asked.receipt = value.into_owned(),
                "record" => asked.record = value.into_owned(),
                _ => {}
            }
        }
        Ok(asked)
    }

    async fn of_parts(mut parts: Multipart) -> Result<Self, MultipartError> {
        let mut asked = Self::default();
        while let Some(part) = parts.next_field().await? {
            match part.name() {
                Some("receipt") => asked.receipt = part.text().await?,
                Some("file") => asked.file = part.bytes().await?,
                Some("record") => asked.record = part.text().await?,
                _ => {}
            }
        }
        Ok(asked)
    }

    /// The document, and the record's hash if there is one; else what is wrong with them, in words.
    fn meant(&self) -> Result<(Bytes, Option<Hash256>), String> {
        let record = match self.record.trim().to_ascii_lowercase().as_str() {
            "" => None,
            text => Some(text.parse().map_err(|error| format!("the record's hash: {error}"))?),
        };
        match (self.receipt.trim().is_empty(), self.file.is_empty()) {
            (true, true) => Err("there is no receipt: paste one, or choose its file".to_owned()),
            (false, false) => Err("there are two receipts: empty the text, or choose no file".to_owned()),
            (true, false) => Ok((self.file.clone(), record)),
            (false, true) => Ok((Bytes::from(self.receipt.clone()), record)),
        }
    }
}

fn unread(status: StatusCode, why: String) -> ApiError {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::TooLarge { found: FORM_BYTES_MAX as u64 + 1, max: FORM_BYTES_MAX };
    }
    ApiError::BodyRead(why)
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
        form.check method="post" action="/receipt" enctype="multipart/form-data" {
            label for="receipt" { "The receipt: Chainpoint v2 or v4 as JSON" }
            textarea #receipt name="receipt" rows="10" spellcheck="false" autocomplete="off" { (asked.receipt) }
            label for="file" { "Or its file, JSON or v4 binary" }
            input #file name="file" type="file";
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
