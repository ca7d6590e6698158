//! Submissions: read within bounds, check what needs no state, hand over, wait for the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::promise::{Promise, SignedPromise};
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::transaction::CheckedTransaction;
use dronechain_chain_spec::wire::Submission;
use serde::Serialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

use super::api::Api;
use super::error::ApiError;
use super::limits::{ANSWER_WAIT, BODY_BYTES_PER_S, BODY_WAIT, SUBMISSION_BYTES_MAX};
use super::params::{NoQuery, Params};
use super::transactions::Progress;
use crate::core::event::{CheckedBody, SubmitError, Submitted};
use crate::core::view::BatchId;

/// A submission on its way to the core.
#[derive(Debug)]
pub struct Submit {
    /// The transaction.
    pub transaction: CheckedTransaction,
    /// The anchor's body: its root and number of leaves are the anchor's.
    pub body: Option<CheckedBody>,
    /// Where the answer goes, once what it says is durable. The asker may be gone.
    pub reply: oneshot::Sender<Result<Submitted, SubmitError>>,
}

#[derive(Serialize)]
pub(super) struct Accepted {
    txid: Hash256,
    state: Progress,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    promise: Option<SignedPromise>,
}

/// `POST /v1/transactions`
pub(super) async fn submit(
    State(api): State<Arc<Api>>,
    _: Params<NoQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let len = content_length(&headers)?;
    if api.rpc.store.disk().is_low() {
        return Err(ApiError::NoSpace);
    }
    // Held until the answer: bounds what submissions take in memory.
    let _room = room(&api, len)?;
    let bytes = read(body, len).await?;
    let (transaction, body) = Arc::clone(&api).run(move |api| check(api, &bytes)).await?;
    let taken = transaction.clone();
    let (reply, answer) = oneshot::channel();
    api.rpc.submit.try_send(Submit { transaction, body, reply }).map_err(|error| match error {
        TrySendError::Full(_) => ApiError::Busy,
        TrySendError::Closed(_) => ApiError::Stopping,
    })?;
    let answer = timeout(ANSWER_WAIT, answer).await.map_err(|_| ApiError::NoAnswer)?;
    Ok(match answer.map_err(|_| ApiError::Stopping)?? {
        Submitted::Pending { txid, tip } => {
            let promise = tip.and_then(|tip| promise(&api, &taken, tip));
            (StatusCode::ACCEPTED, Json(Accepted { txid, state: Progress::Pending, height: None, promise }))
        }
        Submitted::Included { txid, height } => {
            let (state, height) = (Progress::Included, Some(height));
            (StatusCode::OK, Json(Accepted { txid, state, height, promise: None }))
        }
    })
}

/// The node's promise of a transaction that is durable; none to the admins.
fn promise(api: &Api, transaction: &CheckedTransaction, tip: (Hash256, u64)) -> Option<SignedPromise> {
    let key = &api.rpc.key;
    let promise = Promise::new(api.rpc.store.chain_id(), PublicKey::of(key), transaction, tip)?;
    Some(promise.signed(key))
}

fn content_length(headers: &HeaderMap) -> Result<u64, ApiError> {
    let value = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let len: u64 = value.and_then(|text| text.parse().ok()).ok_or(ApiError::LengthRequired)?;
    if len > SUBMISSION_BYTES_MAX as u64 {
        return Err(ApiError::TooLarge { found: len, max: SUBMISSION_BYTES_MAX });
    }
    Ok(len)
}

fn room(api: &Api, len: u64) -> Result<OwnedSemaphorePermit, ApiError> {
    let kib = u32::try_from(len.div_ceil(1024).max(1)).expect("content_length bounds it");
    Arc::clone(&api.submissions).try_acquire_many_owned(kib).map_err(|_| ApiError::Busy)
}

async fn read(body: Body, len: u64) -> Result<Vec<u8>, ApiError> {
    let wait = BODY_WAIT + Duration::from_secs(len / BODY_BYTES_PER_S);
    let bytes = timeout(wait, to_bytes(body, SUBMISSION_BYTES_MAX)).await.map_err(|_| ApiError::TooSlow)?;
    bytes.map(Vec::from).map_err(|error| ApiError::BodyRead(error.to_string()))
}

/// Everything that needs no state: the codec, T1 to T11, and the body against its anchor.
fn check(api: &Api, bytes: &[u8]) -> Result<(CheckedTransaction, Option<CheckedBody>), ApiError> {
    let Submission { transaction, body } = codec::decode(bytes).map_err(TxError::Malformed)?;
    let transaction = transaction.check(&api.rpc.store.chain_id())?;
    let Some(body) = body else { return Ok((transaction, None)) };
    let anchor = transaction.anchor().ok_or(ApiError::BodyUnexpected)?;
    let batch = BatchId::of(anchor).ok_or(ApiError::BodyUnexpected)?;
    let body = CheckedBody::check(batch, body.0)?;
    Ok((transaction, Some(body)))
}
