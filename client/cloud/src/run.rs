//! From a configuration to a cloud server that serves and sweeps, and back to nothing.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dronechain_chain_spec::chain::HeaderChain;
use dronechain_chain_spec::codec;
use dronechain_chain_spec::hash::Hash256;
use dronechain_chain_spec::spec::ChainSpec;
use dronechain_client::Headers;
use dronechain_client::nodes::Nodes;
use dronechain_client::pause::Pause;
use dronechain_service::folder::{Folder, write_whole};
use dronechain_service::limits::{INTAKE_MAX, START_WAIT};
use dronechain_service::server::serve;
use tokio::net::TcpListener;
use tokio::sync::{Notify, RwLock, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};

use crate::api::{Api, router};
use crate::config::Config;
use crate::error::CloudError;
use crate::fetcher::Fetcher;
use crate::follower::Follower;
use crate::intake::Intake;
use crate::store::{Store, StoreError};
use crate::sweep::Sweeper;

const DATABASE: &str = "cloud.sqlite";
const HEADERS: &str = "headers.bin";

/// Runs a cloud server until `shutdown` resolves.
///
/// # Errors
/// [`CloudError`]: bad configuration, a data folder in use or of another network, a port in use;
/// later only a failing database or headers file.
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), CloudError> {
    config.check()?;
    let nodes = Arc::new(Nodes::new(&config.nodes).map_err(CloudError::Address)?);
    let folder = Folder::open(&config.data)?;
    let store = Arc::new(Store::open(&folder.file(DATABASE)).await?);
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| CloudError::Listen { address: config.listen, source })?;

    let mut shutdown = std::pin::pin!(shutdown);
    let spec = tokio::select! {
        spec = network(&store, &nodes) => spec?,
        () = &mut shutdown => return Ok(()),
    };
    let chain_id = spec.genesis().hash();
    let headers = Headers::open(folder.file(HEADERS), Some(chain_id), spec)?;
    let chain = Arc::new(RwLock::new(headers.chain().clone()));

    let (tip_sender, tip) = watch::channel(Hash256::ZERO);
    let asked = Arc::new(Notify::new());
    let last = store.last_report().await?.map_or(0, |(sweep, _)| sweep);
    let sweeps = Arc::new(AtomicU64::new(last));
    let mut tasks: JoinSet<Result<(), CloudError>> = JoinSet::new();
    let follower = Follower {
        nodes: Arc::clone(&nodes),
        headers,
        chain: Arc::clone(&chain),
        store: Arc::clone(&store),
        tip: tip_sender,
    };
    tasks.spawn(follower.run());
    let fetcher = Fetcher {
        nodes,
        chain: Arc::clone(&chain),
        store: Arc::clone(&store),
        asked: Arc::clone(&asked),
        confirmations: config.confirmations,
    };
    tasks.spawn(async move { fetcher.run(tip).await.map_err(CloudError::Store) });
    let daemon = Daemon {
        sweeper: Sweeper::new(config.sweep_records_per_second, config.confirmations),
        store: Arc::clone(&store),
        chain: Arc::clone(&chain),
        sweeps: Arc::clone(&sweeps),
        pause: Duration::from_millis(config.sweep_pause_ms),
    };
    tasks.spawn(async move { daemon.run().await.map_err(CloudError::Store) });

    let intake = Intake::new(Arc::clone(&store), chain_id);
    let api = Api { store, intake, chain, asked, sweeps, slots: Semaphore::new(INTAKE_MAX) };
    announce(&config, &listener)?;
    let (stop, stopped) = watch::channel(());
    let stopped = async move {
        let mut stopped = stopped;
        drop(stopped.changed().await);
    };
    let serving = tokio::spawn(serve(listener, router(api), stopped));
    let end = tokio::select! {
        () = shutdown => Ok(()),
        end = first_end(&mut tasks) => end,
    };
    drop(stop);
    let served = serving.await;
    tasks.shutdown().await;
    served.map_or_else(resume, |()| end)
}

/// Sweeps for ever.
struct Daemon {
    sweeper: Sweeper,
    store: Arc<Store>,
    chain: Arc<RwLock<HeaderChain>>,
    sweeps: Arc<AtomicU64>,
    pause: Duration,
}

impl Daemon {
    async fn run(mut self) -> Result<(), StoreError> {
        loop {
            let number = self.sweeps.load(Ordering::Relaxed) + 1;
            let report = self.sweeper.sweep(number, &self.store, &self.chain).await?;
            let totals = report.totals;
            if totals != crate::report::Totals::default() {
                tracing::warn!(sweep = number, ?totals, "the sweep found something");
            }
            let text = serde_json::to_string(&report).expect("strings, numbers and lists are JSON");
            self.store.keep_report(number, &text).await?;
            self.sweeps.store(number, Ordering::Relaxed);
            sleep(self.pause).await;
        }
    }
}

/// The network: that of the nodes, which must be that of the data folder.
async fn network(store: &Store, nodes: &Nodes) -> Result<ChainSpec, CloudError> {
    let stored = match store.recall("spec").await? {
        None => None,
        Some(text) => {
            let bytes = hex::decode(text).unwrap_or_default();
            Some(codec::decode::<ChainSpec>(&bytes).map_err(CloudError::Spec)?)
        }
    };
    let deadline = Instant::now() + START_WAIT;
    let mut pause = Pause::new();
    loop {
        match (nodes.ask(|node| async move { node.spec().await }).await, &stored) {
            (Ok(found), Some(stored)) if found != *stored => {
                let (stored, found) = (stored.genesis().hash(), found.genesis().hash());
                return Err(CloudError::WrongNetwork { stored, found });
            }
            (Ok(found), _) => {
                store.remember("spec", &hex::encode(codec::encode(&found))).await?;
                return Ok(found);
            }
            (Err(_), Some(stored)) => return Ok(stored.clone()),
            (Err(error), None) if Instant::now() >= deadline => return Err(CloudError::NoNode(error)),
            (Err(error), None) => {
                tracing::warn!(%error, "waiting for a node, to learn the network");
                pause.wait().await;
            }
        }
    }
}

fn announce(config: &Config, listener: &TcpListener) -> Result<(), CloudError> {
    let failed = |source| CloudError::Listen { address: config.listen, source };
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "the cloud server listens");
    if let Some(path) = &config.ready_file {
        let line = serde_json::json!({ "http": address.to_string() });
        write_whole(path, &format!("{line}\n"))?;
    }
    Ok(())
}

/// The first task's end: none ends but for a failing database or file.
async fn first_end(tasks: &mut JoinSet<Result<(), CloudError>>) -> Result<(), CloudError> {
    match tasks.join_next().await {
        Some(Ok(end)) => end,
        Some(Err(error)) => resume(error),
        None => pending().await,
    }
}

/// A task that panicked takes the server with it.
fn resume(error: JoinError) -> Result<(), CloudError> {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_cancelled) => Ok(()),
    }
}
