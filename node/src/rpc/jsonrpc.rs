//! JSON-RPC 2.0 at `/rpc`, over HTTP and WebSocket: the calls of the table, subscriptions, and `rpc.discover`.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use jsonrpsee::core::SubscriptionError;
use jsonrpsee::server::{
    BatchRequestConfig, Methods, PingConfig, Server, ServerConfig, StopHandle, TowerServiceBuilder,
    stop_channel,
};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use jsonrpsee::{Extensions, PendingSubscriptionSink, RpcModule, SubscriptionSink};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::watch;
use tower::Service as _;
use tower::layer::util::Identity;

use super::api::Api;
use super::call::{Call, Entry, named};
use super::error::ApiError;
use super::limits::{
    EVENT_WAIT, RPC_ANSWER_BYTES_MAX, RPC_BATCH_MAX, RPC_BYTES_MAX, RPC_CONNECTIONS_MAX, RPC_MESSAGES_AHEAD,
    RPC_PING, RPC_SILENCE_MAX, RPC_SUBSCRIPTIONS_MAX,
};
use super::{describe, events, submit};

/// Adds a call under its name.
pub(super) fn register<C: Call>(module: &mut RpcModule<Api>) {
    module
        .register_async_method(C::NAME, |params, api, of| async move {
            counted(C::NAME, &api, &of, async {
                C::call(Arc::clone(&api), read::<C::Params>(&params)?).await
            })
            .await
        })
        .expect("names differ");
}

/// A method's answer, unless its caller asks too often.
pub(super) async fn counted<T: Serialize>(
    method: &'static str,
    api: &Api,
    of: &Extensions,
    answer: impl Future<Output = Result<T, ApiError>>,
) -> Result<Box<RawValue>, ErrorObjectOwned> {
    let begun = Instant::now();
    let result = match api.rates.request(of.get()) {
        Ok(()) => answer.await,
        Err(error) => Err(error),
    };
    api.traffic.called(method, &result, begun.elapsed());
    answered(result?)
}

fn answered(answer: impl Serialize) -> Result<Box<RawValue>, ErrorObjectOwned> {
    to_raw_value(&answer).map_err(|_| ApiError::Internal.into())
}

/// Parameters by name.
pub(super) fn read<T: DeserializeOwned>(params: &Params<'_>) -> Result<T, ApiError> {
    let text = params.as_str().unwrap_or("{}");
    let mut json = serde_json::Deserializer::from_str(text);
    named(&mut json).map_err(ApiError::Params)
}

impl From<ApiError> for ErrorObjectOwned {
    fn from(error: ApiError) -> Self {
        error.log();
        let (code, refusal) = (error.code(), error.refusal());
        Self::owned(code, refusal.message.clone(), Some(refusal))
    }
}

/// All methods.
pub(super) fn methods(api: &Arc<Api>, calls: &[Entry]) -> Methods {
    let mut module = RpcModule::from_arc(Arc::clone(api));
    for call in calls {
        (call.register)(&mut module);
    }
    let discover = describe::openrpc(calls);
    module
        .register_method("rpc.discover", move |_, api, of| {
            api.rates.request(of.get())?;
            Ok::<_, ErrorObjectOwned>(discover.clone())
        })
        .expect("names differ");
    submit::register(&mut module);
    module
        .register_subscription(
            describe::SUBSCRIBE,
            describe::NOTIFICATION,
            describe::UNSUBSCRIBE,
            |params, pending, api, of| async move {
                if let Err(error) = api.rates.request(of.get()) {
                    pending.reject(error).await;
                    return Ok(());
                }
                subscribe(params, pending, api).await
            },
        )
        .expect("names differ");
    module.into()
}

#[derive(Serialize)]
struct Notice<'a> {
    event: &'static str,
    cursor: String,
    data: &'a events::Told,
}

async fn subscribe(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    api: Arc<Api>,
) -> Result<(), SubscriptionError> {
    let started = match read::<events::Follow>(&params) {
        Ok(follow) => events::start(&api, follow).await,
        Err(error) => Err(error),
    };
    let stream = match started {
        Ok(stream) => stream,
        Err(error) => {
            pending.reject(error).await;
            return Ok(());
        }
    };
    let sink = pending.accept().await?;
    let mut told = events::spawn(api, stream, || {});
    loop {
        let message = tokio::select! {
            message = told.recv() => message,
            () = sink.closed() => None,
        };
        let Some(message) = message else { return Ok(()) };
        tell(&sink, &message).await?;
    }
}

/// A reader that takes nothing for too long loses the subscription, and knows its cursor.
async fn tell(sink: &SubscriptionSink, message: &events::Message) -> Result<(), SubscriptionError> {
    let notice = Notice { event: message.name(), cursor: message.cursor.to_string(), data: &message.told };
    sink.send_timeout(to_raw_value(&notice)?, EVENT_WAIT).await?;
    Ok(())
}

#[derive(Clone)]
struct Mount {
    builder: TowerServiceBuilder<Identity, Identity>,
    methods: Methods,
    stop: StopHandle,
}

/// The route `/rpc`.
pub(super) fn mount(methods: Methods, mut stopped: watch::Receiver<bool>) -> Router {
    let config = ServerConfig::builder()
        .max_connections(RPC_CONNECTIONS_MAX)
        .max_request_body_size(RPC_BYTES_MAX)
        .max_response_body_size(RPC_ANSWER_BYTES_MAX)
        .max_subscriptions_per_connection(RPC_SUBSCRIPTIONS_MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(RPC_BATCH_MAX))
        .set_message_buffer_capacity(RPC_MESSAGES_AHEAD)
        .enable_ws_ping(PingConfig::new().ping_interval(RPC_PING).inactive_limit(RPC_SILENCE_MAX))
        .build();
    let (stop, handle) = stop_channel();
    tokio::spawn(async move {
        // Ends too when the server is gone.
        drop(stopped.wait_for(|stopped| *stopped).await);
        let _ = handle.stop();
    });
    let mount = Mount { builder: Server::builder().set_config(config).to_service_builder(), methods, stop };
    Router::new().route("/rpc", any(serve)).with_state(mount)
}

async fn serve(State(Mount { builder, methods, stop }): State<Mount>, request: Request) -> Response {
    match builder.build(methods, stop).call(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            tracing::debug!(%error, "a JSON-RPC request failed");
            ApiError::Internal.into_response()
        }
    }
}
