//! Calls for whoever runs the node: on loopback alone, apart from clients' port, for those who can read the cookie.
//!
//! The file [`FILE_NAME`] in the data folder, made at each start and readable by its owner alone, has the address and
//! the cookie. What can be asked: the log's filter, to change it, and a snapshot of the ledger.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use dronechain_chain_spec::hash::sha256;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::logging::{LogError, LogFilter};
use crate::rpc;
use crate::store::{CareError, Store, StoreError};

/// The file with address and cookie, in the data folder.
pub const FILE_NAME: &str = "admin.json";
/// The path of the log's filter.
pub const LOG_PATH: &str = "/v1/admin/log";
/// The path of the ledger's snapshot.
pub const SNAPSHOT_PATH: &str = "/v1/admin/snapshot";
/// Connections at a time.
const CONNECTIONS_MAX: usize = 16;
/// Bytes of a cookie.
const COOKIE_LEN: usize = 32;

/// Where the calls are, and what opens them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Door {
    /// The address.
    pub http: SocketAddr,
    /// The bearer token.
    pub cookie: String,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("http", &self.http).finish_non_exhaustive()
    }
}

/// The log's filter, asked for and told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogBody {
    /// As tracing's environment filter has it.
    pub filter: String,
}

/// Where the ledger's snapshot is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotBody {
    /// A folder that is a ledger's, for whoever asked to read and to remove.
    pub ledger: PathBuf,
}

/// The calls of a running node; its file goes with it.
#[derive(Debug)]
pub struct Admin {
    file: PathBuf,
    listener: TcpListener,
    cookie: Arc<str>,
}

#[derive(Clone)]
struct Calls {
    cookie: Arc<str>,
    log: LogFilter,
    store: Arc<Store>,
}

impl Admin {
    /// Takes a port on loopback, and writes the file in the folder `data`.
    ///
    /// # Errors
    /// No port, no randomness, or no file.
    pub async fn open(data: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut random = [0; COOKIE_LEN];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let cookie = hex::encode(random);
        let file = data.join(FILE_NAME);
        let door = Door { http: listener.local_addr()?, cookie: cookie.clone() };
        write_private(&file, &json!(door).to_string())?;
        Ok(Self { file, listener, cookie: cookie.into() })
    }

    /// Serves until `shutdown` resolves.
    ///
    /// # Errors
    /// When the listener keeps failing.
    pub async fn serve(
        self,
        log: LogFilter,
        store: Arc<Store>,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let Self { file, listener, cookie } = self;
        let calls = Calls { cookie, log, store };
        let router = Router::new()
            .route(LOG_PATH, get(tell_log).put(set_log))
            .route(SNAPSHOT_PATH, post(snapshot))
            .layer(from_fn_with_state(calls.clone(), with_cookie))
            .with_state(calls);
        let served =
            rpc::accept(listener, router, None, watch::channel(false), CONNECTIONS_MAX, shutdown).await;
        // Gone already is as good.
        let _ = fs::remove_file(file);
        served
    }
}

/// Lets those through who have the cookie.
async fn with_cookie(State(calls): State<Calls>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Hashes are compared, so the time tells nothing about the cookie.
    if sha256(&[given.as_bytes()]) == sha256(&[calls.cookie.as_bytes()]) {
        return next.run(request).await;
    }
    refused(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "the cookie in the data folder is wanted as a bearer token",
    )
}

async fn tell_log(State(calls): State<Calls>) -> Response {
    told(calls.log.get())
}

async fn set_log(State(calls): State<Calls>, Json(LogBody { filter }): Json<LogBody>) -> Response {
    let set = calls.log.set(&filter);
    if let Ok(filter) = &set {
        tracing::info!(filter, "the log's filter was changed");
    }
    told(set)
}

async fn snapshot(State(calls): State<Calls>) -> Response {
    let made = tokio::task::spawn_blocking(move || calls.store.snapshot()).await;
    match made {
        Ok(Ok(ledger)) => {
            tracing::info!(ledger = %ledger.display(), "a snapshot of the ledger was made");
            Json(SnapshotBody { ledger }).into_response()
        }
        Ok(Err(CareError::Store(StoreError::InUse { .. }))) => {
            refused(StatusCode::CONFLICT, "in-use", "the snapshot before is being read")
        }
        Ok(Err(error)) => refused(StatusCode::INTERNAL_SERVER_ERROR, "internal", &error.to_string()),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, "internal", &error.to_string()),
    }
}

fn told(filter: Result<String, LogError>) -> Response {
    match filter {
        Ok(filter) => Json(LogBody { filter }).into_response(),
        Err(error @ LogError::Filter { .. }) => {
            refused(StatusCode::BAD_REQUEST, "bad-filter", &error.to_string())
        }
        Err(error @ (LogError::Twice(_) | LogError::Gone)) => {
            refused(StatusCode::INTERNAL_SERVER_ERROR, "internal", &error.to_string())
        }
    }
}

fn refused(status: StatusCode, name: &str, message: &str) -> Response {
    (status, Json(json!({ "error": { "name": name, "message": message } }))).into_response()
}

/// Writes a file that only its owner may read, at once or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) | Ok(()) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&draft, path)
}
