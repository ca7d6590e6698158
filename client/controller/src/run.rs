//! From a configuration to a controller that serves, and back to nothing.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use dronechain_chain_spec::hash::Hash256;
use dronechain_client::node::Http;
use dronechain_client::nodes::Nodes;
use dronechain_client::pause::Pause;
use dronechain_record::KeyFile;
use dronechain_service::folder::{Folder, write_private, write_whole};
use dronechain_service::limits::{INTAKE_MAX, START_WAIT};
use dronechain_service::server::serve;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::api::{Api, router};
use crate::batcher::Batcher;
use crate::config::Config;
use crate::desk::Desk;
use crate::error::ControllerError;
use crate::forwarder::Forwarder;
use crate::intake::Intake;
use crate::registry::Registry;
use crate::store::{Store, StoreError};
use crate::tip;
use crate::tracker::Tracker;

const DATABASE: &str = "controller.sqlite";
const COOKIE: &str = "cookie";

/// Runs a controller until `shutdown` resolves.
///
/// # Errors
/// [`ControllerError`]: bad configuration, a data folder in use or of another network, a port in
/// use; later only a failing database.
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), ControllerError> {
    config.check()?;
    let key = KeyFile::load(&config.key)?;
    let nodes = Arc::new(Nodes::new(&config.nodes).map_err(ControllerError::Address)?);
    let cloud = (!config.cloud.is_empty()).then(|| Http::new(&config.cloud)).transpose();
    let cloud = cloud.map_err(ControllerError::Address)?;
    let folder = Folder::open(&config.data)?;
    let store = Arc::new(Store::open(&folder.file(DATABASE)).await?);
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| ControllerError::Listen { address: config.listen, source })?;

    let mut shutdown = std::pin::pin!(shutdown);
    let chain_id = tokio::select! {
        network = network(&store, &nodes) => network?,
        () = &mut shutdown => return Ok(()),
    };
    check_key(&store, &key).await?;
    let cookie = make_cookie(&folder)?;

    let (tip_sender, tip) = watch::channel(Hash256::ZERO);
    let desk =
        Arc::new(Desk::new(Arc::clone(&store), Arc::clone(&nodes), key.signing_key().clone(), chain_id));
    let (batching, forwarding) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let tracker = Arc::new(Tracker::new(
        Arc::clone(&store),
        Arc::clone(&nodes),
        Arc::clone(&desk),
        config.confirmations,
        Arc::clone(&forwarding),
    ));
    let registry = Arc::new(Registry::new(Arc::clone(&nodes), key.public_key(), tip.clone()));

    let mut tasks: JoinSet<Result<(), StoreError>> = JoinSet::new();
    tasks.spawn(async move {
        tip::follow(nodes, tip_sender).await;
        Ok(())
    });
    tasks.spawn({
        let (tracker, tip) = (Arc::clone(&tracker), tip.clone());
        async move { tracker.run(tip).await }
    });
    let batcher = Batcher {
        store: Arc::clone(&store),
        desk: Arc::clone(&desk),
        accepted: Arc::clone(&batching),
        records_max: config.batch_records_max,
        age: Duration::from_millis(config.batch_age_ms),
        heartbeat: (config.heartbeat_ms > 0).then_some(Duration::from_millis(config.heartbeat_ms)),
    };
    tasks.spawn(batcher.run());
    if let Some(cloud) = cloud {
        let (store, work) = (Arc::clone(&store), Arc::clone(&forwarding));
        tasks.spawn(Forwarder { store, cloud, controller: key.public_key(), work }.run());
    }

    let intake = Intake::new(Arc::clone(&store), Arc::clone(&registry), chain_id);
    let slots = Semaphore::new(INTAKE_MAX);
    let api = Api { store, intake, registry, desk, tracker, tip, cookie, slots, batching, forwarding };
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

/// The network: that of the nodes, which must be that of the data folder.
async fn network(store: &Store, nodes: &Nodes) -> Result<Hash256, ControllerError> {
    let stored = store.recall("chain_id").await?.and_then(|text| text.parse::<Hash256>().ok());
    let deadline = Instant::now() + START_WAIT;
    let mut pause = Pause::new();
    loop {
        let found = nodes.ask(|node| async move { node.spec().await }).await;
        match (found.map(|spec| spec.genesis().hash()), stored) {
            (Ok(found), Some(stored)) if found != stored => {
                return Err(ControllerError::WrongNetwork { stored, found });
            }
            (Ok(found), _) => {
                store.remember("chain_id", &found.to_string()).await?;
                return Ok(found);
            }
            (Err(_), Some(stored)) => return Ok(stored),
            (Err(error), None) if Instant::now() >= deadline => return Err(ControllerError::NoNode(error)),
            (Err(error), None) => {
                tracing::warn!(%error, "waiting for a node, to learn the network");
                pause.wait().await;
            }
        }
    }
}

/// A data folder belongs to one key: its sequence goes on.
async fn check_key(store: &Store, key: &KeyFile) -> Result<(), ControllerError> {
    let found = key.public_key().to_string();
    let stored = store.remember("controller", &found).await?;
    if stored == found { Ok(()) } else { Err(ControllerError::WrongKey { stored, found }) }
}

/// A new cookie at every start.
fn make_cookie(folder: &Folder) -> Result<String, ControllerError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(ControllerError::Randomness)?;
    let cookie = hex::encode(random);
    write_private(&folder.file(COOKIE), &cookie)?;
    Ok(cookie)
}

fn announce(config: &Config, listener: &TcpListener) -> Result<(), ControllerError> {
    let failed = |source| ControllerError::Listen { address: config.listen, source };
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "the controller listens");
    if let Some(path) = &config.ready_file {
        let line = serde_json::json!({ "http": address.to_string() });
        write_whole(path, &format!("{line}\n"))?;
    }
    Ok(())
}

/// The first task's end: none ends but for a failing database.
async fn first_end(tasks: &mut JoinSet<Result<(), StoreError>>) -> Result<(), ControllerError> {
    match tasks.join_next().await {
        Some(Ok(end)) => end.map_err(ControllerError::Store),
        Some(Err(error)) => resume(error),
        None => pending().await,
    }
}

/// A task that panicked takes the controller with it.
fn resume(error: JoinError) -> Result<(), ControllerError> {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_cancelled) => Ok(()),
    }
}
