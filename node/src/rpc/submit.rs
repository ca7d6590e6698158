//! Submissions: read within bounds, check what needs no state, hand over, wait for the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::key::PublicKey;
use dronechain_chain_spec::promise::{Promise, SignedPromise};
use dronechain_chain_spec::rules::TxError;
use dronechain_chain_spec::transaction::{CheckedTransaction, Sender};
use dronechain_chain_spec::wire::Submission;
use jsonrpsee::RpcModule;
use jsonrpsee::types::Params;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

use super::api::Api;
use super::call::from_query;
use super::describe::Schemas;
use super::error::ApiError;
use super::jsonrpc;
use super::limits::{ANSWER_WAIT, BODY_BYTES_PER_S, BODY_WAIT, SUBMISSION_BYTES_MAX};
use super::metrics::Outcome;
use super::params::Nothing;
use super::transactions::{self, Progress};
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

/// What became of a submission.
#[derive(Serialize, JsonSchema)]
pub(super) struct Accepted {
    txid: Hash256,
    state: Progress,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
    /// Canonical bytes of the node's signed promise in hex; none to the admins, or by an old tip.
    #[serde(skip_serializing_if = "Option::is_none")]
    promise: Option<SignedPromise>,
}

/// What a check found: that no rule which needs no state refuses.
#[derive(Serialize, JsonSchema)]
pub(super) struct Checked {
    txid: Hash256,
    /// Where the transaction stands already.
    state: Progress,
    /// The sequence that its sender's next transaction may have.
    pending_sequence: Option<u64>,
}

/// A submission in JSON.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InHex {
    /// Canonical bytes of a Submission in hex.
    submission: String,
}

/// `POST /v1/transactions`
pub(super) async fn submit(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let Nothing {} = from_query(query.as_deref().unwrap_or_default())?;
    let len = content_length(&headers)?;
    if api.rpc.store.disk().is_low() {
        return Err(ApiError::NoSpace);
    }
    // Held until the answer: bounds what submissions take in memory.
    let _room = room(&api, len)?;
    let bytes = read(body, len).await?;
    let accepted = take(&api, bytes).await?;
    let status = if accepted.state == Progress::Included { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(accepted)))
}

/// `POST /v1/transactions/check`
pub(super) async fn try_out(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Checked>, ApiError> {
    let Nothing {} = from_query(query.as_deref().unwrap_or_default())?;
    let len = content_length(&headers)?;
    let _room = room(&api, len)?;
    let bytes = read(body, len).await?;
    checked(&api, bytes).await.map(Json)
}

async fn take(api: &Arc<Api>, bytes: Vec<u8>) -> Result<Accepted, ApiError> {
    let result = take_in(api, bytes).await;
    api.traffic.submitted(match &result {
        Ok(Accepted { state: Progress::Included, .. }) => Outcome::Included,
        Ok(_) => Outcome::Pending,
        Err(error) => Outcome::refused(error.status()),
    });
    result
}

async fn take_in(api: &Arc<Api>, bytes: Vec<u8>) -> Result<Accepted, ApiError> {
    let (transaction, body) = Arc::clone(api).run(move |api| check(api, &bytes)).await?;
    api.rates.submission(transaction.get())?;
    let taken = transaction.clone();
    let (reply, answer) = oneshot::channel();
    api.rpc.submit.try_send(Submit { transaction, body, reply }).map_err(|error| match error {
        TrySendError::Full(_) => ApiError::Busy,
        TrySendError::Closed(_) => ApiError::Stopping,
    })?;
    let answer = timeout(ANSWER_WAIT, answer).await.map_err(|_| ApiError::NoAnswer)?;
    Ok(match answer.map_err(|_| ApiError::Stopping)?? {
        Submitted::Pending { txid, tip } => {
            let promise = tip.and_then(|tip| promise(api, &taken, tip));
            Accepted { txid, state: Progress::Pending, height: None, promise }
        }
        Submitted::Included { txid, height } => {
            Accepted { txid, state: Progress::Included, height: Some(height), promise: None }
        }
    })
}

async fn checked(api: &Arc<Api>, bytes: Vec<u8>) -> Result<Checked, ApiError> {
    let read = move |api: &Api| {
        let (transaction, _) = check(api, &bytes)?;
        let (txid, sender) = (transaction.txid(), transaction.get().body.sender);
        let state = transactions::state(api, txid)?.state;
        let place = match sender {
            Sender::Admins => None,
            Sender::Key(key) => api.tip().registry.place(&key),
        };
        let sequences = api.rpc.store.sequences(sender, place)?;
        Ok(Checked { txid, state, pending_sequence: sequences.map(|sequences| sequences.pending) })
    };
    Arc::clone(api).run(read).await
}

const SUBMIT: (&str, &str) = (
    "tx.submit",
    "Takes a transaction in, with its batch body: pending once durable, included if the same bytes were before.",
);
const CHECK: (&str, &str) = (
    "tx.check",
    "Applies every rule that needs no state to a submission, without taking it in; tells where it would stand.",
);

/// Adds both under their names.
pub(super) fn register(module: &mut RpcModule<Api>) {
    module
        .register_async_method(SUBMIT.0, |params, api, of| async move {
            jsonrpc::counted(SUBMIT.0, &api, &of, async {
                if api.rpc.store.disk().is_low() {
                    return Err(ApiError::NoSpace);
                }
                let (bytes, _room) = from_hex(&api, &params)?;
                take(&api, bytes).await
            })
            .await
        })
        .expect("names differ");
    module
        .register_async_method(CHECK.0, |params, api, of| async move {
            jsonrpc::counted(CHECK.0, &api, &of, async {
                let (bytes, _room) = from_hex(&api, &params)?;
                checked(&api, bytes).await
            })
            .await
        })
        .expect("names differ");
}

fn from_hex(api: &Api, params: &Params<'_>) -> Result<(Vec<u8>, OwnedSemaphorePermit), ApiError> {
    let InHex { submission } = jsonrpc::read(params)?;
    let len = submission.len() as u64 / 2;
    if len > SUBMISSION_BYTES_MAX as u64 {
        return Err(ApiError::TooLarge { found: len, max: SUBMISSION_BYTES_MAX });
    }
    let room = room(api, len)?;
    let bytes = hex::decode(&submission).map_err(|error| ApiError::Params(format!("submission: {error}")))?;
    Ok((bytes, room))
}

/// What the routes are in OpenAPI.
pub(super) fn openapi(paths: &mut Map<String, Value>, schemas: &mut Schemas, refused: &Value) {
    let body = json!({ "required": true, "content": { "application/octet-stream": { "schema": {} } } });
    let (accepted, checked) =
        (schemas.answered.subschema_for::<Accepted>(), schemas.answered.subschema_for::<Checked>());
    let json_of = |about: &str, schema: &Schema| json!({ "description": about, "content": { "application/json": { "schema": schema } } });
    let operation = |(name, about): (&str, &str), responses: Value| json!({ "operationId": name, "summary": about, "tags": ["tx"], "requestBody": body, "responses": responses });
    let submitted = operation(
        SUBMIT,
        json!({
            "202": json_of("Durable here, not in a block yet.", &accepted),
            "200": json_of("In a block already.", &accepted),
            "default": refused,
        }),
    );
    let tried = operation(CHECK, json!({ "200": json_of("No rule refuses.", &checked), "default": refused }));
    let list = paths.entry("/v1/transactions").or_insert_with(|| json!({}));
    list["post"] = submitted;
    paths.insert("/v1/transactions/check".to_owned(), json!({ "post": tried }));
}

/// What the methods are in OpenRPC, each made by `method`.
pub(super) fn openrpc(
    schemas: &mut Schemas,
    method: impl Fn(&str, &str, &Value, &Value) -> Value,
) -> [Value; 2] {
    let params = Value::from(InHex::json_schema(&mut schemas.asked));
    let answers = [
        json!(schemas.answered.subschema_for::<Accepted>()),
        json!(schemas.answered.subschema_for::<Checked>()),
    ];
    let [accepted, checked] = answers;
    [method(SUBMIT.0, SUBMIT.1, &params, &accepted), method(CHECK.0, CHECK.1, &params, &checked)]
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
