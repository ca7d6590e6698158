//! Connections: accepted always, kept up to a bound, each with time limits, ended in order.
//!
//! `axum::serve` waits for a request's head for ever, so connections are driven here.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::api::{Api, json_text};
use super::error::ApiError;
use super::events::Cut;
use super::limits::{
    ACCEPT_FAILURES_MAX, ACCEPT_PAUSE, BODY_BYTES_MAX, CONNECTION_AGE_MAX, CONNECTIONS_MAX, GRACE,
    HEAD_BYTES_MAX, HEAD_WAIT,
};
use super::rates::Client;
use super::slots::{Slot, Slots, track};
use super::tls::Tls;
use super::{Rpc, calls, describe, events, jsonrpc, metrics, rates, ready, status, submit};
use crate::explorer;

/// Serves until `shutdown` resolves, encrypted where there is `tls`; requests under way then get a short time to finish.
///
/// # Errors
/// When the listener keeps failing.
pub async fn serve(
    listener: TcpListener,
    rpc: Rpc,
    tls: Option<Tls>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let router = router(rpc, stopped.clone());
    let accepted = accept(listener, router, tls.clone(), (stop, stopped), CONNECTIONS_MAX, shutdown);
    let Some(tls) = tls else { return accepted.await };
    let mut accepted = pin!(accepted);
    tokio::select! {
        result = accepted.as_mut() => result,
        () = tls.follow() => accepted.await,
    }
}

/// Serves `router` with at most `connections_max` connections at a time until `shutdown` resolves. The channel tells
/// what has no end by itself that the server stops.
///
/// # Errors
/// When the listener keeps failing.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
    (stop, stopped): (watch::Sender<bool>, watch::Receiver<bool>),
    connections_max: usize,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let slots = Slots::of(connections_max);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut failures = 0;
    let result = loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break Ok(()),
        };
        match accepted {
            Ok((stream, address)) => {
                failures = 0;
                let router = router.clone().layer(Extension(Client::of(address.ip())));
                let (slot, stopped) = (slots.take(), stopped.clone());
                match &tls {
                    Some(tls) => connections.spawn(encrypted(stream, tls.clone(), router, slot, stopped)),
                    None => connections.spawn(plain(stream, router, slot, stopped)),
                };
            }
            // Too many open files is a matter of connections, too.
            Err(error) if is_short_of_files(&error) && slots.evict() => {
                tracing::debug!(%error, "the connection that was silent longest makes room");
                sleep(ACCEPT_PAUSE / 10).await;
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, "could not accept a connection");
                if failures >= ACCEPT_FAILURES_MAX {
                    break Err(error);
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    };
    drop(listener);
    // Receivers live as long as connections do.
    stop.send_replace(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    // Dropping the set ends those that did not finish.
    drop(timeout(GRACE, finished).await);
    result
}

/// Whether the process, or the machine, has no more file descriptors.
fn is_short_of_files(error: &io::Error) -> bool {
    let found = error.raw_os_error();
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
        .iter()
        .any(|short| found == Some(short.raw_os_error()))
}

async fn plain(stream: TcpStream, router: Router, slot: Arc<Slot>, stopped: watch::Receiver<bool>) {
    // Without it only latency suffers.
    drop(stream.set_nodelay(true));
    connection(stream, router, slot, stopped).await;
}

async fn encrypted(
    stream: TcpStream,
    tls: Tls,
    router: Router,
    slot: Arc<Slot>,
    mut stopped: watch::Receiver<bool>,
) {
    // As above.
    drop(stream.set_nodelay(true));
    let shaken = tokio::select! {
        shaken = timeout(HEAD_WAIT, tls.acceptor().accept(stream)) => shaken,
        () = slot.evicted() => return,
        _ = stopped.wait_for(|stopped| *stopped) => return,
    };
    match shaken {
        Ok(Ok(stream)) => connection(stream, router, slot, stopped).await,
        Ok(Err(error)) => tracing::debug!(%error, "a client and this node did not agree on TLS"),
        Err(_) => tracing::debug!("a client was silent instead of beginning with TLS"),
    }
}

async fn connection<S>(stream: S, router: Router, slot: Arc<Slot>, mut stopped: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(false);
    let cut = Cut::default();
    let router = router.layer(Extension(cut.clone()));
    let service = TowerToHyperService::new(router.layer(from_fn_with_state(Arc::clone(&slot), track)));
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let end = tokio::select! {
        result = served.as_mut() => Some(result),
        () = sleep(CONNECTION_AGE_MAX) => None,
        () = cut.0.notified() => return,
        () = slot.evicted() => return,
        _ = stopped.wait_for(|stopped| *stopped) => None,
    };
    let end = match end {
        Some(result) => result,
        None => {
            served.as_mut().graceful_shutdown();
            timeout(GRACE, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = end {
        tracing::debug!(%error, "a connection broke off");
    }
}

fn router(rpc: Rpc, stopped: watch::Receiver<bool>) -> Router {
    let api = Arc::new(Api::new(rpc, stopped.clone()));
    let calls = calls::all();
    let methods = jsonrpc::methods(&api, &calls);
    let document: Arc<str> = describe::openapi(&calls).into();
    let mut router = Router::new();
    for call in &calls {
        router = router.route(call.rest.path(), (call.route)());
    }
    router
        // Read their bodies themselves, within bounds of their own.
        .route("/v1/transactions", post(submit::submit))
        .route("/v1/transactions/check", post(submit::try_out))
        .route("/v1/events", get(events::events))
        .route("/openapi.json", get(async move || json_text(document.to_string())))
        .route("/livez", get(status::live))
        .route("/readyz", get(ready::ready))
        .route("/metrics", get(metrics::metrics))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .merge(explorer::routes())
        .fallback(explorer::nowhere)
        .with_state(Arc::clone(&api))
        .merge(jsonrpc::mount(methods, stopped))
        .method_not_allowed_fallback(async || ApiError::Method)
        .layer(from_fn_with_state(Arc::clone(&api), rates::limit))
        .layer(from_fn_with_state(api, metrics::observe))
}
